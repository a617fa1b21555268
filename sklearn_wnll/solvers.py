"""Preconditioned conjugate gradients for many right-hand sides at once."""

from typing import NamedTuple

import numpy as np

__all__ = ["SolverResult", "conjugate_gradient"]


class SolverResult(NamedTuple):
    """What :func:`conjugate_gradient` returns.

    Attributes
    ----------
    x : ndarray of shape (n, c)
        One solution per column.
    n_iter : ndarray of shape (c,)
        Iterations that each column took.
    residual : ndarray of shape (c,)
        ``||b - A x|| / ||b||`` of each column; 0 where ``b`` is zero.
    converged : ndarray of shape (c,)
        Whether each column reached the tolerance.
    """

    x: np.ndarray
    n_iter: np.ndarray
    residual: np.ndarray
    converged: np.ndarray


def conjugate_gradient(A, B, *, x0=None, tol=1e-6, max_iter=1000, callback=None):
    """Solve ``A X = B`` for a symmetric positive definite sparse matrix.

    Every column of ``B`` is a problem of its own, with its own step lengths and its
    own end, but one product with ``A`` serves all columns that have not yet converged.

    Parameters
    ----------
    A : sparse matrix of shape (n, n)
        Symmetric positive definite, with a positive diagonal.
    B : ndarray of shape (n, c)
        Right-hand sides. A column of zeros has the solution zero.
    x0 : ndarray of shape (n, c), default=None
        Where to start; None is zero.
    tol : float, default=1e-6
        A column has converged when ``||b - A x|| <= tol ||b||``.
    max_iter : int, default=1000
        Largest number of iterations.
    callback : callable, default=None
        Called after each iteration with the largest relative residual.

    Returns
    -------
    SolverResult
        ``x``, and for each column ``n_iter``, ``residual`` and ``converged``.

    Notes
    -----
    The preconditioner is Jacobi's, the diagonal of ``A``. One iteration costs a product
    of ``A`` with a block of at most ``c`` columns and a few passes over that block.

    References
    ----------
    M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear
    systems", J. Res. Natl. Bur. Stand. 49 (1952). The preconditioned form is algorithm
    9.1 of Y. Saad, "Iterative methods for sparse linear systems", 2nd ed. (2003).

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> A = csr_array([[4.0, -1.0], [-1.0, 3.0]])
    >>> result = conjugate_gradient(A, np.array([[3.0, 0.0], [2.0, 0.0]]))
    >>> result.x.round(6)
    array([[1., 0.],
           [1., 0.]])
    """
    scale = np.linalg.norm(B, axis=0)
    solution = np.zeros(B.shape) if x0 is None else np.array(x0, dtype=np.float64)
    solution[:, scale == 0] = 0.0
    n_iter = np.zeros(B.shape[1], dtype=np.intp)
    residual = np.zeros(B.shape[1])

    inverse_diagonal = 1.0 / A.diagonal()[:, None]
    active = np.flatnonzero(scale)
    x = solution.take(active, axis=1)
    r = B.take(active, axis=1) - A @ x
    p = z = inverse_diagonal * r
    rz = _dot(r, z)
    for iteration in range(max_iter + 1):
        size = np.linalg.norm(r, axis=0) / scale[active]
        n_iter[active], residual[active] = iteration, size
        if callback is not None and iteration:
            callback(residual.max())
        # rz is 0 only when r is 0 or has underflowed: nothing is left to gain.
        going = (size > tol) & (rz > 0)
        if not going.all():
            solution[:, active] = x
            active, rz = active[going], rz[going]
            x, r, p = (block.compress(going, axis=1) for block in (x, r, p))
        if not active.size or iteration == max_iter:
            break
        Ap = A @ p
        pAp = _dot(p, Ap)
        # Rounding can hide that A is positive definite; such a step is not taken.
        alpha = np.divide(rz, pAp, out=np.zeros_like(rz), where=pAp > 0)
        x += alpha * p
        r -= alpha * Ap
        z = inverse_diagonal * r
        rz, previous = _dot(r, z), rz
        p = z + (rz / previous) * p
    solution[:, active] = x
    return SolverResult(solution, n_iter, residual, residual <= tol)


def _dot(a, b):
    """Inner products of the columns of two blocks."""
    return np.einsum("ij,ij->j", a, b)
