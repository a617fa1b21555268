"""The nearest-neighbour graph of rows of features."""

from copy import copy
from dataclasses import dataclass

from scipy import sparse

from .base import GraphBuilder, PointGraph
from .lists import NeighborLists
from .metrics import FeatureSpace
from .points import FeaturePoints
from .search import NeighborSearch
from .weights import weight_matrix

__all__ = ["FeatureGraph", "FeatureGraphBuilder"]


class FeatureGraph(PointGraph):
    """Graph of distinct rows, by a search in the space of a metric."""

    def __init__(self, rows, builder):
        self._space = builder.space().fit(rows)
        self._search = builder.search.fitted_like(self._space.transform(rows))
        self._n_neighbors, self._scale_neighbor = builder.n_neighbors, builder.scale_neighbor
        n = rows.shape[0]
        k = min(self._n_neighbors, n - 1)
        self._lists = self._search.lists(k) if k else NeighborLists.empty(n, 0)
        self.order = self._search.order(k)
        self.weights = self._weights(self._lists, n)

    def add_queries(self, new):
        """Return the weights of all points after new rows have joined, the new ones last."""
        return self._joined(self._space.transform(new))[1]

    def grown(self, new):
        """Return the graph with new rows added for good; the scale of the space stays."""
        queries, grown = self._space.transform(new), copy(self)
        self._space.check_fits(queries)
        grown._lists, grown.weights = self._joined(queries)
        grown._search = self._search.grown(queries, self._n_neighbors)
        return grown

    def lean(self):
        """Return the graph without the index of its search, which is made again when needed."""
        lean = copy(self)
        lean._search = copy(self._search)
        return lean

    def compact(self):
        """Return the graph without its lists and edges."""
        compact = copy(self)
        compact._lists = compact.order = None
        compact.weights = sparse.csr_array((self.n_points, self.n_points))
        return compact

    def _joined(self, queries):
        """Find lists and weights of all points after queries joined, in the searched space."""
        lists = self._search.add_queries(self._lists, queries, self._n_neighbors)
        return lists, self._weights(lists, self.n_points + queries.shape[0])

    def query_weights(self, new):
        """Weights of the edges from new rows to fitted ones (n_new, n_points)."""
        k = min(self._n_neighbors, self.n_points)
        lists = self._search.query_alone(self._space.transform(new), k)
        return self._weights(lists, self.n_points)

    def _weights(self, lists, n_columns):
        return weight_matrix(lists, n_columns, self._scale_neighbor, self._space.distance)


@dataclass(frozen=True)
class FeatureGraphBuilder(GraphBuilder):
    """Builder for rows of features; attributes are named as the estimator's parameters."""

    metric: str | None
    search: NeighborSearch
    n_neighbors: int
    scale_neighbor: int

    def space(self):
        """Make the space of the metric, not yet fitted."""
        return FeatureSpace(self.metric)

    def points(self, X):
        """Find the points of rows, and the distinct rows (n_points, n_features)."""
        space = self.space()
        points = FeaturePoints(X, space.rows)
        distinct = points.distinct(X)
        # A search keeps its points, and the caller may overwrite X.
        return points, distinct.copy() if space.keeps_rows and distinct is X else distinct

    def build(self, points):
        """Build the graph of distinct rows."""
        return FeatureGraph(points, self)
