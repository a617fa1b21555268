import numpy as np
import pytest
from hypothesis import given
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsTransformer, kneighbors_graph

from sklearn_wnll._graph.features import FeatureGraph, PrecomputedGraph
from sklearn_wnll._graph.metrics import FeatureSpace
from sklearn_wnll._graph.search import ExactSearch
from sklearn_wnll._graph.weights import edge_weights

from .clouds import clouds, sparse_rows
from .reference import dense_weights


def feature_graph(k=15, scale_neighbor=8, metric="euclidean"):
    space = FeatureSpace(metric)
    return FeatureGraph(ExactSearch(space.search_metric), space, k, scale_neighbor)


@given(clouds())
def test_weights_agree_with_dense_reference(cloud):
    k, scale = cloud.params["n_neighbors"], cloud.params["scale_neighbor"]
    graph = feature_graph(k, scale).fit(cloud.X)
    expected = dense_weights(cloud.X, k, scale)
    expected[expected < 1e-14] = 0
    np.testing.assert_allclose(graph.weights_.toarray(), expected, atol=1e-10)


@given(clouds())
def test_extended_graph_is_the_graph_of_all_points(cloud):
    graph = feature_graph().fit(cloud.X[:-7])
    placement = graph.place(cloud.X[-7:])
    together = feature_graph().fit(cloud.X)
    np.testing.assert_allclose(
        graph.extend(placement.new).toarray(), together.weights_.toarray(), atol=1e-8
    )


def test_weight_of_the_scale_neighbor_is_one_over_e():
    X = np.random.default_rng(0).normal(size=(50, 3))
    W = feature_graph(15, 8).fit(X).weights_.toarray()
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
    graph = feature_graph().fit(X[[0, 1, 2, 0, *range(3, 30), 1]])
    assert graph.n_points_ == 30
    assert graph.point_index_[[0, 3]].tolist() == [0, 0]
    placement = graph.place(np.vstack([X[5], X[1], [[9.0, 9.0]], [[7.0, 7.0]], [[9.0, 9.0]]]))
    assert placement.point.tolist() == [graph.point_index_[6], 1, 30, 31, 30]
    assert placement.new.shape == (2, 2)


def test_a_query_is_not_rounded_to_a_fitted_row():
    X = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    graph = feature_graph().fit(X)
    queries = np.vstack([X[0].astype(float), X[0].astype(float) + 1e-12])
    assert graph.place(queries).point.tolist() == [0, 30]


def test_rows_of_equal_truth_values_are_one_point():
    X = np.random.default_rng(0).normal(size=(30, 6)) * (np.arange(30)[:, None] % 3 == 0)
    graph = feature_graph(metric="jaccard").fit(X)
    assert graph.n_points_ == 2
    assert graph.place(7 * X).point.tolist() == graph.point_index_.tolist()


def test_a_row_that_differs_in_its_last_bit_is_another_point():
    X = np.random.default_rng(0).normal(size=(30, 2))
    graph = feature_graph().fit(X)
    assert graph.place(np.nextafter(X[:1], 9)).point.tolist() == [30]


@pytest.mark.parametrize("fit_sparse", [False, True])
@pytest.mark.parametrize("query_sparse", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_queries_are_known_in_any_format(fit_sparse, query_sparse, dtype):
    X = sparse_rows(30, 8, 0.5).toarray()
    X = X.astype(np.float32)
    graph = feature_graph().fit(sparse.csr_array(X) if fit_sparse else X)
    query = X.astype(dtype)
    point = graph.place(sparse.csr_array(query) if query_sparse else query).point
    np.testing.assert_array_equal(point, np.arange(30))


def test_precomputed_graph_has_the_weights_of_the_features():
    X = np.random.default_rng(0).normal(size=(50, 3))
    expected = feature_graph().fit(X).weights_.toarray()
    for distances in (cdist(X, X), KNeighborsTransformer(n_neighbors=15).fit_transform(X)):
        graph = PrecomputedGraph(15, 8).fit(distances)
        np.testing.assert_allclose(graph.weights_.toarray(), expected, atol=1e-10)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_precomputed_query_at_distance_zero_is_the_fitted_point(as_sparse):
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[7] = X[2]
    if as_sparse:
        transformer = KNeighborsTransformer(n_neighbors=15).fit(X)
        fitted, query = transformer.transform(X), transformer.transform(X[[7, 4]])
    else:
        fitted, query = cdist(X, X), cdist(X[[7, 4]], X)
    graph = PrecomputedGraph(15, 8).fit(fitted)
    assert graph.n_points_ == 49
    assert graph.place(query).point.tolist() == graph.point_index_[[7, 4]].tolist()


def test_the_fitted_graph_is_known_again_without_its_zeros():
    X = np.random.default_rng(0).normal(size=(50, 3))
    distances = kneighbors_graph(X, 15, mode="distance", include_self=False)
    graph = PrecomputedGraph(15, 8).fit(distances)
    np.testing.assert_array_equal(graph.place(distances.copy()).point, np.arange(50))
    assert (graph.place(distances[:5]).point >= 50).all()
    noisy = cdist(X, X) + 1e-9
    graph = PrecomputedGraph(15, 8).fit(noisy)
    np.testing.assert_array_equal(graph.place(np.asfortranarray(noisy)).point, np.arange(50))


def test_precomputed_queries_join_as_far_as_their_distances_are_known():
    X = np.random.default_rng(0).normal(size=(50, 3))
    graph = PrecomputedGraph(15, 8).fit(cdist(X[:49], X[:49]))
    placement = graph.place(cdist(X[49:], X[:49]))
    # One query has no distances to other queries to miss.
    np.testing.assert_allclose(graph.extend(placement.new).toarray(), dense_weights(X), atol=1e-10)
