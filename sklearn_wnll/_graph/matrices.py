"""Operations on sparse matrices: csr_arrays, or matrices of a device that have methods for them."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .rows import with_narrow_indices

__all__ = [
    "as_scipy",
    "components",
    "diagonal_minus",
    "narrowed",
    "plus_diagonal",
    "scaled",
    "weight_between",
]


def components(W):
    """Find the connected component of each point (n_points,), by directed weights.

    Edges connect both ways.
    """
    if sparse.issparse(W):
        return connected_components(W, directed=False)[1]
    return W.components()


def scaled(W, by_row=None, by_column=None):
    """Multiply rows and columns by factors (n_rows,), (n_columns,)."""
    if not sparse.issparse(W):
        return W.scaled(by_row, by_column)
    data = W.data
    if by_row is not None:
        data = np.repeat(by_row, np.diff(W.indptr)) * data
    if by_column is not None:
        data = data * by_column[W.indices]
    return sparse.csr_array((data, W.indices, W.indptr), shape=W.shape)


def plus_diagonal(W, diagonal):
    """Add a diagonal (n,)."""
    if not sparse.issparse(W):
        return W.plus_diagonal(diagonal)
    return (W + sparse.diags_array(diagonal)).tocsr()


def diagonal_minus(diagonal, W):
    """Subtract a matrix from a diagonal (n,)."""
    if not sparse.issparse(W):
        return (-1.0 * W).plus_diagonal(diagonal)
    return (sparse.diags_array(diagonal) - W).tocsr()


def weight_between(W, codes):
    """Sum the weights of edges between points of different ``codes`` (n_points,)."""
    if not sparse.issparse(W):
        return W.between(codes)
    rows = np.repeat(np.arange(len(codes)), np.diff(W.indptr))
    return float(W.data[codes[rows] != codes[W.indices]].sum())


def narrowed(W):
    """Return the matrix with 32-bit indices, if it is a csr_array for which they suffice."""
    return with_narrow_indices(W) if sparse.issparse(W) else W


def as_scipy(W):
    """Return the csr_array of a matrix, copied from its device."""
    return W if sparse.issparse(W) else W.to_scipy()
