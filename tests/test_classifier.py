import itertools
import pickle
import re
import subprocess
import sys
import tracemalloc
import types
import warnings
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.datasets import make_blobs, make_moons
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsTransformer, RadiusNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import sklearn_wnll
from sklearn_wnll import WNLLClassifier
from sklearn_wnll._graph.metrics import METRICS
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import (
    AmbiguousLabelsWarning,
    FewLabelsWarning,
    ShortNeighborListsWarning,
    UnreachedPointsWarning,
)

from .threads import threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


@pytest.fixture
def blobs():
    """Three blobs far apart, 30 points each; the last one has no label."""
    X, y = make_blobs([30] * 3, centers=[[0, 0], [50, 0], [0, 50]], random_state=0)
    return X, np.where(np.arange(90) % 10 == 0, np.where(y == 2, -1, y), -1)


@contextmanager
def traced_memory():
    """Give what tells the largest memory so far."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_distributions(u):
    assert np.isfinite(u).all()
    assert ((u >= 0) & (u <= 1)).all()
    np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-12)


# --- where no label reaches ---------------------------------------------------------


def test_unreached_points_get_class_frequencies_a_flag_and_one_warning(blobs):
    X, y = blobs
    labeled = y >= 0
    with pytest.warns(UnreachedPointsWarning) as caught:
        model = WNLLClassifier().fit(X, y)
    assert len(caught) == 1
    assert f"{(~model.reached_).sum()} rows of X" in str(caught[0].message)
    assert 0 < (~model.reached_).sum() <= 30
    frequencies = [(y == 0).sum() / labeled.sum(), (y == 1).sum() / labeled.sum()]
    lost = model.label_distributions_[~model.reached_]
    np.testing.assert_allclose(lost, np.tile(frequencies, (len(lost), 1)))
    assert_distributions(model.label_distributions_)


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_queries_in_a_part_without_labels_get_class_frequencies_and_a_warning(blobs, mode):
    X, y = blobs
    with pytest.warns(UnreachedPointsWarning):
        model = WNLLClassifier(predict_mode=mode).fit(X, y)
    query = X[~model.reached_] + 0.01
    for method in (model.predict, model.predict_proba):
        with pytest.warns(UnreachedPointsWarning, match=f"{len(query)} queries") as caught:
            answer = method(query)
        assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_allclose(answer, model.label_distributions_[~model.reached_])


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.parametrize(
    ("params", "make"),
    [
        ({}, sparse.csr_array),
        ({"metric": "precomputed"}, None),
        ({"neighbors": KNeighborsTransformer(n_neighbors=15)}, np.asarray),
        ({"neighbors": "approximate", "random_state": 0}, np.asarray),
        ({"label_weight": "poisson"}, np.asarray),
        ({"template_size": 60, "query_size": 20, "random_state": 0}, np.asarray),
    ],
)
def test_every_kind_of_graph_tells_once_what_no_label_reaches(blobs, mode, params, make):
    X, y = blobs
    fitted, queries = ((cdist(X, X), cdist(X + 0.01, X)) if make is None else
                       (make(X), make(X + 0.01)))  # fmt: skip
    with pytest.warns(UnreachedPointsWarning, match="30 rows of X") as caught:
        model = WNLLClassifier(predict_mode=mode, **params).fit(fitted, y)
    assert len(caught) == 1
    with pytest.warns(UnreachedPointsWarning, match="30 queries") as caught:
        proba = model.predict_proba(queries)
    assert len(caught) == 1
    known = y[y >= 0]
    for u in (model.label_distributions_, proba):
        assert_distributions(u)
        expected = [[np.mean(known == 0), np.mean(known == 1)]] * 30
        np.testing.assert_allclose(u[~model.reached_], expected)


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.parametrize("distance", [1e3, 1e12, 1e200])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_query_far_away_has_a_valid_distribution(digits, mode, distance, metric, dtype):
    X, _, y = digits
    X = X.astype(dtype)
    model = WNLLClassifier(predict_mode=mode, metric=metric).fit(X[:300], y[:300])
    assert_distributions(model.predict_proba(np.vstack([X[300:305], np.full((1, 64), distance)])))


# --- points that coincide -----------------------------------------------------------


@pytest.mark.parametrize("n_copies", [2, 9, 40])
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_equal_points_share_their_value(n_copies, metric):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X = np.vstack([X, np.repeat(X[:5], n_copies, axis=0)])
    y = np.full(len(X), -1)
    y[[0, 10, 20, 30]] = 0, 1, 0, 1
    model = WNLLClassifier(metric=metric).fit(X, y)
    assert_distributions(model.label_distributions_)
    for i in range(5):
        copies = model.label_distributions_[60 + i * n_copies : 60 + (i + 1) * n_copies]
        assert (copies == model.label_distributions_[i]).all()
    assert (model.transduction_[60 : 60 + n_copies] == 0).all()


@pytest.mark.parametrize("n_copies", [2, 9, 40])
def test_points_at_precomputed_distance_zero_share_their_value(n_copies):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X = np.vstack([X, np.repeat(X[:1], n_copies, axis=0)])
    y = np.full(len(X), -1)
    y[[1, 10, 20, 30]] = 0, 1, 0, 1
    u = WNLLClassifier(metric="precomputed").fit(cdist(X, X), y).label_distributions_
    assert (u[60:] == u[0]).all()
    np.testing.assert_allclose(u, WNLLClassifier().fit(X, y).label_distributions_, atol=1e-8)


def test_equal_rows_with_different_labels_share_the_mean_of_their_labels():
    X = np.random.default_rng(0).normal(size=(40, 2))
    X[1] = X[2] = X[0]
    y = np.arange(40) % 2
    y[:3] = 0, 1, 0
    model = WNLLClassifier().fit(X, y)
    np.testing.assert_allclose(model.label_distributions_[:3], [[2 / 3, 1 / 3]] * 3)
    assert model.transduction_[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [0.0, 3.7])
def test_all_rows_equal(value):
    model = WNLLClassifier().fit(np.full((20, 3), value), [0, 1, 1] + [-1] * 17)
    np.testing.assert_allclose(model.label_distributions_, [[1 / 3, 2 / 3]] * 20)
    np.testing.assert_allclose(model.predict_proba([[value] * 3, [5.0] * 3])[0], [1 / 3, 2 / 3])


def test_constant_features_change_nothing(jittered):
    X, _, y = jittered
    constant = np.full((300, 3), 7.5)
    model = WNLLClassifier(tol=1e-12).fit(X[:300], y[:300])
    padded = WNLLClassifier(tol=1e-12).fit(np.hstack([constant, X[:300]]), y[:300])
    np.testing.assert_allclose(padded.label_distributions_, model.label_distributions_, atol=1e-8)


# --- small and extreme --------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 8, 15, 16, 17])
@pytest.mark.parametrize("neighbors", ["exact", "approximate"])
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_fewer_samples_than_neighbors(n, neighbors, mode):
    X = np.random.default_rng(0).normal(size=(n + 3, 2))
    y = np.where(np.arange(n) < max(1, n // 2), np.arange(n) % 2, -1)
    model = WNLLClassifier(neighbors=neighbors, predict_mode=mode).fit(X[:n], y)
    assert model.reached_.all()
    assert_distributions(model.label_distributions_)
    assert_distributions(model.predict_proba(X))


def test_one_labelled_point_decides_all_that_it_reaches():
    X = np.random.default_rng(0).normal(size=(50, 2))
    model = WNLLClassifier().fit(X, [-1] * 20 + [7] + [-1] * 29)
    assert model.classes_.tolist() == [7]
    assert (model.transduction_ == 7).all()
    np.testing.assert_allclose(model.predict_proba(X + 0.1), 1)


def test_one_class_only():
    X = np.random.default_rng(0).normal(size=(50, 2))
    assert (WNLLClassifier().fit(X, [3] * 50).predict(X + 0.1) == 3).all()


@pytest.mark.parametrize("weight", [1e-300, 1e-9, 1e9, 1e300])
def test_any_weight_gives_valid_distributions(digits, weight):
    X, _, y = digits
    model = WNLLClassifier(label_weight=weight).fit(X[:300], y[:300])
    assert_distributions(model.label_distributions_)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-20, 1e20, 1e150, 1e300])
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_huge_and_tiny_scales_change_nothing(jittered, scale, mode):
    X, _, y = jittered
    plain, scaled = (
        WNLLClassifier(tol=1e-12, predict_mode=mode).fit(X[:300] * s, y[:300]) for s in (1, scale)
    )
    np.testing.assert_allclose(scaled.label_distributions_, plain.label_distributions_, atol=1e-8)
    np.testing.assert_allclose(
        scaled.predict_proba(X[300:350] * scale), plain.predict_proba(X[300:350]), atol=1e-8
    )


# --- input of many kinds ------------------------------------------------------------


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_rows_give_what_dense_rows_give(jittered, metric, mode, container):
    X, _, y = jittered
    results = []
    for make in (np.asarray, container):
        model = WNLLClassifier(metric=metric, predict_mode=mode, tol=1e-12)
        model.fit(make(X[:400]), y[:400])
        results.append((model.label_distributions_, model.predict_proba(make(X[400:450]))))
    for dense, from_sparse in zip(*results, strict=True):
        np.testing.assert_allclose(from_sparse, dense, atol=1e-8)


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


def test_sparse_input_is_left_alone_even_if_its_entries_are_unsorted_and_repeated():
    X = sparse.csr_array(
        (np.ones(6), np.array([2, 0, 0, 1, 1, 2]), np.array([0, 3, 6])), shape=(2, 3)
    )
    indices = X.indices.copy()
    WNLLClassifier().fit(X, [0, 1])
    np.testing.assert_array_equal(X.indices, indices)
    assert X.nnz == 6


def test_data_frame_names_are_kept_and_checked(digits):
    X, _, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    model = WNLLClassifier().fit(frame[:300], pd.Series(y[:300], index=frame.index[:300]))
    assert model.feature_names_in_.tolist() == frame.columns.tolist()
    np.testing.assert_array_equal(model.predict(frame[:300]), model.transduction_)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[frame.columns[::-1]])


def test_float32_stays_float32_and_agrees(jittered):
    X, _, y = jittered
    X = np.tile(X[:400], 20)
    single, double = (
        WNLLClassifier().fit(X.astype(dtype), y[:400]) for dtype in (np.float32, np.float64)
    )
    assert len(pickle.dumps(single)) < 0.6 * len(pickle.dumps(double))
    assert single.label_distributions_.dtype == np.float64
    np.testing.assert_allclose(single.label_distributions_, double.label_distributions_, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_and_booleans(digits, dtype):
    X, _, y = digits
    model = WNLLClassifier().fit(X[:300].astype(dtype), y[:300])
    np.testing.assert_array_equal(model.predict(X[:300].astype(dtype)), model.transduction_)


@pytest.mark.parametrize(
    ("marker", "unlabeled"), [(None, "auto"), ("-1", "auto"), (np.nan, "auto"), ("?", "?")]
)
def test_string_labels(digits, marker, unlabeled):
    X, y, few = digits
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
                      "nine"], dtype=object)  # fmt: skip
    words = np.where(few >= 0, names[few], marker)
    model = WNLLClassifier(unlabeled=unlabeled).fit(X, words)
    numbers = WNLLClassifier().fit(X, few)
    assert model.classes_.tolist() == sorted(names)
    np.testing.assert_array_equal(model.transduction_, names[numbers.transduction_])
    assert model.score(X, names[y]) == numbers.score(X, y)


def test_a_graph_of_the_nearest_gives_what_features_give(jittered):
    X, _, y = jittered
    transformer = KNeighborsTransformer(n_neighbors=15).fit(X[:400])
    model = WNLLClassifier(metric="precomputed", predict_mode="inductive", tol=1e-12)
    model.fit(transformer.transform(X[:400]), y[:400])
    expected = clone(model).set_params(metric="euclidean").fit(X[:400], y[:400])
    np.testing.assert_allclose(model.label_distributions_, expected.label_distributions_, atol=1e-8)
    proba = model.predict_proba(transformer.transform(X[400:420]))
    np.testing.assert_allclose(proba, expected.predict_proba(X[400:420]), atol=1e-8)


def test_a_transformer_is_cloned(digits):
    X, _, y = digits
    transformer = KNeighborsTransformer(n_neighbors=15)
    WNLLClassifier(neighbors=transformer).fit(X[:400], y[:400]).predict(X[:420])
    assert not hasattr(transformer, "n_features_in_")


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
def test_a_radius_graph_is_welcome_and_its_short_lists_are_told(digits):
    X, _, y = digits
    transformer = RadiusNeighborsTransformer(radius=20.0)
    with pytest.warns(ShortNeighborListsWarning, match="stores fewer than 15 neighbors"):
        model = WNLLClassifier(neighbors=transformer).fit(X[:400], y[:400])
    assert_distributions(model.label_distributions_)


# --- many rows ----------------------------------------------------------------------


@pytest.mark.parametrize("neighbors", ["exact", "approximate"])
def test_many_rows_of_few_labels_take_little_memory_and_show_progress(
    neighbors, capsys, monkeypatch
):
    # 15 features of very different size, and 51 times as many labels of one class.
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


def lines_run(function):
    """How many lines of the package a call runs."""
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
    # Blocks and cells have lines of their own, of hundreds of rows each.
    grown = np.subtract(counts[1], counts[0])
    assert (grown < 3 * 7000).all(), counts
    assert (np.array(counts) > 100).all()


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "X", "y", "message"),
    [
        ({}, [[0.0], [np.nan]], [0, 1], "Input X contains NaN"),
        ({}, [[0.0], [np.inf]], [0, 1], "Input X contains infinity"),
        ({}, [[0.0], [1.0]], np.full(2, np.nan), "Every row of y is unlabelled.*To begin without"),
        ({}, [[0.0], [1.0]], [0, 1, 1], "X has 2 rows and y 3 entries.*`unlabeled`"),
        ({"metric": "precomputed"}, np.eye(3) + 0.1, [0, 1, 1], "Turn them into distances"),
        ({"metric": "precomputed"}, [[-1.0], [1.0]], [0, 1], "must be a square matrix"),
        ({}, [[0.0], [1.0]], None, "requires y to be passed"),
        ({}, [[0.0]] * 4, [-2, -1, 0, 1], "unlabeled=None if -1 is a class"),
        (
            {"scale_neighbor": 16},
            [[0.0], [1.0]],
            [0, 1],
            "scale_neighbor=16 is not in 1 to n_neighbors=15",
        ),
        ({"n_neighbors": 0}, [[0.0], [1.0]], [0, 1], "'n_neighbors' parameter"),
        ({"label_weight": 0}, [[0.0], [1.0]], [0, 1], "'label_weight' parameter"),
        ({"label_weight": "fish"}, [[0.0], [1.0]], [0, 1], "'label_weight' parameter"),
        ({"metric": "nonsense"}, [[0.0], [1.0]], [0, 1], "'metric' parameter"),
        ({"neighbors": "fast"}, [[0.0], [1.0]], [0, 1], "'neighbors' parameter"),
        ({"metric": "precomputed"}, [[0.0], [1.0]], [0, 1], "must be a square matrix"),
        (
            {"metric": "precomputed"},
            [[0, -1], [-1, 0]],
            [0, 1],
            r"numpy\.maximum\(X, 0\)",
        ),
        ({"metric": "canberra"}, sparse.eye_array(3), [0, 1, 1], r"or pass X\.toarray\(\)"),
    ],
)
def test_bad_input_is_refused_with_the_cure(params, X, y, message):
    with pytest.raises(ValueError, match=message):
        WNLLClassifier(**params).fit(X, y)


def test_a_bad_predict_mode_set_after_fit_is_refused(digits):
    X, _, y = digits
    model = WNLLClassifier().fit(X[:100], y[:100])
    with pytest.raises(ValueError, match="'predict_mode' parameter"):
        model.set_params(predict_mode="both").predict(X[:5])


# --- warnings -----------------------------------------------------------------------


@pytest.mark.filterwarnings("default::sklearn_wnll.exceptions.FewLabelsWarning")
def test_fewer_labels_than_show_every_class_warn_once():
    X = np.random.default_rng(0).normal(size=(100, 2))
    y = np.full(100, -1)
    y[:29] = np.arange(29) % 10
    with pytest.warns(FewLabelsWarning, match="29 rows are labelled.*about 30") as caught:
        WNLLClassifier().fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    y[29] = 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WNLLClassifier().fit(X, y)


def test_labels_minus_one_and_one_are_two_classes_unless_the_marker_is_given():
    X = np.random.default_rng(0).normal(size=(50, 2))
    y = np.where(X[:, 0] > 0, 1, -1)
    with pytest.warns(AmbiguousLabelsWarning) as caught:
        model = WNLLClassifier().fit(X, y)
    assert caught[0].filename == __file__
    assert model.classes_.tolist() == [-1, 1]
    assert model.score(X, y) == 1
    assert WNLLClassifier(unlabeled=-1).fit(X, y).classes_.tolist() == [1]


def test_unfinished_solve_warns_with_the_residual(digits):
    X, _, y = digits
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 .*residual of \d\.\de-\d\d"):
        model = WNLLClassifier(max_iter=2).fit(X, y)
    assert model.n_iter_ == 2
    assert_distributions(model.label_distributions_)


def test_class_whose_neighbors_are_all_labelled_does_not_break_the_solver():
    # Class 2 sits in a clique of labelled points: its right-hand side is zero.
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(60, 2)), rng.normal(size=(40, 2)) + 100])
    y = np.concatenate([np.where(np.arange(60) % 6, -1, np.arange(60) % 4), np.full(40, 9)])
    model = WNLLClassifier().fit(X, y)
    assert model.reached_.all()
    assert (model.label_distributions_[:60, -1] == 0).all()
    assert_distributions(model.label_distributions_)


# --- life as an estimator -----------------------------------------------------------


def dump_with_pickle(model, path):
    path.write_bytes(pickle.dumps(model))
    return pickle.loads(path.read_bytes())


def dump_with_joblib(model, path):
    joblib.dump(model, path)
    return joblib.load(path)


def dump_with_skops(model, path):
    skops.io.dump(model, path)
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


@pytest.mark.parametrize("dump", [dump_with_pickle, dump_with_joblib, dump_with_skops])
@pytest.mark.parametrize("neighbors", ["exact", "approximate"])
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_saved_models_predict_the_same(digits, dump, neighbors, mode, tmp_path):
    X, _, y = digits
    model = WNLLClassifier(neighbors=neighbors, predict_mode=mode, random_state=0)
    model.fit(X[:400], y[:400])
    loaded = dump(model, tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X[:500]), model.predict_proba(X[:500]))
    np.testing.assert_array_equal(loaded.transduction_, model.transduction_)


@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
def test_saved_precomputed_and_approximate_models_know_the_fitted_rows(digits, metric, tmp_path):
    X, _, y = digits
    X = cdist(X[:200], X[:200]) if metric == "precomputed" else X[:200]
    model = WNLLClassifier(metric=metric).fit(X, y[:200])
    loaded = dump_with_joblib(model, tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), model.transduction_)


@pytest.mark.parametrize(
    ("params", "dtype"),
    [
        ({"neighbors": "approximate", "random_state": 0}, np.float64),
        ({"neighbors": KNeighborsTransformer(n_neighbors=15)}, np.float64),
        ({"class_prior": np.arange(1, 11) / 55}, np.float64),
        ({"label_weight": "poisson"}, np.float64),
        ({"max_iter": 2}, np.float64),
        ({"metric": "cosine"}, np.float32),
        ({"template_size": 500, "query_size": 100, "random_state": 0}, np.float64),
    ],
)
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_whatever_the_parameters_predict_gives_the_transduction(digits, params, dtype, mode):
    X, _, few = digits
    X = X.astype(dtype)
    model = WNLLClassifier(predict_mode=mode, **params).fit(X, few)
    again = model.predict(X)
    np.testing.assert_array_equal(again, model.transduction_)
    np.testing.assert_array_equal(model.predict_proba(X[::-3]), model.label_distributions_[::-3])
    np.testing.assert_array_equal(model.fit(X, few).predict(X), again)


@pytest.mark.parametrize("dump", [dump_with_pickle, dump_with_joblib])
def test_a_fitted_search_is_saved_and_its_clone_is_unfitted(digits, dump, tmp_path):
    X, y, _ = digits
    search = GridSearchCV(WNLLClassifier(), {"n_neighbors": [10, 15]}, cv=3).fit(X[:600], y[:600])
    loaded = dump(search, tmp_path / "search")
    np.testing.assert_array_equal(loaded.predict_proba(X[600:]), search.predict_proba(X[600:]))
    assert loaded.classes_.tolist() == list(range(10))
    assert not hasattr(clone(search), "best_estimator_")
    assert not hasattr(search.estimator, "classes_")
    assert not hasattr(clone(loaded.best_estimator_), "classes_")


def test_clone_is_unfitted_and_keeps_the_parameters(digits):
    X, _, y = digits
    model = WNLLClassifier(n_neighbors=9, label_weight=3.0, unlabeled=np.nan)
    assert not hasattr(clone(model.fit(X[:100], np.abs(y[:100]))), "classes_")
    assert clone(model).get_params() == model.get_params()


def test_read_only_memory_map(digits, tmp_path):
    X, _, y = digits
    joblib.dump(X, tmp_path / "X")
    mapped = joblib.load(tmp_path / "X", mmap_mode="r")
    model = WNLLClassifier().fit(mapped, y)
    np.testing.assert_array_equal(model.predict(mapped), model.transduction_)


def test_a_transformer_brings_its_own_metric_to_sparse_rows(digits):
    X, _, y = digits
    transformer = KNeighborsTransformer(n_neighbors=15, metric="cosine")
    model = WNLLClassifier(metric="canberra", neighbors=transformer)
    assert get_tags(model).input_tags.sparse
    model.fit(sparse.csr_array(X[:300]), y[:300])
    assert_distributions(model.label_distributions_)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
def test_every_metric_gives_valid_distributions_and_keeps_the_transduction(metric, mode):
    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(80, 2))) * (rng.random((80, 2)) < 0.8)
    y = np.where(np.arange(80) % 4, -1, np.arange(80) % 3)
    model = WNLLClassifier(metric=metric, predict_mode=mode).fit(X[:60], y[:60])
    assert_distributions(model.predict_proba(X))
    np.testing.assert_array_equal(model.predict(X[:60]), model.transduction_)


@pytest.mark.parametrize("n_parallel", [5, 12])
def test_parallel_rows_are_neighbors_at_cosine_distance_zero(n_parallel):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    X[:n_parallel] = X[0] * rng.uniform(0.1, 10, size=(n_parallel, 1))
    y = np.where(np.arange(60) < n_parallel, -1, np.arange(60) % 2)
    model = WNLLClassifier(metric="cosine").fit(X, y)
    assert model.reached_.all()
    spread = np.ptp(model.label_distributions_[:n_parallel, 0])
    assert spread < np.ptp(model.label_distributions_[n_parallel:, 0])


def test_pipeline(digits):
    X, y, few = digits
    model = make_pipeline(StandardScaler(), PCA(30, random_state=0), WNLLClassifier())
    model.fit(X, few)
    hidden = few == -1
    assert (model.predict(X) == y)[hidden].mean() > 0.85
    np.testing.assert_array_equal(model.predict(X), model[-1].transduction_)


def test_grid_search_over_neighbors_and_weight(digits):
    X, y, _ = digits
    grid = {"wnllclassifier__n_neighbors": [10, 15],
            "wnllclassifier__label_weight": ["wnll", "laplace", 5.0]}  # fmt: skip
    search = GridSearchCV(
        make_pipeline(StandardScaler(), WNLLClassifier()), grid, cv=3, n_jobs=2
    ).fit(X[:600], y[:600])
    assert search.best_score_ > 0.85
    assert len(search.cv_results_["params"]) == 6
    assert pickle.loads(pickle.dumps(search)).score(X[600:], y[600:]) > 0.8


@pytest.mark.parametrize(("n_neighbors", "half"), [(15, 8), (5, 3), (10, 5), (1, 1)])
def test_the_scale_is_half_of_the_neighbors_rounded_up(digits, n_neighbors, half):
    X, _, y = digits
    model = WNLLClassifier(n_neighbors=n_neighbors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreachedPointsWarning)  # if there are few neighbours
        u = model.fit(X[:300], y[:300]).label_distributions_
        model.set_params(scale_neighbor=half).fit(X[:300], y[:300])
    np.testing.assert_array_equal(model.label_distributions_, u)


def test_a_grid_over_neighbors_needs_no_scale(digits):
    X, y, _ = digits
    grid = {"n_neighbors": [5, 10, 15]}
    search = GridSearchCV(WNLLClassifier(), grid, cv=3, error_score="raise").fit(X[:600], y[:600])
    assert (search.cv_results_["mean_test_score"] > 0.8).all()


def test_score_leaves_unlabelled_rows_out(digits):
    X, y, few = digits
    model = WNLLClassifier().fit(X[:1000], few[:1000])
    partly = np.where(np.arange(797) < 400, y[1000:], -1)
    predicted = model.predict(X[1000:])
    assert model.score(X[1000:], partly) == np.mean(predicted[:400] == y[1000:1400])
    as_list = [None if label == -1 else int(label) for label in partly]
    assert model.score(X[1000:], as_list) == model.score(X[1000:], partly)
    weight = np.arange(797.0)
    expected = np.average(predicted[:400] == y[1000:1400], weights=weight[:400])
    assert model.score(X[1000:], partly, sample_weight=weight) == pytest.approx(expected)
    with pytest.raises(ValueError, match="nothing to score"):
        model.score(X[:5], [-1] * 5)


def test_score_on_fitted_labelled_rows_is_one(digits):
    X, _, y = digits
    assert WNLLClassifier().fit(X, y).score(X, y) == 1


def test_verbose_prints_search_and_solver(digits, capsys):
    X, _, y = digits
    WNLLClassifier(verbose=1).fit(X, y)
    printed = capsys.readouterr().out
    assert "[wnll] neighbors [====================] 1,797 points searched exactly" in printed
    assert "[wnll] solver [====================] " in printed
    WNLLClassifier().fit(X, y)
    assert not capsys.readouterr().out


def test_small_data_needs_no_compiler():
    code = (
        "import sys, numpy as np; from sklearn_wnll import WNLLClassifier; "
        "WNLLClassifier().fit(np.eye(50), np.arange(50) % 2); "
        "assert not {'numba', 'pynndescent', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("weight", ["wnll", "laplace"])
def test_two_moons_are_told_apart_from_two_labels_each(weight):
    X, y = make_moons(1000, noise=0.05, random_state=0)
    few = hide_labels(y, 2, random_state=0)
    assert (WNLLClassifier(label_weight=weight).fit(X, few).transduction_ == y).mean() > 0.99


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning")
def test_wnll_holds_where_the_graph_laplacian_breaks_down():
    # Two labels of 3,000 points: with mu = 1 one class takes nearly all.
    X, y = make_blobs([1000] * 3, n_features=10, cluster_std=4, random_state=0)
    accuracy = {"wnll": [], "laplace": []}
    for seed in range(5):
        few = hide_labels(y, 1, random_state=seed)
        for weight, found in accuracy.items():
            model = WNLLClassifier(label_weight=weight).fit(X, few)
            found.append((model.transduction_ == y).mean())
    assert np.mean(accuracy["wnll"]) > np.mean(accuracy["laplace"]) + 0.1


def test_the_default_tolerance_gives_probabilities_to_four_digits(digits):
    X, _, y = digits
    for weight in ("wnll", "laplace"):
        rough = WNLLClassifier(label_weight=weight).fit(X, y).label_distributions_
        exact = WNLLClassifier(label_weight=weight, tol=1e-13).fit(X, y).label_distributions_
        np.testing.assert_allclose(rough, exact, atol=1e-4)


def test_approximate_neighbors_cost_little_accuracy(digits):
    X, y, few = digits
    hidden = few == -1
    accuracy = {
        neighbors: (
            WNLLClassifier(neighbors=neighbors, random_state=0).fit(X, few).transduction_ == y
        )[hidden].mean()
        for neighbors in ("exact", "approximate")
    }
    assert accuracy["exact"] > 0.9
    assert accuracy["approximate"] > accuracy["exact"] - 0.01


def test_max_iter_of_a_prediction_is_that_of_the_call(digits):
    X, _, few = digits
    model = WNLLClassifier(max_iter=1000).fit(X[:1000], few[:1000])
    model.set_params(max_iter=1, n_neighbors=3)  # the graph is fitted already
    with pytest.warns(ConvergenceWarning, match="max_iter=1 iterations"):
        model.predict(X[1000:1100])


def test_the_number_of_labels_is_checked_before_what_they_are(digits):
    X = digits[0]
    with pytest.raises(ValueError, match="X has 1797 rows and y 10 entries"):
        WNLLClassifier().fit(X, np.full(10, -1))


@pytest.mark.parametrize(
    ("unlabeled", "y", "held_out"),
    [
        ("?", ["a", "b", "?", "a"], ["a", None, "b", "a"]),
        (-1, [0, 1, -1, 0], [0.0, np.nan, 1.0, 0.0]),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
def test_scoring_with_another_marker_names_the_cure(unlabeled, y, held_out):
    X = np.arange(8.0).reshape(4, 2)
    model = WNLLClassifier(unlabeled=unlabeled).fit(X, y)
    with pytest.raises(ValueError, match="unlabeled"):
        model.score(X, held_out)
