import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sklearn_wnll.solvers import conjugate_gradient

from .clouds import sparse_rows


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
        residual = np.linalg.norm(B - A @ result.x, axis=0) / np.linalg.norm(B, axis=0)
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
    result = conjugate_gradient(A, B, tol=1e-14, max_iter=3, callback=seen.append)
    assert not result.converged.any()
    assert (result.n_iter == 3).all()
    assert len(seen) == 3
    assert seen[-1] == result.residual.max() > 1e-14


def test_arguments_are_left_as_they_are():
    A, B, x0 = laplacian_like(20, 0), np.ones((20, 2)), np.full((20, 2), 3.0)
    B[:, 0] = 0
    conjugate_gradient(A, B, x0=x0)
    assert (B[:, 1] == 1).all()
    assert (x0 == 3).all()
