"""Conjugate gradients on torch tensors; as in ``_extension/conjugate_gradient.py``."""

import torch

__all__ = ["conjugate_gradient"]


def conjugate_gradient(off_diagonal, diagonal, right, tol, max_iter):
    """Solve ``(diag(d) - W) x = b`` by conjugate gradients with Jacobi's preconditioner.

    ``W`` (n, n) is a symmetric sparse CSR tensor without negative numbers, ``d`` (n,) at least its
    row sums, ``b`` (n, c). Where parts of the system are singular, ``b`` must be zero, and the
    solution is. All columns end when the residual of each is at most ``tol`` times its right-hand
    side. Returns the solution, and whether all columns reached the tolerance.
    """
    # Scaled to a unit diagonal; points without an edge keep their zeros.
    root = torch.where(diagonal > 0, diagonal, 1).rsqrt()[:, None]
    residual = right * root
    direction, solution = residual.clone(), torch.zeros_like(right)
    squares = _dot(residual, residual)
    limit = tol**2 * squares
    for _ in range(max_iter):
        if not bool((squares > limit).any()):
            break
        image = direction - root * (off_diagonal @ (root * direction))
        alpha = _ratio(squares, _dot(direction, image))
        solution += alpha * direction
        residual -= alpha * image
        before, squares = squares, _dot(residual, residual)
        direction = residual + _ratio(squares, before) * direction
    return root * solution, not bool((squares > limit).any())


def _dot(a, b):
    """Inner products of columns."""
    return (a * b).sum(dim=0)


def _ratio(a, b):
    """Quotients; 0 where a column has nothing left to solve."""
    return torch.where(b > 0, a / torch.where(b > 0, b, 1), 0)
