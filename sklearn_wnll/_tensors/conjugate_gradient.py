"""Conjugate gradients on torch tensors; as in ``_extension/conjugate_gradient.py``."""

import math
from typing import NamedTuple

import torch

__all__ = ["SolverResult", "conjugate_gradient"]

_ROUNDING = 16 * torch.finfo(torch.float64).eps  # relative to the summands of a residual
_RESTARTS = 30
_BETTER, _ASTRAY = 0.1, 1e-4  # parts of a residual: worth keeping, and hopelessly below another


class SolverResult(NamedTuple):
    """Solutions ``x`` (n, c), each column's ``residual`` and ``converged`` (c,), and ``n_iter``."""

    x: torch.Tensor
    residual: torch.Tensor
    converged: torch.Tensor
    n_iter: int


def conjugate_gradient(
    off_diagonal,
    diagonal,
    right,
    *,
    importance,
    limit,
    max_iter,
    deflation=None,
    start=None,
    reduction=0.0,
    callback=None,
):
    """Solve ``(diag(d) - W) x = b`` by conjugate gradients with Jacobi's preconditioner.

    ``W`` (n, n) are symmetric nonnegative :class:`SparseRows`, ``d`` (n,) at least its row sums,
    and ``b`` (n, c), all in float64. On singular parts of the system, ``b`` must be zero, and so
    is the solution. A column ends when no row's residual, times its ``importance`` (n,), is above
    ``limit`` (c,), or ``reduction`` times the first one. The residual is then recomputed from the
    solution; if rounding has led the iteration astray, it continues from the best solution so far.
    On the groups of a :class:`Deflation` the system is solved directly. The iteration begins at
    ``start`` (n, c), or 0; ``callback`` is called after each step with the largest ratio of a
    residual to its limit. Returns a :class:`SolverResult`.
    """
    system = _System(off_diagonal, diagonal, right, importance, deflation)
    z, n_iter = torch.zeros_like(right) if start is None else start, 0
    x, residual, size, rounding = system.complete(z)
    if reduction:
        limit = torch.maximum(limit, reduction * size)
    for _ in range(_RESTARTS):
        going = size > torch.maximum(limit, rounding)
        if n_iter >= max_iter or not bool(going.any()):
            break
        change, count = _iterate(system, residual, going, limit / 2, max_iter - n_iter, callback)
        n_iter += count
        state = z + change
        parts = state, *system.complete(state)
        better = parts[3] < size
        z, x, residual, size, rounding = (
            torch.where(better, new, old)
            for new, old in zip(parts, (z, x, residual, size, rounding), strict=True)
        )
        if not bool((better & going).any()):
            break
    return SolverResult(x, size, size <= torch.maximum(limit, rounding), n_iter)


class _System:
    """The equations, their preconditioner and groups.

    A solution is a ``z`` plus a function constant on groups. This function may be so large that
    rounding would hide ``z`` if the residual were computed from their sum.
    """

    def __init__(self, off_diagonal, diagonal, right, importance, deflation):
        self._off_diagonal, self._diagonal = off_diagonal, diagonal[:, None]
        self.inverse = torch.where(diagonal > 0, 1 / diagonal, 0)[:, None]
        self._right, self._importance, self._deflation = right, importance[:, None], deflation

    def complete(self, z):
        """Return the solution for ``z``, its residual, and two sizes (c,).

        The sizes are those of the residual, and of its possible rounding errors.
        """
        x, residual, terms = z, self._right - self._image(z), self._diagonal * z.abs()
        if self._deflation is not None:
            change, image, sizes = self._deflation.correction(self._right, z)
            x, residual, terms = z + change, residual - image, terms + sizes
        return x, residual, self.size(residual), _ROUNDING * self.size(terms)

    def size(self, residual):
        """Return the largest entry of a residual, times the importance of its row (c,)."""
        return torch.linalg.vector_norm(residual * self._importance, math.inf, dim=0)

    def image(self, p):
        """Compute ``A p`` without the part due to the groups."""
        Ap = self._image(p)
        return Ap if self._deflation is None else self._deflation.project(Ap, p)

    def _image(self, p):
        return torch.addcmul(-(self._off_diagonal @ p), self._diagonal, p)


def _iterate(system, residual, going, limit, max_iter, callback):
    """Iterate for the correction of a solution; return it and the number of steps.

    Far below the largest terms, rounding can lead the iteration away from the solution; it then
    ends at its best point.
    """
    solution, direction, squares = torch.zeros_like(residual), None, None
    residual, best, best_size = residual.clone(), solution, math.inf
    for iteration in range(max_iter + 1):
        size = system.size(residual)
        going = going & (size > limit)
        largest = float(torch.where(going, size / limit, 0).max())
        if callback is not None and iteration:
            callback(largest)
        if largest == 0:
            return solution, iteration
        if largest < _BETTER * best_size:
            best, best_size = solution.clone(), largest
        if iteration == max_iter or largest * _ASTRAY > best_size:
            return (solution if largest < best_size else best), iteration
        preconditioned = residual * system.inverse
        before, squares = squares, _dot(residual, preconditioned)
        if direction is None:
            direction = preconditioned
        else:
            direction = torch.addcmul(preconditioned, _ratio(squares, before), direction)
        image = system.image(direction)
        # A finished column does not change.
        alpha = torch.where(going, _ratio(squares, _dot(direction, image)), 0)
        solution.addcmul_(alpha, direction)
        residual.addcmul_(alpha, image, value=-1)


def _dot(a, b):
    """Compute inner products of columns."""
    return (a * b).sum(dim=0)


def _ratio(a, b):
    """Compute quotients, 0 for finished columns."""
    return torch.where(b > 0, a / torch.where(b > 0, b, 1), 0)
