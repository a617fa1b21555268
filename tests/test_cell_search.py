import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from sklearn_wnll._graph.lists import NeighborLists
from sklearn_wnll._graph.search import ExactSearch, cell_search, cells, partition
from sklearn_wnll._graph.search.cell_search import CellSearch
from sklearn_wnll._graph.search.cells import Cells
from sklearn_wnll._graph.search.reduction import fit_reduction

from .clouds import examples


def clusters(n, d, latent=5, seed=0, dtype=np.float64):
    """Points near curved sheets of few dimensions, in many features."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=(n, latent))
    waves = np.sin(t @ rng.normal(size=(latent, d)) + rng.uniform(0, 6, d))
    return (waves + 0.02 * rng.normal(size=(n, d))).astype(dtype)


def recall(found, true):
    return np.mean([
        np.isin(a, b).mean() for a, b in zip(found.indices, true.indices, strict=True)
    ])  # fmt: skip


@pytest.fixture(params=["one level", "two levels"])
def levels(request, monkeypatch):
    """Both ways to make cells, and to rank them; the second would take 600,000 points."""
    if request.param == "two levels":
        monkeypatch.setattr(partition, "_ONE_LEVEL", 4)
        monkeypatch.setattr(partition, "_SURROUNDING", 12)


@examples(100)
@given(st.integers(1, 200), st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_all_cells_together_hold_the_nearest_points(n, d, k, seed):
    rng = np.random.default_rng(seed)
    points, queries = rng.normal(size=(n, d)), rng.normal(size=(7, d))
    index = Cells(points, 20, seed % 1000)
    found = np.sort(index.nearest(queries, index.assign(queries), index.n_cells, k), axis=1)
    assert ((found < 0).sum(axis=1) == max(0, k - n)).all()
    found = found[:, max(0, k - n) :]
    assert (np.diff(found, axis=1) > 0).all()
    # Single precision may swap two points at nearly equal distances.
    distances = np.sort(np.linalg.norm(queries[:, None] - points[found], axis=2), axis=1)
    exact = ExactSearch("euclidean").fit(points).query(queries, min(k, n)).distances
    np.testing.assert_allclose(distances**2, exact**2, atol=1e-5)


@examples(100)
@given(st.integers(1, 200), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_all_cells_together_hold_the_points_whose_radius_reaches_a_query(n, d, seed):
    rng = np.random.default_rng(seed)
    points, queries, radius = rng.normal(size=(n, d)), rng.normal(size=(7, d)), rng.random(n)
    index = Cells(points, 20, seed % 1000)
    query, point = index.within_radius(queries, index.assign(queries), index.n_cells, radius)
    reached = np.zeros((7, n), dtype=bool)
    reached[query, point] = True
    margin = radius**2 - ((queries[:, None] - points) ** 2).sum(axis=2)
    assert len(query) == reached.sum()
    assert (margin[reached] > -1e-5).all()  # up to single precision
    assert (margin[~reached] < 1e-5).all()


def test_cells_divide_the_points(levels):
    points = clusters(3000, 6)
    index = Cells(points, 50, 0)
    np.testing.assert_array_equal(np.sort(index.order), np.arange(3000))
    np.testing.assert_array_equal(index.cell[index.order], np.sort(index.cell))
    assert 30 < index.n_cells < 70
    np.testing.assert_array_equal(np.unique(index.cell), np.arange(index.n_cells))
    np.testing.assert_allclose(
        index.points(slice(100, 200)), points[index.order[100:200]], atol=1e-5
    )


def test_a_query_that_is_a_point_is_in_the_cell_of_the_point(levels):
    points = clusters(3000, 6)
    index = Cells(points, 50, 0)
    assert (index.assign(points) == index.cell).mean() > 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [3, 20, 300])
def test_nearly_all_neighbors_are_found(levels, d, dtype):
    X = clusters(3500, d, dtype=dtype)
    search, exact = CellSearch(0).fit(X[:3000]), ExactSearch("euclidean").fit(X[:3000])
    lists, true = search.lists(10), exact.lists(10)
    assert recall(lists, true) > 0.9
    assert (lists.indices != np.arange(3000)[:, None]).all()
    own = np.linalg.norm(X[:3000, None] - X[lists.indices], axis=2)
    np.testing.assert_allclose(lists.distances, own, rtol=1e-5)
    assert (np.diff(lists.distances, axis=1) >= 0).all()
    assert recall(search.query(X[3000:], 10), exact.query(X[3000:], 10)) > 0.9


def test_distances_keep_their_digits_in_tight_clusters_far_apart():
    rng = np.random.default_rng(0)
    centers = 1e3 * rng.normal(size=(5, 200))
    X = np.repeat(centers, 400, axis=0) + 1e-4 * rng.normal(size=(2000, 200))
    lists = CellSearch(0).fit(X).lists(10)
    true = ExactSearch("euclidean").fit(X).lists(10)
    assert recall(lists, true) > 0.9
    np.testing.assert_allclose(lists.distances[:, 0], true.distances[:, 0], rtol=0.2)


@pytest.mark.parametrize("d", [5, 300])
def test_lists_do_not_depend_on_the_number_of_threads(levels, d):
    X = clusters(3000, d)

    def search():
        fitted = CellSearch(7).fit(X[:2500])
        lists = fitted.lists(10)
        return [*lists, *fitted.query(X[2500:], 10), *fitted.add_queries(lists, X[2500:], 10)]

    found = search()
    with threadpool_limits(1):
        alone = search()
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_new", [1, 30, 700])
def test_extending_is_nearly_searching_all_points_together(levels, n_new):
    X = clusters(3000, 10)
    n = 3000 - n_new
    search = CellSearch(0).fit(X[:n])
    extended = search.add_queries(search.lists(10), X[n:], 10)
    together = ExactSearch("euclidean").fit(X).lists(10)
    assert recall(extended, together) > 0.93
    # Fitted points have taken the new points as neighbours.
    new = NeighborLists(*(part[:n] for part in together)).indices >= n
    assert (extended.indices[:n] >= n).sum() > 0.9 * new.sum()


def test_new_points_may_be_few_or_many_or_searched_in_cells(monkeypatch):
    monkeypatch.setattr(cell_search, "_PATIENCE", 0)
    X = clusters(3000, 10)
    search = CellSearch(0).fit(X[:1500])
    extended = search.add_queries(search.lists(10), X[1500:], 10)
    assert recall(extended, ExactSearch("euclidean").fit(X).lists(10)) > 0.93


def test_cells_with_too_few_points_are_made_up_for():
    # Each cluster is one cell, the only one searched for its points. The last holds too few.
    rng = np.random.default_rng(0)
    cluster = np.repeat([0, 1, 2], [500, 450, 50])
    X = np.array([[0.0], [1e2], [1e4]])[cluster] + rng.normal(size=(1000, 3))
    search, exact = CellSearch(0).fit(X), ExactSearch("euclidean").fit(X)
    lists, true = search.lists(70), exact.lists(70)
    assert np.isfinite(lists.distances).all()
    np.testing.assert_array_equal(lists.indices[cluster == 2], true.indices[cluster == 2])
    queries = 1e4 + rng.normal(size=(9, 3))
    found, true = search.query(queries, 70), exact.query(queries, 70)
    np.testing.assert_array_equal(found.indices, true.indices)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (3, 2), (20, 19), (310, 309)])
def test_as_many_neighbors_as_there_are_points(n, k):
    X = np.random.default_rng(0).normal(size=(n, 200))
    lists, true = CellSearch(0).fit(X).lists(k), ExactSearch("euclidean").fit(X).lists(k)
    np.testing.assert_array_equal(np.sort(lists.indices), np.sort(true.indices))
    np.testing.assert_allclose(lists.distances, true.distances, rtol=1e-9)


def test_components_are_as_few_as_keep_the_neighbors():
    rng = np.random.default_rng(0)
    sample = np.arange(50)
    for latent, most in ((4, 64), (200, 256)):
        X = rng.normal(size=(2000, latent)) @ rng.normal(size=(latent, 512))
        true = ExactSearch("euclidean").fit(X).lists(10).indices[sample]
        reduction, reduced = fit_reduction(X, sample, true, 15, 0.97, seed=0)
        assert reduced.shape[1] <= most
        np.testing.assert_allclose(reduction.transform(X), reduced, rtol=1e-3, atol=1e-3)
    noise = rng.normal(size=(2000, 512))
    true = ExactSearch("euclidean").fit(noise).lists(10).indices[sample]
    assert fit_reduction(noise, sample, true, 15, 0.97, seed=0) == (None, None)


@pytest.mark.parametrize("d", [5, 400])  # the latter are reduced to principal components
def test_forgotten_coordinates_are_computed_again(d, monkeypatch):
    points = clusters(3000, d, dtype=np.float32)
    kept, queries = CellSearch(0).fit(points), clusters(40, d, seed=1, dtype=np.float32)
    lists = kept.lists(10)
    monkeypatch.setattr(cells, "_FORGOTTEN", 0)
    forgetful = CellSearch(0).fit(points)
    for a, b in zip(lists, forgetful.lists(10), strict=True):
        np.testing.assert_array_equal(a, b)
    index = forgetful._index.get(10)
    assert bool(index.cells._rows._made) == (index._reduction is not None) == (d == 400)
    for _ in range(2):
        for a, b in zip(kept.query(queries, 10), forgetful.query(queries, 10), strict=True):
            np.testing.assert_array_equal(a, b)
        together = [one.add_queries(lists, queries, 10) for one in (kept, forgetful)]
        for a, b in zip(*together, strict=True):
            np.testing.assert_array_equal(a, b)
        kept, forgetful = kept.grown(queries, 10), forgetful.grown(queries, 10)
        lists, queries = kept.lists(10), queries + 0.5
        np.testing.assert_array_equal(lists.indices, forgetful.lists(10).indices)
