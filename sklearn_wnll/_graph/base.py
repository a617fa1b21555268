"""The graph of points: its interface to an estimator, whatever form the data has."""

from abc import ABC, abstractmethod

from scipy import sparse

__all__ = ["GraphBuilder", "PointGraph"]


class PointGraph(ABC):
    """The weighted nearest-neighbour graph of points. A point is not its own neighbour.

    ``weights`` (n_points, n_points) is the csr_array of the directed edge weights ``W``. An
    ``order`` of the first points puts nearby ones next to each other; None if none is known.
    """

    weights: sparse.csr_array
    order = None

    @property
    def n_points(self):
        """Number of points."""
        return self.weights.shape[0]

    @abstractmethod
    def add_queries(self, new):
        """Return all weights after new points have joined (n_points + n_new, n_points + n_new).

        New points come last, and may be neighbours of fitted ones.
        """

    @abstractmethod
    def compact(self):
        """Return the graph without its edges, which still answers :meth:`query_weights`."""

    @abstractmethod
    def query_weights(self, new):
        """Return weights of the edges from new points to fitted ones (n_new, n_points)."""


class GraphBuilder(ABC):
    """Turn rows into points, and points into a graph."""

    @abstractmethod
    def points(self, X):
        """Find the :class:`~.points.Points` of rows, and the input of :meth:`build` for each."""

    @abstractmethod
    def build(self, points):
        """Build the :class:`PointGraph` of points, or of some of them."""
