"""Iterators of blocks are answered lazily, and large arrays are read in parts."""

import tracemalloc
import warnings
from collections import deque
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from sklearn_wnll import WNLLClassifier, WNLLRegressor, _row_parts
from sklearn_wnll._graph.search import cell_search
from sklearn_wnll.compose import WithUnlabeled
from sklearn_wnll.exceptions import UnreachedPointsWarning

from .clouds import IGNORES_FEW_LABELS, examples

pytestmark = IGNORES_FEW_LABELS

N, N_NEW = 220, 90


def cloud(n_features, dtype=np.float64):
    """Fitted rows and new ones, among them fitted ones and equal ones."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N + N_NEW, n_features)).astype(dtype)
    X[N + 10 : N + 20], X[N + 50 : N + 55] = X[:10], X[N + 5]
    y = (X[:, 0] > 0) + 2 * (X[:, 1] > 0).astype(int)
    y[60:] = -1
    return X[:N], y[:N], X[N:]


def two_labels(y):
    return np.where(y[:, None] < 0, np.nan, np.column_stack([y % 2, y // 2]))


def classifier(n_features=24, dtype=np.float64, labels=lambda y: y, **params):
    X, y, new = cloud(n_features, dtype)
    return WNLLClassifier(random_state=0, **params).fit(X, labels(y)), new


def regressor(n_features=24, **params):
    X, y, new = cloud(n_features)
    return WNLLRegressor(random_state=0, **params).fit(X, np.where(y < 0, np.nan, X[:, 0])), new


def in_cells(**params):
    with mock.patch.object(cell_search, "_CELL_SIZE", 10):
        return classifier(neighbors="approximate", **params)


MODELS = {
    "exact": classifier,
    "in a tree": lambda **params: classifier(3, **params),
    "in cells": in_cells,
    "cosine": lambda **params: classifier(metric="cosine", **params),
    "manhattan": lambda **params: classifier(metric="manhattan", dtype=np.float32, **params),
    "templates": lambda **params: classifier(template_size=120, query_size=20, **params),
    "prior": lambda **params: classifier(class_prior="labeled", calibrate=True, **params),
    "several labels": lambda **params: classifier(labels=two_labels, **params),
    "numbers": regressor,
}


def answers_of(model):
    """The methods that answer for rows."""
    if isinstance(model, WNLLRegressor):
        return [
            model.predict,
            lambda X: model.predict(X, return_std=True),
            lambda X: model.predict_interval(X, coverage=0.8),
        ]
    return [model.predict, model.predict_proba, model.certainty]


def arrays(answer):
    return answer if isinstance(answer, tuple) else (answer,)


def assert_same(one, other):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def joined(answers):
    return tuple(map(np.concatenate, zip(*map(arrays, answers), strict=True)))


def cut(X, edges):
    return [X[slice(*ends)] for ends in zip([0, *edges], [*edges, X.shape[0]], strict=True)]


edges = st.lists(st.integers(0, N_NEW), max_size=6).map(sorted)


@pytest.mark.parametrize("name", MODELS)
def test_inductive_answers_do_not_depend_on_how_blocks_are_cut(name):
    model, new = MODELS[name](predict_mode="inductive")

    @examples(40)
    @given(edges)
    def check(edges):
        for ask in answers_of(model):
            assert_same(joined(ask(iter(cut(new, edges)))), ask(new))

    check()


@pytest.mark.parametrize("params", [{}, {"query_size": 7}], ids=str)
@pytest.mark.parametrize("name", ["exact", "several labels", "numbers"])
def test_in_transductive_mode_each_block_is_a_call_of_its_own(name, params):
    model, new = MODELS[name](**params)
    blocks = cut(new, [20, 21, 60])
    for ask in answers_of(model):
        for found, block in zip(ask(iter(blocks)), blocks, strict=True):
            assert_same(found, ask(block))


def test_a_block_is_read_when_its_answer_is_asked_for():
    model, new = classifier()
    read = []

    def blocks():
        for number in range(4):
            read.append(number)
            yield new[10 * number : 10 * number + 10]

    found = model.predict(blocks())
    assert not read
    for number in range(4):
        assert_same(next(found), model.predict(new[10 * number : 10 * number + 10]))
        assert read == list(range(number + 1))
    assert not list(found)


@pytest.mark.parametrize("make", [classifier, regressor])
def test_a_stream_is_answered_by_the_model_of_the_call(make):
    model, new = make()
    expected = [ask(new) for ask in answers_of(model)]
    streams = [ask(iter([new, new])) for ask in answers_of(model)]
    for found, true in zip(streams, expected, strict=True):
        assert_same(next(found), true)
    model.set_params(predict_mode="inductive", n_neighbors=3, query_size=2)
    model.fit(new, np.arange(len(new)) % 2)
    for found, true in zip(streams, expected, strict=True):
        assert_same(next(found), true)


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda X: X[:, 1:], ValueError, "X has 23 features"),
        (lambda X: X[0], ValueError, "Expected 2D array"),
        (lambda X: np.where(X > 1, np.nan, X), ValueError, "contains NaN"),
        (lambda X: "text", ValueError, "could not convert string"),
        (lambda X: [[{}] * 24], TypeError, "float"),
        (lambda X: np.ma.masked_greater(X, 1), ValueError, "X is masked"),
    ],
)
def test_the_error_of_a_wrong_block_tells_its_number(make, spoil, error, message):
    model, new = make()
    for ask in answers_of(model):
        found = ask(iter([new, new, spoil(new)]))
        next(found), next(found)
        with pytest.raises(error, match=rf"^Block 2 of X, counted from 0: .*{message}"):
            next(found)


@pytest.mark.parametrize("error", [KeyError("lost"), ValueError("lost"), StopAsyncIteration()])
def test_an_error_of_the_iterator_is_passed_on_unchanged(error):
    model, new = classifier()

    def blocks():
        yield new
        raise error

    found = model.predict_proba(blocks())
    next(found)
    with pytest.raises(type(error)) as caught:
        next(found)
    assert caught.value is error


def test_a_stream_that_must_fail_is_refused_at_once():
    model, new = classifier()
    blocks = iter([new])
    with pytest.raises(NotFittedError):
        WNLLClassifier().predict(blocks)
    with pytest.raises(NotFittedError):
        WNLLRegressor().predict(blocks)
    with pytest.raises(ValueError, match="without any label"):
        WNLLClassifier().fit(new, np.full(len(new), -1)).predict(blocks)
    with pytest.raises(ValueError, match="without any value"):
        WNLLRegressor().fit(new, [None] * len(new)).predict(blocks)
    with pytest.raises(ValueError, match="predict_mode='inductive' only"):
        model.compact().set_params(predict_mode="transductive").predict(blocks)
    with pytest.raises(ValueError, match="'query_size' parameter"):
        model.set_params(query_size=-1).predict(blocks)
    with pytest.raises(ValueError, match="coverage"):
        regressor()[0].predict_interval(blocks, coverage=2)
    alone = WNLLRegressor().fit(new, np.where(np.arange(len(new)) == 0, 1.0, np.nan))
    with pytest.raises(ValueError, match="only one"):
        alone.predict(blocks, return_std=True)
    assert next(blocks) is new  # nothing was read


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.parametrize("name", MODELS)
def test_no_blocks_have_no_answers_and_no_rows_an_answer_without_rows(name, mode):
    model, new = MODELS[name](predict_mode=mode)
    for ask in answers_of(model):
        assert list(ask(iter([]))) == []
        whole = ask(new)
        for block in (new[:0], [], pd.DataFrame(new[:0]), sparse.csr_array(new[:0])):
            empty, after = ask(iter([block, new]))
            assert_same(empty, tuple(array[:0] for array in arrays(whole)))
            assert_same(after, whole)


@pytest.mark.parametrize("kind", ["csr", "coo"])
def test_blocks_may_be_sparse(kind):
    X, y, new = cloud(12)
    X, new = (sparse.csr_array(np.where(part > 0.5, part, 0)) for part in (X, new))
    model = WNLLClassifier(predict_mode="inductive").fit(X, y)
    found = model.predict_proba(block.asformat(kind) for block in cut(new, [30, 31]))
    assert_same(joined(found), model.predict_proba(new))


def test_names_of_columns_are_checked_in_each_block():
    X, y, new = cloud(3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = WNLLClassifier(predict_mode="inductive").fit(frame, y)
    named = pd.DataFrame(new, columns=["a", "b", "c"])
    assert_same(joined(model.predict(iter(cut(named, [40])))), model.predict(named))
    found = model.predict(iter([named, named[["b", "a", "c"]]]))
    next(found)
    with pytest.raises(ValueError, match=r"^Block 1 of X.*feature names"):
        next(found)


def test_lists_of_rows_are_rows():
    model, new = classifier()
    assert_same(model.predict_proba(new.tolist()), model.predict_proba(new))
    assert_same(model.predict(tuple(new.tolist())), model.predict(new))


def test_a_score_a_fit_and_more_fitted_rows_need_all_rows():
    model, new = classifier()
    for each, y in ((model, np.zeros(len(new))), (regressor()[0], new[:, 0])):
        for method, args in (("score", (y,)), ("fit", (y,)), ("add_rows", ())):
            with pytest.raises(ValueError, match=f"{method} needs all rows at once"):
                getattr(each, method)(iter([new]), *args)


def test_a_block_without_a_dimension_is_refused_with_its_number():
    model, new = classifier()
    with pytest.raises(ValueError, match=r"^Block 1 of X.*Expected 2D array, got scalar"):
        list(model.predict(iter([new, np.array(1.0)])))


def test_unlabeled_rows_inside_a_meta_estimator_predict_streams_too():
    X, y, new = cloud(3)
    given = y >= 0
    names = np.array(["a", "b", "c", "d"])[y[given]]
    inner = WNLLClassifier(predict_mode="inductive")
    model = WithUnlabeled(inner, X[~given]).fit(X[given], names)
    for ask in (model.predict, model.predict_proba, model.certainty):
        assert_same(joined(ask(iter(cut(new, [30, 50])))), ask(new))


@contextmanager
def parts_of(n_rows):
    with mock.patch.object(_row_parts, "_ROWS", n_rows):
        yield


@pytest.mark.parametrize("params", [{"predict_mode": "inductive"}, {"query_size": 7}], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_a_large_array_is_answered_as_a_small_one(name, params):
    if name == "templates":
        params = {key: value for key, value in params.items() if key != "query_size"}
    model, new = MODELS[name](**params)
    whole = [ask(new) for ask in answers_of(model)]

    @examples(10 if "query_size" in params else 40)  # each batch solves the system again
    @given(st.integers(1, N_NEW))
    def check(n_rows):
        with parts_of(n_rows), mock.patch.object(model, "_validate_X", wraps=model._validate_X):
            for ask, expected in zip(answers_of(model), whole, strict=True):
                assert_same(ask(new), expected)

    check()


@pytest.mark.parametrize("params", [{"predict_mode": "inductive"}, {"query_size": 7}], ids=str)
@pytest.mark.parametrize("make", [classifier, regressor])
def test_jobs_share_the_parts_of_a_large_array(make, params):
    model, new = make(**params)
    whole = [ask(new) for ask in answers_of(model)]
    model.set_params(n_jobs=2)
    with parts_of(2), parallel_config(backend="threading"):
        for ask, expected in zip(answers_of(model), whole, strict=True):
            assert_same(ask(new), expected)


def test_a_classifier_beside_the_graph_sees_the_rows_of_its_part():
    params = {"estimator": LogisticRegression(), "estimator_weight": 0.5}
    for mode in ({"predict_mode": "inductive"}, {"query_size": 7}):
        model, new = classifier(3, **params, **mode)
        whole = model.predict_proba(new)
        with parts_of(10):
            np.testing.assert_allclose(model.predict_proba(new), whole, atol=1e-12)


def test_distances_to_fitted_rows_may_be_many():
    X, y, new = cloud(3)
    D, to_new = cdist(X, X), cdist(new, X)
    np.fill_diagonal(D, 1e-9)  # recognized as a whole, not by zeros
    model = WNLLClassifier(metric="precomputed", predict_mode="inductive").fit(D, y)
    whole = model.predict_proba(to_new)
    with parts_of(10):
        assert_same(model.predict_proba(to_new), whole)
        assert_same(model.predict_proba(D), model.label_distributions_)


@pytest.mark.parametrize("params", [{"predict_mode": "inductive"}, {"query_size": 20}], ids=str)
def test_a_large_array_is_warned_of_once(params):
    X, y, new = cloud(3)
    frame = pd.DataFrame(np.vstack([X, X + 1e6]), columns=["a", "b", "c"])
    model = WNLLClassifier(**params).fit(frame, np.append(y, np.full(N, -1)))
    queries = np.vstack([new, new + 1e6])
    with parts_of(10), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(queries)
    messages = [str(each.message) for each in caught]
    assert len(messages) == 2
    assert sum("does not have valid feature names" in message for message in messages) == 1
    assert sum(issubclass(each.category, UnreachedPointsWarning) for each in caught) == 1
    assert any(f"reaches {N_NEW} queries" in message for message in messages)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(lambda X: X[:, 1:], "X has 23 features"), (lambda X: np.where(X > 3, np.inf, X), "infinity")],
)
@pytest.mark.parametrize("params", [{"predict_mode": "inductive"}, {"query_size": 20}], ids=str)
def test_a_wrong_large_array_is_refused(params, spoil, message):
    model, new = classifier(**params)
    with parts_of(10), pytest.raises(ValueError, match=message):
        model.predict(spoil(3 * new))


def peak_of(predict, rows):
    """The most memory that a prediction takes, besides its answer."""
    tracemalloc.start()
    try:
        found = predict(rows)
        return tracemalloc.get_traced_memory()[1] - found.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8])
@pytest.mark.parametrize("params", [{"predict_mode": "inductive"}, {"query_size": 500}], ids=str)
@pytest.mark.parametrize("make", [WNLLClassifier, WNLLRegressor])
def test_a_memory_map_is_read_in_parts_of_constant_memory(make, params, dtype, tmp_path):
    rng = np.random.default_rng(0)
    n, n_more, d = 2000, 8000, 400
    rows = np.memmap(tmp_path / "rows", dtype, "w+", shape=(n_more, d))
    for start in range(0, n_more, 1000):
        rows[start : start + 1000] = rng.integers(-100, 100, size=(1000, d))
    rows.flush()
    rows = np.memmap(tmp_path / "rows", dtype, "r", shape=(n_more, d))
    model = make(5, random_state=0, **params).fit(rows[:200].astype(np.float32), np.arange(200) % 2)
    with parts_of(500):
        model.predict(rows[:n])  # imports, and what is made when it is first needed
        peak, larger = (peak_of(model.predict, rows[:count]) for count in (n, n_more))
        found = model.predict(rows)
    per_row = 100 if "query_size" in params else 20  # less than the row itself
    assert larger - peak < per_row * (n_more - n)
    np.testing.assert_array_equal(found[:200], model.transduction_)
    assert peak_of(model.predict, np.asarray(rows[:n])) > 4 * d * n  # all of them at once


@pytest.mark.parametrize("params", [{"predict_mode": "inductive"}, {}], ids=str)
def test_a_stream_takes_the_memory_of_a_block(params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 400))
    model = WNLLClassifier(5, **params).fit(X, np.arange(200) % 2)
    model.predict(X + 0.1)

    def last(n_blocks):
        blocks = (rng.normal(size=(200, 400)) for _ in range(n_blocks))
        return deque(model.predict(blocks), maxlen=1)[0]

    assert peak_of(last, 20) < 1.2 * peak_of(last, 4)
