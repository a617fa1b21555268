"""Preconditioned conjugate gradients for many right-hand sides at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._parallel import n_threads

__all__ = ["Deflation", "SolverResult", "conjugate_gradient"]

# Rows that a thread takes at a time. Were they a share of the number of threads, sums over
# rows would be rounded differently for each.
_BLOCK_ROWS = 8192


class Deflation(NamedTuple):
    """A subspace in which :func:`conjugate_gradient` keeps the residual at zero.

    The vectors are constant on each of some groups of rows: ``basis`` (n, k) holds the ``P`` that
    are 1 on a group, a single 1 in a row or none. ``row_sums`` (n,) are the sums of the rows of
    ``A``, given because the difference of larger numbers would be rounding alone where groups are
    tied by little. ``factorize`` takes ``E = P^T A P`` as a csr_array, and returns a function that
    computes ``E^-1 y`` for ``y`` (k, c).
    """

    basis: sparse.csr_array
    row_sums: np.ndarray
    factorize: Callable


class SolverResult(NamedTuple):
    """Solutions ``x`` (n, c); for each column its ``n_iter``, ``residual`` and ``converged`` (c,).

    A residual is ``||b - A x|| / ||b||``, 0 where ``b`` is zero.
    """

    x: np.ndarray
    n_iter: np.ndarray
    residual: np.ndarray
    converged: np.ndarray


def conjugate_gradient(A, B, *, x0=None, deflation=None, tol=1e-6, max_iter=1000, callback=None):
    """Solve ``A X = B`` for a symmetric positive definite csr_array ``A`` (n, n) and ``B`` (n, c).

    Every column of ``B`` is a problem of its own, with its own step lengths and its own end, when
    ``||b - A x|| <= tol ||b||``; but one product with ``A`` serves all columns that have not yet
    converged. The iteration starts at ``x0`` (n, c), or zero. ``callback`` is called after each
    iteration with the largest relative residual. Threads share the rows, and change no bit of
    the result.

    The preconditioner is Jacobi's: the iteration runs on ``D^-1/2 A D^-1/2`` with the
    diagonal ``D`` of ``A``. M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for
    solving linear systems", J. Res. Natl. Bur. Stand. 49 (1952); deflation: Y. Saad, M. Yeung,
    J. Erhel and F. Guyomarc'h, "A deflated version of the conjugate gradient algorithm", SIAM J.
    Sci. Comput. 21 (2000).

    >>> A = sparse.csr_array([[4.0, -1.0], [-1.0, 3.0]])
    >>> conjugate_gradient(A, np.array([[3.0, 0.0], [2.0, 0.0]])).x.round(6)
    array([[1., 0.],
           [1., 0.]])
    """
    norm = np.linalg.norm(B, axis=0)
    x = np.zeros(B.shape) if x0 is None else np.array(x0, dtype=np.float64)
    x[:, norm == 0] = 0.0
    n_iter = np.zeros(B.shape[1], dtype=np.intp)
    residual = np.zeros(B.shape[1])
    active = np.flatnonzero(norm)
    with _thread_map(n_tasks=-(-len(x) // _BLOCK_ROWS)) as thread_map:
        iterates = _Iterates(A, B, x, active, deflation, thread_map)
        for iteration in range(max_iter + 1):
            n_iter[active], residual[active] = iteration, iterates.residual_norm / norm[active]
            if callback is not None and iteration:
                callback(residual.max())
            # rr is 0 only when r is 0 or has underflowed: nothing is left to gain.
            going = (residual[active] > tol) & (iterates.rr > 0) & (iteration < max_iter)
            if not going.all():
                iterates.finish(active, going)
                active = active[going]
            if not active.size:
                break
            iterates.step()
    return SolverResult(x, n_iter, residual, residual <= tol)


@contextmanager
def _thread_map(n_tasks):
    """A ``map`` that runs in threads, or the plain one where that is no gain."""
    count = min(n_threads(), n_tasks)
    if count <= 1:
        yield map
        return
    with ThreadPoolExecutor(count) as pool:
        yield pool.map


class _Iterates:
    """The state of the iteration, for the columns that have not yet converged.

    The iteration solves for what ``x`` lacks, in the system scaled to a unit diagonal: its
    preconditioned residual is the residual ``r``, and ``rr`` is ``r.r``.
    """

    def __init__(self, A, B, x, active, deflation, thread_map):
        self.map = thread_map
        root = np.sqrt(A.diagonal())
        inverse_root = 1 / root
        basis = None if deflation is None else _scaled(deflation.basis, root)
        self.p = x.take(active, axis=1) * root[:, None]

        def cut(rows):
            scaled = _scaled(A[rows], inverse_root[rows], inverse_root)
            block = _Block(rows, x, root, scaled, B[rows].take(active, axis=1))
            if deflation is not None:
                block.deflate(deflation, basis, root)
            return block

        starts = range(0, len(x), _BLOCK_ROWS)
        self.blocks = list(self.map(cut, [slice(i, i + _BLOCK_ROWS) for i in starts]))
        self.solve, self.n_deflated = None, 0 if basis is None else basis.shape[1]
        _, overlap = self._moments(lambda block: block.start(self.p))
        if deflation is not None:
            image = sparse.vstack([block.image for block in self.blocks], format="csr")
            self.solve = deflation.factorize(basis.T @ image)
            change = self.solve(overlap)
            self._each(lambda block: block.correct(change))
        self._turn(np.zeros(len(active)), *self._moments(lambda block: block.moments()))

    def step(self):
        """Take one step of the conjugate gradients."""
        pAp = self._sum(lambda block: block.multiply(self.p))
        # Rounding can hide that A is positive definite; such a step is not taken.
        alpha = np.divide(self.rr, pAp, out=np.zeros_like(pAp), where=pAp > 0)
        alpha = self._tiled(alpha)
        squares, overlap = self._moments(lambda block: block.advance(self.p, alpha))
        self._turn(squares[0] / self.rr, squares, overlap)

    def finish(self, active, going):
        """Add the columns that are not ``going`` to ``x``, and leave them."""
        self._each(lambda block: block.finish(active, going))
        self.p, self.rr = self.p.compress(going, axis=1), self.rr[going]

    def _turn(self, beta, squares, overlap):
        """Find the next direction."""
        self.rr, self.residual_norm = squares[0], np.sqrt(squares[1])
        change = self.solve and self.solve(overlap)
        beta = self._tiled(beta)
        self._each(lambda block: block.turn(self.p, beta, change))

    def _tiled(self, factors):
        """Repeat the factors for each row of a block: one long product beats many short."""
        return np.tile(factors, min(_BLOCK_ROWS, len(self.p)))

    def _sum(self, step):
        """Sum over the blocks, always in their order, what a step gives on each."""
        return sum(self.map(step, self.blocks))

    def _moments(self, step):
        """Sum over the blocks the squares that a step gives, and the inner products with a basis.

        A block gives these only for the vectors that it touches, of which there may be many.
        """
        squares, overlap = 0, np.zeros((self.n_deflated, self.p.shape[1]))
        for block, (part, products) in zip(self.blocks, self.map(step, self.blocks), strict=True):
            squares = squares + part
            if self.n_deflated:
                overlap[block.touched] += products
        return squares, overlap

    def _each(self, step):
        """Take a step on each block."""
        for _ in self.map(step, self.blocks):
            pass


class _Block:
    """The rows of one block: of the scaled system, and of the vectors but ``p``."""

    def __init__(self, rows, x, root, A, b):
        self.rows, self.solution = rows, x[rows]
        self.root = root[rows, None]
        self.diagonal = root[rows] ** 2
        self.A = A
        self.x = np.zeros(b.shape)
        self.r = b / self.root
        self.basis = None

    def deflate(self, deflation, basis, root):
        """Take a basis of groups, and compute its image without cancellation."""
        self.basis, others = basis[self.rows], self.A @ basis
        group = np.full(len(root), -1)
        group[np.diff(basis.indptr) > 0] = basis.indices
        own = group[self.rows]
        others.data[others.indices == np.repeat(own, np.diff(others.indptr))] = 0
        outside = group[self.A.indices] != np.repeat(own, np.diff(self.A.indptr))
        weights = sparse.csr_array(
            (self.A.data * outside, self.A.indices, self.A.indptr), shape=self.A.shape
        )
        inside = (deflation.row_sums[self.rows] / self.root[:, 0] - weights @ root)[own >= 0]
        self.image = others + sparse.csr_array(
            (inside, self.basis.indices, self.basis.indptr), shape=others.shape
        )
        # The image of a cluster that no edge leaves within this block is zero, and not stored.
        self.touched = np.union1d(self.basis.indices, self.image.indices)
        self.image_transposed = self.image[:, self.touched].T

    def start(self, p):
        """Make ``r`` the residual of ``p``; give its inner products with the basis."""
        self.r -= self.A @ p
        return 0, None if self.basis is None else self.basis[:, self.touched].T @ self.r

    def correct(self, change):
        """Move by a combination of the basis."""
        self.x += self.basis @ change
        self.r -= self.image @ change

    def multiply(self, p):
        """Compute ``A p``; give its inner products with ``p``."""
        self.Ap = self.A @ p
        return _dot(p[self.rows], self.Ap)

    def advance(self, p, alpha):
        """Go ``alpha`` along ``p``; give the moments of the new residual."""
        alpha = alpha[: self.x.size]
        flat_x, flat_r = self.x.reshape(-1), self.r.reshape(-1)
        flat_x += alpha * p[self.rows].reshape(-1)
        flat_r -= alpha * self.Ap.reshape(-1)
        return self.moments()

    def moments(self):
        """Give ``r.r``, the square of the unscaled residual, and the products with the image."""
        squares = self.r * self.r
        sums = np.array([np.einsum("ij->j", squares), np.einsum("i,ij->j", self.diagonal, squares)])
        return sums, None if self.basis is None else self.image_transposed @ self.r

    def turn(self, p, beta, change):
        """Turn ``p`` towards the residual, orthogonally to the basis in the energy of ``A``."""
        p = p[self.rows]
        flat_p = p.reshape(-1)
        flat_p *= beta[: p.size]
        p += self.r
        if self.basis is not None:
            p -= self.basis @ change

    def finish(self, active, going):
        """Add the columns that are not ``going`` to the solution, and leave them."""
        self.solution[:, active[~going]] += self.x.compress(~going, axis=1) / self.root
        self.x, self.r = self.x.compress(going, axis=1), self.r.compress(going, axis=1)


def _scaled(A, row_factor, column_factor=None):
    """Give the matrix with its rows, and columns if asked, times factors."""
    data = A.data * np.repeat(row_factor, np.diff(A.indptr))
    if column_factor is not None:
        data *= column_factor[A.indices]
    return sparse.csr_array((data, A.indices, A.indptr), shape=A.shape)


def _dot(a, b):
    """Inner products of the columns of two blocks."""
    return np.einsum("ij,ij->j", a, b)
