import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsTransformer, kneighbors_graph

from sklearn_wnll._graph.features import FeatureGraphBuilder
from sklearn_wnll._graph.metrics import FeatureSpace
from sklearn_wnll._graph.precomputed import PrecomputedGraphBuilder
from sklearn_wnll._graph.search import ExactSearch
from sklearn_wnll._graph.weights import edge_weights

from .clouds import clouds, examples, sparse_rows
from .reference import dense_query_weights, dense_weights, weights_of_nearest


def feature_points_and_graph(X, k=15, scale_neighbor=8, metric="euclidean"):
    search = ExactSearch(FeatureSpace(metric).search_metric)
    builder = FeatureGraphBuilder(metric, search, k, scale_neighbor)
    points, rows = builder.points(X)
    return points, builder.build(rows)


def precomputed_points_and_graph(distances, k=15, scale_neighbor=8):
    builder = PrecomputedGraphBuilder(k, scale_neighbor)
    points, merged = builder.points(distances)
    return points, builder.build(merged)


@examples(100)
@given(clouds())
def test_weights_agree_with_dense_reference(cloud):
    k, scale = cloud.params["n_neighbors"], cloud.params["scale_neighbor"]
    _, graph = feature_points_and_graph(cloud.X, k, scale)
    expected = dense_weights(cloud.X, k, scale)
    expected[expected < 1e-14] = 0
    np.testing.assert_allclose(graph.weights.toarray(), expected, atol=1e-10)


@examples(100)
@given(clouds())
def test_a_graph_with_queries_is_the_graph_of_all_points(cloud):
    points, graph = feature_points_and_graph(cloud.X[:-7])
    new = points.match(cloud.X[-7:]).new
    _, together = feature_points_and_graph(cloud.X)
    np.testing.assert_allclose(
        graph.add_queries(new).toarray(), together.weights.toarray(), atol=1e-8
    )


@examples(100)
@given(clouds())
def test_weights_of_queries_agree_with_dense_reference(cloud):
    points, graph = feature_points_and_graph(cloud.X[:-7])
    weights = graph.query_weights(points.match(cloud.X[-7:]).new).toarray()
    expected = dense_query_weights(cloud.X[-7:], cloud.X[:-7])
    np.testing.assert_allclose(weights, expected, atol=1e-10)


def float32_rows(seed, offset, exponent, kind):
    """Distinct rows in single precision; or in clusters with comparatively small distances."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 4))
    if kind == "clusters":
        X = np.repeat(rng.normal(size=(3, 4)), 20, axis=0) + 1e-3 * X
    if kind == "far":
        X[7] = 1e5
    X = np.unique((X + offset).astype(np.float32), axis=0)
    return rng.permutation(np.ldexp(X, exponent))


def exact_weights(new, X, metric, k=8, scale_neighbor=4):
    """The dense reference, for rows that double precision holds exactly."""
    new, X = new.astype(np.float64), X.astype(np.float64)
    if metric != "cosine":
        return dense_query_weights(new, X, k, scale_neighbor, metric)
    # One minus a cosine would lose the digits in question.
    new, X = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (new, X))
    return weights_of_nearest(cdist(new, X) ** 2, k, scale_neighbor)


@examples(60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 1, 30, 1e3, 1e6]),
    st.sampled_from([-100, 0, 100]),
    st.sampled_from(["cloud", "clusters", "far"]),
    st.sampled_from(["euclidean", "manhattan", "cosine"]),
)
def test_single_precision_dense_and_sparse_loses_nothing(seed, offset, exponent, kind, metric):
    if metric == "cosine":
        offset = min(offset, 30)  # beyond it, angles are as small as the rows' rounding
    X = float32_rows(seed, offset, exponent, kind)
    assume(len(X) > 30)
    expected = np.sort(exact_weights(X[-10:], X[:-10], metric), axis=1)
    for make in (np.asarray, sparse.csr_array):
        _, graph = feature_points_and_graph(make(X[:-10]), 8, 4, metric)
        weights = np.sort(graph.query_weights(make(X[-10:])).toarray(), axis=1)
        # Any of several equally near neighbours may be listed, so sorted weights are compared.
        np.testing.assert_allclose(weights, expected, atol=2e-6)


def test_weight_of_the_scale_neighbor_is_one_over_e():
    X = np.random.default_rng(0).normal(size=(50, 3))
    W = feature_points_and_graph(X, 15, 8)[1].weights.toarray()
    np.testing.assert_allclose(np.sort(W, axis=1)[:, -8], np.exp(-1))
    assert (W > 0).sum(axis=1).tolist() == [15] * 50


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        ([0, 0, 0, 2], [1, 1, 1, np.exp(-1)]),
        ([0, 0, 0, 0], [1, 1, 1, 1]),
        ([1, np.inf, np.inf, np.inf], [np.exp(-1), 0, 0, 0]),
        ([np.inf] * 4, [0] * 4),
        ([1e-300, 1e-300, 1e-300, 1e300], [np.exp(-1)] * 3 + [0]),
    ],
    ids=["zero scale", "all zero", "short list", "empty list", "extreme"],
)
def test_weights_are_defined_in_each_corner(distances, expected):
    weights = edge_weights(np.array([distances], dtype=float), scale_neighbor=2)
    np.testing.assert_allclose(weights, [expected])


def test_equal_rows_are_one_point_and_known_again():
    X = np.random.default_rng(0).normal(size=(30, 2))
    points, graph = feature_points_and_graph(X[[0, 1, 2, 0, *range(3, 30), 1]])
    assert points.n_points == graph.n_points == 30
    assert points.index[[0, 3]].tolist() == [0, 0]
    match = points.match(np.vstack([X[5], X[1], [[9.0, 9.0]], [[7.0, 7.0]], [[9.0, 9.0]]]))
    assert match.point.tolist() == [points.index[6], 1, 30, 31, 30]
    assert match.new.shape == (2, 2)


def test_a_query_is_not_rounded_to_a_fitted_row():
    X = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    points, _ = feature_points_and_graph(X)
    queries = np.vstack([X[0].astype(float), X[0].astype(float) + 1e-12])
    assert points.match(queries).point.tolist() == [0, 30]


def test_rows_of_equal_truth_values_are_one_point():
    X = np.random.default_rng(0).normal(size=(30, 6)) * (np.arange(30)[:, None] % 3 == 0)
    points, _ = feature_points_and_graph(X, metric="jaccard")
    assert points.n_points == 2
    assert points.match(7 * X).point.tolist() == points.index.tolist()


def test_a_row_that_differs_in_its_last_bit_is_another_point():
    X = np.random.default_rng(0).normal(size=(30, 2))
    points, _ = feature_points_and_graph(X)
    assert points.match(np.nextafter(X[:1], 9)).point.tolist() == [30]


@pytest.mark.parametrize("fit_sparse", [False, True])
@pytest.mark.parametrize("query_sparse", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_queries_are_known_in_any_format(fit_sparse, query_sparse, dtype):
    X = sparse_rows(30, 8, 0.5).toarray()
    X = X.astype(np.float32)
    points, _ = feature_points_and_graph(sparse.csr_array(X) if fit_sparse else X)
    query = X.astype(dtype)
    point = points.match(sparse.csr_array(query) if query_sparse else query).point
    np.testing.assert_array_equal(point, np.arange(30))


def test_precomputed_graph_has_the_weights_of_the_features():
    X = np.random.default_rng(0).normal(size=(50, 3))
    expected = feature_points_and_graph(X)[1].weights.toarray()
    for distances in (cdist(X, X), KNeighborsTransformer(n_neighbors=15).fit_transform(X)):
        _, graph = precomputed_points_and_graph(distances)
        np.testing.assert_allclose(graph.weights.toarray(), expected, atol=1e-10)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_precomputed_query_at_distance_zero_is_the_fitted_point(as_sparse):
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[7] = X[2]
    if as_sparse:
        transformer = KNeighborsTransformer(n_neighbors=15).fit(X)
        fitted, query = transformer.transform(X), transformer.transform(X[[7, 4]])
    else:
        fitted, query = cdist(X, X), cdist(X[[7, 4]], X)
    points, graph = precomputed_points_and_graph(fitted)
    assert points.n_points == graph.n_points == 49
    assert points.match(query).point.tolist() == points.index[[7, 4]].tolist()


def test_the_fitted_graph_is_known_again_without_its_zeros():
    X = np.random.default_rng(0).normal(size=(50, 3))
    distances = kneighbors_graph(X, 15, mode="distance", include_self=False)
    points, _ = precomputed_points_and_graph(distances)
    np.testing.assert_array_equal(points.match(distances.copy()).point, np.arange(50))
    assert (points.match(distances[:5]).point >= 50).all()
    noisy = cdist(X, X) + 1e-9
    points, _ = precomputed_points_and_graph(noisy)
    np.testing.assert_array_equal(points.match(np.asfortranarray(noisy)).point, np.arange(50))


def test_precomputed_queries_join_as_far_as_their_distances_are_known():
    X = np.random.default_rng(0).normal(size=(50, 3))
    points, graph = precomputed_points_and_graph(cdist(X[:49], X[:49]))
    new = points.match(cdist(X[49:], X[:49])).new
    # One query has no distances to other queries to miss.
    np.testing.assert_allclose(graph.add_queries(new).toarray(), dense_weights(X), atol=1e-10)
