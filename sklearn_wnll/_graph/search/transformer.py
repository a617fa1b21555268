"""Nearest neighbours by a user's transformer."""

import numpy as np
from sklearn.base import clone

from ..lists import NeighborLists, lists_from_graph, warn_if_short
from .base import NeighborSearch

__all__ = ["TransformerSearch"]


class TransformerSearch(NeighborSearch):
    """Neighbours that a user's transformer finds.

    Parameters
    ----------
    transformer : estimator
        As :class:`sklearn.neighbors.KNeighborsTransformer`: its ``fit_transform`` and
        ``transform`` give sparse matrices of distances. It is cloned.

    Raises
    ------
    ValueError
        If the transformer is a class, or is set to give no distances.
    """

    def __init__(self, transformer):
        if isinstance(transformer, type):
            raise ValueError(
                f"neighbors={transformer.__name__} is a class. Pass an object: "
                f"neighbors={transformer.__name__}(...)."
            )
        if getattr(transformer, "mode", "distance") != "distance":
            raise ValueError(
                f"neighbors={transformer!r} gives no distances. Construct it with mode='distance'."
            )
        self.transformer = transformer

    def lists(self, k):
        """Find the k nearest other points of each point."""
        self._index = self._sized()
        graph = self._index.fit_transform(self.points)
        lists = lists_from_graph(graph, k, own=np.arange(graph.shape[0]))
        warn_if_short(lists, k)
        return lists

    def cross(self, queries, k):
        """Find the k points nearest to each query."""
        if self.points.shape[0] == 1:  # the only neighbour, which has weight at any distance
            return NeighborLists(
                np.zeros((queries.shape[0], 1), int), np.ones((queries.shape[0], 1))
            )
        if self._index is None:
            self._index = self._sized().fit(self.points)
        return lists_from_graph(self._index.transform(queries), k)

    def _sized(self):
        """Clone the transformer, with no more neighbours than there are other points."""
        transformer, largest = clone(self.transformer), self.points.shape[0] - 1
        if (getattr(transformer, "n_neighbors", None) or 0) > largest:
            transformer.set_params(n_neighbors=largest)
        return transformer
