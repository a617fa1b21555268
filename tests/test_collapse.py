"""A warning is issued if one class swallows the others, but not for frequent classes."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_blobs

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.collapse import swallowing_class
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import CollapsedClassesWarning

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


def blobs(sizes, n_per_class, seed=0):
    X, y = make_blobs(sizes, n_features=10, cluster_std=4, random_state=0)
    return X, y, hide_labels(y, n_per_class, random_state=seed)


def warned_of(X, few, **params):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        WNLLClassifier(**params).fit(X, few)
    return [one for one in caught if one.category is CollapsedClassesWarning]


def test_the_graph_laplacian_with_one_label_per_class_is_warned_of_once():
    X, y, few = blobs([1000] * 3, 1)
    (warning,) = warned_of(X, few, label_weight="laplace")
    for name in ("class_prior", "label_weight", "% of the unlabelled rows are predicted to be"):
        assert name in str(warning.message)
    found = WNLLClassifier(label_weight="wnll").fit(X, few)
    assert (found.transduction_ == y).mean() > 0.9
    assert not warned_of(X, few, label_weight="poisson")


def test_a_class_prior_mends_it():
    X, _, few = blobs([1000] * 3, 1)
    prior = np.full(3, 1 / 3)
    assert not warned_of(X, few, label_weight="laplace", class_prior=prior)


@pytest.mark.parametrize("weight", ["wnll", "poisson"])
@pytest.mark.parametrize("n_per_class", [1, 2, 5])
def test_classes_that_are_frequent_indeed_are_not(weight, n_per_class):
    for seed in range(5):
        X, _, few = blobs([1500, 200, 50], n_per_class, seed)
        assert not warned_of(X, few, label_weight=weight)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 300))
def test_one_hot_distributions_and_few_rows_are_never_a_collapse(seed, n_classes, n):
    rng = np.random.default_rng(seed)
    one_hot = np.eye(n_classes)[rng.integers(0, n_classes, n) * rng.integers(0, 2, n)]
    assert swallowing_class(one_hot, np.arange(n)) is None
    u = rng.dirichlet(np.ones(n_classes), n)
    assert swallowing_class(u, np.arange(n)) is None
    assert swallowing_class(u, np.arange(0)) is None


def test_the_swallowing_class_is_the_one_that_wins_by_next_to_nothing():
    rng = np.random.default_rng(0)
    u = np.full((5000, 4), 0.25) + 1e-4 * rng.random((5000, 4))
    u[:, 2] += 2e-4
    u /= u.sum(axis=1, keepdims=True)
    assert swallowing_class(u, np.arange(5000)) == 2
    assert swallowing_class(u, np.arange(5)) is None  # five rows may be chance


def test_equal_rows_are_no_evidence_of_a_collapse():
    X = np.repeat([0.0, 1.0, 2.0, 3.0], [1, 1, 1, 200])[:, None]
    y = np.full(203, -1)
    y[:3] = 0, 1, 2
    assert not warned_of(X, y, n_neighbors=4, label_weight="laplace")
