"""Operations on sparse matrices: csr_arrays, or matrices of a device that have methods for them."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .._parallel import equal_blocks, in_threads
from .rows import index_type, with_narrow_indices

__all__ = [
    "as_scipy",
    "components",
    "narrowed",
    "plus_diagonal",
    "scaled",
    "submatrix",
    "symmetric_laplacian",
    "weight_between",
]

_ROWS = 2**17  # of a matrix, treated at a time


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


def submatrix(W, rows, columns):
    """Return ``W[rows][:, columns]``, given by a mask or distinct numbers, with sorted rows.

    On a device, numbers must ascend.
    """
    if not sparse.issparse(W):
        return W[:, columns][rows]
    rows, columns = (np.arange(n)[one] for n, one in zip(W.shape, (rows, columns), strict=True))
    place = np.full(W.shape[1], -1, dtype=W.indices.dtype)
    place[columns] = np.arange(len(columns))

    def cut(block):
        part = W[rows[block]]
        found = place[part.indices]
        keep = found >= 0
        indptr = np.append(0, np.cumsum(keep))[part.indptr]
        arrays = part.data[keep], found[keep], indptr.astype(found.dtype)
        part = sparse.csr_array(arrays, shape=(part.shape[0], len(columns)))
        part.sort_indices()
        return part

    return _stacked(in_threads(cut, equal_blocks(len(rows), _ROWS)), len(columns))


def symmetric_laplacian(W, excess):
    """Compute ``diag(T 1 + excess) - T`` for ``T = W + W^T``: its rows sum to ``excess`` (n,)."""
    if not sparse.issparse(W):
        T = W.T.tocsr() + W
        return (-1.0 * T).plus_diagonal(T.sum(axis=1) + excess)
    pair, n = [W.T.tocsr(), W], W.shape[0]

    def subtract(rows):
        other, own = (matrix[rows] for matrix in pair)
        own.sort_indices()  # sorted rows are added faster
        part = other + own
        total, count = part.sum(axis=1) + excess[rows], np.arange(rows.stop - rows.start + 1)
        entries = total, rows.start + count[:-1], count
        return sparse.csr_array(entries, shape=part.shape) - part

    parts = in_threads(subtract, equal_blocks(n, _ROWS))
    pair.clear()
    del W  # which the caller may not need any more
    return _stacked(parts, n)


def _stacked(parts, n_columns):
    """Stack blocks of rows, freeing one array of them after the other."""
    counts = np.concatenate([[0], *(np.diff(part.indptr) for part in parts)])
    arrays = [[part.data for part in parts], [part.indices for part in parts]]
    parts.clear()
    indptr = np.cumsum(counts, dtype=np.int64)
    shape = len(indptr) - 1, n_columns
    dtype = index_type(indptr[-1], shape)
    data, indices = _joined(arrays.pop(0), float), _joined(arrays.pop(0), dtype)
    return sparse.csr_array((data, indices, indptr.astype(dtype)), shape=shape)


def _joined(arrays, dtype):
    """Concatenate arrays in threads: most of the time goes into the first touch of memory."""
    edges = np.cumsum([0, *map(len, arrays)])
    joined = np.empty(edges[-1], dtype=dtype)

    def copy(number):
        joined[edges[number] : edges[number + 1]] = arrays[number]

    in_threads(copy, range(len(arrays)))
    return joined


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
