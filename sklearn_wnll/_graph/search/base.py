"""What every nearest-neighbour search does."""

from abc import ABC, abstractmethod
from copy import copy

import numpy as np
from scipy import sparse

__all__ = ["NeighborSearch"]


class NeighborSearch(ABC):
    """A way to find nearest neighbours."""

    def fit(self, points):
        """Take the points to search among.

        Parameters
        ----------
        points : ndarray or csr_array of shape (n_points, n_features)
            The points, distinct.

        Returns
        -------
        NeighborSearch
            Itself.
        """
        self.points = points
        self._index = None
        return self

    @abstractmethod
    def lists(self, k):
        """Find the k nearest other points of each point.

        Parameters
        ----------
        k : int
            Number of neighbours, less than the number of points.

        Returns
        -------
        NeighborLists
            One list for each point.
        """

    @abstractmethod
    def cross(self, queries, k):
        """Find the k points nearest to each query.

        Parameters
        ----------
        queries : ndarray or csr_array of shape (n_queries, n_features)
            What to search for; a query that is among the points finds itself.
        k : int
            Number of neighbours, at most the number of points.

        Returns
        -------
        NeighborLists
            One list for each query.
        """

    def fitted_like(self, points):
        """Fit a search of the same kind to other points.

        Parameters
        ----------
        points : ndarray or csr_array of shape (n_points, n_features)
            Other points, distinct.

        Returns
        -------
        NeighborSearch
            A new search with the same parameters.
        """
        return copy(self).fit(points)

    def extend(self, lists, queries, k):
        """Add queries to the points: the lists of all, as if searched together.

        Parameters
        ----------
        lists : NeighborLists
            Lists of the points.
        queries : ndarray or csr_array of shape (n_queries, n_features)
            New points, distinct.
        k : int
            Number of neighbours.

        Returns
        -------
        NeighborLists
            The points' lists and below them the queries'; queries are numbered after the
            points.
        """
        if sparse.issparse(self.points):
            together = sparse.vstack([self.points, queries], format="csr")
        else:
            together = np.vstack([self.points, queries])
        return self.fitted_like(together).lists(min(k, together.shape[0] - 1))
