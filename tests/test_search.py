import copy
import pickle
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsTransformer
from threadpoolctl import threadpool_limits

from sklearn_wnll._graph.metrics import METRICS, SPARSE_METRICS, FeatureSpace
from sklearn_wnll._graph.search import ExactSearch, compared_features, exact_seconds, make_search
from sklearn_wnll._graph.search import descent as descent_module
from sklearn_wnll._graph.search.cell_search import CellSearch
from sklearn_wnll._graph.search.descent import DescentSearch
from sklearn_wnll._graph.search.transformer import TransformerSearch
from sklearn_wnll._lazy import Lazy
from sklearn_wnll._parallel import n_threads
from sklearn_wnll._progress import show_progress

from .clouds import examples, sparse_rows


def nearest_by_sorting(points, queries, k):
    D = cdist(queries, points)
    indices = np.argsort(D, axis=1)[:, :k]
    return indices, np.take_along_axis(D, indices, axis=1)


def recall(found, true):
    shared = [np.isin(a, b).mean() for a, b in zip(found.indices, true.indices, strict=True)]
    return np.mean(shared)


def fake_pynndescent(monkeypatch, spoil=lambda indices, distances: None):
    """Make pynndescent return the exact lists, spoilt by a function, for every query."""
    monkeypatch.setattr(descent_module, "_PATIENCE", 0)

    class NNDescent:
        def __init__(self, data, *, n_neighbors, **options):
            NNDescent.options = options
            data = data.toarray() if sparse.issparse(data) else data
            indices, distances = nearest_by_sorting(data, data, n_neighbors)
            spoil(indices, distances)
            self.neighbor_graph = indices.astype(np.int32), distances.astype(np.float32)
            self.data, self.memory = data, threading.Lock()

        def query(self, queries, k):
            assert self.memory.acquire(blocking=False), "two queries share their working memory"
            queries = queries.toarray() if sparse.issparse(queries) else queries
            indices, distances = nearest_by_sorting(self.data, queries, k)
            spoil(indices, distances)
            self.memory.release()
            return indices.astype(np.int32), distances.astype(np.float32)

    module = types.SimpleNamespace(NNDescent=NNDescent)
    monkeypatch.setitem(sys.modules, "pynndescent", module)
    return NNDescent


@given(st.integers(2, 60), st.integers(1, 8), st.integers(0, 2**32 - 1), st.data())
def test_exact_lists_are_the_nearest_other_points(n, d, seed, data):
    X = np.random.default_rng(seed).normal(size=(n, d))
    k = data.draw(st.integers(1, n - 1))
    lists = ExactSearch("euclidean").fit(X).lists(k)
    indices, distances = nearest_by_sorting(X, X, k + 1)
    np.testing.assert_array_equal(lists.indices, indices[:, 1:])
    np.testing.assert_allclose(lists.distances, distances[:, 1:], rtol=1e-10)


@examples(100)
@given(st.integers(2, 40), st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_adding_queries_equals_searching_all_points_together(n, n_new, k, seed):
    X = np.random.default_rng(seed).normal(size=(n + n_new, 3))
    search = ExactSearch("euclidean").fit(X[:n])
    extended = search.add_queries(search.lists(min(k, n - 1)), X[n:], k)
    together = ExactSearch("euclidean").fit(X).lists(min(k, n + n_new - 1))
    np.testing.assert_array_equal(extended.indices, together.indices)
    np.testing.assert_allclose(extended.distances, together.distances, rtol=1e-9)


def test_sparse_rows_far_from_the_origin_keep_their_neighbors():
    rng = np.random.default_rng(0)
    X = 1000 + np.repeat([[0.0], [1e-5]], 40, axis=0) + 1e-7 * rng.normal(size=(80, 5))
    sparse_lists = ExactSearch("euclidean").fit(sparse.csr_array(X)).lists(10)
    indices, distances = nearest_by_sorting(X, X, 11)
    np.testing.assert_array_equal(sparse_lists.indices, indices[:, 1:])
    np.testing.assert_allclose(sparse_lists.distances, distances[:, 1:], rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [3, 30])
def test_distances_keep_their_digits_in_tight_clusters_far_apart(d, dtype):
    # The distances within a cluster are lost in the rounding of |x|^2 - 2 x.y + |y|^2.
    rng = np.random.default_rng(0)
    centers = 10 * rng.normal(size=(5, d)).astype(dtype)
    X = (np.repeat(centers, 40, axis=0) + 1e-5 * rng.normal(size=(200, d))).astype(dtype)
    lists = ExactSearch("euclidean", algorithm="brute").fit(X).lists(15)
    indices, distances = nearest_by_sorting(X.astype(np.float64), X.astype(np.float64), 16)
    np.testing.assert_allclose(lists.distances, distances[:, 1:], rtol=1e-9)
    if dtype is np.float64:
        np.testing.assert_array_equal(lists.indices, indices[:, 1:])


def test_tree_and_all_pairs_agree():
    X = np.random.default_rng(0).normal(size=(4000, 2))
    tree, brute = (
        ExactSearch("euclidean", algorithm=algorithm).fit(X).lists(10)
        for algorithm in ("kd_tree", "brute")
    )
    np.testing.assert_array_equal(tree.indices, brute.indices)
    np.testing.assert_allclose(tree.distances, brute.distances, rtol=1e-9)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda indices, distances: indices.__setitem__((slice(5, 9), 3), -1),
        lambda indices, distances: indices.__setitem__((slice(5, 9), 3), indices[5:9, 2]),
        lambda indices, distances: distances.__setitem__((slice(5, 9), 3), np.inf),
    ],
    ids=["missing", "repeated", "infinite"],
)
def test_lists_in_which_the_approximate_search_failed_are_searched_exactly(monkeypatch, spoil):
    fake_pynndescent(monkeypatch, spoil)
    X = np.random.default_rng(0).normal(size=(50, 3))
    search, exact = DescentSearch("euclidean", seed=0).fit(X), ExactSearch("euclidean").fit(X)
    lists, queries = search.lists(6), X[:20] + 0.1
    np.testing.assert_array_equal(lists.indices, exact.lists(6).indices)
    np.testing.assert_array_equal(search.query(queries, 6).indices, exact.query(queries, 6).indices)
    extended = search.add_queries(lists, queries, 6)
    together = exact.add_queries(exact.lists(6), queries, 6)
    np.testing.assert_array_equal(extended.indices, together.indices)


@pytest.mark.parametrize(
    "search",
    [
        ExactSearch("euclidean"),
        ExactSearch("chebyshev"),
        CellSearch(0),
        DescentSearch("euclidean", 0),
        TransformerSearch(KNeighborsTransformer(n_neighbors=8)),
    ],
)
def test_a_point_is_removed_from_its_list_by_index_and_its_copies_stay(monkeypatch, search):
    fake_pynndescent(monkeypatch)
    X = np.random.default_rng(0).normal(size=(500, 4))
    X[20:40] = X[20]  # more equal points than there are neighbours
    X[250:] = X[:250]  # and pairs
    lists = search.fit(X).lists(8)
    assert (lists.indices != np.arange(500)[:, None]).all()
    assert (np.diff(np.sort(lists.indices, axis=1), axis=1) > 0).all()
    assert (lists.distances[:, 0] == 0).all()
    assert (lists.distances[20:40] == 0).all()
    single = np.delete(np.arange(250), np.s_[20:40])
    np.testing.assert_array_equal(lists.indices[single, 0], single + 250)
    np.testing.assert_array_equal(lists.indices[single + 250, 0], single)


def test_good_lists_of_the_approximate_search_are_kept(monkeypatch):
    def miss_the_last(indices, distances):
        for row in indices:
            row[-1] = np.setdiff1d(np.arange(50), row)[0]

    fake_pynndescent(monkeypatch, miss_the_last)
    X = np.random.default_rng(0).normal(size=(50, 3))
    lists = DescentSearch("euclidean", seed=0).fit(X).lists(6)
    exact = ExactSearch("euclidean").fit(X).lists(6)
    np.testing.assert_array_equal(lists.indices[:, :-1], exact.indices[:, :-1])
    assert (lists.indices[:, -1] != exact.indices[:, -1]).all()


@pytest.mark.slow  # pynndescent compiles
def test_pynndescent_finds_nearly_all_neighbors_and_repeats_itself(monkeypatch):
    monkeypatch.setattr(descent_module, "_PATIENCE", 0)
    X = np.random.default_rng(0).normal(size=(1500, 8)).astype(np.float32)
    points, queries = sparse.csr_array(X[:1200]), sparse.csr_array(X[1200:])
    search = DescentSearch("euclidean", seed=0).fit(points)
    exact = ExactSearch("euclidean").fit(X[:1200])
    lists, found = search.lists(10), search.query(queries, 10)
    assert recall(lists, exact.lists(10)) > 0.97
    assert recall(found, exact.query(X[1200:], 10)) > 0.9
    extended, together = search.add_queries(lists, queries, 10), ExactSearch("euclidean").fit(X)
    assert recall(extended, together.lists(10)) > 0.97
    with threadpool_limits(1):
        again = search.fitted_like(points)
        np.testing.assert_array_equal(again.lists(10).indices, lists.indices)
        np.testing.assert_array_equal(again.query(queries, 10).indices, found.indices)


@pytest.mark.parametrize(
    ("metric", "make"),
    [
        *product(["euclidean", "manhattan"], [np.asarray, sparse.csr_array]),
        ("chebyshev", np.asarray),
    ],
)
def test_distances_of_the_approximate_search_keep_their_digits(monkeypatch, metric, make):
    fake_pynndescent(monkeypatch)
    X = 1e4 + np.random.default_rng(0).normal(size=(60, 4))
    search = DescentSearch(metric, 0).fit(make(X[:50]))
    scipy_name = {"manhattan": "cityblock"}.get(metric, metric)
    for lists, rows in ((search.lists(5), X[:50]), (search.query(make(X[50:]), 5), X[50:])):
        expected = np.take_along_axis(cdist(rows, X[:50], scipy_name), lists.indices, axis=1)
        np.testing.assert_allclose(lists.distances, expected, rtol=1e-9)


def test_pynndescent_takes_one_thread_if_it_is_to_repeat_itself(monkeypatch):
    index = fake_pynndescent(monkeypatch)
    X = np.random.default_rng(0).normal(size=(50, 4))
    kwargs = {"shape": X.shape, "metric": "manhattan"}
    for random_state, threads in ((0, 1), (None, n_threads())):
        make_search("approximate", **kwargs, random_state=random_state).fit(X).lists(5)
        assert index.options["n_jobs"] == threads
    with threadpool_limits(1):
        make_search("approximate", **kwargs).fit(X).lists(5)
    assert index.options["n_jobs"] == 1


@pytest.mark.parametrize("metric", METRICS)
def test_both_searches_measure_the_same_distance(metric):
    from pynndescent.distances import named_distances

    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(40, 2 if metric == "haversine" else 6)))
    X[rng.random(X.shape) < 0.3] = 0
    X[:, 0] += 0.1 * np.arange(40)
    space = FeatureSpace(metric)
    points = space.fit(X).transform(X)
    lists = ExactSearch(space.search_metric).fit(points).lists(5)
    single = points.astype(np.float32)
    theirs = named_distances[space.search_metric].py_func  # uncompiled
    expected = [[theirs(single[x], single[y]) for y in lists.indices[x]] for x in range(40)]
    np.testing.assert_allclose(lists.distances, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("metric", SPARSE_METRICS)
def test_sparse_rows_have_the_neighbors_of_dense_rows(metric):
    X = sparse_rows(60, 12, 0.6)
    found = []
    for rows in (X, X.toarray()):
        space = FeatureSpace(metric)
        points = space.fit(rows).transform(rows)
        lists = ExactSearch(space.search_metric).fit(points).lists(5)
        found.append((lists.indices, space.distance(lists.distances)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    ratio = found[0][1] / found[1][1]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-9)


def test_transformer_gives_the_lists_of_the_exact_search():
    X = np.random.default_rng(0).normal(size=(60, 3))
    exact = ExactSearch("euclidean").fit(X[:40])
    search = TransformerSearch(KNeighborsTransformer(n_neighbors=50)).fit(X[:40])
    np.testing.assert_array_equal(search.lists(5).indices, exact.lists(5).indices)
    np.testing.assert_array_equal(search.query(X[40:], 5).indices, exact.query(X[40:], 5).indices)
    np.testing.assert_array_equal(
        search.add_queries(search.lists(5), X[40:], 5).indices,
        exact.add_queries(exact.lists(5), X[40:], 5).indices,
    )


def test_transformer_of_one_point():
    search = TransformerSearch(KNeighborsTransformer()).fit(np.zeros((1, 2)))
    assert search.query(np.ones((3, 2)), 1).indices.tolist() == [[0]] * 3


def test_transformer_class_is_refused():
    with pytest.raises(ValueError, match=r"Pass an object: neighbors=KNeighborsTransformer\("):
        make_search(KNeighborsTransformer, (10, 2), metric="euclidean")


def test_transformer_of_connectivities_is_refused():
    with pytest.raises(ValueError, match="mode='distance'"):
        make_search(KNeighborsTransformer(mode="connectivity"), (10, 2), metric="euclidean")


@pytest.mark.parametrize("metric", ["manhattan", "canberra", "haversine"])
def test_exact_lists_do_not_depend_on_the_number_of_threads(metric):
    X = np.random.default_rng(0).integers(0, 40, size=(2500, 2)) / 40.0  # many equal distances
    lists = ExactSearch(metric).fit(X).lists(4)
    with threadpool_limits(1):
        alone = ExactSearch(metric).fit(X).lists(4)
    np.testing.assert_array_equal(lists.indices, alone.indices)
    np.testing.assert_array_equal(lists.distances, alone.distances)


SEARCHES = [
    ExactSearch("euclidean"),
    ExactSearch("manhattan"),
    CellSearch(0),
    DescentSearch("euclidean", 0),
    # The trees of scikit-learn count their queries.
    TransformerSearch(KNeighborsTransformer(n_neighbors=8, algorithm="brute")),
]


@pytest.mark.parametrize("search", SEARCHES[:-1])
def test_eight_threads_query_one_fitted_search_at_once(monkeypatch, search):
    fake_pynndescent(monkeypatch)
    X = np.random.default_rng(0).normal(size=(1600, 4))
    points, queries = X[:1200], np.split(X[1200:], 8)
    lists = search.fit(points).lists(8)
    alone = [[*search.query(part, 8), *search.add_queries(lists, part, 8)] for part in queries]
    shared, start = search.fitted_like(points), threading.Barrier(8)

    def ask(part):
        start.wait()
        return [*shared.query(part, 8), *shared.add_queries(lists, part, 8)]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, queries))
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("search", SEARCHES)
def test_queries_leave_a_fitted_search_as_it_is(monkeypatch, search):
    fake_pynndescent(monkeypatch)
    X = np.random.default_rng(0).normal(size=(1000, 4))
    search.fit(X[:900])
    lists = search.lists(8)
    copies = [search, pickle.loads(pickle.dumps(search)), copy.copy(search), copy.deepcopy(search)]
    found = []
    for one in copies:
        before = joblib.hash(one)
        found.append(one.query(X[900:], 8).indices)
        one.add_queries(lists, X[900:], 8)
        assert joblib.hash(one) == before
    for indices in found[1:]:
        np.testing.assert_array_equal(indices, found[0])


@pytest.mark.parametrize("search", SEARCHES[:-1])
def test_a_saved_search_holds_the_points_alone(monkeypatch, search):
    fake_pynndescent(monkeypatch)
    points = np.random.default_rng(0).normal(size=(1000, 4))
    search.fit(points).lists(8)
    assert len(pickle.dumps(search)) < 1.1 * points.nbytes
    assert len(pickle.dumps(search.fitted_like(points))) == len(pickle.dumps(search))


def test_lazy_value_is_made_once_by_the_first_of_many_threads():
    made, start = [], threading.Barrier(8)

    def make(name):
        time.sleep(0.05)
        made.append(name)
        return object()

    lazy = Lazy(make)

    def get(name):
        start.wait()
        return lazy.get(name)

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(get, range(8)))
    assert len(made) == len(set(values)) == 1


def test_lazy_value_is_made_after_a_failure():
    lazy = Lazy(lambda divisor: 1 / divisor)
    with pytest.raises(ZeroDivisionError):
        lazy.get(0)
    assert lazy.get(2) == lazy.get(4) == 0.5


@pytest.mark.parametrize(
    ("search", "how"),
    [
        (ExactSearch("euclidean"), "exactly"),
        (CellSearch(0), "approximately"),
        (DescentSearch("euclidean", 0), "approximately"),
    ],
)
def test_each_search_reports_its_progress_once(monkeypatch, capfd, search, how):
    fake_pynndescent(monkeypatch)
    X = np.random.default_rng(0).normal(size=(1500, 4))
    with show_progress(True):
        search.fit(X[:1000]).lists(8)
        search.query(X[1000:], 8)
    lines = capfd.readouterr().out.splitlines()
    assert [line.split("] ")[2].split(", ")[0] for line in lines] == [
        f"{n} points searched {how}" for n in ("1,000", "500")
    ]
    search.query(X[1000:], 8)
    assert not capfd.readouterr().out


@pytest.mark.parametrize(
    ("neighbors", "n", "metric", "is_sparse", "kind"),
    [
        ("auto", 10_000, "euclidean", False, ExactSearch),
        ("auto", 100_000, "euclidean", False, CellSearch),
        ("auto", 100_000, "euclidean", True, DescentSearch),
        ("auto", 100_000, "manhattan", False, DescentSearch),
        ("auto", 5_000, "manhattan", False, ExactSearch),
        ("approximate", 100, "euclidean", False, CellSearch),
        ("approximate", 100, "manhattan", False, DescentSearch),
        ("exact", 10**7, "euclidean", False, ExactSearch),
    ],
)
def test_search_that_is_made(neighbors, n, metric, is_sparse, kind):
    search = make_search(neighbors, (n, 500), metric=metric, is_sparse=is_sparse)
    assert type(search) is kind


def test_cost_model_prefers_a_tree_in_few_dimensions_and_pairs_in_many():
    for d, tree_wins in ((2, True), (5, True), (15, False), (784, False)):
        brute, tree = exact_seconds(50_000, 50_000, d, "euclidean")
        assert (tree < brute) == tree_wins
    assert exact_seconds(50, 50, 2, "euclidean")[1] == np.inf
    assert exact_seconds(50_000, 50_000, 2, "canberra")[1] == np.inf


def test_sparse_rows_cost_what_they_store():
    entries = np.random.default_rng(0).integers([[300], [1_000_000]], size=(2, 6000))
    X = sparse.csr_array((np.ones(6000), entries), shape=(300, 1_000_000))
    assert compared_features(X) == 4 * X.nnz / 300 < 100
    assert compared_features(sparse.csr_array(np.ones((9, 5)))) == 5
    assert compared_features(np.ones((9, 5))) == 5
    search = make_search("auto", (300, compared_features(X)), metric="manhattan", is_sparse=True)
    assert isinstance(search, ExactSearch)
    # No tree takes sparse rows, however few entries they have.
    search = make_search("auto", (400_000, 8), metric="manhattan", is_sparse=True)
    assert isinstance(search, DescentSearch)
