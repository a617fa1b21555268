"""Rows of features: their points, and the graph of their nearest neighbours."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .base import GraphBuilder, Match, PointGraph, Points
from .lists import NeighborLists
from .metrics import FeatureSpace
from .rows import RowIndex, cast_rows, equal_rows, first_of_equal_rows, row_keys
from .search import NeighborSearch
from .weights import weight_matrix

__all__ = ["FeatureGraph", "FeatureGraphBuilder", "FeaturePoints"]


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

    def distinct(self, X):
        """The distinct rows of the matrix that the points are of (n_points, n_features)."""
        X = self._as_metric_sees(X)
        if self.n_points == len(self.index):
            return X
        return X[np.unique(self.index, return_index=True)[1]]

    def match(self, X, keys=None):
        """Find the queries among the points: a :class:`Match`; their keys may be known."""
        if self._sparse:
            X = sparse.csr_array(X)
        elif sparse.issparse(X):
            X = X.toarray()
        given = self._as_metric_sees(X)
        X = cast_rows(given, self._dtype)
        keys = row_keys(X, self._dtype) if keys is None else keys
        point = self._rows.find(keys)
        if X is not given:  # a row that was rounded is another row
            candidate = np.flatnonzero(point >= 0)
            same = equal_rows(X[candidate].astype(given.dtype), given[candidate])
            point[candidate[~same]] = -1
        new = np.flatnonzero(point < 0)
        first, inverse = first_of_equal_rows(X[new], keys[new])
        point[new] = self.n_points + inverse
        return Match(point, X[new[first]])


class FeatureGraph(PointGraph):
    """The graph of distinct rows, by a search in the space of a metric."""

    def __init__(self, rows, builder):
        self._space = FeatureSpace(builder.metric).fit(rows)
        self._search = builder.search.fitted_like(self._space.transform(rows))
        self._n_neighbors, self._scale_neighbor = builder.n_neighbors, builder.scale_neighbor
        n = rows.shape[0]
        k = min(self._n_neighbors, n - 1)
        self._lists = self._search.lists(k) if k else NeighborLists.empty(n, 0)
        self.weights = self._weights(self._lists, n)

    def add_queries(self, new):
        """Weights of all points when new rows have joined, the new ones last."""
        lists = self._search.add_queries(self._lists, self._space.transform(new), self._n_neighbors)
        return self._weights(lists, self.n_points + new.shape[0])

    def query_weights(self, new):
        """Weights of the edges from new rows to fitted ones (n_new, n_points)."""
        k = min(self._n_neighbors, self.n_points)
        return self._weights(self._search.query(self._space.transform(new), k), self.n_points)

    def _weights(self, lists, n_columns):
        lists = NeighborLists(lists.indices, self._space.distance(lists.distances))
        return weight_matrix(lists, n_columns, self._scale_neighbor)


@dataclass(frozen=True)
class FeatureGraphBuilder(GraphBuilder):
    """Rows of features to points to graph, by the names of the estimator's parameters."""

    metric: str | None
    search: NeighborSearch
    n_neighbors: int
    scale_neighbor: int

    def points(self, X):
        """Find the points of rows, and the distinct rows (n_points, n_features)."""
        points = FeaturePoints(X, FeatureSpace(self.metric).rows)
        return points, points.distinct(X)

    def build(self, points):
        """Build the graph of distinct rows."""
        return FeatureGraph(points, self)
