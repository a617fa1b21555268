"""Weights of labelled points."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.label_weights import label_weight_value, poisson_weights
from sklearn_wnll._extension.system import reached_points
from sklearn_wnll._graph.matrices import components

from .clouds import examples
from .reference import dense_weights

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("weight", "value"), [("wnll", 25.0), ("laplace", 1.0), (3, 3.0), (1e300, 1e12)]
)
def test_label_weight_value(weight, value):
    assert label_weight_value(weight, 100, 4) == value


def graph(n, seed):
    """Two clouds side by side, a fifth of the points labelled."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    X[::2] += 1
    labeled = rng.random(n) < 0.2
    labeled[:2] = True
    return dense_weights(X, 6, 4), labeled


@examples(50)
@given(st.integers(12, 60), SEEDS, st.sampled_from([1e-6, 1e6]))
def test_poisson_weights_do_not_depend_on_the_unit_of_the_weights(n, seed, unit):
    W, labeled = graph(n, seed)
    weights = [
        poisson_weights(sparse.csr_array(w), labeled, tol=1e-12).point_weights
        for w in (W, unit * W)
    ]
    np.testing.assert_allclose(*weights, rtol=1e-6)


@examples(50)
@given(st.integers(12, 60), SEEDS)
def test_poisson_weights_are_largest_at_a_labelled_point(n, seed):
    W, labeled = graph(n, seed)
    assume(reached_points(components(sparse.csr_array(W)), np.arange(n) == 0).all())
    weights = poisson_weights(sparse.csr_array(W), labeled, tol=1e-12).point_weights
    assert labeled[weights.argmax()]
    assert not labeled[weights.argmin()]  # by the maximum principle
    assert (weights > 0).all()


def test_components_without_labels_or_with_nothing_else_have_weight_one():
    W = sparse.block_diag([np.ones((3, 3)) - np.eye(3)] * 3 + [np.zeros((1, 1))]).tocsr()
    labeled = np.isin(np.arange(10), [0, 3, 4, 5])
    weights = poisson_weights(sparse.csr_array(W), labeled, tol=1e-12).point_weights
    assert weights[0] > weights[1] == weights[2] > 0
    np.testing.assert_array_equal(weights[3:], 1)


def test_where_all_points_are_labelled_all_weigh_the_same():
    W, _ = graph(20, 0)
    weights = poisson_weights(sparse.csr_array(W), np.ones(20, dtype=bool)).point_weights
    np.testing.assert_array_equal(weights, 1)


def test_the_poisson_weights_that_do_not_converge_are_told():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 2)), np.full(300, -1)
    y[:8] = np.arange(8) % 2
    with pytest.warns(UserWarning, match="max_iter=1 iterations"):
        WNLLClassifier(label_weight="poisson", max_iter=1).fit(X, y)
