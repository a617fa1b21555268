"""A classifier beside the graph: its allowed and forbidden effects."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.folds import deal_folds
from sklearn_wnll.datasets import hide_labels

from .clouds import assert_consistent, clouds, examples

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.SingleLabelWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]
quick = examples(10)


class Guess(ClassifierMixin, BaseEstimator):
    """Sure of a class that has nothing to do with the row."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        places = np.random.RandomState(0).randint(len(self.classes_), size=len(X))
        return np.eye(len(self.classes_))[places]


@parametrize_with_checks([WNLLClassifier(estimator=GaussianNB())])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    return X, y, hide_labels(y, 2, random_state=0)


@pytest.mark.parametrize("guess", [Guess(), DummyClassifier(), DummyClassifier(strategy="uniform")])
def test_a_classifier_that_guesses_changes_nothing(digits, guess):
    X, _, few = digits
    plain = WNLLClassifier().fit(X, few)
    beside = WNLLClassifier(estimator=guess).fit(X, few)
    assert beside.estimator_weight_ == 0
    np.testing.assert_allclose(beside.label_distributions_, plain.label_distributions_)
    new = X[:50] + 0.5
    np.testing.assert_allclose(beside.predict_proba(new), plain.predict_proba(new))


@quick
@given(clouds(), st.sampled_from([0.0, 0.1, 3.0]), st.booleans(), st.sampled_from([None, 9]))
def test_all_are_distributions_and_fitted_rows_keep_theirs(cloud, weight, graph, size):
    if len(set(cloud.y) - {-1}) < 2:
        return
    model = WNLLClassifier(
        **cloud.params,
        estimator=GaussianNB(),
        estimator_weight=weight,
        estimator_labels="graph" if graph else "given",
        template_size=size,
        random_state=0,
    ).fit(cloud.X, cloud.y)
    assert_consistent(model, cloud)


def test_a_strong_classifier_decides_alone_and_a_weak_one_not_at_all(digits):
    X, _, few = digits
    options = {"estimator": LogisticRegression(max_iter=500), "label_weight": "poisson"}
    plain = WNLLClassifier(label_weight="poisson").fit(X, few)
    new, hidden = X[:40] + 0.5, few == -1
    for mode in ("transductive", "inductive"):
        strong = WNLLClassifier(**options, estimator_weight=1e9, predict_mode=mode).fit(X, few)
        p = strong.estimator_.predict_proba(X)
        np.testing.assert_allclose(strong.label_distributions_[hidden], p[hidden], atol=1e-6)
        expected = strong.estimator_.predict_proba(new)
        np.testing.assert_allclose(strong.predict_proba(new), expected, atol=1e-6)
        weak = WNLLClassifier(**options, estimator_weight=1e-9, predict_mode=mode).fit(X, few)
        plain.set_params(predict_mode=mode)
        np.testing.assert_allclose(weak.predict_proba(new), plain.predict_proba(new), atol=1e-5)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=500),
        make_pipeline(StandardScaler(), make_pipeline(LogisticRegression(max_iter=500))),
        KNeighborsClassifier(),  # takes no weights
    ],
)
def test_the_fitted_classifier_can_be_served_alone(digits, estimator):
    X, y, few = digits
    names = np.array([f"digit {label}" for label in range(10)])
    words = np.where(few == -1, "?", names[few])
    model = WNLLClassifier(estimator=estimator, unlabeled="?").fit(X, words)
    assert model.estimator_ is not estimator
    assert not hasattr(estimator, "classes_")
    assert (model.estimator_.predict(X) == names[y]).mean() > 0.7
    served = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(served.predict(X[:9] + 1), model.predict(X[:9] + 1))


class Recorder(GaussianNB):
    """Record the weight of each class in training."""

    def fit(self, X, y, sample_weight=None):
        self.totals_ = np.bincount(y, sample_weight)
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(("n_labels", "more"), [(1, 0), (3, 40), (4, 0)])
def test_classes_teach_more_alike_the_less_their_sizes_are_known(digits, n_labels, more):
    X, y, _ = digits
    uneven = (y > 4) | (np.arange(len(y)) % 7 == 0)
    X, y = X[uneven], y[uneven]
    few = hide_labels(y, n_labels, random_state=0)
    few[np.flatnonzero(y == 9)[:more]] = 9
    model = WNLLClassifier(estimator=Recorder(), n_stages=1, random_state=0).fit(X, few)
    plain = WNLLClassifier().fit(X, few)
    u = plain.label_distributions_
    weights = np.where(few < 0, u.max(axis=1), 0)
    weights[few >= 0] = weights.sum() / (few >= 0).sum()
    sizes = np.bincount(u.argmax(axis=1), weights)
    expected = sizes ** (1 - (1 if more else n_labels**-0.5))
    expected *= weights.sum() / expected.sum()
    np.testing.assert_allclose(model.estimator_.totals_, expected, rtol=0.02)


def test_if_all_rows_are_labelled_the_classifier_is_the_one_of_scikit_learn(digits):
    X, y, _ = digits
    uneven = (y > 4) | (np.arange(len(y)) % 7 == 0)
    model = WNLLClassifier(estimator=Recorder(), unlabeled=None).fit(X[uneven], y[uneven])
    np.testing.assert_array_equal(model.estimator_.totals_, np.bincount(y[uneven]))
    alone = GaussianNB().fit(X[uneven], y[uneven])
    np.testing.assert_allclose(model.estimator_.predict_proba(X), alone.predict_proba(X))


def test_a_classifier_sees_a_data_frame_as_it_is(digits):
    X, _, few = digits
    frame = pd.DataFrame(X).rename(columns="pixel {}".format)
    columns = list(frame.columns[10:50])
    pipeline = make_pipeline(make_column_transformer(("passthrough", columns)), GaussianNB())
    model = WNLLClassifier(estimator=pipeline, random_state=0).fit(frame, few)
    by_number = make_pipeline(
        make_column_transformer(("passthrough", list(range(10, 50)))), GaussianNB()
    )
    alone = WNLLClassifier(estimator=by_number, random_state=0).fit(X, few)
    new = X[:9] + 1
    expected = alone.predict_proba(new)
    found = model.predict_proba(pd.DataFrame(new, columns=frame.columns))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_sparse_rows_go_to_the_classifier_too(digits):
    X, _, few = digits
    params = {"estimator": LogisticRegression(max_iter=500), "metric": "cosine", "random_state": 0}
    dense = WNLLClassifier(**params).fit(X, few)
    rows = sparse.csr_array(X)
    found = WNLLClassifier(**params).fit(rows, few)
    np.testing.assert_allclose(found.label_distributions_, dense.label_distributions_, atol=1e-3)
    assert found.predict(sparse.csr_array(X[:9] + 1)).shape == (9,)


def test_the_class_prior_and_held_out_labels_see_the_classifier(digits):
    X, y, _ = digits
    few = hide_labels(y, 6, random_state=1)
    model = WNLLClassifier(
        estimator=GaussianNB(), class_prior="labeled", held_out=3, calibrate=True, random_state=0
    ).fit(X, few)
    labeled = np.flatnonzero(few >= 0)
    fold = deal_folds(few, 3, np.random.RandomState(model._answer.templates.extender.seed))
    left = few.copy()
    left[fold == 0] = -1
    other = clone(model).set_params(
        held_out=None, calibrate=False, estimator_weight=model.estimator_weight_, tol=1e-9
    )
    away = np.flatnonzero(fold == 0)
    expected = other.fit(X, left).label_distributions_[away]
    plain = clone(model).set_params(calibrate=False, tol=1e-9).fit(X, few)
    np.testing.assert_allclose(plain.held_out_distributions_[away], expected, atol=1e-5)
    assert len(labeled) == 60


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"estimator": LinearSVC()}, "predict_proba"),
        ({"estimator": GaussianNB(), "metric": "precomputed"}, "estimator needs features"),
        ({"estimator": GaussianNB(), "estimator_weight": -1.0}, "estimator_weight"),
        ({"estimator": GaussianNB(), "n_stages": 0}, "n_stages"),
        ({"estimator": GaussianNB(), "estimator_labels": "all"}, "estimator_labels"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(params, message):
    X = np.abs(np.subtract.outer(np.arange(9.0), np.arange(9.0)))
    with pytest.raises(ValueError, match=message):
        WNLLClassifier(**params).fit(X, [0, 1] + 7 * [-1])


def test_one_class_is_refused():
    X = np.arange(20.0).reshape(10, 2)
    with pytest.raises(ValueError, match="two classes"):
        WNLLClassifier(estimator=GaussianNB()).fit(X, [1] + 9 * [None])


@pytest.mark.parametrize("kind", [np.array, pd.DataFrame])
def test_overwriting_x_after_fit_changes_no_held_out_label(digits, kind):
    X, _, few = digits
    rows = kind(X.copy())
    model = WNLLClassifier(estimator=GaussianNB(), random_state=0).fit(rows, few)
    expected = model._answer.find_held_out().u
    rows[:] = 0.0
    np.testing.assert_array_equal(model._answer.find_held_out().u, expected)


def test_masses_are_not_evened_out_beside_a_classifier_that_tells_sizes(digits):
    X, _, few = digits
    model = WNLLClassifier(estimator=GaussianNB(), random_state=0).fit(X, few)
    assert model._answer.class_factors is None
    np.testing.assert_array_equal(model.label_distributions_, model._answer.templates.fitted().u)
