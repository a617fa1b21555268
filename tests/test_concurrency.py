"""Predictions, threads and jobs only read the fitted state, and all find the same result."""

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from joblib import parallel_config
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.neighbors import KNeighborsTransformer
from threadpoolctl import threadpool_limits

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._parallel import n_threads
from sklearn_wnll.datasets import hide_labels

from .threads import threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")

CONFIGURATIONS = {
    "default": {},
    "cells": {"neighbors": "approximate"},
    "transformer": {"neighbors": KNeighborsTransformer(n_neighbors=15, algorithm="brute")},
    "prior": {"class_prior": "labeled", "metric": "cosine"},
    "poisson": {"label_weight": "poisson", "query_size": 15},
    "sparse": {"metric": "manhattan"},
    "precomputed": {"metric": "precomputed"},
    "templates": {"template_size": 120, "query_size": 15},
}


def fitted_and_queries(name, digits):
    """A fitted estimator, and rows, some of them fitted."""
    n = 700 if "cells" in name else 300
    X, y = digits[0][: n + 40], hide_labels(digits[1][:n], 5, random_state=0)
    if name == "precomputed":
        X = cdist(X, X[:n])
    if name == "sparse":
        X = sparse.csr_array(X)
    model = WNLLClassifier(random_state=0, **CONFIGURATIONS[name]).fit(X[:n], y)
    return model, X[n - 24 :]


def ask(model, X):
    """Call all public methods."""
    answers = [model.predict(X), model.predict_proba(X), model.certainty(X)]
    answers.append(model.score(X, np.arange(X.shape[0]) % 10))
    if model.graph_ is not None:
        answers.append(model.suggest_labels(2))
    return answers


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_prediction_changes_nothing_that_is_fitted(digits, name, mode):
    model, X = fitted_and_queries(name, digits)
    loaded = pickle.loads(pickle.dumps(model.set_params(predict_mode=mode)))
    state = joblib.hash(vars(model))
    said = ask(model, X)
    assert joblib.hash(vars(model)) == state
    state = joblib.hash(vars(loaded))
    assert_same(ask(loaded, X), said)
    assert joblib.hash(vars(loaded)) == state


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_eight_threads_that_ask_one_estimator_get_what_one_gets(digits, name, mode):
    model, X = fitted_and_queries(name, digits)
    parts = [X[start::8] for start in range(8)]
    alone = [model.set_params(predict_mode=mode).predict_proba(part) for part in parts]
    shared, start = pickle.loads(pickle.dumps(model)), threading.Barrier(8)  # no lazy values yet

    def together(part):
        start.wait()
        return shared.predict_proba(part)

    with ThreadPoolExecutor(8) as pool:
        assert_same(pool.map(together, parts), alone)


def test_verbose_is_that_of_the_call(digits, capsys):
    X, _, few = digits
    model = WNLLClassifier(verbose=1).fit(X[:500], few[:500])
    assert capsys.readouterr().out
    ask(model.set_params(verbose=0), X[490:520])
    assert not capsys.readouterr().out
    model = WNLLClassifier().fit(X[:500], few[:500]).set_params(verbose=1)
    assert not capsys.readouterr().out
    model.predict(X[490:520])
    printed = capsys.readouterr().out
    assert "[wnll] neighbors [====================] 20 points searched exactly" in printed
    assert "[wnll] solver [====================] " in printed
    model.suggest_labels(3)
    assert "[wnll] labels [====================] 3 chosen" in capsys.readouterr().out


@pytest.mark.parametrize(
    "params", [{"query_size": 10}, {"predict_mode": "inductive"}, {"tol": 0.1}, {"max_iter": 2}]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_parameters_of_prediction_take_effect_after_fit(digits, params):
    X, _, few = digits
    model, queries = WNLLClassifier(random_state=0).fit(X[:600], few[:600]), X[600:650]
    before, usual = model.predict_proba(queries), model.get_params()
    changed = model.set_params(**params).predict_proba(queries)
    assert (changed != before).any()
    if "query_size" in params or "predict_mode" in params:  # these change nothing in a fit
        again = clone(model).fit(X[:600], few[:600])
        np.testing.assert_array_equal(again.predict_proba(queries), changed)
    np.testing.assert_array_equal(model.set_params(**usual).predict_proba(queries), before)


class NotesThreads(KNeighborsTransformer):
    """Records the threads that it searches in."""

    seen: set = set()  # noqa: RUF012

    def transform(self, X):
        self.seen.add(threading.get_ident())
        return super().transform(X)


def test_jobs_take_effect_after_fit(jittered):
    X, _, few = jittered
    model = WNLLClassifier(neighbors=NotesThreads(n_neighbors=15), query_size=10, random_state=0)
    model.fit(X[:600], few[:600])
    NotesThreads.seen.clear()
    alone = model.predict_proba(X[600:650])
    assert NotesThreads.seen == {threading.get_ident()}
    NotesThreads.seen.clear()
    with parallel_config("threading"):
        spread = model.set_params(n_jobs=2).predict_proba(X[600:650])
    assert NotesThreads.seen
    assert threading.get_ident() not in NotesThreads.seen
    np.testing.assert_allclose(spread, alone, atol=1e-8)


def results(model, X, y):
    """All numbers of a fit and a prediction, in both modes."""
    model = clone(model).fit(X[:-40], y[:-40])
    found = [model.label_distributions_, model.transduction_]
    for mode in ("transductive", "inductive"):
        found.append(model.set_params(predict_mode=mode).predict_proba(X[-40:]))
    return found


@pytest.fixture
def templates(digits):
    """Rows, labels, an estimator with templates and batches, and its results."""
    X, y = digits[0][:400], hide_labels(digits[1][:400], 5, random_state=0)
    model = WNLLClassifier(template_size=150, query_size=15, random_state=0)
    return X, y, model, results(model, X, y)


@pytest.mark.parametrize("n_jobs", [1, 2, -1, 5])
def test_results_are_the_same_for_any_number_of_jobs(templates, n_jobs):
    X, y, model, alone = templates
    assert_same(results(model.set_params(n_jobs=n_jobs), X, y), alone)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_results_are_the_same_on_every_backend_of_joblib(templates, backend):
    X, y, model, alone = templates
    with parallel_config(backend, n_jobs=2):
        assert_same(results(model, X, y), alone)


def blobs(n):
    """Enough rows for search and solver to use several threads."""
    X, y = make_blobs(n, centers=4, cluster_std=3, random_state=0)
    return X, hide_labels(y, 20, random_state=0)


@pytest.mark.parametrize(
    "params",
    [{"neighbors": "exact"}, {"neighbors": "approximate", "label_weight": "poisson"}],
)
def test_results_are_the_same_for_any_number_of_threads(params):
    X, y = blobs(9_000)
    model = WNLLClassifier(random_state=0, **params)
    with threads(1):
        alone = results(model, X, y)
    with threads(3):
        assert_same(results(model, X, y), alone)
        with threadpool_limits(1, user_api="openmp"):
            assert_same(results(model, X, y), alone)


def test_results_are_the_same_whatever_the_environment_allows(tmp_path):
    X, y = blobs(9_000)
    model = WNLLClassifier(random_state=0)
    joblib.dump((model, X, y), tmp_path / "task")
    code = """
import sys, joblib
model, X, y = joblib.load(sys.argv[1])
print(joblib.hash(model.fit(X, y).predict_proba(X + 0.1)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "task"],
        env={**os.environ, "OMP_NUM_THREADS": "1" if n_threads() > 1 else "2"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == joblib.hash(model.fit(X, y).predict_proba(X + 0.1))


def test_a_prediction_beside_a_refit_is_that_of_one_of_the_fits():
    X, _ = make_blobs(60, centers=3, random_state=0)
    labels = np.where(np.arange(60) < 12, np.arange(60) % 3, -1)
    three = np.array(["a", "b", "c"], dtype=object)
    of_three = np.where(labels < 0, None, three[labels])
    of_two = np.where(labels < 0, None, np.where(labels == 0, "x", "w"))
    model = WNLLClassifier(class_prior="labeled").fit(X, of_three)
    asked = X + 0.01
    expected = [set(clone(model).fit(X, y).predict(asked)) for y in (of_three, of_two)]
    stop, found = threading.Event(), []

    def ask():
        while not stop.is_set():
            found.append(set(model.predict(asked)))

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        for y in 20 * [of_two, of_three]:
            model.fit(X, y)
        stop.set()
        asking.result()
    assert len(found) > 1
    assert all(answer in expected for answer in found)
