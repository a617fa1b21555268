"""Known class frequencies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits, make_blobs

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.prior import balanced, class_factors


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_the_mean_of_balanced_distributions_is_the_prior(seed, n_classes):
    rng = np.random.default_rng(seed)
    u = rng.dirichlet(np.ones(n_classes), size=50)
    prior = rng.dirichlet(np.full(n_classes, 5))
    v = balanced(u, class_factors(u, prior, prior))
    np.testing.assert_allclose(v.mean(axis=0), prior, rtol=2e-3)
    np.testing.assert_allclose(v.sum(axis=1), 1)
    assert (v >= 0).all()


@given(st.integers(0, 2**32 - 1))
def test_permuting_the_classes_permutes_the_factors(seed):
    rng = np.random.default_rng(seed)
    u, prior, order = rng.dirichlet(np.ones(4), 30), rng.dirichlet(np.ones(4)), rng.permutation(4)
    factors = class_factors(u, prior, prior)
    np.testing.assert_allclose(
        class_factors(u[:, order], prior[order], prior), factors[order], rtol=1e-9
    )


def test_certain_distributions_stay_and_an_absent_class_does_no_harm():
    u, prior = np.eye(3)[[0, 0, 0, 1]], np.full(3, 1 / 3)
    factors = class_factors(u, prior, prior)
    assert np.isfinite(factors).all()
    np.testing.assert_array_equal(balanced(u, factors), u)


def imbalanced(seed=0):
    """Digits of which zeros to fours are five times as frequent; three of each are labelled."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    keep = rng.permutation(np.flatnonzero((y < 5) | (rng.random(len(y)) < 0.2)))
    X, y = X[keep], y[keep]
    return X, y, hide_labels(y, 3, random_state=seed)


def test_known_frequencies_help_on_imbalanced_data():
    gains = []
    for seed in range(10):
        X, y, few = imbalanced(seed)
        prior = np.bincount(y) / len(y)
        hidden = few == -1
        right = [
            (WNLLClassifier(class_prior=p).fit(X, few).transduction_ == y)[hidden].mean()
            for p in (None, prior)
        ]
        gains.append(right[1] - right[0])
    assert np.mean(gains) > 0.01


def test_the_mean_over_unlabelled_rows_is_the_prior_and_labels_stay():
    X, y, few = imbalanced()
    prior = np.bincount(y) / len(y)
    model = WNLLClassifier(class_prior=prior).fit(X, few)
    free = model.label_distributions_[few == -1]
    np.testing.assert_allclose(free.mean(axis=0), prior, rtol=5e-3)
    np.testing.assert_array_equal(model.transduction_[few != -1], few[few != -1])
    np.testing.assert_array_equal(model.predict(X), model.transduction_)
    as_labeled = WNLLClassifier(class_prior="labeled").fit(X, few)
    free = as_labeled.label_distributions_[few == -1]
    np.testing.assert_allclose(free.mean(axis=0), 0.1, rtol=5e-3)


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_new_rows_are_corrected_as_the_fitted_ones_are(mode):
    X, _, few = imbalanced()
    queries = X[:100] + 0.25
    plain = WNLLClassifier(predict_mode=mode, tol=1e-12).fit(X, few)
    prior = np.linspace(1, 2, 10) / 15
    model = WNLLClassifier(predict_mode=mode, class_prior=prior, tol=1e-12).fit(X, few)
    old, new = plain.predict_proba(queries), model.predict_proba(queries)
    inside = (old > 1e-6).all(axis=1)
    assert inside.sum() > 20
    ratio = new[inside] / old[inside]
    # The same factors for all rows, but for what makes each row sum to 1.
    ratio /= ratio[:, :1]
    np.testing.assert_allclose(ratio, np.tile(ratio[0], (len(ratio), 1)), rtol=1e-4)


def test_if_all_rows_are_labelled_the_prior_is_compared_with_their_frequencies():
    X, y = make_blobs(200, centers=[[0, 0], [2, 0]], random_state=0)
    queries = X[:50] + 0.01
    plain = WNLLClassifier().fit(X, y).predict_proba(queries)
    same = WNLLClassifier(class_prior=[0.5, 0.5]).fit(X, y).predict_proba(queries)
    np.testing.assert_allclose(same, plain)
    rare = WNLLClassifier(class_prior=[0.9, 0.1]).fit(X, y).predict_proba(queries)
    between = (plain[:, 1] > 0) & (plain[:, 1] < 1)
    assert between.any()
    assert (rare[between, 1] < plain[between, 1]).all()


def test_rows_that_no_label_reaches_get_the_prior():
    X, y = make_blobs(60, centers=[[0, 0], [50, 50]], random_state=0)
    few = np.where(y == 0, np.arange(60) % 2, -1)
    with pytest.warns(UserWarning, match="No label reaches"):
        model = WNLLClassifier(class_prior=[0.3, 0.7]).fit(X, few)
    np.testing.assert_allclose(model.label_distributions_[y == 1], [[0.3, 0.7]] * 30)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([0.5, 0.5], r"class_prior has shape \(2,\), but y holds 10 classes"),
        (np.full(10, 0.2), "class_prior must hold positive numbers that sum to 1"),
        (np.eye(10)[0], "positive numbers that sum to 1"),
        ("uniform", "'class_prior' parameter of WNLLClassifier"),
    ],
)
def test_bad_priors_are_refused(prior, message):
    X, _, few = imbalanced()
    with pytest.raises(ValueError, match=message):
        WNLLClassifier(class_prior=prior).fit(X, few)
