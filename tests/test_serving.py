"""Models for a service: ``compact``, and the warning about rows predicted one by one."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.naive_bayes import GaussianNB

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import SlowPredictionWarning
from sklearn_wnll.plotting import LabelingDisplay, TransductionDisplay

from .clouds import FACTORS, IGNORES_FEW_LABELS, clouds, examples, normal_classes

pytestmark = IGNORES_FEW_LABELS
OPTIONS = (
    {},
    {"class_prior": "labeled"},
    {"calibrate": True, "held_out": 2},
    {"metric": "cosine"},
    {"template_size": 15},
    {"label_noise": 0.1},
    {"estimator": GaussianNB(), "estimator_weight": 0.5},
)


@pytest.fixture(scope="module")
def large():
    return normal_classes(6000, n_classes=4, n_features=8)


@examples(20)
@given(clouds(label_weights=("auto", "poisson", *FACTORS)), st.sampled_from(OPTIONS))
def test_a_compact_model_predicts_as_the_whole_one_does_inductively(cloud, options):
    y = cloud.y.copy()
    y[:2] = 0, 1
    model = WNLLClassifier(**{**cloud.params, **options}, random_state=0).fit(cloud.X, y)
    small = pickle.loads(pickle.dumps(model.compact()))
    model.set_params(predict_mode="inductive")
    queries = np.vstack([cloud.X, cloud.X + 0.2])
    for ask in ("predict_proba", "certainty"):
        expected = getattr(model, ask)(queries)
        np.testing.assert_allclose(getattr(small, ask)(queries), expected, atol=1e-12)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_compact_model_keeps_little_more_than_the_rows(digits, convert, metric):
    X, y, _ = digits
    X = convert(X.astype(np.float32))
    model = WNLLClassifier(metric=metric).fit(X, hide_labels(y, 5, random_state=0))
    whole, small = (len(pickle.dumps(one)) for one in (model, model.compact()))
    rows = len(pickle.dumps(X))
    if metric == "cosine":
        rows *= 2  # unit vectors in float64
    assert small < 1.1 * rows + 150 * len(y)
    assert small < 0.85 * whole


def test_a_compact_model_is_a_copy(digits):
    X, y, _ = digits
    model = WNLLClassifier(held_out=3).fit(X, hide_labels(y, 5, random_state=0))
    small = model.compact()
    assert model.predict_mode == "transductive"
    assert model.relabel(y).score(X, y) == 1.0
    assert {*vars(model)} - {*vars(small)} == {
        "graph_", "held_out_distributions_", "label_distributions_", "point_index_", "reached_",
        "templates_", "transduction_",
    }  # fmt: skip
    assert clone(small).fit(X, y).graph_ is not None


def test_a_compact_model_says_what_it_cannot_do(digits):
    X, y, _ = digits
    small = WNLLClassifier().fit(X, hide_labels(y, 5, random_state=0)).compact()
    for do in (
        lambda: small.relabel(y),
        lambda: small.add_rows(X),
        lambda: small.suggest_labels(3),
        lambda: small.suspect_labels(3),
        small.compact,
        lambda: TransductionDisplay.from_estimator(small, X),
        lambda: LabelingDisplay().add(small, y),
    ):
        with pytest.raises(ValueError, match="compact model does not keep"):
            do()
    with pytest.raises(ValueError, match="predict_mode='inductive' only"):
        small.set_params(predict_mode="transductive").predict(X)
    empty = WNLLClassifier().fit(X, np.full(len(X), -1))
    with pytest.raises(ValueError, match="without any label"):
        empty.compact()


def test_distances_that_are_given_need_no_graph_either(digits):
    X, y, _ = digits
    few = hide_labels(y, 5, random_state=0)
    D = np.sqrt(((X[:300, None] - X[None, :300]) ** 2).sum(axis=2))
    model = WNLLClassifier(metric="precomputed", predict_mode="inductive").fit(D, few[:300])
    queries = np.sqrt(((X[300:320, None] - X[None, :300]) ** 2).sum(axis=2))
    small = model.compact()
    np.testing.assert_allclose(
        small.predict_proba(queries), model.predict_proba(queries), atol=1e-6
    )
    np.testing.assert_allclose(small.predict_proba(D), model.predict_proba(D), atol=1e-6)


def test_rows_that_are_predicted_one_by_one_are_worth_one_warning(large):
    X, code = large
    model = WNLLClassifier().fit(X[:5900], hide_labels(code, 5, random_state=0)[:5900])
    rows = iter(range(5900, 6000))

    def ask(count=1):
        return model.predict(X[[next(rows) for _ in range(count)]])

    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowPredictionWarning)
        for _ in range(4):
            ask()
        ask(20)  # a batch in between
        for _ in range(4):
            ask()
    with pytest.warns(SlowPredictionWarning, match="predict_mode='inductive'"):
        ask()
    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowPredictionWarning)
        for _ in range(12):
            ask()
        model.set_params(predict_mode="inductive")
        for _ in range(12):
            ask()
    again = pickle.loads(pickle.dumps(model.set_params(predict_mode="transductive")))
    for row in range(4):
        again.predict(X[[row]] + 1)
    with pytest.warns(SlowPredictionWarning):
        again.predict(X[[4]] + 1)


def test_a_small_graph_is_quick_for_every_row(digits):
    X, y, _ = digits
    model = WNLLClassifier().fit(X[:1000], y[:1000])
    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowPredictionWarning)
        for row in range(1000, 1020):
            model.predict(X[[row]])
