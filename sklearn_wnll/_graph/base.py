"""The graph of points: what an estimator asks of it, however they are given."""

from abc import ABC, abstractmethod

from scipy import sparse

__all__ = ["GraphBuilder", "PointGraph"]


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
    def compact(self):
        """The graph without its edges, which answers :meth:`query_weights` all the same."""

    @abstractmethod
    def query_weights(self, new):
        """Weights of the edges from new points to fitted ones (n_new, n_points)."""


class GraphBuilder(ABC):
    """Rows to points to graph."""

    @abstractmethod
    def points(self, X):
        """Find the :class:`~.points.Points` of rows, and what :meth:`build` takes of each."""

    @abstractmethod
    def build(self, points):
        """Build the :class:`PointGraph` of points, or of some of them."""
