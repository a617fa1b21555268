"""The metrics, and the space in which their distances are searched."""

import numpy as np
from scipy import sparse

from .._parallel import equal_blocks, in_threads

__all__ = ["METRICS", "SPARSE_METRICS", "FeatureSpace", "robust_shift_and_scale", "sampled_rows"]

# Searched as Euclidean distances, of the scaled and shifted rows or of unit vectors.
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

_NUMBERS = 2**18  # numbers that a thread scales at a time
_FAR = 1e15  # in units of the data's scale; beyond it all distances are alike


class FeatureSpace:
    """Bring rows to a scale at which their distances can be computed.

    The edge weights do not change when all points are scaled together, nor, for metrics that are
    invariant under it, when they are shifted. So rows of huge and of tiny numbers are first
    brought near 1, where no square overflows or vanishes, and near the origin, where distances
    lose the fewest digits. For ``"cosine"`` and ``"correlation"`` the points become unit vectors,
    for which ``1 - cos = |x - y|^2 / 2``. The metric None leaves rows and distances unchanged.

    ``search_metric`` is the metric of the points that :meth:`transform` returns.
    """

    def __init__(self, metric):
        self.metric = metric
        self.search_metric = metric
        if metric in _LENGTH_METRICS + _ANGULAR_METRICS:
            self.search_metric = "euclidean"
        elif metric in _CITY_BLOCK_METRICS:
            self.search_metric = "manhattan"

    def fit(self, X):
        """Learn the shift and the scale of the rows ``X`` (n_samples, n_features).

        Robust statistics of some rows keep one far point from pressing all others together.
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
        self.shift_, self.scale_ = robust_shift_and_scale(sampled_rows(X) / self.unit_)
        return self

    @property
    def keeps_rows(self):
        """Whether :meth:`transform` returns the rows themselves."""
        return self.metric is None or self.metric in _UNCHANGED_METRICS

    def rows(self, X):
        """Return the rows as the metric sees them: rows that are equal then are one point.

        Metrics of truth values see 0 and 1.
        """
        return (X != 0).astype(X.dtype) if self.metric in _BOOLEAN_METRICS else X

    def transform(self, X):
        """Compute the points of rows: (n_samples, n_features), unit vectors with one more feature.

        The result is ``X`` itself if the space keeps rows, else a new array.
        """
        if self.metric in _ANGULAR_METRICS:
            return _unit_vectors(X, centered=self.metric == "correlation")
        if self.metric in _BOOLEAN_METRICS:
            return X != 0
        if self.keeps_rows:
            return X
        if self.metric in _RATIO_METRICS:
            return X / X.dtype.type(self.unit_)
        if sparse.issparse(X):
            points = X.copy()
            self._scale(points.data, None, points.data)
            return points
        points, shift = np.empty_like(X, order="C"), self.shift_.astype(X.dtype)
        blocks = equal_blocks(len(X), max(1, _NUMBERS // X.shape[1]))
        in_threads(lambda rows: self._scale(X[rows], shift, points[rows]), blocks)
        return points

    def _scale(self, values, shift, out):
        """Write the shifted and scaled values to ``out``."""
        with np.errstate(over="ignore"):
            np.divide(values, values.dtype.type(self.unit_), out=out)
            if shift is not None:
                out -= shift
            out /= self.scale_
        np.clip(out, -_FAR, _FAR, out=out)

    def distance(self, searched):
        """Turn distances by ``search_metric`` into the metric's, up to the common scale."""
        if self.metric == "sqeuclidean":
            return searched**2
        if self.metric in _ANGULAR_METRICS:
            # Between parallel rows only rounding is left, which is no length scale.
            return np.where(searched < self._rounding, 0, searched**2 / 2)
        return searched


def sampled_rows(X):
    """Rows of which statistics are taken: every n-th, so that there are 1,000 to 2,000, or all."""
    return X[:: max(1, X.shape[0] // 1000)]


def robust_shift_and_scale(sample):
    """The median (n_features,), None for sparse rows, and the 0.9-quantile of the positive radii.

    A radius is the largest coordinate of a row after the shift; the scale is 1 if all are 0.
    """
    shift = None
    if not sparse.issparse(sample):
        shift = np.median(sample, axis=0)
        sample = sample - shift
    radius = _row_maxima(sample)
    radius = radius[radius > 0]
    return shift, float(np.quantile(radius, 0.9)) if len(radius) else 1.0


def _row_maxima(X):
    """Largest absolute value of each row."""
    if sparse.issparse(X):
        return abs(X).max(axis=1).toarray().ravel()
    return np.abs(X).max(axis=1)


def _unit_vectors(X, *, centered):
    """Scale rows to unit length, and add a feature that is 1 for rows of zeros.

    Rows of zeros are then at cosine distance 1 from all others, as in scikit-learn.
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
        # Only rounding is left of a constant row.
        body[np.abs(body).max(axis=1) < 8 * np.finfo(X.dtype).eps] = 0
    length = np.sqrt(np.einsum("ij,ij->i", body, body, dtype=np.float64))
    points[:, -1] = length == 0
    body /= np.where(length == 0, 1, length)[:, None].astype(X.dtype)
    return points
