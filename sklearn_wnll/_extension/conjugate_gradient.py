"""Preconditioned conjugate gradients for many right-hand sides at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._parallel import n_threads

__all__ = ["ConjugateGradient", "Deflation", "SolverResult", "conjugate_gradient"]

# Rows that a thread takes at a time: fixed, because otherwise sums over rows would be rounded
# differently for each number of threads.
_BLOCK_ROWS = 8192
_FOLDED = 64  # rows side by side
# Once a residual has fallen to this part of its initial terms, the column ends if twice as many
# iterations, and 200 more, do not improve it: only rounding errors are left.
_FLOOR, _PATIENCE = 1e-9, 200


class Deflation(NamedTuple):
    """A subspace in which :class:`ConjugateGradient` keeps the residual at zero.

    The vectors are constant on each of some groups of rows: ``basis`` (n, k) holds the ``P`` that
    are 1 on a group, with at most one 1 in a row. ``row_sums`` (n,) are the sums of the rows of
    ``A``, passed in because for weakly tied groups a difference of larger numbers would be nothing
    but rounding. ``factorize`` takes ``E = P^T A P`` as a csr_array, and returns a function that
    computes ``E^-1 y`` for ``y`` (k, c).
    """

    basis: sparse.csr_array
    row_sums: np.ndarray
    factorize: Callable

    def find_groups(self):
        """Find the group of each row (n,), -1 without one."""
        group = np.full(self.basis.shape[0], -1, dtype=self.basis.indices.dtype)
        group[np.diff(self.basis.indptr) > 0] = self.basis.indices
        return group


class SolverResult(NamedTuple):
    """Solutions ``x`` (n, c); for each column its ``n_iter``, ``residual`` and ``converged`` (c,).

    A residual is ``max_i |b - A x|_i / A_ii``, the change that one Jacobi step would make.
    """

    x: np.ndarray
    n_iter: np.ndarray
    residual: np.ndarray
    converged: np.ndarray


def conjugate_gradient(A, B, *, x0=None, tol=1e-6, max_iter=1000):
    """Solve ``A X = B`` for a symmetric positive definite csr_array ``A`` (n, n) and ``B`` (n, c).

    The residuals of the :class:`SolverResult`, and ``tol``, are relative to the column's
    ``max_i |b_i| / A_ii``. The iteration starts at ``x0`` (n, c), or zero.

    >>> A = sparse.csr_array([[4.0, -1.0], [-1.0, 3.0]])
    >>> conjugate_gradient(A, np.array([[3.0, 0.0], [2.0, 0.0]])).x.round(6)
    array([[1., 0.],
           [1., 0.]])
    """
    size = np.abs(B / A.diagonal()[:, None]).max(axis=0, initial=0)
    x0 = np.zeros(B.shape) if x0 is None else np.where(size > 0, x0, 0)
    result = ConjugateGradient(A).solve(B.copy(), x0, tol=tol * size, max_iter=max_iter)
    return result._replace(residual=result.residual / np.where(size > 0, size, 1))


class ConjugateGradient:
    """Conjugate gradients for a symmetric positive definite csr_array ``A`` (n, n).

    Each column of a right-hand side is a separate problem, with its own step lengths and its own
    end, but one product with ``A`` serves all columns that have not yet converged. Threads share
    the rows, and change no bit of the result.

    The preconditioner is Jacobi's: the iteration runs on ``D^-1/2 A D^-1/2`` with the
    diagonal ``D`` of ``A``. M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for
    solving linear systems", J. Res. Natl. Bur. Stand. 49 (1952); deflation: Y. Saad, M. Yeung,
    J. Erhel and F. Guyomarc'h, "A deflated version of the conjugate gradient algorithm", SIAM J.
    Sci. Comput. 21 (2000).
    """

    def __init__(self, A, deflation=None):
        self.root = np.sqrt(A.diagonal())
        self.deflated = deflation is not None
        if self.deflated:
            basis, group = _scaled(deflation.basis, self.root), deflation.find_groups()
        inverse_root = 1 / self.root

        def cut(rows):
            block = _Block(rows, self.root, _scaled(A[rows], inverse_root[rows], inverse_root))
            if self.deflated:
                block.deflate(deflation, basis, group, self.root)
            return block

        parts = [slice(i, i + _BLOCK_ROWS) for i in range(0, len(self.root), _BLOCK_ROWS)]
        with _thread_map(len(parts)) as thread_map:
            self.blocks = list(thread_map(cut, parts))
        if self.deflated:
            self.groups = deflation.basis
            self.group_sizes = np.maximum(deflation.basis.sum(axis=0), 1)[:, None]
            self.coarse = _summed_over_groups(self.blocks, basis.shape[1])
            self.coarse_solve = deflation.factorize(self.coarse)
            self.group_squares = basis.power(2).sum(axis=0)[:, None]

    def solve(self, B, x0, *, tol, reduction=0.0, max_iter=1000, callback=None):
        """Solve ``A X = B`` (n, c), starting at ``x0`` (n, c): a :class:`SolverResult`.

        Both are used as working memory, and do not keep their values. A column has converged when
        its residual is at most ``tol``, a number or (c,), or ``reduction`` times the first one.
        Rounding can stop a column earlier, or make it worse in the end; the best iterate is kept,
        within a factor of ten. ``callback`` is called after each iteration with the largest ratio
        of a residual to its aim.
        """
        x, B = (np.ascontiguousarray(part, dtype=np.float64) for part in (x0, B))
        n_columns = x.shape[1]
        n_iter, residual = np.zeros(n_columns, dtype=np.intp), np.zeros(n_columns)
        active = np.arange(n_columns)
        with _thread_map(len(self.blocks)) as thread_map:
            iterates = _Iterates(self, B, x, thread_map)
            aim = np.maximum(tol, reduction * iterates.residual)
            for iteration in range(max_iter + 1):
                n_iter[active], residual[active] = iteration, iterates.residual
                if callback is not None and iteration:
                    callback((residual / np.maximum(aim, np.finfo(float).tiny)).max())
                going = (iterates.residual > aim[active]) & iterates.can_go_on(iteration)
                if iteration == max_iter:
                    going[:] = False
                if not going.all():
                    ended = active[~going]
                    residual[ended] = iterates.finish(active, going)
                    active = active[going]
                if not active.size:
                    break
                iterates.step()
        return SolverResult(x, n_iter, residual, residual <= aim)


@contextmanager
def _thread_map(n_tasks):
    """Yield a ``map`` that runs in threads, or the plain one if threads would not help."""
    count = min(n_threads(), n_tasks)
    if count <= 1:
        yield map
        return
    with ThreadPoolExecutor(count) as pool:
        yield pool.map


class _Block:
    """Some rows of the system, scaled to a unit diagonal."""

    def __init__(self, rows, root, A):
        self.rows, self.A = rows, A
        self.root = root[rows, None]
        self.inverse_diagonal = 1 / self.root**2
        self.basis = self.image = None

    def deflate(self, deflation, basis, group, root):
        """Set a basis of groups, and compute its image without cancellation.

        Both are stored for the groups ``touched``, whose vectors or their images reach these rows.
        ``group`` (n,) is that of each row.
        """
        own_basis, others = basis[self.rows], self.A @ basis
        own = group[self.rows]
        others.data[others.indices == np.repeat(own, np.diff(others.indptr))] = 0
        others.eliminate_zeros()
        outside = group[self.A.indices] != np.repeat(own, np.diff(self.A.indptr))
        weights = sparse.csr_array(
            (self.A.data * outside, self.A.indices, self.A.indptr), shape=self.A.shape
        )
        inside = (deflation.row_sums[self.rows] / self.root[:, 0] - weights @ root)[own >= 0]
        # The image of a cluster is zero, and not stored, if no edge leaves it within this block.
        image = others + sparse.csr_array(
            (inside, own_basis.indices, own_basis.indptr), shape=others.shape
        )
        self.touched = np.union1d(own_basis.indices, image.indices)
        self.basis, self.image = (self._of_touched(part) for part in (own_basis, image))

    def _of_touched(self, part):
        """Leave out the columns of other groups."""
        indices = np.searchsorted(self.touched, part.indices).astype(part.indices.dtype)
        shape = part.shape[0], len(self.touched)
        return sparse.csr_array((part.data, indices, part.indptr), shape=shape)


def _summed_over_groups(blocks, n_groups):
    """Sum the system over groups: ``P^T A P`` (n_groups, n_groups)."""
    parts = []
    for block in blocks:
        summed = (block.basis.T @ block.image).tocoo()
        parts.append((summed.data, block.touched[summed.row], block.touched[summed.col]))
    data, row, column = map(np.concatenate, zip(*parts, strict=True))
    return sparse.coo_array((data, (row, column)), shape=(n_groups, n_groups)).tocsr()


class _Iterates:
    """The state of the iteration, for the columns that have not yet converged.

    The iteration solves for the correction of ``x``, in the system scaled to a unit diagonal,
    where the preconditioned residual equals the residual ``r``; ``rr`` is ``r.r``.
    """

    def __init__(self, system, B, x, thread_map):
        self.system, self.map, self.solution = system, thread_map, x
        means, sums, self.p = None, None, x.copy()
        if system.deflated:
            # Vectors constant on groups, and their sums, have images free of rounding.
            means, sums = system.groups.T @ x / system.group_sizes, system.groups.T @ B
            self.p -= system.groups @ means
        self.p *= system.root[:, None]
        self.parts = [_Part(block, B, x) for block in system.blocks]
        overlap = self._gather(list(self.map(lambda part: part.start(self.p, means), self.parts)))
        if system.deflated:
            overlap += sums - system.coarse @ means
            change = system.coarse_solve(overlap)
            noise = self._gather(self.map(lambda part: part.correct(change), self.parts))
            noise /= system.group_squares
            self._each(lambda part: part.clean(noise))
        self.best, self.best_iteration = np.full(x.shape[1], np.inf), np.zeros(x.shape[1])
        self._turn(np.zeros(x.shape[1]), *self._moments(lambda part: part.moments()))
        self.size = np.maximum(self.residual, np.abs(x).max(axis=0, initial=0))

    def step(self):
        """Take one step of the conjugate gradients."""
        pAp = sum(self.map(lambda part: part.multiply(self.p), self.parts))
        # Rounding can hide that A is positive definite; then no step is taken.
        alpha = np.divide(self.rr, pAp, out=np.zeros_like(pAp), where=pAp > 0)
        alpha = self._tiled(alpha)
        squares, largest, overlap = self._moments(lambda part: part.advance(self.p, alpha))
        self._turn(squares / self.rr, squares, largest, overlap)

    def can_go_on(self, iteration):
        """Keep improved iterates near the rounding; return which columns can still improve."""
        better = self.residual < np.minimum(0.1 * self.best, _FLOOR * self.size)
        if better.any():
            self._each(lambda part: part.keep(better))
        self.best[better], self.best_iteration[better] = self.residual[better], iteration
        waited = iteration - self.best_iteration > self.best_iteration + _PATIENCE
        stalled = waited & np.isfinite(self.best)
        # rr is 0 only if r is 0 or has underflowed: no improvement is possible.
        return (self.rr > 0) & np.isfinite(self.rr) & ~stalled

    def finish(self, active, going):
        """Add the columns that are not ``going`` to the solution; return their residuals."""
        # Above the rounding, each step lowers the error in the norm of ``A``.
        worse = ~(self.residual <= self.best) & np.isfinite(self.best)
        self._each(lambda part: part.finish(active, going, worse))
        ended = np.where(worse, self.best, self.residual)[~going]
        self.p = self.p.compress(going, axis=1)
        for name in ("rr", "residual", "best", "best_iteration", "size"):
            setattr(self, name, getattr(self, name)[going])
        return ended

    def _turn(self, beta, squares, largest, overlap):
        """Find the next direction."""
        self.rr, self.residual = squares, largest
        change = self.system.coarse_solve(overlap) if self.system.deflated else None
        beta = self._tiled(beta)
        self._each(lambda part: part.turn(self.p, beta, change))

    def _tiled(self, factors):
        """Repeat the factors for each row of a block: one long product beats many short ones."""
        return np.tile(factors, min(_BLOCK_ROWS, len(self.p)))

    def _moments(self, step):
        """Sum ``r.r`` over the parts in fixed order, and find the largest residual."""
        squares, largest, products = zip(*self.map(step, self.parts), strict=True)
        return sum(squares), np.maximum.reduce(largest), self._gather(products)

    def _gather(self, products):
        """Sum each part's inner products with the basis vectors that its rows touch."""
        if not self.system.deflated:
            return None
        overlap = np.zeros((self.system.coarse.shape[0], self.p.shape[1]))
        for part, product in zip(self.parts, products, strict=True):
            overlap[part.block.touched] += product
        return overlap

    def _each(self, step):
        """Take a step on each part."""
        for _ in self.map(step, self.parts):
            pass


class _Part:
    """The rows of a block in all vectors of the iteration except ``p``."""

    def __init__(self, block, B, x):
        self.block, self.solution = block, x[block.rows]
        self.r = B[block.rows]
        self.r /= block.root
        self.x = np.zeros(self.r.shape)
        self.best = np.zeros((0, self.r.shape[1]))  # or as large as x, where it is needed

    def start(self, p, means):
        """Make ``r`` the residual of ``p`` and of a combination of groups.

        Returns minus the inner products of the image with ``p``, which equal those of the basis
        with ``A p``: computed from ``A p`` itself, they would be nothing but rounding.
        """
        block, products = self.block, None
        if block.basis is not None:
            products = -(block.image.T @ p[block.rows])
            self.r -= block.image @ means[block.touched]
        self.r -= block.A @ p
        return products

    def correct(self, change):
        """Move by a combination of the basis; return the remaining inner products with it."""
        block, change = self.block, change[self.block.touched]
        self.x += block.basis @ change
        self.r -= block.image @ change
        return block.basis.T @ self.r

    def clean(self, noise):
        """Remove from ``r`` the remains, by rounding, of a combination of the basis."""
        self.r -= self.block.basis @ noise[self.block.touched]

    def multiply(self, p):
        """Compute ``A p``; return its inner products with ``p``."""
        self.Ap = self.block.A @ p
        return np.einsum("ij,ij->j", p[self.block.rows], self.Ap)

    def advance(self, p, alpha):
        """Go ``alpha`` along ``p``; return the moments of the new residual."""
        alpha = alpha[: self.x.size]
        flat_x, flat_r = self.x.reshape(-1), self.r.reshape(-1)
        flat_x += alpha * p[self.block.rows].reshape(-1)
        flat_r -= alpha * self.Ap.reshape(-1)
        return self.moments()

    def moments(self):
        """Return ``r.r``, the largest residual over the diagonal, and products with the image."""
        squares = self.r * self.r
        sums = np.einsum("ij->j", squares)
        squares *= self.block.inverse_diagonal
        largest = np.sqrt(_column_maxima(squares))
        image = self.block.image
        return sums, largest, None if image is None else image.T @ self.r

    def turn(self, p, beta, change):
        """Turn ``p`` towards the residual, orthogonally to the basis in the energy of ``A``."""
        p = p[self.block.rows]
        flat_p = p.reshape(-1)
        flat_p *= beta[: p.size]
        p += self.r
        if change is not None:
            p -= self.block.basis @ change[self.block.touched]

    def keep(self, columns):
        """Keep the iterates of some columns."""
        if not len(self.best):
            self.best = np.zeros(self.x.shape)
        self.best[:, columns] = self.x[:, columns]

    def finish(self, active, going, worse):
        """Add the columns that are not ``going`` to the solution: the best iterate of each."""
        found = np.where(worse, self.best, self.x) if worse.any() else self.x
        found = found.compress(~going, axis=1)
        self.solution[:, active[~going]] += found / self.block.root
        for name in ("x", "r", "best"):
            setattr(self, name, getattr(self, name).compress(going, axis=1))


def _column_maxima(a):
    """Find the largest of each column, folding rows first because numpy is slow at short rows."""
    folded = len(a) // _FOLDED * _FOLDED
    wide = a[:folded].reshape(-1, _FOLDED * a.shape[1]).max(axis=0, initial=0)
    return np.vstack([wide.reshape(_FOLDED, -1), a[folded:]]).max(axis=0)


def _scaled(A, row_factor, column_factor=None):
    """Return the matrix with its rows, and optionally columns, times factors."""
    data = A.data * np.repeat(row_factor, np.diff(A.indptr))
    if column_factor is not None:
        data *= column_factor[A.indices]
    return sparse.csr_array((data, A.indices, A.indptr), shape=A.shape)
