import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsTransformer, NearestNeighbors, radius_neighbors_graph

from sklearn_wnll._graph.lists import (
    NeighborLists,
    lists_from_graph,
    merge_zero_distances,
    warn_if_short,
)
from sklearn_wnll.exceptions import ShortNeighborListsWarning


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(60, 3))


def assert_same_lists(lists, X, k):
    distances, indices = NearestNeighbors(n_neighbors=k).fit(X).kneighbors()
    np.testing.assert_array_equal(lists.indices, indices)
    np.testing.assert_allclose(lists.distances, distances)


def test_kneighbors_transformer_graph_gives_the_lists_of_a_search(X):
    graph = KNeighborsTransformer(n_neighbors=7).fit_transform(X)
    assert_same_lists(lists_from_graph(graph, 7, self_index=np.arange(60)), X, 7)


def test_more_neighbors_than_asked_for_are_cut(X):
    graph = KNeighborsTransformer(n_neighbors=20).fit_transform(X)
    assert_same_lists(lists_from_graph(graph, 7, self_index=np.arange(60)), X, 7)


def test_full_matrix_gives_the_lists_of_a_search(X):
    assert_same_lists(lists_from_graph(cdist(X, X), 7, self_index=np.arange(60)), X, 7)


def test_self_is_removed_by_index_and_duplicates_stay_at_distance_zero(X):
    X[1] = X[0]
    for graph in (cdist(X, X), KNeighborsTransformer(n_neighbors=7).fit_transform(X)):
        lists = lists_from_graph(graph, 7, self_index=np.arange(60))
        assert lists.indices[0, 0] == 1
        assert lists.indices[1, 0] == 0
        assert (lists.distances[:2, 0] == 0).all()
        assert (lists.indices != np.arange(60)[:, None]).all()


def test_without_self_drops_the_last_where_the_point_is_not_in_its_list():
    lists = NeighborLists(np.array([[1, 0], [2, 3]]), np.array([[0.0, 0.0], [0.0, 0.0]]))
    assert lists.without_self().indices.tolist() == [[1], [2]]


def test_rows_that_store_fewer_neighbors_keep_them_and_a_warning_says_so(X):
    graph = radius_neighbors_graph(X, 0.8, mode="distance")
    counts = np.diff(graph.indptr)
    lists = lists_from_graph(graph, 15, self_index=np.arange(60))
    with pytest.warns(ShortNeighborListsWarning, match=f"{(counts < 15).sum()} of 60 rows"):
        warn_if_short(lists, 15)
    np.testing.assert_array_equal((lists.indices >= 0).sum(axis=1), np.minimum(counts, 15))
    assert np.isinf(lists.distances[lists.indices < 0]).all()


def test_merged_lists_are_the_nearest_of_both():
    a = NeighborLists(np.array([[1, 2]]), np.array([[1.0, 4.0]]))
    b = NeighborLists(np.array([[7, -1]]), np.array([[2.0, np.inf]]))
    assert a.merge(b, 3).indices.tolist() == [[1, 7, 2]]
    assert b.shifted(10).indices.tolist() == [[17, -1]]
    assert a.concatenate(NeighborLists(np.array([[5]]), np.array([[3.0]]))).indices.tolist() == [
        [1, 2],
        [5, -1],
    ]


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_points_at_distance_zero_are_merged_through_chains(make):
    # 0 = 3 and 3 = 1, so 0 = 1 = 3.
    D = np.full((5, 5), 9.0)
    for i, j in ((0, 3), (3, 1), (0, 1)):
        D[i, j] = D[j, i] = 0
    np.fill_diagonal(D, 0)
    D[[2, 4], [4, 2]] = 5.0
    D[[3, 2], [2, 3]] = 7.0  # the smallest distance from 2 to the group counts
    graph = D
    if make is sparse.csr_array:
        rows, columns = np.indices(D.shape).reshape(2, -1)
        graph = sparse.coo_array((D.ravel(), (rows, columns)), shape=D.shape).tocsr()
    merged, group = merge_zero_distances(graph)
    assert group.tolist() == [0, 0, 1, 0, 2]
    merged = merged.toarray() if sparse.issparse(merged) else merged
    assert merged.tolist() == [[0, 7, 9], [7, 0, 5], [9, 5, 0]]


def test_reverse_neighbors_mend_lists_that_miss_some():
    X = np.random.default_rng(0).normal(size=(200, 3))
    exact = lists_from_graph(cdist(X, X), 8, self_index=np.arange(200))
    missing = np.random.default_rng(1).random(exact.indices.shape) < 0.1
    damaged = NeighborLists(
        np.where(missing, -1, exact.indices), np.where(missing, np.inf, exact.distances)
    ).nearest(8)
    mended = damaged.with_reverse(np.random.default_rng(2).permutation(200))
    for point in range(200):
        fingers = mended.indices[point][mended.indices[point] >= 0]
        assert len(set(fingers)) == len(fingers)
        seen = set(damaged.indices[point]) | set(np.nonzero(damaged.indices == point)[0])
        best = sorted(seen - {-1}, key=lambda other: np.linalg.norm(X[other] - X[point]))
        assert fingers.tolist() == best[:8]


def test_reverse_neighbors_add_nothing_to_exact_lists():
    X = np.random.default_rng(0).normal(size=(200, 3))
    exact = lists_from_graph(cdist(X, X), 8, self_index=np.arange(200))
    np.testing.assert_array_equal(exact.with_reverse(np.arange(200)).indices, exact.indices)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0]])
def test_of_a_neighbor_that_is_stored_twice_the_smaller_distance_counts(order):
    columns, distances = np.array([1, 2, 1, 3])[order], np.array([5.0, 2.0, 1.0, 9.0])[order]
    graph = sparse.csr_array((distances, columns, [0, 4, 4, 4, 4]), shape=(4, 4))
    lists = lists_from_graph(graph, 3, self_index=np.arange(4))
    np.testing.assert_array_equal(lists.indices[0], [1, 2, 3])
    np.testing.assert_array_equal(lists.distances[0], [1, 2, 9])
