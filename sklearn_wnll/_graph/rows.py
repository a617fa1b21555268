"""Rows of a feature matrix: find equal rows, and find other rows among them."""

import numpy as np
from scipy import sparse

__all__ = [
    "RowIndex",
    "canonical_rows",
    "cast_rows",
    "equal_rows",
    "first_of_equal_keys",
    "first_of_equal_rows",
    "index_type",
    "key_factors",
    "row_keys",
    "with_narrow_indices",
]

_BLOCK = 2048  # rows that a pass over the data takes at a time


class RowIndex:
    """Find rows among distinct rows by their keys (n_rows, 2). The rows themselves are not kept."""

    def __init__(self, keys):
        self._order = np.argsort(keys[:, 0], kind="stable")
        self._keys = keys[self._order]

    @property
    def keys(self):
        """The keys of the rows (n_rows, 2)."""
        keys = np.empty_like(self._keys)
        keys[self._order] = self._keys
        return keys

    def find(self, keys):
        """Find the number of the row with each key, or -1 (n_queries,)."""
        place = np.searchsorted(self._keys[:, 0], keys[:, 0]).clip(max=len(self._keys) - 1)
        # The very few rows that share a first key are checked one by one.
        found = np.full(len(keys), -1)
        left = np.flatnonzero(self._keys[place, 0] == keys[:, 0])
        while len(left):
            same = self._keys[place[left], 1] == keys[left, 1]
            found[left[same]] = self._order[place[left[same]]]
            left = left[~same]
            place[left] += 1
            left = left[place[left] < len(self._keys)]
            left = left[self._keys[place[left], 0] == keys[left, 0]]
        return found


def first_of_equal_rows(X, keys):
    """Find rows that are equal byte for byte, with -0.0 counted as 0.0.

    Rows with equal keys are compared. Returns the first of each set of equal rows, ascending
    (n_distinct,), and the number of the set of each row (n_rows,).

    >>> X = np.array([[5.0], [7.0], [5.0]])
    >>> first, inverse = first_of_equal_rows(X, row_keys(X))
    >>> first.tolist(), inverse.tolist()
    ([0, 1], [0, 1, 0])
    """
    n = X.shape[0]
    _, first, group, counts = np.unique(
        keys[:, 0], return_index=True, return_inverse=True, return_counts=True
    )
    representative = np.arange(n)
    if len(first) < n:
        seen = {}
        for row in np.flatnonzero(counts[group] > 1):
            representative[row] = seen.setdefault(_row_bytes(X, row), row)
    first = np.flatnonzero(representative == np.arange(n))
    return first, np.searchsorted(first, representative)


def first_of_equal_keys(keys):
    """Find rows with equal keys (n_rows, 2), as :func:`first_of_equal_rows` finds equal rows.

    >>> first, inverse = first_of_equal_keys(np.array([[5, 2], [1, 3], [5, 2]]))
    >>> first.tolist(), inverse.tolist()
    ([0, 1], [0, 1, 0])
    """
    order = np.lexsort(keys.T)
    start = np.ones(len(keys), dtype=bool)
    start[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    representative = np.empty(len(keys), dtype=np.intp)
    representative[order] = order[start][np.cumsum(start) - 1]
    first = np.flatnonzero(representative == np.arange(len(keys)))
    return first, np.searchsorted(first, representative)


def row_keys(X, dtype=None):
    """Hash rows, as float32 or float64, twice to 64 bits each (n_rows, 2).

    A key is the sum, modulo 2^64, of the row's 32-bit words times fixed random odd numbers. A
    word of zeros adds nothing, so a sparse row has the keys of the same dense row. Two different
    rows share both keys with a probability of at most about 2^-64, unless constructed to.
    """
    dtype = X.dtype if dtype is None else dtype
    words = dtype.itemsize // 4
    factors = key_factors(X.shape[1] * words)
    if sparse.issparse(X):
        values = X.data.astype(dtype) + dtype.type(0)
        values = values.view(np.uint32).reshape(-1, words).astype(np.uint64)
        factors = factors.reshape(-1, words, 2)
        products = np.einsum("iw,iwk->ik", values, factors[X.indices])
        total = np.zeros((len(products) + 1, 2), dtype=np.uint64)
        np.cumsum(products, axis=0, out=total[1:])
        return total[X.indptr[1:]] - total[X.indptr[:-1]]
    keys = np.empty((X.shape[0], 2), dtype=np.uint64)
    for start in range(0, X.shape[0], _BLOCK):
        block = np.ascontiguousarray(X[start : start + _BLOCK], dtype=dtype) + dtype.type(0)
        block = block.view(np.uint32).astype(np.uint64)
        for column in range(2):
            keys[start : start + _BLOCK, column] = block @ factors[:, column]
    return keys


def key_factors(n_words):
    """Return the odd factors of the words of a row (n_words, 2)."""
    factors = np.random.default_rng(0).integers(0, 2**64, size=(n_words, 2), dtype=np.uint64)
    return factors | np.uint64(1)


def equal_rows(X, Y):
    """Compare two matrices of one kind row by row (n_rows,)."""
    if sparse.issparse(X):
        return (X != Y).sum(axis=1) == 0
    return (X == Y).all(axis=1)


def cast_rows(X, dtype):
    """Convert rows to another precision, clipping numbers that are too large.

    Integers are left unchanged.
    """
    if X.dtype == dtype or X.dtype.kind != "f":
        return X
    largest = np.finfo(dtype).max
    if sparse.issparse(X):
        X = X.copy()
        X.data = X.data.clip(-largest, largest)
        return X.astype(dtype)
    return X.clip(-largest, largest).astype(dtype)


def canonical_rows(X):
    """Copy sparse rows to a csr_array with sorted indices and no duplicate entries."""
    X = with_narrow_indices(sparse.csr_array(X))  # some searches take no others
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def index_type(n_entries, shape):
    """Return the type of a csr_array's indices: of 32 bits, where these suffice."""
    return np.int32 if max(n_entries, *shape) <= np.iinfo(np.int32).max else np.int64


def with_narrow_indices(X):
    """Return the same csr_array with 32-bit indices, where they suffice."""
    if index_type(X.nnz, X.shape) != np.int32:
        return X
    indices, indptr = (part.astype(np.int32, copy=False) for part in (X.indices, X.indptr))
    return sparse.csr_array((X.data, indices, indptr), shape=X.shape)


def _row_bytes(X, row):
    """Return the bytes of one row, the same for equal rows."""
    if sparse.issparse(X):
        part = slice(X.indptr[row], X.indptr[row + 1])
        keep = X.data[part] != 0
        return X.indices[part][keep].tobytes() + X.data[part][keep].tobytes()
    return (X[row] + X.dtype.type(0)).tobytes()
