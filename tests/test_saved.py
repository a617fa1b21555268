"""Models that are saved predict as before."""

import pickle

import joblib
import numpy as np
import pytest
import skops.io
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_wnll import WNLLClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


def dump_with_pickle(model, path):
    path.write_bytes(pickle.dumps(model))
    return pickle.loads(path.read_bytes())


def dump_with_joblib(model, path):
    joblib.dump(model, path)
    return joblib.load(path)


def dump_with_skops(model, path):
    skops.io.dump(model, path)
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


@pytest.mark.parametrize("dump", [dump_with_pickle, dump_with_joblib, dump_with_skops])
@pytest.mark.parametrize("neighbors", ["exact", "approximate"])
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_saved_models_predict_the_same(digits, dump, neighbors, mode, tmp_path):
    X, _, y = digits
    model = WNLLClassifier(neighbors=neighbors, predict_mode=mode, random_state=0)
    model.fit(X[:400], y[:400])
    loaded = dump(model, tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X[:500]), model.predict_proba(X[:500]))
    np.testing.assert_array_equal(loaded.transduction_, model.transduction_)


@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
def test_saved_precomputed_and_approximate_models_know_the_fitted_rows(digits, metric, tmp_path):
    X, _, y = digits
    X = cdist(X[:200], X[:200]) if metric == "precomputed" else X[:200]
    model = WNLLClassifier(metric=metric).fit(X, y[:200])
    loaded = dump_with_joblib(model, tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), model.transduction_)


@pytest.mark.parametrize("dump", [dump_with_pickle, dump_with_joblib])
def test_a_fitted_search_is_saved_and_its_clone_is_unfitted(digits, dump, tmp_path):
    X, y, _ = digits
    search = GridSearchCV(WNLLClassifier(), {"n_neighbors": [10, 15]}, cv=3).fit(X[:600], y[:600])
    loaded = dump(search, tmp_path / "search")
    np.testing.assert_array_equal(loaded.predict_proba(X[600:]), search.predict_proba(X[600:]))
    assert loaded.classes_.tolist() == list(range(10))
    assert not hasattr(clone(search), "best_estimator_")
    assert not hasattr(search.estimator, "classes_")
    assert not hasattr(clone(loaded.best_estimator_), "classes_")


def test_read_only_memory_map(digits, tmp_path):
    X, _, y = digits
    joblib.dump(X, tmp_path / "X")
    mapped = joblib.load(tmp_path / "X", mmap_mode="r")
    model = WNLLClassifier().fit(mapped, y)
    np.testing.assert_array_equal(model.predict(mapped), model.transduction_)
