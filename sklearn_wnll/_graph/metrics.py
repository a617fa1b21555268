"""The metrics, and the space in which neighbours are searched."""

import numpy as np
from scipy import sparse

from .._parallel import equal_blocks, in_threads

__all__ = [
    "FAR",
    "METRICS",
    "SMOOTH_METRICS",
    "SPARSE_METRICS",
    "FeatureSpace",
    "robust_shift_and_scale",
    "sampled_rows",
]

# Searched by Euclidean distance between scaled and shifted rows, or between unit vectors.
_LENGTH_METRICS = ("euclidean", "l2", "minkowski", "sqeuclidean")
_ANGULAR_METRICS = ("cosine", "correlation")
SMOOTH_METRICS = _LENGTH_METRICS + _ANGULAR_METRICS
# Searched unchanged.
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
_LOST = 1e-4  # times the scale: rounding errors of this size change neighbours
FAR = 1e15  # times the data's scale; beyond it, all distances are equal
_NEAR = 4  # scales; a median this close to 0 needs no shift


class FeatureSpace:
    """Bring rows to a scale at which their distances can be computed.

    The edge weights do not change when all points are scaled together or, for metrics that are
    invariant under it, shifted. So rows of huge or tiny numbers are first scaled near 1, where no
    square overflows or vanishes, and dense rows far from the origin are moved near it. Scales are
    powers of two, which round nothing: distinct float32 rows stay distinct. For ``"cosine"`` and
    ``"correlation"`` the points are unit vectors in float64, for which
    ``1 - cos = |x - y|^2 / 2``. The metric None leaves rows and distances unchanged.

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

        Robust statistics of a sample keep one far point from squeezing all others together.
        """
        scales = self.metric in _SHIFT_INVARIANT_METRICS + _RATIO_METRICS
        self._learn(sampled_rows(X), _largest(X) if scales else 0.0)
        return self

    def _learn(self, sample, largest):
        """Learn from a sample of the rows, and the largest absolute value in any."""
        dtype = sample.dtype
        self.unit_, self.shift_, self.scale_ = 1.0, None, 1.0
        # Parallel rows were rounded to the type of X, and their unit vectors again.
        self._rounding = np.finfo(dtype).eps + 8 * np.finfo(np.float64).eps
        if self.metric not in _SHIFT_INVARIANT_METRICS + _RATIO_METRICS:
            return
        if largest > np.finfo(dtype).max / 4:
            self.unit_ = 4.0  # a difference of such numbers overflows
        sample = sample.astype(np.float64) / self.unit_
        if self.metric in _RATIO_METRICS:
            self.scale_ = _typical_scale(sample)
            return
        shift, self.scale_ = robust_shift_and_scale(sample)
        if shift is not None and (far := np.abs(shift) > _NEAR * self.scale_).any():
            self.shift_ = np.where(far, shift, 0).astype(dtype)

    @property
    def keeps_rows(self):
        """Whether :meth:`transform` returns the rows themselves."""
        return self.metric is None or self.metric in _UNCHANGED_METRICS

    def rows(self, X):
        """Return the rows as the metric sees them; rows equal in this form are one point.

        Boolean metrics see 0 and 1.
        """
        return (X != 0).astype(X.dtype) if self.metric in _BOOLEAN_METRICS else X

    def check_fits(self, points):
        """Refuse points so far from the fitted rows that their distances lose digits."""
        if self.metric not in _SHIFT_INVARIANT_METRICS:
            return
        if _largest(points) * np.finfo(points.dtype).eps > _LOST:
            raise ValueError(
                "X holds rows too far from the fitted ones for their distances to be exact. Call "
                "fit with all rows, whose scale it takes into account."
            )

    def transform(self, X):
        """Compute the points of rows: (n_samples, n_features), unit vectors with one more feature.

        The result is ``X`` itself if the space keeps rows, otherwise a new array.
        """
        if self.metric in _BOOLEAN_METRICS:
            return X != 0
        if self.keeps_rows:
            return X
        if sparse.issparse(X):
            if self.metric in _ANGULAR_METRICS:
                return _sparse_unit_vectors(X)
            points = X.copy()
            self._write_scaled(points.data, points.data)
            return points
        if self.metric in _ANGULAR_METRICS:
            points, write = np.empty((len(X), X.shape[1] + 1)), self._write_unit_vectors
        else:
            points, write = np.empty_like(X, order="C"), self._write_scaled
        blocks = equal_blocks(len(X), max(1, _NUMBERS // X.shape[1]))
        in_threads(lambda rows: write(X[rows], points[rows]), blocks)
        return points

    def _write_scaled(self, X, points):
        """Shift and scale rows, or the entries of sparse ones."""
        np.divide(X, X.dtype.type(self.unit_), out=points)
        if self.shift_ is not None:
            points -= self.shift_
        with np.errstate(over="ignore"):
            points /= X.dtype.type(self.scale_)
        np.clip(points, -FAR, FAR, out=points)

    def _write_unit_vectors(self, X, points):
        """Scale rows to unit length, and add a feature that is 1 for rows of zeros.

        Rows of zeros are then at cosine distance 1 from all others, as in scikit-learn.
        """
        body = points[:, :-1]
        np.divide(X, _or_one(_row_maxima(X))[:, None], out=body, dtype=np.float64)
        if self.metric == "correlation":
            body -= body.mean(axis=1, keepdims=True)
            # A constant row leaves only rounding errors.
            body[np.abs(body).max(axis=1) < self._rounding] = 0
        length = np.sqrt(np.einsum("ij,ij->i", body, body))
        points[:, -1] = length == 0
        body /= _or_one(length)[:, None]

    def distance(self, searched):
        """Turn distances by ``search_metric`` into the metric's, up to the common scale."""
        if self.metric == "sqeuclidean":
            return searched**2
        if self.metric in _ANGULAR_METRICS:
            # The distance of parallel rows is rounding error only, and no length scale.
            return np.where(searched < self._rounding, 0, searched**2 / 2)
        return searched


def sampled_rows(X):
    """Sample rows for statistics: every n-th, which makes 1,000 to 2,000, or all if fewer."""
    return X[:: max(1, X.shape[0] // 1000)]


def robust_shift_and_scale(sample):
    """Return a median (n_features,), None for sparse rows, and a scale.

    A radius is the largest coordinate of a row after the shift; radii of 0 do not count, and the
    largest counts only if there is no other. The scale is the power of two below the 0.9-quantile
    of the radii, which rounds no number; 1 if all radii are 0.
    """
    shift = None
    if not sparse.issparse(sample):
        middle = (len(sample) - 1) // 2
        shift = np.partition(sample, middle, axis=0)[middle]  # not the mean of the two middle ones
        sample = sample - shift
    return shift, _typical_scale(sample)


def _typical_scale(sample):
    """Return the power of two below the 0.9-quantile of the radii of rows centered at 0."""
    radius = _row_maxima(sample)
    radius = radius[radius > 0]
    typical = np.quantile(radius, 0.9, method="lower") if len(radius) else 1.0
    return float(np.ldexp(0.5, np.frexp(typical)[1]))


def _largest(X):
    """Largest absolute value."""
    values = X.data if sparse.issparse(X) else X
    return max(values.max(), -values.min()) if values.size else 0.0


def _row_maxima(X):
    """Largest absolute value of each row."""
    if sparse.issparse(X):
        return abs(X).max(axis=1).toarray().ravel()
    return np.abs(X).max(axis=1)


def _or_one(lengths):
    """Lengths to divide by: 1 instead of 0."""
    return np.where(lengths == 0, 1, lengths)


def _sparse_unit_vectors(X):
    """:meth:`FeatureSpace.transform` of sparse rows to unit vectors."""
    points, row = X.astype(np.float64), np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    points.data /= _or_one(_row_maxima(points))[row]
    length = np.sqrt(points.multiply(points).sum(axis=1))
    points.data /= _or_one(length)[row]
    zero = (length == 0).astype(np.float64)
    return sparse.hstack([points, zero[:, None]], format="csr")
