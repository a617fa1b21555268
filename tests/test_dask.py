"""Rows in dask collections: the same answers, wherever the rows are."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.neighbors import KNeighborsTransformer

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._distributed.dealing import deal_pieces, dealt_rows

from .clouds import clouds, examples
from .partitions import IN_ONE_THREAD, computed, da, dask, partitioned, same

pytestmark = IN_ONE_THREAD


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"label_weight": "wnll", "metric": "cosine"},
        {"label_weight": 3.0, "neighbors": "approximate"},
        {"class_prior": "labeled"},
        {"class_prior": np.arange(1, 11) / 55},
        {"label_noise": "auto", "predict_mode": "inductive"},
        {"query_size": 30, "neighbors": KNeighborsTransformer(n_neighbors=15)},
    ],
    ids=lambda params: "-".join(params) or "defaults",
)
def test_one_template_equals_a_model_of_arrays(few_digits, params):
    X, few = few_digits
    X, new = X[:500], X[500:]
    y = np.array([None, *"abcdefghij"], dtype=object)[few[:500] + 1]
    whole = WNLLClassifier(random_state=3, **params).fit(X, y)
    model = WNLLClassifier(random_state=3, template_size=500, **params)
    for labels in (y, partitioned(y, 150)):
        model.fit(partitioned(X, 130, 200, 0, 50, 120), labels)
        for name, values in computed(model).items():
            expected = getattr(whole, name)
            if values.dtype.kind == "f":
                np.testing.assert_allclose(values, expected, atol=1e-9)
            else:
                np.testing.assert_array_equal(values, expected)
        for name in ("classes_", "label_noise_", "n_features_in_", "n_iter_"):
            np.testing.assert_array_equal(getattr(model, name), getattr(whole, name))
    assert hasattr(model, "class_sizes_") == ("class_prior" in params)
    queries = partitioned(new, len(new))
    for method in ("predict_proba", "certainty"):
        expected = getattr(whole, method)(new)
        np.testing.assert_allclose(getattr(model, method)(new), expected, atol=1e-9)
        np.testing.assert_allclose(getattr(model, method)(queries).compute(), expected, atol=1e-9)
    np.testing.assert_array_equal(model.predict(new), whole.predict(new))
    np.testing.assert_array_equal(model.predict(queries).compute(), whole.predict(new))


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=40),
    st.integers(1, 20),
    st.integers(0, 60),
    st.integers(0, 1000),
)
def test_pieces_hold_every_row_once_and_templates_are_full_and_mixed(free, labeled, more, seed):
    size = 2 * labeled + more
    templates = deal_pieces(free, size, labeled)
    rng = np.random.default_rng(seed)
    places = [np.sort(rng.choice(n + 3, 3, replace=False)) for n in free]  # of labelled rows
    found = [[] for _ in free]
    for pieces in templates:
        taken = 0
        for piece in pieces:
            n = free[piece.partition]
            assert 0 <= piece.start < piece.stop <= n
            rows = dealt_rows(piece, n + 3, places[piece.partition], seed)
            assert (np.diff(rows) > 0).all()
            assert len(rows) == piece.stop - piece.start
            found[piece.partition].append(rows)
            taken += len(rows)
        assert taken + labeled <= size
        if len(templates) > 1:
            assert taken >= sum(free) // len(templates)
    for rows, n, labels in zip(found, free, places, strict=True):
        every = np.sort(np.concatenate([labels, *rows]))
        np.testing.assert_array_equal(every, np.arange(n + 3))
    whole = sum(free) + labeled <= size
    assert len(templates) == (1 if whole else -(-sum(free) // (size - labeled)))


@given(st.integers(1, 80), st.integers(2, 40))
def test_templates_take_rows_from_16_partitions_or_all(n_partitions, n_templates):
    rows = 40 * n_templates
    templates = deal_pieces([rows] * n_partitions, 40 * n_partitions + 1, 1)
    assert len(templates) == n_templates
    for pieces in templates:
        partitions = np.unique([piece.partition for piece in pieces])
        assert len(partitions) >= min(16, n_partitions)
        if n_partitions >= 32:  # sorted rows of two kinds
            assert 0.2 < np.mean(partitions < n_partitions // 2) < 0.8


def test_templates_are_those_of_arrays_and_answers_their_mean(jittered):
    X, _, few = jittered
    params = {"label_weight": "wnll"}  # an adaptive one sees all templates at once
    model = WNLLClassifier(template_size=400, random_state=0, **params)
    model.fit(partitioned(X[:1500], 200), few[:1500])
    rows = dask.compute(*model.templates_)
    assert len(rows) == 5
    counts = np.bincount(np.concatenate(rows), minlength=1500)
    np.testing.assert_array_equal(counts, np.where(few[:1500] < 0, 1, len(rows)))
    assert max(map(len, rows)) <= 400
    alone = [WNLLClassifier(random_state=0, **params).fit(X[part], few[part]) for part in rows]
    expected = np.empty((1500, 10))
    for part, one in zip(rows, alone, strict=True):
        expected[part] = one.label_distributions_
    np.testing.assert_allclose(model.label_distributions_.compute(), expected, atol=1e-9)
    expected = np.mean([one.predict_proba(X[1500:]) for one in alone], axis=0)
    np.testing.assert_allclose(model.predict_proba(X[1500:]), expected, atol=1e-9)


def test_fitted_rows_keep_their_value_even_if_labels_may_be_wrong(few_digits):
    X, few = few_digits
    few = few.copy()
    few[np.flatnonzero(few >= 0)[::9]] = 0
    model = WNLLClassifier(template_size=250, label_noise=0.2, random_state=0)
    u = model.fit(partitioned(X, 200), few).label_distributions_.compute()
    assert 0 < u[few >= 0].max(axis=1).min() < 1  # labels that others outvote
    np.testing.assert_allclose(model.predict_proba(X), u, atol=1e-12)
    np.testing.assert_allclose(model.predict_proba(partitioned(X, 90)).compute(), u, atol=1e-12)


@examples(20)
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
@given(clouds(grid=True), st.lists(st.integers(0, 30), min_size=2, max_size=6), st.data())
def test_any_partitions_keep_the_rules_for_labelled_fitted_and_equal_rows(cloud, sizes, data):
    X, y = cloud.X + 0.0, np.array(cloud.y)  # without -0.0, which equals 0.0
    labeled = np.flatnonzero(y >= 0)
    y[labeled[5:]] = -1
    labeled = labeled[:5]
    edges = [*np.minimum(np.cumsum([0, *sizes]), len(X)).tolist(), len(X)]
    rows = partitioned(X, *(stop - start for start, stop in pairwise(edges)))
    model = WNLLClassifier(
        template_size=2 * len(labeled) + data.draw(st.integers(2, 20)),
        random_state=0,
        unlabeled=-1,
        predict_mode=data.draw(st.sampled_from(["transductive", "inductive"])),
        n_neighbors=4,
        label_weight="wnll",  # corrects nothing
    ).fit(rows, y)
    u, classes = model.label_distributions_.compute(), model.classes_
    assert u.shape == (len(X), len(classes))
    assert (u >= 0).all()
    np.testing.assert_allclose(u.sum(axis=1), 1, atol=1e-8)
    equal = {}  # a labelled point has the mean of its labels
    for row in labeled:
        equal.setdefault(X[row].tobytes(), []).append(classes == y[row])
    means = np.array([np.mean(equal[X[row].tobytes()], axis=0) for row in labeled])
    np.testing.assert_allclose(u[labeled], means, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X[labeled]), means, atol=1e-9)
    proba = model.predict_proba(np.vstack([X + 0.3, X[::-1] + 0.3]))
    np.testing.assert_array_equal(proba[: len(X)], proba[len(X) :][::-1])
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-8)
    lazy = model.predict_proba(rows)
    assert lazy.chunks[0] == rows.chunks[0]
    _, first = np.unique(X, axis=0, return_index=True)
    counts = np.unique(X, axis=0, return_counts=True)[1]
    alone = first[counts == 1]  # rows that equal no other keep their value
    np.testing.assert_allclose(lazy.compute()[alone], u[alone], atol=1e-12)


def test_no_class_outgrows_the_labels_in_reach(jittered):
    """Maximum principle: without corrections, labels of one class leave no room for others."""
    X, y, few = jittered
    few = np.where(few == 3, 3, -1)
    far = X + 1000 * (y == 7)[:, None]
    few[np.flatnonzero(y == 7)[:5]] = 7
    model = WNLLClassifier(template_size=300, label_weight="wnll", random_state=0)
    model.fit(partitioned(far, 97), few)
    u = model.label_distributions_.compute()
    np.testing.assert_allclose(u[y != 7], [[1, 0]] * np.count_nonzero(y != 7), atol=1e-9)
    np.testing.assert_allclose(u[y == 7], [[0, 1]] * np.count_nonzero(y == 7), atol=1e-9)


def test_results_depend_on_no_scheduler(jittered):
    X, _, few = jittered
    model = WNLLClassifier(template_size=500, random_state=0).fit(partitioned(X, 300), few)
    with dask.config.set(scheduler="threads"):
        other = WNLLClassifier(template_size=500, random_state=0).fit(partitioned(X, 300), few)
        same(model, other)
    np.testing.assert_array_equal(model.predict_proba(X + 0.1), other.predict_proba(X + 0.1))


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_results_can_be_computed_again_with_any_random_state(jittered, random_state):
    X, _, few = jittered
    model = WNLLClassifier(template_size=900, random_state=random_state)
    with dask.config.set(scheduler="sync"):
        model.fit(partitioned(X, 600), few)
    same(model, model)
    query = partitioned(X + 0.1, 700)
    np.testing.assert_array_equal(model.predict_proba(query), model.predict_proba(query))


def test_unknown_sizes_are_found(jittered):
    X, _, few = jittered
    rows, labels = partitioned(X, 500), partitioned(few, 500)
    wanted = X[:, 20] > 4
    known = WNLLClassifier(template_size=600, random_state=0)
    parts = [np.count_nonzero(part) for part in np.split(wanted, [500, 1000, 1500])]
    known.fit(partitioned(X[wanted], *parts), few[wanted])
    some = rows[rows[:, 20] > 4], labels[rows[:, 20] > 4]
    assert np.isnan(some[0].shape[0])
    for y in (some[1], few[wanted]):
        same(known, WNLLClassifier(template_size=600, random_state=0).fit(some[0], y))
    lazy = known.predict(some[0])
    assert np.isnan(lazy.shape[0])
    np.testing.assert_array_equal(lazy.compute(), known.transduction_.compute())


@pytest.mark.parametrize("known", [True, False])
def test_sparse_partitions(jittered, known):
    X, _, few = jittered
    X = X * (X > 5)
    rows = partitioned(X, 600).map_blocks(sparse.csr_array)
    if not known:
        rows = rows[da.from_array(few, chunks=600) > -2]
    assert np.isnan(rows.shape[0]) != known
    params = {"template_size": 700, "random_state": 0, "neighbors": "exact"}
    model = WNLLClassifier(**params).fit(rows, few)
    dense = WNLLClassifier(**params).fit(partitioned(X, 600), few)
    u = [one.label_distributions_.compute() for one in (model, dense)]
    np.testing.assert_allclose(*u, atol=1e-6)
