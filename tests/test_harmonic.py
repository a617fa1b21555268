from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse

from sklearn_wnll._extension import conjugate_gradient as conjugate_gradient_module
from sklearn_wnll._extension import deflation
from sklearn_wnll._extension.conjugate_gradient import conjugate_gradient
from sklearn_wnll._extension.system import (
    components,
    harmonic_extension,
    harmonic_system,
    reached_points,
    weighted_mean,
)
from sklearn_wnll._graph import matrices

from .clouds import examples
from .reference import dense_extension, dense_weights
from .threads import threads


def problem(n, seed, n_classes=3):
    rng = np.random.default_rng(seed)
    labeled = rng.random(n) < 0.3
    labeled[:2] = True, False
    g = rng.dirichlet(np.ones(n_classes), size=labeled.sum())
    return dense_weights(rng.normal(size=(n, 2))), labeled, g


@examples(30)
@given(st.integers(20, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.01, 1.0, 1e4]))
def test_large_problems_have_one_solution_whatever_the_threads(n, seed, mu):
    W, labeled, g = problem(n, seed)
    results = []
    for count in (1, 2, 3):
        with (
            mock.patch.multiple(deflation, _FEW_POINTS=10, _CLUSTER_SIZE=5),
            mock.patch.object(conjugate_gradient_module, "_BLOCK_ROWS", 7),
            threads(count),
        ):
            results.append(
                harmonic_extension(
                    sparse.csr_array(W), labeled, g, g.mean(axis=0), mu=mu, tol=1e-13
                )
            )
    for result in results[1:]:
        np.testing.assert_array_equal(result.u, results[0].u)
        assert result.n_iter == results[0].n_iter


@examples(50)
@given(st.integers(20, 60), st.integers(0, 2**32 - 1), st.booleans(), st.data())
def test_an_order_of_points_changes_nothing_but_rounding(n, seed, soft, data):
    W, labeled, g = problem(n, seed)
    order = data.draw(st.permutations(range(data.draw(st.integers(0, n)))), "order")
    options = {"fidelity": np.full(len(g), 3.0) if soft else None, "masses": True, "tol": 1e-12}
    with mock.patch.multiple(deflation, _FEW_POINTS=10, _CLUSTER_SIZE=5):
        known, found = (
            harmonic_extension(
                sparse.csr_array(W), labeled, g, g.mean(axis=0), mu=7.0, order=order, **options
            )
            for order in (None, np.array(order, dtype=int))
        )
    np.testing.assert_allclose(found.u, known.u, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.masses, known.masses, rtol=1e-7)


@examples(50)
@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.sampled_from([1, 2]))
def test_matrices_made_in_blocks_are_those_of_dense_arithmetic(n, seed, n_threads):
    rng = np.random.default_rng(seed)
    W = rng.random((n, n)) * (rng.random((n, n)) < 0.3)
    rows, columns = (rng.permutation(n)[: n - n // 3] for _ in range(2))
    excess, T = rng.random(n), W + W.T
    with mock.patch.object(matrices, "_ROWS", 7), threads(n_threads):
        part = matrices.submatrix(sparse.csr_array(W), rows, columns)
        masked = matrices.submatrix(sparse.csr_array(W), W.sum(axis=1) > 2, columns)
        A = matrices.symmetric_laplacian(sparse.csr_array(W)[:, ::-1][:, ::-1], excess)
    np.testing.assert_array_equal(part.toarray(), W[np.ix_(rows, columns)])
    np.testing.assert_array_equal(masked.toarray(), W[W.sum(axis=1) > 2][:, columns])
    assert part.has_canonical_format
    assert A.has_canonical_format
    np.testing.assert_allclose(A.toarray(), np.diag(T.sum(axis=1) + excess) - T, atol=1e-13)


@examples(50)
@given(st.integers(10, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 1.0, 7.0, 1e4]))
def test_system_is_a_symmetric_m_matrix_that_keeps_constants(n, seed, mu):
    W, labeled, _ = problem(n, seed)
    A, B = harmonic_system(sparse.csr_array(W), labeled, ~labeled, mu)
    dense = A.toarray()
    np.testing.assert_allclose(dense, dense.T, atol=1e-12)
    assert (dense[~np.eye(len(dense), dtype=bool)] <= 0).all()
    # u = 1 solves the system for g = 1: the flow out of the unknowns goes to the labels.
    np.testing.assert_allclose(dense.sum(axis=1), B.sum(axis=1), atol=1e-9 * mu)


@examples(50)
@given(st.integers(10, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 1.0, 7.0, 1e4]))
def test_the_solution_itself_obeys_the_maximum_principle(n, seed, mu):
    # harmonic_extension cuts off values outside: here nothing is cut off.
    W, labeled, g = problem(n, seed)
    W = sparse.csr_array(W)
    assume(reached_points(components(W), labeled).all())
    A, B = harmonic_system(W, labeled, ~labeled, mu)
    x = conjugate_gradient(A, B @ g, tol=1e-12).x
    assert (x >= g.min(axis=0) - 1e-8).all()
    assert (x <= g.max(axis=0) + 1e-8).all()
    np.testing.assert_allclose(x.sum(axis=1), 1, atol=1e-8)


def chain_of_clusters(weak, seed=0):
    """Three cliques of ten, joined in a chain by equally weak edges; the first has labels."""
    rng = np.random.default_rng(seed)
    W = np.kron(np.eye(3), np.ones((10, 10))) * rng.uniform(0.5, 1, size=(30, 30))
    np.fill_diagonal(W, 0)
    W[9, 10] = W[19, 20] = weak
    labeled = np.arange(30) < 2
    return sparse.csr_array(W), labeled, np.eye(2)


@pytest.mark.parametrize("weak", [1e-2, 1e-5, 1e-8, 1e-11])
@pytest.mark.parametrize("mu", [1.0, 15.0, 1e6])
@pytest.mark.parametrize("few_points", [0, 4096])
def test_weakly_joined_clusters_get_their_values_at_the_default_tolerance(weak, mu, few_points):
    W, labeled, g = chain_of_clusters(weak)
    with mock.patch.multiple(deflation, _FEW_POINTS=few_points, _CLUSTER_SIZE=4):
        result = harmonic_extension(W, labeled, g, np.array([0.9, 0.1]), mu=mu)
    assert result.reached.all()
    # The only way to the labels leads through point 9.
    np.testing.assert_allclose(result.u[10:], np.tile(result.u[9], (20, 1)), atol=1e-3)
    assert abs(result.u[9, 0] - 0.9) > 0.2


@pytest.mark.parametrize("tie", [1e-2, 1e-5, 1e-8, 1e-10, 1e-12])
def test_a_cluster_tied_weakly_to_its_labels_gets_their_mean_at_the_default_tolerance(tie):
    W = np.ones((12, 12)) - np.eye(12)
    W[:2] = W[:, :2] = 0
    W[0, 2], W[1, 3] = tie, 3 * tie
    result = harmonic_extension(
        sparse.csr_array(W), np.arange(12) < 2, np.eye(2), np.array([0.9, 0.1]), mu=1.0
    )
    np.testing.assert_allclose(result.u[2:], np.tile([0.25, 0.75], (10, 1)), atol=max(tie, 1e-3))


@pytest.mark.parametrize("mu", [1e-12, 1e-9, 1e-4, 1.0, 1e4])
def test_two_cliques_tied_by_little_get_the_mean_of_their_labels(mu):
    W = np.kron(np.eye(2), np.ones((6, 6))) - np.eye(12)
    W[0, 6] = W[6, 0] = 1e-4
    W = np.pad(W, ((2, 0), (2, 0)))
    W[0, 3], W[1, 9] = 1, 3  # from the labelled points
    labeled = np.arange(14) < 2
    result = harmonic_extension(sparse.csr_array(W), labeled, np.eye(2), np.full(2, 0.5), mu=mu)
    assert result.converged
    expected = dense_extension(W, labeled, np.eye(2), mu)
    np.testing.assert_allclose(result.u, expected, atol=1e-3)


def test_points_that_labels_hold_fast_are_not_deflated():
    W, labeled, _ = problem(300, 0)
    A, B = harmonic_system(sparse.csr_array(W), labeled, ~labeled, 1e6)
    cluster = deflation._grow_clusters(A)
    found = deflation._cluster_deflation(A, B.sum(axis=1), cluster)
    assert cluster.max() > 30
    assert found is None or found.basis.shape[1] < 20


def test_only_edges_that_leave_a_labelled_point_carry_the_extra_weight():
    # 0 (labelled) -> 1 with weight 2; 1 -> 2 (labelled) with weight 3.
    W = sparse.csr_array(([2.0, 3.0], ([0, 1], [1, 2])), shape=(3, 3))
    labeled = np.array([True, False, True])
    result = harmonic_extension(W, labeled, np.eye(2), np.full(2, 0.5), mu=5.0)
    np.testing.assert_allclose(result.u[1], [10 / 13, 3 / 13])


def test_unreached_points_get_the_fallback_and_a_flag():
    W = sparse.csr_array(([1.0, 1.0], ([0, 2], [1, 3])), shape=(5, 5))
    labeled = np.array([True, False, False, False, False])
    fallback = np.array([0.25, 0.75])
    result = harmonic_extension(W, labeled, np.array([[1.0, 0.0]]), fallback, mu=1.0)
    assert result.reached.tolist() == [True, True, False, False, False]
    np.testing.assert_allclose(result.u, [[1, 0], [1, 0], fallback, fallback, fallback])


def test_reached_follows_edges_in_both_directions():
    W = sparse.csr_array(([1.0, 1.0], ([1, 1], [0, 2])), shape=(3, 3))
    assert reached_points(components(W), np.array([True, False, False])).all()


def test_start_changes_nothing_but_the_number_of_iterations():
    W, labeled, g = problem(60, 0)
    W = sparse.csr_array(W)
    cold = harmonic_extension(W, labeled, g, g.mean(axis=0), mu=3.0, tol=1e-12)
    warm = harmonic_extension(W, labeled, g, g.mean(axis=0), mu=3.0, tol=1e-12, start=cold.u.copy())
    np.testing.assert_allclose(warm.u, cold.u, atol=1e-10)
    assert warm.n_iter < cold.n_iter


def test_weighted_mean_counts_neighbours_by_their_weight_and_unreached_ones_not():
    W = sparse.csr_array([[1.0, 2.0, 4.0], [0.0, 0.0, 4.0]])
    weights, reached = np.array([3.0, 1.0, 1.0]), np.array([True, True, False])
    u = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    mean, found = weighted_mean(W, weights, reached, u, np.array([0.9, 0.1]))
    assert found.tolist() == [True, False]
    np.testing.assert_allclose(mean, [[3 / 5, 2 / 5], [0.9, 0.1]])
