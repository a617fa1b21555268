from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sklearn_wnll._extension import conjugate_gradient as solver
from sklearn_wnll._extension.conjugate_gradient import (
    ConjugateGradient,
    Deflation,
    conjugate_gradient,
)

from .clouds import examples, sparse_rows
from .threads import threads


def laplacian_like(n, seed):
    rng = np.random.default_rng(seed)
    T = sparse_rows(n, n, 0.3, seed)
    T = T + T.T
    return (sparse.diags_array(T.sum(axis=1) + rng.uniform(0.1, 2, n)) - T).tocsr()


@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_agrees_with_gaussian_elimination(n, c, seed):
    A, B = laplacian_like(n, seed), np.random.default_rng(seed).normal(size=(n, c))
    result = conjugate_gradient(A, B, tol=1e-13)
    assert result.converged.all()
    np.testing.assert_allclose(result.x, np.linalg.solve(A.toarray(), B), atol=1e-10)


@examples(100)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_each_column_is_solved_as_if_alone(n, seed):
    A, B = laplacian_like(n, seed), np.random.default_rng(seed).normal(size=(n, 3))
    together = conjugate_gradient(A, B, tol=1e-6)
    for column in range(3):
        alone = conjugate_gradient(A, B[:, [column]], tol=1e-6)
        assert together.n_iter[column] == alone.n_iter[0]
        np.testing.assert_allclose(together.x[:, [column]], alone.x, rtol=1e-9, atol=1e-12)


def test_reported_residual_is_the_true_one_and_within_tol():
    A, B = laplacian_like(200, 0), np.random.default_rng(1).normal(size=(200, 4))
    for tol in (1e-2, 1e-5, 1e-9):
        result = conjugate_gradient(A, B, tol=tol)
        residual, right = (
            np.abs(part / A.diagonal()[:, None]).max(axis=0) for part in (B - A @ result.x, B)
        )
        residual /= right
        np.testing.assert_allclose(residual, result.residual, rtol=1e-3)
        assert (residual <= tol).all()


@pytest.mark.parametrize("x0", [None, np.ones((30, 3))])
def test_zero_right_hand_side_gives_exactly_zero(x0):
    A, B = laplacian_like(30, 0), np.ones((30, 3))
    B[:, 1] = 0
    result = conjugate_gradient(A, B, x0=x0)
    assert result.converged.all()
    assert result.n_iter[1] == 0
    assert (result.x[:, 1] == 0).all()
    assert (result.x[:, [0, 2]] != 0).all()


def test_starting_at_the_solution_takes_no_iteration():
    A, x = laplacian_like(30, 0), np.arange(60.0).reshape(30, 2)
    result = conjugate_gradient(A, A @ x, x0=x)
    assert (result.n_iter == 0).all()
    np.testing.assert_array_equal(result.x, x)


def test_max_iter_stops_and_reports_what_was_reached():
    A, B = laplacian_like(300, 0), np.random.default_rng(1).normal(size=(300, 2))
    seen = []
    result = ConjugateGradient(A).solve(
        B.copy(), B.copy(), tol=1e-14, max_iter=3, callback=seen.append
    )
    assert not result.converged.any()
    assert (result.n_iter == 3).all()
    assert len(seen) == 3
    assert seen[-1] == result.residual.max() / 1e-14 > 1


def test_arguments_are_left_as_they_are():
    A, B, x0 = laplacian_like(20, 0), np.ones((20, 2)), np.full((20, 2), 3.0)
    B[:, 0] = 0
    conjugate_gradient(A, B, x0=x0)
    assert (B[:, 1] == 1).all()
    assert (x0 == 3).all()


@examples(30)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_blocks_of_rows_and_threads_change_no_answer(n, c, block_rows, seed):
    A, B = laplacian_like(n, seed), np.random.default_rng(seed).normal(size=(n, c))
    results = []
    for count in (1, 2, 3):
        with mock.patch.object(solver, "_BLOCK_ROWS", block_rows), threads(count):
            results.append(conjugate_gradient(A, B, tol=1e-13))
    np.testing.assert_allclose(results[0].x, np.linalg.solve(A.toarray(), B), atol=1e-10)
    for result in results[1:]:
        for found, expected in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(found, expected)


@examples(100)
@given(st.integers(2, 40), st.integers(1, 4), st.sampled_from([7, 8192]), st.integers(0, 2**32 - 1))
def test_deflation_agrees_with_gaussian_elimination(n, k, block_rows, seed):
    A, B = laplacian_like(n, seed), np.random.default_rng(seed).normal(size=(n, 2))
    deflation = deflation_by_groups(A, min(k, n))
    with mock.patch.object(solver, "_BLOCK_ROWS", block_rows):
        result = ConjugateGradient(A, deflation).solve(B.copy(), B.copy(), tol=1e-13)
    assert result.converged.all()
    np.testing.assert_allclose(result.x, np.linalg.solve(A.toarray(), B), atol=1e-10)


def deflation_by_groups(A, k):
    n = A.shape[0]
    groups = sparse.csr_array((np.ones(n), (np.arange(n), np.arange(n) % k)))
    return Deflation(groups, A.sum(axis=1), lambda E: lambda y: np.linalg.solve(E.toarray(), y))


def test_residual_has_no_part_in_the_deflated_subspace_from_the_start():
    A, B = laplacian_like(60, 0), np.random.default_rng(1).normal(size=(60, 2))
    deflation = deflation_by_groups(A, 5)
    for max_iter in (0, 1, 4):
        x = ConjugateGradient(A, deflation).solve(B.copy(), B.copy(), tol=1e-6, max_iter=max_iter).x
        np.testing.assert_allclose(deflation.basis.T @ (B - A @ x), 0, atol=1e-12)


@pytest.mark.parametrize("block_rows", [3, 8192])
def test_blocks_inside_a_group_have_their_part_in_the_deflated_subspace(block_rows):
    # A path held at one end: rows inside a group of 20 sum to 0, and no edge leaves the group.
    path = sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(60, 60)).tolil()
    path[-1, -1] = 1.0
    A, B = path.tocsr(), np.random.default_rng(0).normal(size=(60, 2))
    groups = sparse.csr_array((np.ones(60), (np.arange(60), np.arange(60) // 20)))
    solve = lambda E: lambda y: np.linalg.solve(E.toarray(), y)  # noqa: E731
    deflation = Deflation(groups, A.sum(axis=1), solve)
    with mock.patch.object(solver, "_BLOCK_ROWS", block_rows):
        solver_of_groups = ConjugateGradient(A, deflation)
        x = solver_of_groups.solve(B.copy(), B.copy(), tol=1e-6, max_iter=0).x
        np.testing.assert_allclose(groups.T @ (B - A @ x), 0, atol=1e-12)
        x = solver_of_groups.solve(B.copy(), B.copy(), tol=1e-13).x
    np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), B), atol=1e-8)


def test_deflating_what_is_slow_saves_iterations():
    # A path: its smooth functions take the most iterations.
    path = sparse.diags_array([-1.0, 2.001, -1.0], offsets=[-1, 0, 1], shape=(400, 400)).tocsr()
    B = np.random.default_rng(0).normal(size=(400, 1))
    regions = sparse.csr_array((np.ones(400), (np.arange(400), np.arange(400) // 20)))
    solve = lambda E: lambda y: np.linalg.solve(E.toarray(), y)  # noqa: E731
    deflation = Deflation(regions, path.sum(axis=1), solve)
    plain = ConjugateGradient(path).solve(B.copy(), 0 * B, tol=1e-6)
    deflated = ConjugateGradient(path, deflation).solve(B.copy(), 0 * B, tol=1e-6)
    np.testing.assert_allclose(deflated.x, plain.x, atol=1e-3)
    assert deflated.n_iter[0] < plain.n_iter[0] / 2


def test_right_hand_sides_that_are_all_zero():
    result = conjugate_gradient(laplacian_like(10, 0), np.zeros((10, 2)), x0=np.ones((10, 2)))
    assert result.converged.all()
    assert (result.x == 0).all()
