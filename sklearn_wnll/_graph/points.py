"""Points of rows, and the matching of queries to them."""

from abc import ABC, abstractmethod
from copy import copy
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .rows import RowIndex, cast_rows, equal_rows, first_of_equal_rows, row_keys

__all__ = ["FeaturePoints", "Match", "Points"]


class Match(NamedTuple):
    """The point of each query.

    ``point`` (n_queries,) numbers the fitted points first, then the new ones; equal queries are
    one point. ``new`` (n_new, ...) holds the new points, as :class:`PointGraph` takes them.
    """

    point: np.ndarray
    new: np.ndarray


class Points(ABC):
    """The points of rows: rows that the metric cannot distinguish are one point.

    ``index`` (n_rows,) is the point of each row, ``n_points`` the number of points. :meth:`match`
    alone decides which queries are fitted rows, and so keep the value of that row.
    """

    index: np.ndarray
    n_points: int

    @property
    def first_rows(self):
        """The first row of each point (n_points,)."""
        return np.unique(self.index, return_index=True)[1]

    @abstractmethod
    def are_of(self, X):
        """Return whether ``X`` holds all fitted rows, in their order."""

    @abstractmethod
    def match(self, X):
        """Find the queries ``X`` among the points: a :class:`Match`."""


class FeaturePoints(Points):
    """The distinct rows of a matrix, compared by their bytes as a metric sees them.

    Whole numbers are compared as float32. ``as_metric_sees`` is :meth:`FeatureSpace.rows`.
    """

    def __init__(self, X, as_metric_sees):
        self._as_metric_sees, self._sparse = as_metric_sees, sparse.issparse(X)
        self._dtype = X.dtype if X.dtype.kind == "f" else np.dtype(np.float32)
        X = as_metric_sees(X)
        keys = row_keys(X, self._dtype)
        first, self.index = first_of_equal_rows(X, keys)
        self.n_points, self._rows = len(first), RowIndex(keys[first])

    @classmethod
    def from_keys(cls, keys, index, as_metric_sees):
        """Restore the points of dense float32 rows from their :attr:`keys` and ``index``."""
        points = cls(np.empty((0, 1), dtype=np.float32), as_metric_sees)
        points.n_points, points.index, points._rows = len(keys), index, RowIndex(keys)
        return points

    @property
    def keys(self):
        """The keys of the points (n_points, 2)."""
        return self._rows.keys

    def distinct(self, X):
        """Return the distinct rows of the matrix of these points (n_points, n_features)."""
        X = self._as_metric_sees(X)
        if self.n_points == len(self.index):
            return X
        return X[self.first_rows]

    def are_of(self, X):
        """Return whether rows are the fitted ones, of the same type, by their keys."""
        dtype = X.dtype if X.dtype.kind == "f" else np.dtype(np.float32)
        if (len(self.index), dtype, self._sparse) != (X.shape[0], self._dtype, sparse.issparse(X)):
            return False
        return np.array_equal(row_keys(self._as_metric_sees(X), dtype), self.keys[self.index])

    def grown(self, X):
        """Return the points after rows have joined, and the new rows, cast to the others' type."""
        match, grown = self.match(self._cast(X)), copy(self)
        grown.index = np.concatenate([self.index, match.point])
        grown.n_points = self.n_points + match.new.shape[0]
        grown._rows = RowIndex(np.concatenate([self.keys, self._hashed(match.new)]))
        return grown, match.new

    def match(self, X, keys=None):
        """Find the queries among the points: a :class:`Match`. ``keys`` may be passed if known."""
        X, keys, point = self._find(X, keys)
        new = np.flatnonzero(point < 0)
        first, inverse = self._first_of_equal(self._select(X, new), keys[new])
        point[new] = self.n_points + inverse
        return Match(point, self._select(X, new[first]))

    def find_new(self, X):
        """Find the queries that are not among the points, and their keys (n_new, 2)."""
        _, keys, point = self._find(X)
        new = np.flatnonzero(point < 0)
        return new, keys[new]

    def _find(self, X, keys=None):
        """Return queries as they are compared, their keys, and their points, -1 for new ones."""
        given = self._as_compared(X)
        X = self._cast(given)
        keys = self._hashed(X) if keys is None else keys
        point = self._rows.find(keys)
        if X is not given:  # a rounded row is a different row
            candidate = np.flatnonzero(point >= 0)
            point[candidate[self._differ(X, given, candidate)]] = -1
        return X, keys, point

    def _as_compared(self, X):
        """Return rows in the form of the fitted ones, as the metric sees them."""
        if self._sparse:
            X = sparse.csr_array(X)
        elif sparse.issparse(X):
            X = X.toarray()
        return self._as_metric_sees(X)

    def _cast(self, X):
        """Convert rows to the type of the fitted ones."""
        return cast_rows(X, self._dtype)

    def _hashed(self, X):
        """Compute the keys of rows."""
        return row_keys(X, self._dtype)

    def _differ(self, X, given, rows):
        """Return whether some ``given`` rows differ from what they were converted to."""
        return ~equal_rows(X[rows].astype(given.dtype), given[rows])

    def _select(self, X, rows):
        return X[rows]

    def _first_of_equal(self, X, keys):
        return first_of_equal_rows(X, keys)
