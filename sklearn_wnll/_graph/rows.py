"""Rows of a feature matrix as points: which rows are equal, and at what scale they live."""

import numpy as np
from scipy import sparse

from .._parallel import equal_blocks, in_threads

__all__ = [
    "METRICS",
    "SPARSE_METRICS",
    "FeatureSpace",
    "RowIndex",
    "canonical_rows",
    "equal_rows",
    "first_of_equal_rows",
    "row_keys",
    "with_narrow_indices",
]

# Searched as Euclidean distances: of the rows scaled and shifted, or of unit vectors.
_LENGTH_METRICS = ("euclidean", "l2", "minkowski", "sqeuclidean")
_ANGULAR_METRICS = ("cosine", "correlation")
# Searched as themselves.
_CITY_BLOCK_METRICS = ("manhattan", "l1", "cityblock")
_SHIFT_INVARIANT_METRICS = (*_LENGTH_METRICS, *_CITY_BLOCK_METRICS, "chebyshev")
_RATIO_METRICS = ("canberra", "braycurtis")
_UNCHANGED_METRICS = ("hamming", "haversine")
_BOOLEAN_METRICS = ("jaccard", "dice", "rogerstanimoto", "sokalsneath", "yule")

METRICS = (
    *_SHIFT_INVARIANT_METRICS,
    *_ANGULAR_METRICS,
    *_RATIO_METRICS,
    *_UNCHANGED_METRICS,
    *_BOOLEAN_METRICS,
)
SPARSE_METRICS = (*_LENGTH_METRICS, *_CITY_BLOCK_METRICS, "cosine")

_BLOCK = 2048  # rows that a pass over the data takes at a time
_NUMBERS = 2**18  # numbers that a thread scales at a time
_FAR = 1e15  # in units of the data's scale; beyond it all distances are alike


class FeatureSpace:
    """Bring rows to a scale at which their distances can be computed.

    The edge weights do not change when all points are scaled together, nor, for metrics
    that are invariant under it, when they are shifted. So the rows of huge and of tiny
    numbers are first brought near 1, where no square overflows or vanishes, and near the
    origin, where distances lose the fewest digits. For ``"cosine"`` and ``"correlation"``
    the points become unit vectors, for which ``1 - cos = |x - y|^2 / 2``.

    Parameters
    ----------
    metric : str or None
        Name of the distance; None leaves rows and distances as they are.
    n_jobs : int, default=None
        Number of threads.

    Attributes
    ----------
    search_metric : str
        Name of the distance between the points that :meth:`transform` returns.
    """

    def __init__(self, metric, n_jobs=None):
        self.metric, self.n_jobs = metric, n_jobs
        self.search_metric = metric
        if metric in _LENGTH_METRICS + _ANGULAR_METRICS:
            self.search_metric = "euclidean"
        elif metric in _CITY_BLOCK_METRICS:
            self.search_metric = "manhattan"

    def fit(self, X):
        """Learn the shift and the scale of the rows of ``X``.

        Robust statistics over at most 1,001 rows (the median for the shift, the 0.9-quantile
        of the radii for the scale) keep one far point from pressing all others together.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        FeatureSpace
            Itself.
        """
        self.unit_, self.shift_, self.scale_ = 1.0, None, 1.0
        self._rounding = 8 * np.finfo(X.dtype).eps
        if self.metric not in _SHIFT_INVARIANT_METRICS + _RATIO_METRICS:
            return self
        values = X.data if sparse.issparse(X) else X
        largest = float(max(values.max(), -values.min())) if values.size else 0.0
        limit = float(np.sqrt(np.finfo(X.dtype).max))
        if largest > 0 and not 1 / limit < largest < limit:
            self.unit_ = largest
        if self.metric in _RATIO_METRICS:
            return self
        sample = X[:: max(1, X.shape[0] // 1000)] / self.unit_
        if not sparse.issparse(sample):
            self.shift_ = np.median(sample, axis=0)
            sample = sample - self.shift_
        radius = _row_maxima(sample)
        if (radius > 0).any():
            self.scale_ = float(np.quantile(radius[radius > 0], 0.9))
        return self

    def rows(self, X):
        """Give the rows as the metric sees them: rows that are equal then are one point.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_features)
            0 and 1 for metrics of truth values, else ``X`` itself.
        """
        return (X != 0).astype(X.dtype) if self.metric in _BOOLEAN_METRICS else X

    def transform(self, X):
        """Give the points of rows of ``X``.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_features) or (n_samples, n_features + 1)
            A new array of the same type; ``X`` itself where the metric needs no change.
        """
        if self.metric in _ANGULAR_METRICS:
            return _unit_vectors(X, centered=self.metric == "correlation")
        if self.metric in _BOOLEAN_METRICS:
            return X != 0
        if self.metric is None or self.metric in _UNCHANGED_METRICS:
            return X
        if self.metric in _RATIO_METRICS:
            return X / X.dtype.type(self.unit_)
        if sparse.issparse(X):
            points = X.copy()
            self._scale(points.data, None, points.data)
            return points
        points, shift = np.empty_like(X, order="C"), self.shift_.astype(X.dtype)
        blocks = equal_blocks(len(X), max(1, _NUMBERS // X.shape[1]))
        in_threads(lambda rows: self._scale(X[rows], shift, points[rows]), blocks, self.n_jobs)
        return points

    def _scale(self, values, shift, out):
        """Write values in other units, and from another origin, to ``out``."""
        with np.errstate(over="ignore"):
            np.divide(values, values.dtype.type(self.unit_), out=out)
            if shift is not None:
                out -= shift
            out /= self.scale_
        np.clip(out, -_FAR, _FAR, out=out)

    def distance(self, searched):
        """Turn distances of points into the metric's.

        Parameters
        ----------
        searched : ndarray
            Distances, by ``search_metric``, between points that :meth:`transform` gave.

        Returns
        -------
        ndarray
            The metric's distances, up to the common scale.
        """
        if self.metric == "sqeuclidean":
            return searched**2
        if self.metric in _ANGULAR_METRICS:
            # Of two parallel rows only rounding is left, which is no length scale.
            return np.where(searched < self._rounding, 0, searched**2 / 2)
        return searched


def _row_maxima(X):
    """Largest absolute value of each row."""
    if sparse.issparse(X):
        return abs(X).max(axis=1).toarray().ravel()
    return np.abs(X).max(axis=1)


def _unit_vectors(X, *, centered):
    """Scale rows to unit length, with one more feature that is 1 for rows of zeros.

    So rows of zeros are at cosine distance 1 from all others, as scikit-learn has it.
    """
    largest = _row_maxima(X)
    largest[largest == 0] = 1
    if sparse.issparse(X):
        points = X.copy()
        row = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        points.data /= largest[row]
        length = np.sqrt(points.multiply(points).sum(axis=1))
        points.data /= length[row]
        zero = (length == 0).astype(X.dtype)
        return sparse.hstack([points, zero[:, None]], format="csr", dtype=X.dtype)
    points = np.empty((X.shape[0], X.shape[1] + 1), dtype=X.dtype)
    body = points[:, :-1]
    np.divide(X, largest[:, None], out=body)
    if centered:
        body -= body.mean(axis=1, keepdims=True)
        # What is left of a constant row is rounding.
        body[np.abs(body).max(axis=1) < 8 * np.finfo(X.dtype).eps] = 0
    length = np.sqrt(np.einsum("ij,ij->i", body, body, dtype=np.float64))
    points[:, -1] = length == 0
    body /= np.where(length == 0, 1, length)[:, None].astype(X.dtype)
    return points


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
