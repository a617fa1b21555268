"""The interface of the nearest-neighbour searches."""

from abc import ABC, abstractmethod
from copy import copy

import numpy as np
from scipy import sparse

__all__ = ["NeighborSearch"]


class NeighborSearch(ABC):
    """A way to find nearest neighbours.

    Queries do not change a fitted search, and several threads may query it at once. Unpickling
    restores the attributes ``_of_points`` from the points.
    """

    _of_points: tuple[str, ...] = ()

    def fit(self, points):
        """Store the points to search among (n_points, n_features), which are distinct."""
        self.points = points
        return self

    def __getstate__(self):
        # Each array once: joblib would write it every time it meets it.
        return {name: value for name, value in vars(self).items() if name not in self._of_points}

    def __setstate__(self, state):
        vars(self).update(state)
        if self._of_points and "points" in state:
            self._prepare()

    def _prepare(self):
        """Make the attributes ``_of_points``, without computing anything."""
        raise NotImplementedError

    @abstractmethod
    def lists(self, k):
        """Find the k nearest other points of each point; k is less than the number of points."""

    @abstractmethod
    def query(self, queries, k):
        """Find the k points nearest to each query (n_queries, n_features).

        ``k`` is at most the number of points. A query that is among the points finds itself.
        """

    def order(self, k):
        """Return an order of the points that puts nearby ones next to each other, if known.

        It is asked for after a search of k neighbours, and then costs no time.
        """
        return None

    def query_alone(self, queries, k):
        """:meth:`query`, with lists that do not depend on the other queries in any bit."""
        return self.query(queries, k)

    def fitted_like(self, points):
        """Fit a new search with the same parameters to other points (n_points, n_features)."""
        return copy(self).fit(points)

    def grown(self, queries, k):
        """Fit a search to the points followed by the queries, which are distinct and new.

        Callers will ask it for about ``k`` neighbours.
        """
        return self.fitted_like(self._together(queries))

    def add_queries(self, lists, queries, k):
        """Find the lists of points and queries together, given the ``lists`` of the points.

        The queries (n_queries, n_features), distinct and new, are numbered after the points.
        """
        together = self._together(queries)
        return self.fitted_like(together).lists(min(k, together.shape[0] - 1))

    def _add_only_new(self, lists, queries, k):
        """:meth:`add_queries` that searches only what is new."""
        n_points, n_queries = self.points.shape[0], queries.shape[0]
        among_queries = self.fitted_like(queries)
        to_points = self.query(queries, min(k, n_points))
        to_queries = among_queries.query(self.points, min(k, n_queries)).shifted(n_points)
        if n_queries > 1:
            other_queries = among_queries.lists(min(k, n_queries - 1)).shifted(n_points)
            to_points = to_points.merge(other_queries, k)
        return lists.merge(to_queries, k).concatenate(to_points)

    def _together(self, queries):
        if sparse.issparse(self.points):
            return sparse.vstack([self.points, queries], format="csr")
        return np.vstack([self.points, queries])
