"""How much labelled points weigh."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension import deflation as graph_solver
from sklearn_wnll._extension.label_weights import label_weight_value, poisson_weights, reweighted
from sklearn_wnll._extension.system import harmonic_extension, reached_points

from .reference import dense_extension, dense_poisson_weights, dense_weights

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("weight", "value"), [("wnll", 25.0), ("laplace", 1.0), (3, 3.0), (1e300, 1e12)]
)
def test_label_weight_value(weight, value):
    assert label_weight_value(weight, 100, 4) == value


def graph(n, seed, spread=1.0):
    """Two clouds, which are two components where they are spread far apart."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    X[::2] += spread
    labeled = rng.random(n) < 0.2
    labeled[:2] = True
    return dense_weights(X, 6, 4), labeled


@given(st.integers(12, 60), SEEDS, st.sampled_from([1.0, 1e3]), st.booleans())
def test_poisson_weights_agree_with_a_dense_reference(n, seed, spread, clustered):
    W, labeled = graph(n, seed, spread)
    few = 5 if clustered else 4096
    with mock.patch.multiple(graph_solver, _FEW_POINTS=few, _CLUSTER_SIZE=5):
        found = poisson_weights(sparse.csr_array(W), labeled, tol=1e-12)
    assert found.converged
    expected = dense_poisson_weights(W, labeled)
    np.testing.assert_allclose(found.point_weights, expected, rtol=1e-6)


@given(st.integers(12, 60), SEEDS, st.sampled_from([1e-6, 1e6]))
def test_poisson_weights_do_not_depend_on_the_unit_of_the_weights(n, seed, unit):
    W, labeled = graph(n, seed)
    weights = [
        poisson_weights(sparse.csr_array(w), labeled, tol=1e-12).point_weights
        for w in (W, unit * W)
    ]
    np.testing.assert_allclose(*weights, rtol=1e-6)


@given(st.integers(12, 60), SEEDS)
def test_poisson_weights_are_largest_at_a_labelled_point(n, seed):
    W, labeled = graph(n, seed)
    assume(reached_points(sparse.csr_array(W), np.arange(n) == 0).all())
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


@given(st.integers(12, 60), SEEDS)
def test_the_extension_with_poisson_weights_agrees_with_a_dense_reference(n, seed):
    W, labeled = graph(n, seed)
    g = np.eye(2)[np.arange(labeled.sum()) % 2]
    assume(reached_points(sparse.csr_array(W), labeled).all())
    found = reweighted(sparse.csr_array(W), labeled, "poisson", tol=1e-13)
    u = harmonic_extension(found.W, labeled, g, np.full(2, 0.5), mu=found.mu, tol=1e-13).u
    gamma = dense_poisson_weights(W, labeled)
    expected = dense_extension(gamma[:, None] * W * gamma, labeled, g, 1.0)
    np.testing.assert_allclose(u, expected, atol=1e-6)


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
