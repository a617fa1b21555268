"""The automatic search: cells, unless a sample of the points says that all pairs are faster."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._graph.search import ExactSearch, choice, make_search
from sklearn_wnll._graph.search.cell_search import CellSearch

from .clouds import IGNORES_FEW_LABELS
from .test_cell_search import clusters

pytestmark = IGNORES_FEW_LABELS


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let few points be worth a choice; it would take 30,000."""
    monkeypatch.setattr(choice, "_PATIENCE", 0)


def noise(n, d=64):
    return np.random.default_rng(0).normal(size=(n, d))


def automatic(X, seed=0):
    return make_search("auto", X.shape, metric="euclidean", random_state=seed).fit(X)


def assert_same_lists(one, other):
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.distances, other.distances)


def test_points_without_structure_are_searched_exactly():
    X, new = np.split(noise(1100), [1000])
    search, exact = automatic(X), ExactSearch("euclidean").fit(X)
    cells = CellSearch(search.seed).fit(X)
    lists = search.lists(10)
    assert_same_lists(lists, exact.lists(10))
    assert (lists.distances != cells.lists(10).distances).any()
    for one in (search, copy.copy(search), pickle.loads(pickle.dumps(search))):
        assert_same_lists(one.query(new, 10), exact.query(new, 10))
        assert_same_lists(one.query_alone(new, 10), exact.query_alone(new, 10))
        assert_same_lists(one.add_queries(lists, new, 10), exact.add_queries(lists, new, 10))
        for more in (new, np.concatenate([new, noise(400) + 1])):  # some, and by half
            grown, exactly = one.grown(more, 10), exact.grown(more, 10)
            for each in (grown, pickle.loads(pickle.dumps(grown))):
                assert_same_lists(each.query(new + 0.5, 10), exactly.query(new + 0.5, 10))


@pytest.mark.parametrize("latent", [2, 4])
def test_points_on_sheets_are_searched_in_cells(latent):
    X, new = np.split(clusters(4100, 64, latent), [4000])
    search = automatic(X)
    cells = CellSearch(search.seed).fit(X)
    lists = search.lists(10)
    assert_same_lists(lists, cells.lists(10))
    assert (lists.distances != ExactSearch("euclidean").fit(X).lists(10).distances).any()
    for one in (search, pickle.loads(pickle.dumps(search))):
        assert_same_lists(one.query(new, 10), cells.query(new, 10))
        assert_same_lists(one.add_queries(lists, new, 10), cells.add_queries(lists, new, 10))
        assert_same_lists(one.grown(new, 10).query(new, 10), cells.grown(new, 10).query(new, 10))
    # Many more points get new cells, without another choice.
    grown = search.grown(noise(2000), 10)
    assert_same_lists(grown.query(new, 10), cells.grown(noise(2000), 10).query(new, 10))


@pytest.mark.parametrize("X", [noise(1000), clusters(4000, 64, 2)], ids=["noise", "sheets"])
def test_the_choice_is_made_once_and_by_nothing_but_points_and_seed(X):
    search = automatic(X)
    lists = search.lists(10)
    with threadpool_limits(1):
        alone = automatic(X)
        assert_same_lists(alone.lists(10), lists)
    state = joblib.hash(search)
    assert joblib.hash(alone) == state
    search.query(X[:5] + 0.1, 10)
    assert joblib.hash(search) == state
    # Other points are another choice: here too few for cells, and then these again.
    again = search.fitted_like(X[:200]).fitted_like(X)
    assert_same_lists(again.lists(10), lists)


def test_an_approximate_search_makes_no_choice():
    X = noise(1000)
    search = make_search("approximate", X.shape, metric="euclidean", random_state=0).fit(X)
    lists = search.lists(10)
    assert_same_lists(lists, CellSearch(search.seed).fit(X).lists(10))
    assert (lists.distances != ExactSearch("euclidean").fit(X).lists(10).distances).any()


def test_queries_before_any_list_make_the_same_choice():
    X, new = np.split(noise(1100), [1000])
    search = automatic(X)
    state = joblib.hash(search)
    assert_same_lists(search.query(new, 10), ExactSearch("euclidean").fit(X).query(new, 10))
    assert joblib.hash(search) == state


@pytest.mark.parametrize(
    ("X", "other"),
    [(noise(1000), "exact"), (clusters(4000, 64, 2), "approximate")],
    ids=["noise", "sheets"],
)
def test_a_classifier_with_the_automatic_search_equals_one_with_the_better(X, other):
    y = np.full(len(X), -1)
    y[:40] = np.arange(40) % 2
    auto, better = (
        WNLLClassifier(neighbors=neighbors, metric="cosine", random_state=0).fit(X[:-50], y[:-50])
        for neighbors in ("auto", other)
    )
    assert (auto.graph_ != better.graph_).nnz == 0
    for model in (auto, pickle.loads(pickle.dumps(auto)), auto.compact()):
        model.set_params(predict_mode="inductive")
        better.set_params(predict_mode="inductive")
        np.testing.assert_array_equal(model.predict_proba(X), better.predict_proba(X))
    for model in (auto, better):
        model.set_params(predict_mode="transductive")
    np.testing.assert_array_equal(auto.predict_proba(X), better.predict_proba(X))
    np.testing.assert_array_equal(
        auto.add_rows(X[-50:]).label_distributions_, better.add_rows(X[-50:]).label_distributions_
    )


def test_queries_with_many_candidates_are_sorted_apart_and_find_the_same(monkeypatch):
    # Half of the points are in cells of a few points each, where all others are candidates.
    X = np.concatenate([noise(600, 8), 30 * noise(600, 8)])
    expected = CellSearch(0).fit(X).lists(10)
    monkeypatch.setattr("sklearn_wnll._graph.search.cells._CANDIDATE_ENTRIES", 1)
    assert_same_lists(CellSearch(0).fit(X).lists(10), expected)


def test_cells_are_estimated_to_take_the_longer_the_more_neighbors_they_must_find():
    X = clusters(4000, 32, 3)
    index = CellSearch(0).fit(X)._index.get(10)
    assert not index.is_slow()
    index.n_probes = index.cells.n_cells
    index.n_candidates = 250
    assert index.is_slow()
