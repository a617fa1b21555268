"""Rows in dask collections: the same answers, wherever the rows are."""

import os
import pickle
import signal
import subprocess
import sys
from copy import copy
from importlib import import_module
from itertools import pairwise

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline

from sklearn_wnll import WNLLClassifier, WNLLRegressor
from sklearn_wnll.exceptions import (
    AmbiguousLabelsWarning,
    FewLabelsWarning,
    UnreachedPointsWarning,
)

from .clouds import clouds, examples

dask = pytest.importorskip("dask", reason="needs the extra [distributed]")
da = pytest.importorskip("dask.array", reason="needs the extra [distributed]")

from sklearn_wnll._distributed.dealing import deal_pieces, dealt_rows  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
]
LAZY = "label_distributions_", "reached_", "transduction_"


@pytest.fixture(autouse=True)
def _in_one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def partitioned(X, *sizes):
    """Rows in partitions of some sizes."""
    return da.from_array(X, chunks=(sizes if len(sizes) > 1 else sizes[0], *X.shape[1:]))


def computed(model):
    return dict(zip(LAZY, dask.compute(*(getattr(model, name) for name in LAZY)), strict=True))


def same(one, two):
    for name, values in computed(one).items():
        np.testing.assert_array_equal(values, computed(two)[name])


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


LABELS = {
    "strings": ["a", None, "b", "a", None, "b"],
    "numbers": [0.0, np.nan, 2.0, 0.0, np.nan, 2.0],
    "marker": [5, 9, 7, 7, 9, 5],
    "truth values": [True, None, False, True, None, None],
    "mixed partitions": [1, None, None, None, 2.0, 1],
}


@pytest.mark.parametrize("name", LABELS)
def test_classes_are_those_of_labels_in_one_place(name):
    y = LABELS[name]
    y = np.array(y, dtype=object) if None in y else np.array(y)
    X = np.arange(6.0)[:, None]
    params = {"unlabeled": 9 if name == "marker" else "auto", "n_neighbors": 2}
    whole = WNLLClassifier(**params).fit(X, y)
    model = WNLLClassifier(template_size=6, **params).fit(partitioned(X, 2), partitioned(y, 2))
    np.testing.assert_array_equal(model.classes_, whole.classes_)
    assert model.classes_.dtype == whole.classes_.dtype == model.transduction_.dtype
    np.testing.assert_array_equal(model.transduction_.compute(), whole.transduction_)


def test_masked_labels_are_missing():
    y = np.ma.array([0, 1, 0, 1], mask=[0, 0, 1, 1])
    X = np.array([[0.0], [5.0], [0.1], [5.1]])
    model = WNLLClassifier(template_size=4, n_neighbors=1)
    model.fit(partitioned(X, 2), da.from_array(y, chunks=2))
    np.testing.assert_array_equal(model.transduction_.compute(), [0, 1, 0, 1])


def test_doubts_about_labels_in_all_partitions_are_told():
    X = np.arange(8.0)[:, None]
    y = partitioned(np.array([-1, -1, -1, -1, 1, 1, 1, 1]), 4)
    with pytest.warns(AmbiguousLabelsWarning, match="exactly the values -1 and 1"):
        model = WNLLClassifier(template_size=8, n_neighbors=2).fit(partitioned(X, 4), y)
    np.testing.assert_array_equal(model.classes_, [-1, 1])


@pytest.mark.filterwarnings("default::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.parametrize("lazy", [False, True])
def test_few_labels_are_told_once(lazy):
    X, y = np.arange(6.0)[:, None], np.array([0, -1, 1, -1, 2, -1])
    y = partitioned(y, 3) if lazy else y
    with pytest.warns(FewLabelsWarning, match="3 rows are labelled") as found:
        WNLLClassifier(template_size=6, n_neighbors=2).fit(partitioned(X, 3), y)
    assert len(found) == 1


def test_unreached_rows_are_counted():
    X = np.r_[np.arange(10), 1000 + np.arange(5)][:, None].astype(float)
    y = np.full(15, -1)
    y[[0, 9]] = 0, 1
    model = WNLLClassifier(template_size=15, n_neighbors=2)
    with pytest.warns(UnreachedPointsWarning, match="No label reaches 5 rows of X"):
        model.fit(partitioned(X, 4), y)
    np.testing.assert_array_equal(model.reached_.compute(), X[:, 0] < 1000)
    with pytest.warns(UnreachedPointsWarning, match="No label reaches 1 queries"):
        proba = model.predict_proba([[1002.5], [4.5]])
    np.testing.assert_allclose(proba[0], [0.5, 0.5])
    np.testing.assert_array_equal(model.certainty(partitioned(X[10:], 5)).compute(), 0)


def test_scores_are_those_of_arrays(jittered):
    X, y, few = jittered
    model = WNLLClassifier(template_size=500, random_state=0).fit(partitioned(X, 300), few)
    expected = np.mean(model.transduction_.compute() == y)
    assert model.score(partitioned(X, 300), partitioned(y, 200)) == pytest.approx(expected)
    assert model.score(X, y) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"template_size": None}, "template_size=None is a choice for rows in one place"),
        ({"template_size": "auto"}, "template_size='auto' is a choice for rows in one place"),
        ({"metric": "precomputed"}, "metric='precomputed' needs all rows in one place"),
        ({"estimator": LogisticRegression()}, "estimator=LogisticRegression.* needs all rows"),
        ({"held_out": 3}, "held_out=3 needs all rows"),
        ({"calibrate": True}, "calibrate=True needs all rows"),
        ({"class_prior": "estimated"}, "class_prior='estimated' needs .* Pass 'labeled'"),
        ({"class_prior": "labeled", "volume_constraint": True}, "volume_constraint=True needs"),
        ({"warm_start": True}, "warm_start=True needs all rows"),
        ({"template_size": 150}, "100 of 600 rows are labelled.* Pass template_size=200 or more"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_parameters_that_need_all_rows_are_refused(few_digits, params, message):
    X, few = few_digits
    model = WNLLClassifier(**{"template_size": 300, **params})
    with pytest.raises(ValueError, match=message):
        model.fit(partitioned(X, 200), few)


def frame_of_arrays(X, y):
    return partitioned(X, 200), partitioned(y, 200)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X.rechunk((200, 30)), y), r"chunks of columns .* X.rechunk\(\{1: -1\}\)"),
        (lambda X, y: (X[:, 0], y), "without rows of features"),
        (lambda X, y: (X, y[:-1]), "X has 600 rows and y 599"),
        (lambda X, y: (X, y[:-1].compute()), "X has 600 rows and y 599"),
        (lambda X, y: (X[X[:, 0] >= 0], y[:-1]), "200 rows of X and 199 entries of y"),
        (lambda X, y: (X[X[:, 0] >= 0], y.rechunk(300)), "X has 3 partitions and y 2"),
        (lambda X, y: (X, da.stack([y == 1, y == 2], axis=1)), "y must be one column"),
        (lambda X, y: (X, np.eye(2)[(y.compute() == 1).astype(int)]), "y must be one column"),
        (lambda X, y: (X, None), "requires y to be passed"),
        (lambda X, y: (X, da.full_like(y, -1)), "Every row of y is unlabelled"),
        (lambda X, y: (X, y + 0.5), "Unknown label type: continuous"),
        (lambda X, y: (da.where(X == 3, np.nan, X), y), "Input X contains NaN"),
    ],
)
def test_collections_that_do_not_fit_are_refused(few_digits, change, message):
    X, y = change(*(partitioned(each, 200) for each in few_digits))
    with pytest.raises(ValueError, match=message):
        WNLLClassifier(template_size=300).fit(X, y)


def test_partitions_that_are_not_as_announced_are_refused(small):
    model, X, y = small
    rows = partitioned(X, 30)
    fewer = rows.map_blocks(lambda part: part[:, :1], dtype=float, meta=rows._meta)
    message = "partition of X holds 1 features, but X itself says 3.* pass chunks="
    with pytest.raises(ValueError, match=message):
        clone(model).fit(fewer, y)
    with pytest.raises(ValueError, match=message):
        model.predict(fewer).compute()
    first = da.concatenate([rows[:30].map_blocks(lambda part: part[:, :1], dtype=float), rows[30:]])
    with pytest.raises(ValueError, match=message):
        clone(model).fit(first, y)


@pytest.fixture(scope="module")
def small():
    """A model of three templates, and the rows and labels it was fitted to."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = rng.normal(size=(120, 3)) + 4 * y[:, None]
    few = np.where(np.arange(120) < 10, y, -1)
    with dask.config.set(scheduler="synchronous"):
        model = WNLLClassifier(template_size=60, n_neighbors=5, random_state=0)
        return model.fit(partitioned(X, 25), few), X, few


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("relabel", lambda X, y: (y,)),
        ("add_rows", lambda X, y: (X,)),
        ("suggest_labels", lambda X, y: (3,)),
        ("suspect_labels", lambda X, y: (3,)),
        ("compact", lambda X, y: ()),
    ],
)
def test_methods_that_need_one_graph_say_so(small, method, args):
    model, X, y = small
    with pytest.raises(
        ValueError, match=rf"{method} needs one graph of all rows.* dask collection"
    ):
        getattr(model, method)(*args(X, y))


def test_queries_are_checked_before_anything_is_computed(small):
    model, X, _ = small
    with pytest.raises(ValueError, match="X has 2 features, but WNLLClassifier is expecting 3"):
        model.predict(partitioned(X[:, :2], 50))
    with pytest.raises(ValueError, match="X has 2 features"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="chunks of columns"):
        model.predict(partitioned(X, 50).rechunk((50, 1)))
    with pytest.raises(ValueError, match="not fitted"):
        WNLLClassifier().predict(partitioned(X, 50))


def test_results_are_lazy_and_partitioned_as_the_queries(small):
    model, X, _ = small

    def fail(rows):
        raise RuntimeError("computed")

    rows = partitioned(X, 70, 50)
    broken = rows.map_blocks(fail, dtype=float, meta=rows._meta)
    for method, shape in (("predict", ()), ("predict_proba", (2,)), ("certainty", ())):
        lazy = getattr(model, method)(broken)
        assert lazy.chunks[0] == (70, 50)
        assert lazy.shape == (120, *shape)
        with pytest.raises(RuntimeError, match="computed"):
            lazy.compute()


@pytest.mark.parametrize("warm_start", [False, True])
def test_other_rows_fit_anew(small, warm_start):
    model, X, y = small
    model = pickle.loads(pickle.dumps(model))
    model.set_params(template_size=None, warm_start=warm_start).fit(X, y)
    assert isinstance(model.label_distributions_, np.ndarray)
    assert model.graph_ is not None
    model.relabel(y)


def test_delayed_rows_and_labels_are_computed(small):
    model, X, y = small
    delayed = WNLLClassifier(n_neighbors=5).fit(dask.delayed(X), dask.delayed(y))
    whole = WNLLClassifier(n_neighbors=5).fit(X, y)
    np.testing.assert_array_equal(delayed.label_distributions_, whole.label_distributions_)
    queries = X + 0.1
    np.testing.assert_array_equal(
        delayed.predict_proba(dask.delayed(queries)), whole.predict_proba(queries)
    )
    labels = dask.delayed(y)
    same(model, clone(model).fit(partitioned(X, 25), labels))


def test_a_failed_fit_changes_nothing(small):
    model, X, y = small
    before = dict(vars(model))
    with pytest.raises(ValueError, match="Inconsistent"):
        model.fit(partitioned(X, 50), y[:-1])
    assert vars(model) == before


def test_saved_models_answer_as_before(small, tmp_path):
    model, X, _ = small
    queries = X + 0.2
    joblib.dump(model, tmp_path / "model.joblib")
    model.save_templates(tmp_path / "folder")
    names = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert names == ["model.joblib", *(f"template-0000{i}.joblib" for i in range(3))]
    (tmp_path / "folder").rename(tmp_path / "moved")
    loaded = WNLLClassifier.load_templates(tmp_path / "moved")
    whole, copied = joblib.load(tmp_path / "model.joblib"), pickle.loads(pickle.dumps(loaded))
    for other in (whole, loaded, copied):
        same(model, other)
        np.testing.assert_array_equal(model.predict_proba(queries), other.predict_proba(queries))
        lazy = other.predict(partitioned(queries, 40))
        np.testing.assert_array_equal(model.predict(partitioned(queries, 40)), lazy)
        assert other.get_params() == model.get_params()
    with pytest.raises(ValueError, match="is not empty"):
        loaded.save_templates(tmp_path / "moved")
    loaded.save_templates(tmp_path / "again")
    same(model, WNLLClassifier.load_templates(tmp_path / "again"))
    with pytest.raises(ValueError, match="fitted to arrays"):
        WNLLClassifier().fit([[0.0], [1.0]], [0, 1]).save_templates(tmp_path / "none")


WITHOUT_DASK = """
import sys
import numpy as np
from sklearn_wnll import WNLLClassifier
X = np.arange(20.0)[:, None]
model = WNLLClassifier(template_size=10, random_state=0).fit(X, [0, *[-1] * 18, 1])
model.predict(X + 0.1)
assert not {"dask", "distributed"} & set(sys.modules), "imported"
"""


def test_arrays_import_no_dask():
    subprocess.run([sys.executable, "-W", "ignore", "-c", WITHOUT_DASK], check=True)


# dask is not always up to date with pandas
@pytest.mark.filterwarnings("ignore:The inplace keyword")
class TestFrames:
    """Rows in a dask.dataframe."""

    @pytest.fixture
    def dd(self):
        pytest.importorskip("pyarrow", reason="dask.dataframe needs pyarrow")
        return import_module("dask.dataframe")

    @pytest.fixture
    def frame(self, jittered):
        pd = pytest.importorskip("pandas")
        X, _, few = jittered
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(64)]).astype({"x3": "float32"})
        frame["label"] = np.array([None, *"abcdefghij"], dtype=object)[few + 1]
        return frame

    @pytest.mark.parametrize("parquet", [False, True])
    def test_frames_are_as_arrays(self, dd, frame, jittered, tmp_path, parquet):
        rows = dd.from_pandas(frame, npartitions=4)
        if parquet:
            pytest.importorskip("pyarrow", reason="reading parquet needs pyarrow")
            rows.to_parquet(tmp_path)
            rows = dd.read_parquet(tmp_path)
        features = rows.drop(columns="label")
        model = WNLLClassifier(template_size=600, random_state=0).fit(features, rows["label"])
        sizes = rows.map_partitions(len).compute().tolist()
        X = frame.drop(columns="label").to_numpy()
        known = WNLLClassifier(template_size=600, random_state=0)
        known.fit(partitioned(X, *sizes), frame["label"].to_numpy())
        for name, values in computed(model).items():
            np.testing.assert_array_equal(values, computed(known)[name])
        assert model.feature_names_in_.tolist() == features.columns.tolist()
        lazy = model.predict(features)
        assert len(lazy.chunks[0]) == rows.npartitions
        np.testing.assert_array_equal(lazy.compute(), model.transduction_.compute())
        np.testing.assert_array_equal(
            model.predict(frame.drop(columns="label")), model.transduction_.compute()
        )
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(features.rename(columns={"x1": "x99"}))

    @pytest.mark.parametrize("kind", [WNLLClassifier, WNLLRegressor])
    def test_an_estimator_fitted_to_frames_gets_frames(self, dd, frame, jittered, kind):
        few = jittered[2][:300]
        features = frame.drop(columns="label")[:300]
        some = ColumnTransformer([("some", "passthrough", list(features.columns[:40]))])
        last = LogisticRegression(max_iter=500) if kind is WNLLClassifier else Ridge()
        model = kind(estimator=make_pipeline(some, last), random_state=0)
        y = few if kind is WNLLClassifier else np.where(few < 0, np.nan, few)
        model.fit(features, y)
        queries = features + 0.1
        lazy = dd.from_pandas(queries, npartitions=3)
        expected = model.predict(queries)
        np.testing.assert_array_equal(model.predict(lazy), expected)
        np.testing.assert_array_equal(np.concatenate([*model.predict(iter([lazy]))]), expected)
        grown = [copy(model).add_rows(rows).transduction_ for rows in (queries, lazy)]
        np.testing.assert_array_equal(*grown)
        if kind is WNLLRegressor:  # which computes its rows
            other = clone(model).fit(dd.from_pandas(features, 2), y)
            np.testing.assert_array_equal(other.predict(lazy), expected)

    def test_columns_of_partitions_in_another_order_are_refused(self, dd, frame):
        features = frame.drop(columns="label")
        parts = [features[:900], features[900:][features.columns[::-1]]]
        meta = {"meta": features[:0], "enforce_metadata": False}
        rows = dd.from_map(lambda i: parts[i], range(2), **meta)
        model = WNLLClassifier(template_size=600, random_state=0)
        with pytest.raises(ValueError, match="feature names should match"):
            model.fit(rows, frame["label"])
        model.fit(dd.from_pandas(features, npartitions=2), frame["label"])
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(rows).compute()

    def test_empty_partitions(self, dd, frame):
        rows = dd.from_pandas(frame.assign(number=np.arange(len(frame))), npartitions=5)
        some = rows[rows["number"] < 800]
        model = WNLLClassifier(template_size=500, random_state=0)
        model.fit(some.drop(columns="label"), some["label"])
        assert model.transduction_.compute().shape == (800,)

    def test_frames_of_several_labels_are_refused(self, dd, frame):
        rows = dd.from_pandas(frame, npartitions=2)
        with pytest.raises(ValueError, match="y must be one column"):
            WNLLClassifier(template_size=600).fit(rows.drop(columns="label"), rows[["label", "x1"]])


class Fragile(KNeighborsTransformer):
    """A neighbour search that ends the worker process the first time a template is fitted."""

    def __init__(self, n_neighbors=15, *, flag=None):
        super().__init__(n_neighbors=n_neighbors)
        self.flag = flag

    def transform(self, X):
        """Die once."""
        try:
            os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return super().transform(X)
        os._exit(1)


@pytest.mark.slow
def test_a_cluster_that_loses_workers_gives_the_same_result(few_digits, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra [distributed]")
    X, few = few_digits
    rows, queries, flag = partitioned(X, 60), X + 0.1, tmp_path / "killed"
    params = {"neighbors": Fragile(flag=str(flag)), "template_size": 250, "random_state": 0}
    flag.touch()
    alone = WNLLClassifier(**params).fit(rows, few)
    expected = alone.predict_proba(queries)
    flag.unlink()
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as hub,
        distributed.Client(hub) as client,
    ):
        model = WNLLClassifier(**params).fit(rows, few)
        assert flag.exists()  # a worker has been killed
        same(alone, model)
        with pytest.raises(ValueError, match=r"live on the workers .* save_templates"):
            pickle.dumps(model)
        holders = [worker for workers in client.who_has().values() for worker in workers]
        pids = client.run(os.getpid)
        os.kill(pids[holders[0]], signal.SIGKILL)  # with the templates that it holds
        np.testing.assert_array_equal(model.predict_proba(queries), expected)
        lazy = model.predict_proba(partitioned(queries, len(queries)))
        np.testing.assert_array_equal(lazy.compute(), expected)
        same(alone, model)
        model.save_templates(tmp_path / "folder")
        loaded = WNLLClassifier.load_templates(tmp_path / "folder")
        np.testing.assert_array_equal(loaded.predict_proba(queries), expected)
        pickle.dumps(loaded)
    np.testing.assert_array_equal(loaded.predict_proba(queries), expected)
