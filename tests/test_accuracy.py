"""The solver at its default tolerance: entries are right to 1e-3, or a warning is issued."""

import tracemalloc
import warnings
from unittest import mock

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension import system
from sklearn_wnll._extension.conjugate_gradient import ConjugateGradient
from sklearn_wnll._extension.deflation import GraphSolver
from sklearn_wnll._extension.system import harmonic_extension, harmonic_system
from sklearn_wnll.exceptions import FewLabelsWarning

from .clouds import sparse_rows
from .reference import dense_extension, dense_weights

LABEL_WEIGHTS = [10.0**power for power in range(-6, 13)]


def gaussian_cloud(n=150, n_labeled=15, seed=0):
    rng = np.random.default_rng(seed)
    y = np.full(n, -1)
    y[:n_labeled] = np.arange(n_labeled) % 3
    return rng.normal(size=(n, 4)), y


@pytest.mark.parametrize("label_weight", LABEL_WEIGHTS)
@pytest.mark.parametrize("scale_neighbor", [1, 5])
def test_any_label_weight_gives_the_values_at_the_default_tolerance(label_weight, scale_neighbor):
    X, y = gaussian_cloud()
    model = WNLLClassifier(10, label_weight=label_weight, scale_neighbor=scale_neighbor).fit(X, y)
    labeled = y >= 0
    u = dense_extension(
        dense_weights(X, 10, scale_neighbor), labeled, np.eye(3)[y[labeled]], label_weight
    )
    np.testing.assert_allclose(model.label_distributions_, u, atol=1e-3)


@pytest.mark.parametrize("label_weight", [1e-6, 1.0, 1e8])
def test_predictions_keep_to_the_tolerance_too(label_weight):
    X, y = gaussian_cloud()
    loose = WNLLClassifier(10, label_weight=label_weight).fit(X[:100], y[:100])
    tight = WNLLClassifier(10, label_weight=label_weight, tol=1e-12).fit(X[:100], y[:100])
    u = tight.predict_proba(X[100:])
    np.testing.assert_allclose(loose.predict_proba(X[100:]), u, atol=1e-3)


def path(n, first=1.0):
    """A path, labelled at both ends; the weight of the first edge may differ."""
    W = sparse.diags_array(np.ones(n - 1), offsets=1, shape=(n, n)).tolil()
    W[0, 1] = first
    labeled = np.zeros(n, dtype=bool)
    labeled[[0, -1]] = True
    return W.tocsr(), labeled


@pytest.mark.parametrize("n", [50, 500, 3000, 9000])
def test_a_long_way_to_the_labels_costs_iterations_and_no_accuracy(n):
    # A residual of 1e-6 at each of n points may mean an error n^2 / 8 times as large.
    W, labeled = path(n)
    found = harmonic_extension(W, labeled, np.eye(2), np.full(2, 0.5), mu=1.0, max_iter=20_000)
    assert found.converged
    np.testing.assert_allclose(found.u[:, 1], np.linspace(0, 1, n), atol=1e-3)


def test_too_few_iterations_for_a_long_way_are_warned_of():
    X = np.arange(3000.0)[:, None]
    y = np.full(3000, -1)
    y[[0, 1, -1]] = 0, 0, 1
    with pytest.warns(ConvergenceWarning, match=r"max_iter=100 iterations, at a residual of"):
        WNLLClassifier(2, scale_neighbor=1, label_weight="laplace", max_iter=100).fit(X, y)


@pytest.mark.parametrize("tie", [1e-12, 1e-9, 1e-6])
@pytest.mark.parametrize("tol", [1e-6, 1e-9, 1e-12])
def test_a_class_behind_weak_edges_spoils_no_other(tie, tol):
    # A class with a tiny right-hand side: one weak edge ties its labels to the others.
    rng = np.random.default_rng(0)
    W = np.kron(np.eye(3), rng.uniform(0.1, 1, (20, 20)))
    W[19, 20] = W[39, 40] = tie
    np.fill_diagonal(W, 0)
    labeled = np.zeros(60, dtype=bool)
    labeled[[0, 1, 59]] = True
    g = np.eye(3)
    found = harmonic_extension(
        sparse.csr_array(W), labeled, g, np.full(3, 1 / 3), mu=20.0, tol=tol, max_iter=5000
    )
    assert found.converged
    np.testing.assert_allclose(found.u, dense_extension(W, labeled, g, 20.0), atol=1000 * tol)


def test_beyond_the_rounding_the_best_iterate_is_kept():
    # With an unreachable tolerance, an iteration may end with residuals of any size.
    rng = np.random.default_rng(0)
    T = sparse_rows(60, 60, 0.2)
    T.data = 10.0 ** rng.uniform(-8, 0, T.nnz)
    T = (T + T.T).tocsr()
    A = (sparse.diags_array(T.sum(axis=1) + 1e-7) - T).tocsr()
    solver = ConjugateGradient(A)
    B = rng.random((60, 3)) * [1, 1e-8, 1e-16]
    last = np.inf
    for max_iter in (300, 1000, 5000):
        result = solver.solve(B.copy(), np.zeros((60, 3)), tol=0, max_iter=max_iter)
        size = np.abs(result.x).max(axis=0)
        assert (result.residual < 1e-8 * size).all()
        assert (result.residual <= last).all()
        last = 1.01 * result.residual


def test_an_iteration_that_gains_no_more_ends():
    A = (sparse.diags_array(np.full(50, 2.1)) - sparse.diags_array(np.ones(49), offsets=1)).tolil()
    A = (A + A.T - sparse.diags_array(np.full(50, 2.1))).tocsr()
    B = np.random.default_rng(0).random((50, 2))
    result = ConjugateGradient(A).solve(B.copy(), 0 * B, tol=0, max_iter=100_000)
    assert (result.n_iter < 1000).all()
    np.testing.assert_allclose(A @ result.x, B, atol=1e-12)


@pytest.mark.parametrize("n", [5, 60])
def test_the_bound_of_the_error_is_the_length_of_walks(n):
    # A walk on a path of n steps takes n^2 / 4 steps to an end, at most.
    W, labeled = path(n + 1)
    A, B = harmonic_system(W, labeled, ~labeled, 1.0)
    solver = GraphSolver(A, B.sum(axis=1))
    solver.solve(B @ np.eye(2), np.full((n - 1, 2), 0.5))
    longest = n**2 / 4
    assert longest * 0.99 < solver._amplification < 4 * longest


def test_where_nothing_bounds_the_error_a_warning_says_so():
    X, y = gaussian_cloud()
    with (
        mock.patch.object(GraphSolver, "solve", _unsure),
        pytest.warns(ConvergenceWarning, match="Label rows among them, raise n_neighbors"),
    ):
        WNLLClassifier().fit(X, y)


def _unsure(self, B, *start, **options):
    return _solve(self, B, *start, **options)._replace(converged=np.zeros(B.shape[1], dtype=bool))


_solve = GraphSolver.solve


@pytest.mark.parametrize("n_classes", [1, 63, 64, 65, 200])
def test_classes_are_solved_in_blocks_with_the_same_answer(n_classes):
    W = sparse_rows(300, 300, 0.05)
    labeled = np.arange(300) < 200
    g = np.eye(n_classes)[np.arange(200) % n_classes]
    fallback = g.mean(axis=0)
    blocks = harmonic_extension(W, labeled, g, fallback, mu=2.0)
    with mock.patch.object(system, "_CLASSES", 10_000):
        whole = harmonic_extension(W, labeled, g, fallback, mu=2.0)
    np.testing.assert_allclose(blocks.u, whole.u, atol=1e-12)
    assert blocks.n_iter == whole.n_iter


def test_no_warning_is_raised_where_numbers_are_right():
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(6, 3)) * 5, 40, axis=0)
    X = centres + rng.normal(size=centres.shape)
    y = np.where(np.arange(240) % 40 < 4, np.arange(240) // 40, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for label_weight in ("wnll", "laplace", "poisson", 1e-12, 1e12):
            WNLLClassifier(8, scale_neighbor=2, label_weight=label_weight).fit(X, y)


def test_very_many_classes_take_a_few_numbers_a_row_and_class():
    n, n_classes = 2000, 500
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 4)), np.where(np.arange(n) < n_classes, np.arange(n), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewLabelsWarning)
        model, fit = peak_bytes(lambda: WNLLClassifier(8).fit(X, y))
    _, predict = peak_bytes(lambda: model.predict_proba(rng.normal(size=(300, 4))))
    assert fit < 55 * n * n_classes
    assert predict < 55 * n * n_classes


def peak_bytes(function):
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("tie", [1e-12, 2.3e-12, 1e-9])
@pytest.mark.parametrize("seed", range(5))
def test_a_cluster_behind_one_weak_edge_has_the_value_at_the_other_end(tie, seed):
    rng = np.random.default_rng(seed)
    W = np.kron(np.eye(2), np.ones((8, 8))) * rng.uniform(0.1, 1, (16, 16))
    np.fill_diagonal(W, 0)
    W[3, 12] = tie
    labeled = np.arange(16) >= 14
    found = harmonic_extension(
        sparse.csr_array(W), labeled, np.eye(2), np.full(2, 0.5), mu=1.0, tol=1e-12
    )
    assert found.converged
    np.testing.assert_allclose(found.u[:8], np.tile(found.u[12], (8, 1)), atol=1e-9)
