"""Many rows take little memory, and no Python loop."""

import itertools
import re
import sys
import tracemalloc
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import make_blobs

import sklearn_wnll
from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension import transduction
from sklearn_wnll._extension.deflation import GraphSolver
from sklearn_wnll._extension.system import harmonic_extension, harmonic_system

from .clouds import assert_distributions
from .threads import threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


@contextmanager
def traced_memory():
    """Yield a function that returns the largest memory so far."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("neighbors", ["exact", "approximate"])
def test_many_rows_of_few_labels_take_little_memory_and_show_progress(
    neighbors, capsys, monkeypatch
):
    # 15 features of very different sizes, and one class with 51 times as many labels.
    X, y = make_blobs(20_000, 15, centers=2, cluster_std=8, random_state=0)
    X = (X * np.logspace(0, 4, 15)).astype(np.float32)
    few = np.full(len(y), -1)
    for label, n in ((0, 386), (1, 8)):
        few[np.flatnonzero(y == label)[:n]] = label
    seconds = itertools.count()
    clock = types.SimpleNamespace(monotonic=lambda: next(seconds))  # each report is a second later
    monkeypatch.setattr("sklearn_wnll._progress.time", clock)
    with threads(1), traced_memory() as peak:
        model = WNLLClassifier(neighbors=neighbors, verbose=1, random_state=0).fit(X, few)
        assert peak() < 1e8  # a byte for each pair of rows would be 0.4 GB
    assert model.reached_.all()
    assert_distributions(model.label_distributions_)
    printed = capsys.readouterr().out
    done = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) of 20,000 points", printed)]
    assert len(done) > 3
    assert done == sorted(done)
    residuals = re.findall(r"solver \[=* *\] residual (\S+),", printed)
    assert len(residuals) > 5
    assert float(residuals[-1]) < float(residuals[0])


def test_a_solution_takes_the_memory_of_a_few_right_hand_sides():
    n, n_labeled, n_classes = 20_000, 100, 20
    rng = np.random.default_rng(0)
    row = np.repeat(np.arange(n), 6)
    edges = row, (row + rng.integers(1, 30, len(row))) % n
    W = sparse.csr_array((rng.random(len(row)), edges), shape=(n, n))
    labeled = np.sort(rng.choice(n, n_labeled, replace=False))
    unknown = np.setdiff1d(np.arange(n), labeled)
    A, B = harmonic_system(W, labeled, unknown, 5.0)
    solver = GraphSolver(A, B.sum(axis=1))
    u = np.full((n, n_classes), 1 / n_classes)
    right = B @ sparse.csr_array(np.eye(n_classes)[rng.integers(0, n_classes, n_labeled)])
    with threads(1), traced_memory() as peak:
        result = solver.solve(right, u, unknown)
        assert peak() < 10 * u.nbytes  # five, two more to refine them, and blocks of rows
    np.testing.assert_allclose(A @ result.x, right.toarray(), atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lists_and_weights_have_narrow_indices_and_the_digits_of_the_rows(dtype):
    X = np.random.default_rng(0).normal(size=(2000, 8)).astype(dtype)
    model = WNLLClassifier(neighbors="approximate").fit(X, np.arange(2000) % 2)
    graph = model._answer.templates.transductions[0].graph
    lists, W = graph._lists, model.graph_
    np.testing.assert_array_equal(np.sort(graph.order), np.arange(2000))
    assert lists.indices.dtype == W.indices.dtype == W.indptr.dtype == np.int32
    assert lists.distances.dtype == dtype
    assert W.dtype == np.float64


def test_systems_are_solved_in_the_order_of_the_cells(monkeypatch):
    X = np.random.default_rng(0).normal(size=(2000, 8))
    few, orders = np.where(np.arange(2000) % 50, -1, np.arange(2000) % 3), []

    def extend(*args, order=None, **options):
        orders.append(order)
        return harmonic_extension(*args, order=order, **options)

    monkeypatch.setattr(transduction, "harmonic_extension", extend)
    model = WNLLClassifier(neighbors="approximate", random_state=0).fit(X, few)
    known = model._answer.templates.transductions[0].graph.order
    model.relabel(few)
    model.predict(X[:5] + 0.1)
    model.add_rows(X[:5] + 0.2).relabel([0, 1, 2, *[-1] * 2002])
    assert len(orders) == 5
    for order in orders:
        np.testing.assert_array_equal(order, known)


def lines_run(function):
    """Count the lines of the package that a call runs."""
    root, count = str(Path(sklearn_wnll.__file__).parent), 0

    def count_lines(frame, event, arg):
        nonlocal count
        count += event == "line"
        return count_lines

    def enter(frame, event, arg):
        return count_lines if frame.f_code.co_filename.startswith(root) else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("neighbors", ["exact", "approximate"])
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_no_line_of_python_runs_for_each_row(neighbors, mode):
    X = np.random.default_rng(0).normal(size=(10_000, 15))
    y = np.where(np.arange(10_000) % 10, -1, np.arange(10_000) % 3)
    counts = []
    for n in (1000, 8000):
        model = WNLLClassifier(neighbors=neighbors, predict_mode=mode, random_state=0, tol=1e-3)
        with threads(1):
            fit = lines_run(lambda model=model, n=n: model.fit(X[:n], y[:n]))
            counts.append([fit, lines_run(lambda model=model, n=n: model.predict(X[-n // 4 :]))])
    # Each block and cell, of hundreds of rows, runs some lines.
    grown = np.subtract(counts[1], counts[0])
    assert (grown < 3 * 7000).all(), counts
    assert (np.array(counts) > 100).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_sparse_rows_of_many_features_are_not_made_dense(metric, mode):
    rng = np.random.default_rng(0)
    n, d = 300, 10**6  # 2.4 GB if it were dense
    columns = np.concatenate([rng.choice(50, 10, replace=False) for _ in range(n)]) * (d // 50)
    X = sparse.csr_array((rng.random(10 * n), columns, np.arange(0, 10 * n + 1, 10)), shape=(n, d))
    y = np.where(np.arange(n) % 10, -1, np.arange(n) % 3)
    params = {"metric": metric, "predict_mode": mode, "label_weight": "wnll"}
    with threads(1), traced_memory() as peak:
        model = WNLLClassifier(**params).fit(X[:250], y[:250])
        proba = model.predict_proba(X[250:])
        assert peak() < 2e8
    narrow = WNLLClassifier(**params).fit(X[:250, :: d // 50], y[:250])
    np.testing.assert_allclose(proba, narrow.predict_proba(X[250:, :: d // 50]), atol=1e-4)
