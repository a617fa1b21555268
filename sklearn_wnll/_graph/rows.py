"""Rows of a feature matrix: which are equal, and which are among others."""

import numpy as np
from scipy import sparse

__all__ = [
    "RowIndex",
    "canonical_rows",
    "equal_rows",
    "first_of_equal_rows",
    "row_keys",
    "with_narrow_indices",
]

_BLOCK = 2048  # rows that a pass over the data takes at a time


class RowIndex:
    """Find rows among the rows of a matrix by their bytes.

    Parameters
    ----------
    keys : ndarray of shape (n_rows,)
        Keys of distinct rows, from :func:`row_keys`. The rows themselves are not kept.
    """

    def __init__(self, keys):
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def find(self, keys):
        """Give for each query the row that has its key.

        Parameters
        ----------
        keys : ndarray of shape (n_queries,)
            Keys of the queries.

        Returns
        -------
        ndarray of shape (n_queries,)
            Row number, or -1 where there is none. Rows with equal keys are equal but for
            a chance of about ``2 ** -50``; callers compare the rows themselves.
        """
        place = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._order[place], -1)


def first_of_equal_rows(X, keys):
    """Find rows that are equal byte for byte (-0.0 counts as 0.0).

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_samples, n_features)
        Rows to compare.
    keys : ndarray of shape (n_samples,)
        Their keys, from :func:`row_keys`. Rows with equal keys are compared.

    Returns
    -------
    first : ndarray of shape (n_distinct,)
        The first row of each kind, in ascending order.
    inverse : ndarray of shape (n_samples,)
        Which of them each row equals.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[5.0], [7.0], [5.0]])
    >>> first, inverse = first_of_equal_rows(X, row_keys(X))
    >>> first.tolist(), inverse.tolist()
    ([0, 1], [0, 1, 0])
    """
    n = X.shape[0]
    _, first, group, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    representative = np.arange(n)
    if len(first) < n:
        seen = {}
        for row in np.flatnonzero(counts[group] > 1):
            representative[row] = seen.setdefault(_row_bytes(X, row), row)
    first = np.flatnonzero(representative == np.arange(n))
    return first, np.searchsorted(first, representative)


def equal_rows(X, Y):
    """Compare two matrices row by row.

    Parameters
    ----------
    X, Y : ndarray or csr_array of shape (n_rows, n_features)
        Matrices of one kind.

    Returns
    -------
    ndarray of bool of shape (n_rows,)
        Where the rows are equal.
    """
    if sparse.issparse(X):
        return (X != Y).sum(axis=1) == 0
    return (X == Y).all(axis=1)


def canonical_rows(X):
    """Bring sparse rows into the form in which they can be compared and searched.

    Parameters
    ----------
    X : sparse matrix of shape (n_rows, n_features)
        Rows.

    Returns
    -------
    csr_array of shape (n_rows, n_features)
        The rows, with sorted indices and no entry twice; ``X`` is left as it is.
    """
    X = with_narrow_indices(sparse.csr_array(X))  # some searches take no other indices
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def with_narrow_indices(X):
    """Give a sparse matrix with indices of 32 bits where they suffice.

    Parameters
    ----------
    X : csr_array of shape (n_rows, n_columns)
        Matrix; it is left as it is.

    Returns
    -------
    csr_array of shape (n_rows, n_columns)
        The same entries.
    """
    if max(X.nnz, *X.shape) > np.iinfo(np.int32).max:
        return X
    indices, indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return sparse.csr_array((X.data, indices, indptr), shape=X.shape)


def row_keys(X):
    """Hash rows: their 32-bit words times fixed random odd numbers, summed modulo 2^64.

    A word of zeros adds nothing, so a sparse row has the key of the same dense row.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_rows, n_features)
        Rows of float32 or float64.

    Returns
    -------
    ndarray of uint64 of shape (n_rows,)
        One key per row; equal rows have equal keys.
    """
    words = X.dtype.itemsize // 4
    factors = np.random.default_rng(0).integers(
        0, 2**64, size=X.shape[1] * words, dtype=np.uint64
    ) | np.uint64(1)
    keys = np.empty(X.shape[0], dtype=np.uint64)
    if sparse.issparse(X):
        values = (X.data + X.dtype.type(0)).view(np.uint32).reshape(-1, words).astype(np.uint64)
        factors = factors.reshape(-1, words)
        products = (values * factors[X.indices]).sum(axis=1, dtype=np.uint64)
        total = np.concatenate([[np.uint64(0)], np.cumsum(products, dtype=np.uint64)])
        return total[X.indptr[1:]] - total[X.indptr[:-1]]
    for start in range(0, X.shape[0], _BLOCK):
        block = np.ascontiguousarray(X[start : start + _BLOCK]) + X.dtype.type(0)
        keys[start : start + _BLOCK] = block.view(np.uint32).astype(np.uint64) @ factors
    return keys


def _row_bytes(X, row):
    """The bytes of one row, the same for equal rows."""
    if sparse.issparse(X):
        part = slice(X.indptr[row], X.indptr[row + 1])
        keep = X.data[part] != 0
        return X.indices[part][keep].tobytes() + X.data[part][keep].tobytes()
    return (X[row] + X.dtype.type(0)).tobytes()
