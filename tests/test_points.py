import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import cosine_distances

from sklearn_wnll._graph.metrics import (
    METRICS,
    FeatureSpace,
    robust_shift_and_scale,
    sampled_rows,
)
from sklearn_wnll._graph.rows import RowIndex, equal_rows, first_of_equal_rows, row_keys

from .clouds import sparse_rows


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_equal_rows_are_grouped_as_numpy_groups_them(n, d, seed, use_sparse):
    X = np.random.default_rng(seed).integers(-1, 2, size=(n, d)).astype(float)
    X[X == 0] = np.random.default_rng(seed).choice([0.0, -0.0], size=(X == 0).sum())
    rows = sparse.csr_array(X) if use_sparse else X
    first, inverse = first_of_equal_rows(rows, row_keys(rows))
    np.testing.assert_array_equal(X[first][inverse], X)
    assert len(first) == len(np.unique(X, axis=0))
    assert (np.diff(first) > 0).all()
    assert (first[inverse] <= np.arange(n)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("use_sparse", [False, True])
def test_keys_of_many_small_integers_do_not_collide(dtype, use_sparse):
    # Small integers leave most bits of a float zero, which would defeat a weak hash.
    X = np.indices((30, 30, 30)).reshape(3, -1).T.astype(dtype)
    keys = row_keys(sparse.csr_array(X) if use_sparse else X)
    index = RowIndex(keys)
    for column in keys.T:
        assert len(np.unique(column)) == len(X)
    np.testing.assert_array_equal(index.find(row_keys(X)), np.arange(len(X)))
    assert (index.find(row_keys(X + dtype(0.5))) == -1).all()


def test_colliding_keys_do_not_merge_different_rows():
    X = np.array([[1.0], [2.0], [1.0]])
    first, inverse = first_of_equal_rows(X, np.zeros((len(X), 2), np.uint64))
    assert first.tolist() == [0, 1]
    assert inverse.tolist() == [0, 1, 0]


def test_rows_are_found_by_both_keys():
    fitted = np.array([[7, 1], [5, 1], [7, 3], [7, 2]], dtype=np.uint64)
    queries = np.array([[7, 3], [7, 2], [7, 1], [7, 4], [5, 1], [9, 1]], dtype=np.uint64)
    assert RowIndex(fitted).find(queries).tolist() == [2, 3, 0, -1, 1, -1]


def test_a_sparse_row_has_the_key_of_the_dense_row():
    X = sparse_rows(50, 20, 0.5)
    index = RowIndex(row_keys(X))
    np.testing.assert_array_equal(index.find(row_keys(X.toarray())), np.arange(50))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_equal_rows_compares_row_by_row(make):
    X = np.array([[1.0, 0.0], [2.0, 3.0], [0.0, 0.0]])
    Y = np.array([[1.0, 0.0], [2.0, 4.0], [0.0, 5.0]])
    assert equal_rows(make(X), make(Y)).tolist() == [True, False, False]


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float32, scale) for scale in (1e-30, 1.0, 1e30)]
    + [(np.float64, scale) for scale in (1e-150, 1e-30, 1.0, 1e30, 1e150, 1e307)],
)
def test_points_are_the_rows_scaled_and_shifted(dtype, metric, scale):
    X = np.random.default_rng(0).normal(size=(40, 3))
    rows = (X * scale).astype(dtype)
    points = FeatureSpace(metric).fit(rows).transform(rows)
    assert points.dtype == dtype
    ratio = pdist(points) / pdist(X)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4 if dtype is np.float32 else 1e-12)
    assert 0.01 < np.abs(points).max() < 100


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 3e38), (np.float64, 1.5e308)])
def test_one_far_point_does_not_press_the_others_together(n, dtype, far):
    X = np.vstack([np.random.default_rng(0).normal(size=(n, 3)), [[-far, far, 0]]]).astype(dtype)
    points = FeatureSpace("euclidean").fit(X).transform(X)
    expected = pdist(X[:n].astype(np.float64))
    ratio = pdist(points[:n].astype(np.float64)) / expected
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    assert np.isfinite(pdist(points)).all()


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "canberra"])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_scaling_rounds_no_digit(metric, make):
    X = (1000 + np.random.default_rng(0).normal(size=(40, 3))).astype(np.float32)
    space = FeatureSpace(metric).fit(make(X))
    points = space.transform(make(X))
    points = points.toarray() if sparse.issparse(points) else points
    shift = 0 if space.shift_ is None else space.shift_.astype(np.float64)
    np.testing.assert_array_equal(points * np.float64(space.scale_) + shift, X.astype(np.float64))
    assert np.log2(space.scale_) % 1 == 0


def test_a_sparse_row_of_stored_zeros_is_a_row_of_zeros():
    X = sparse.csr_array(np.diag([1.0, 2.0, 3.0]))
    X.data[1] = 0
    points = FeatureSpace("cosine").fit(X).transform(X)
    np.testing.assert_array_equal(points.toarray()[1], [0, 0, 0, 1])


def test_robust_statistics_are_a_median_and_the_spread_of_most_rows():
    X = np.random.default_rng(0).normal(size=(2001, 3)) + 5
    X[::50] = 1e200
    sample = sampled_rows(X)
    assert 1000 <= len(sample) <= 2000
    shift, scale = robust_shift_and_scale(sample)
    np.testing.assert_allclose(shift, 5, atol=0.2)
    assert scale in (1, 2, 4)
    assert robust_shift_and_scale(np.ones((4, 2)))[1] == 1
    shift, scale = robust_shift_and_scale(sparse.csr_array(3.0 * np.eye(4)))
    assert shift is None
    assert scale == 2


def test_many_equal_radii_do_not_press_the_rest_beyond_reach():
    rng = np.random.default_rng(0)
    X = np.vstack([1e-17 * rng.normal(size=(70, 2)), rng.normal(size=(50, 2))])
    points = FeatureSpace("euclidean").fit(X).transform(X)
    assert len(np.unique(points, axis=0)) == 120


# The angles that haversine takes have no scale.
@pytest.mark.parametrize("metric", sorted(set(METRICS) - {"haversine"}))
@pytest.mark.parametrize("scale", [1e-38, 1e38])
def test_float32_near_its_limits_has_finite_distances(metric, scale):
    X = (scale * np.random.default_rng(0).uniform(-3, 3, size=(30, 4))).astype(np.float32)
    with np.errstate(all="raise", under="ignore"):
        points = FeatureSpace(metric).fit(X).transform(X)
    assert np.isfinite(points).all()
    assert np.isfinite(cdist(points, points)).all()


def test_transform_leaves_the_rows_alone():
    X = np.random.default_rng(0).normal(size=(20, 3))
    for metric in ("euclidean", "cosine", "correlation", "manhattan"):
        for make in (np.copy, sparse.csr_array):
            if metric == "correlation" and make is sparse.csr_array:
                continue
            rows = make(X)
            FeatureSpace(metric).fit(rows).transform(rows)
            np.testing.assert_array_equal(rows.toarray() if sparse.issparse(rows) else rows, X)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("scale", [1e-160, 1.0, 1e160])
def test_unit_vectors_give_cosine_distances_also_of_rows_of_zeros(make, scale):
    X = np.random.default_rng(0).normal(size=(20, 4))
    X[3] = 0
    space = FeatureSpace("cosine")
    points = space.fit(make(X * scale)).transform(make(X * scale))
    points = points.toarray() if sparse.issparse(points) else points
    distances = space.distance(cdist(points, points))
    np.testing.assert_allclose(distances, cosine_distances(X), atol=1e-12)


def test_correlation_of_a_constant_row_is_defined():
    X = np.random.default_rng(0).normal(size=(20, 7))
    X[4] = 0.1
    space = FeatureSpace("correlation")
    points = space.fit(X).transform(X)
    distances = space.distance(cdist(points, points))
    others = np.delete(np.arange(20), 4)
    np.testing.assert_allclose(distances[4, others], 1)
    expected = 1 - np.corrcoef(X[others])
    np.testing.assert_allclose(distances[np.ix_(others, others)], expected, atol=1e-12)
