"""Known class frequencies."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits, make_blobs

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.class_prior import apply_class_factors, class_factors
from sklearn_wnll.datasets import hide_labels


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_the_mean_of_like_distributions_becomes_the_prior(seed, n_classes):
    rng = np.random.default_rng(seed)
    row, prior = rng.dirichlet(np.ones(n_classes)), rng.dirichlet(np.full(n_classes, 5))
    u = np.tile(row, (7, 1))
    v = apply_class_factors(u, class_factors(u, prior, row))
    np.testing.assert_allclose(v.mean(axis=0), prior, rtol=1e-9)
    np.testing.assert_allclose(v.sum(axis=1), 1)


@given(st.integers(0, 2**32 - 1))
def test_permuting_the_classes_permutes_the_factors(seed):
    rng = np.random.default_rng(seed)
    u, order = rng.dirichlet(np.ones(4), 30), rng.permutation(4)
    prior, frequencies = rng.dirichlet(np.ones(4), 2)
    factors = class_factors(u, prior, frequencies)
    np.testing.assert_allclose(
        class_factors(u[:, order], prior[order], frequencies[order]), factors[order]
    )


@given(st.integers(0, 1000), st.integers(0, 2**32 - 1))
def test_factors_are_moderate_however_certain_or_few_the_rows_are(n, seed):
    u = np.eye(3)[np.random.default_rng(seed).integers(0, 2, n)]  # no row of the third class
    prior = np.array([0.2, 0.3, 0.5])
    factors = class_factors(u, prior, np.full(3, 1 / 3))
    assert (factors > 0.05).all()
    assert (factors <= 3 * prior * (n + 30) / 30 + 1e-9).all()
    np.testing.assert_array_equal(apply_class_factors(u, factors), u)


def imbalanced(seed=0):
    """Digits where 0 to 4 are five times as frequent as 5 to 9; three of each are labelled."""
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


def test_the_sizes_of_predicted_classes_come_near_the_prior_and_labels_stay():
    X, y, few = imbalanced()
    prior = np.bincount(y) / len(y)
    plain, model = (
        WNLLClassifier(label_weight="wnll", class_prior=p).fit(X, few) for p in (None, prior)
    )
    far, near = (
        np.abs(np.bincount(m.transduction_[few == -1]) / np.sum(few == -1) - prior).sum()
        for m in (plain, model)
    )
    assert near < 0.8 * far
    np.testing.assert_array_equal(model.transduction_[few != -1], few[few != -1])
    np.testing.assert_array_equal(model.predict(X), model.transduction_)


@pytest.mark.parametrize("n_hidden", [0, 1, 3, 10, 30, 100])
def test_the_prior_does_no_harm_where_it_is_known_already(n_hidden):
    X, y = load_digits(return_X_y=True)
    few = y[:600].copy()
    few[np.random.default_rng(0).permutation(600)[:n_hidden]] = -1
    plain = WNLLClassifier().fit(X[:600], few).score(X[600:1200], y[600:1200])
    model = WNLLClassifier(class_prior="labeled").fit(X[:600], few)
    assert model.score(X[600:1200], y[600:1200]) > plain - 0.01


def test_certain_clusters_do_not_drive_new_rows_to_the_rarer_class():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (120, 2)), rng.normal([40, 0], 1, (80, 2))])
    few = np.full(200, -1)
    few[[0, 1, 2, 120, 121, 122]] = [0, 0, 0, 1, 1, 1]
    model = WNLLClassifier(class_prior="labeled").fit(X, few)
    assert model.predict([[3, 0], [5, 0]]).tolist() == [0, 0]


@pytest.mark.parametrize("kind", [dict, pd.Series])
def test_a_prior_with_names_is_sorted_by_them(kind):
    X, y = make_blobs([50, 250], random_state=0)
    few = np.where(np.arange(300) % 10, None, np.array(["many", "few"], dtype=object)[1 - y])
    names = kind({"many": 250 / 300, "few": 50 / 300})
    model = WNLLClassifier(class_prior=names).fit(X, few)
    plain = WNLLClassifier(class_prior=[50 / 300, 250 / 300]).fit(X, few)
    np.testing.assert_array_equal(model.label_distributions_, plain.label_distributions_)


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
    # The same factors for all rows, up to the normalization of each row.
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
        ({0: 0.5, 17: 0.5}, r"class_prior has the classes \[0, 17\], but y has \[0, 1, 2"),
    ],
)
def test_bad_priors_are_refused(prior, message):
    X, _, few = imbalanced()
    with pytest.raises(ValueError, match=message):
        WNLLClassifier(class_prior=prior).fit(X, few)
