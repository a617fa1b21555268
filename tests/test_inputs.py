"""Rows of many kinds, bad input, and warnings."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsTransformer, RadiusNeighborsTransformer
from sklearn.utils import get_tags

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._graph.metrics import METRICS
from sklearn_wnll.exceptions import (
    AmbiguousLabelsWarning,
    FewLabelsWarning,
    ShortNeighborListsWarning,
)

from .clouds import assert_distributions

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


# Rows of many kinds


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


# Bad input


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


# Warnings


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
