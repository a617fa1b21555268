"""The life of the classifier as an estimator."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs, make_moons
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import (
    UnreachedPointsWarning,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


@pytest.mark.parametrize(
    ("params", "dtype"),
    [
        ({"neighbors": "approximate", "random_state": 0}, np.float64),
        ({"neighbors": KNeighborsTransformer(n_neighbors=15)}, np.float64),
        ({"class_prior": np.arange(1, 11) / 55}, np.float64),
        ({"label_weight": "poisson"}, np.float64),
        ({"max_iter": 2}, np.float64),
        ({"metric": "cosine"}, np.float32),
        ({"template_size": 500, "query_size": 100, "random_state": 0}, np.float64),
    ],
)
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_whatever_the_parameters_predict_gives_the_transduction(digits, params, dtype, mode):
    X, _, few = digits
    X = X.astype(dtype)
    model = WNLLClassifier(predict_mode=mode, **params).fit(X, few)
    again = model.predict(X)
    np.testing.assert_array_equal(again, model.transduction_)
    np.testing.assert_array_equal(model.predict_proba(X[::-3]), model.label_distributions_[::-3])
    np.testing.assert_array_equal(model.fit(X, few).predict(X), again)


def test_clone_is_unfitted_and_keeps_the_parameters(digits):
    X, _, y = digits
    model = WNLLClassifier(n_neighbors=9, label_weight=3.0, unlabeled=np.nan)
    assert not hasattr(clone(model.fit(X[:100], np.abs(y[:100]))), "classes_")
    assert clone(model).get_params() == model.get_params()


def test_pipeline(digits):
    X, y, few = digits
    model = make_pipeline(StandardScaler(), PCA(30, random_state=0), WNLLClassifier())
    model.fit(X, few)
    hidden = few == -1
    assert (model.predict(X) == y)[hidden].mean() > 0.85
    np.testing.assert_array_equal(model.predict(X), model[-1].transduction_)


def test_grid_search_over_neighbors_and_weight(digits):
    X, y, _ = digits
    grid = {"wnllclassifier__n_neighbors": [10, 15],
            "wnllclassifier__label_weight": ["wnll", "laplace", 5.0]}  # fmt: skip
    search = GridSearchCV(
        make_pipeline(StandardScaler(), WNLLClassifier()), grid, cv=3, n_jobs=2
    ).fit(X[:600], y[:600])
    assert search.best_score_ > 0.85
    assert len(search.cv_results_["params"]) == 6
    assert pickle.loads(pickle.dumps(search)).score(X[600:], y[600:]) > 0.8


@pytest.mark.parametrize(("n_neighbors", "half"), [(15, 8), (5, 3), (10, 5), (1, 1)])
def test_the_scale_is_half_of_the_neighbors_rounded_up(digits, n_neighbors, half):
    X, _, y = digits
    model = WNLLClassifier(n_neighbors=n_neighbors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreachedPointsWarning)  # if there are few neighbours
        u = model.fit(X[:300], y[:300]).label_distributions_
        model.set_params(scale_neighbor=half).fit(X[:300], y[:300])
    np.testing.assert_array_equal(model.label_distributions_, u)


def test_a_grid_over_neighbors_needs_no_scale(digits):
    X, y, _ = digits
    grid = {"n_neighbors": [5, 10, 15]}
    search = GridSearchCV(WNLLClassifier(), grid, cv=3, error_score="raise").fit(X[:600], y[:600])
    assert (search.cv_results_["mean_test_score"] > 0.8).all()


def test_score_leaves_unlabelled_rows_out(digits):
    X, y, few = digits
    model = WNLLClassifier().fit(X[:1000], few[:1000])
    partly = np.where(np.arange(797) < 400, y[1000:], -1)
    predicted = model.predict(X[1000:])
    assert model.score(X[1000:], partly) == np.mean(predicted[:400] == y[1000:1400])
    as_list = [None if label == -1 else int(label) for label in partly]
    assert model.score(X[1000:], as_list) == model.score(X[1000:], partly)
    weight = np.arange(797.0)
    expected = np.average(predicted[:400] == y[1000:1400], weights=weight[:400])
    assert model.score(X[1000:], partly, sample_weight=weight) == pytest.approx(expected)
    with pytest.raises(ValueError, match="nothing to score"):
        model.score(X[:5], [-1] * 5)


def test_score_on_fitted_labelled_rows_is_one(digits):
    X, _, y = digits
    assert WNLLClassifier().fit(X, y).score(X, y) == 1


def test_verbose_prints_search_and_solver(digits, capsys):
    X, _, y = digits
    WNLLClassifier(verbose=1).fit(X, y)
    printed = capsys.readouterr().out
    assert "[wnll] neighbors [====================] 1,797 points searched exactly" in printed
    assert "[wnll] solver [====================] " in printed
    WNLLClassifier().fit(X, y)
    assert not capsys.readouterr().out


def test_small_data_needs_no_compiler():
    code = (
        "import sys, numpy as np; from sklearn_wnll import WNLLClassifier; "
        "WNLLClassifier().fit(np.eye(50), np.arange(50) % 2); "
        "assert not {'numba', 'pynndescent', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("weight", ["wnll", "laplace"])
def test_two_moons_are_told_apart_from_two_labels_each(weight):
    X, y = make_moons(1000, noise=0.05, random_state=0)
    few = hide_labels(y, 2, random_state=0)
    assert (WNLLClassifier(label_weight=weight).fit(X, few).transduction_ == y).mean() > 0.99


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning")
def test_wnll_holds_where_the_graph_laplacian_breaks_down():
    # Two labels of 3,000 points: with mu = 1 one class takes nearly all.
    X, y = make_blobs([1000] * 3, n_features=10, cluster_std=4, random_state=0)
    accuracy = {"wnll": [], "laplace": []}
    for seed in range(5):
        few = hide_labels(y, 1, random_state=seed)
        for weight, found in accuracy.items():
            model = WNLLClassifier(label_weight=weight).fit(X, few)
            found.append((model.transduction_ == y).mean())
    assert np.mean(accuracy["wnll"]) > np.mean(accuracy["laplace"]) + 0.1


def test_the_default_tolerance_gives_probabilities_to_four_digits(digits):
    X, _, y = digits
    for weight in ("wnll", "laplace"):
        rough = WNLLClassifier(label_weight=weight).fit(X, y).label_distributions_
        exact = WNLLClassifier(label_weight=weight, tol=1e-13).fit(X, y).label_distributions_
        np.testing.assert_allclose(rough, exact, atol=1e-4)


def test_approximate_neighbors_cost_little_accuracy(digits):
    X, y, few = digits
    hidden = few == -1
    accuracy = {
        neighbors: (
            WNLLClassifier(neighbors=neighbors, random_state=0).fit(X, few).transduction_ == y
        )[hidden].mean()
        for neighbors in ("exact", "approximate")
    }
    assert accuracy["exact"] > 0.9
    assert accuracy["approximate"] > accuracy["exact"] - 0.01


def test_max_iter_of_a_prediction_is_that_of_the_call(digits):
    X, _, few = digits
    model = WNLLClassifier(max_iter=1000).fit(X[:1000], few[:1000])
    model.set_params(max_iter=1, n_neighbors=3)  # the graph is fitted already
    with pytest.warns(ConvergenceWarning, match="max_iter=1 iterations"):
        model.predict(X[1000:1100])
