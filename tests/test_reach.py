"""Rows that no label reaches, rows that coincide, and data that is small or extreme."""

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs
from sklearn.neighbors import KNeighborsTransformer

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.exceptions import (
    UnreachedPointsWarning,
)

from .clouds import assert_distributions

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


@pytest.fixture
def blobs():
    """Three blobs far apart, 30 points each; the last one has no label."""
    X, y = make_blobs([30] * 3, centers=[[0, 0], [50, 0], [0, 50]], random_state=0)
    return X, np.where(np.arange(90) % 10 == 0, np.where(y == 2, -1, y), -1)


# Where no label reaches


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


# Points that coincide


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


# Small and extreme


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
