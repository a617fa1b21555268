"""A cloud of points and its graph: what an estimator asks of them, however they are given."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from scipy import sparse

__all__ = ["GraphBuilder", "Match", "PointGraph", "Points"]


class Match(NamedTuple):
    """The point that each query is.

    ``point`` (n_queries,) numbers the fitted points first, then the new ones; equal queries are
    one point. ``new`` (n_new, ...) holds the new points, as :class:`PointGraph` takes them.
    """

    point: np.ndarray
    new: np.ndarray


class Points(ABC):
    """The points that rows are: rows that are the same, to the metric, are one point.

    ``index`` (n_rows,) is the point of each row, ``n_points`` the number of points. The rule that
    a query which is a fitted row keeps that row's value rests on :meth:`match` alone.
    """

    index: np.ndarray
    n_points: int

    @abstractmethod
    def match(self, X):
        """Find the queries ``X`` among the points: a :class:`Match`."""


class PointGraph(ABC):
    """The weighted nearest-neighbour graph of points. A point is not its own neighbour.

    ``weights`` (n_points, n_points) is the csr_array of the directed edge weights ``W``.
    """

    weights: sparse.csr_array

    @property
    def n_points(self):
        """Number of points."""
        return self.weights.shape[0]

    @abstractmethod
    def add_queries(self, new):
        """Weights of all points when new ones have joined (n_points + n_new, n_points + n_new).

        New points come last, and may have become neighbours of fitted ones.
        """

    @abstractmethod
    def query_weights(self, new):
        """Weights of the edges from new points to fitted ones (n_new, n_points)."""


class GraphBuilder(ABC):
    """Rows to points to graph."""

    @abstractmethod
    def points(self, X):
        """Find the points of rows: :class:`Points`, and what :meth:`build` takes of each."""

    @abstractmethod
    def build(self, points):
        """Build the :class:`PointGraph` of points, or of some of them."""
