"""Nearest-neighbour search by a user's transformer."""

import numpy as np
from sklearn.base import clone

from ..lists import NeighborLists, lists_from_graph, warn_if_short
from ..metrics import sampled_rows
from ..rows import equal_rows
from .base import NeighborSearch

__all__ = ["TransformerSearch"]


class TransformerSearch(NeighborSearch):
    """Neighbours that a user's transformer finds, such as scikit-learn's KNeighborsTransformer.

    Its ``fit_transform`` and ``transform`` return sparse matrices of distances. It is cloned. A
    class, or a transformer that returns no distances or overwrites the rows, raises ValueError.
    """

    def __init__(self, transformer):
        if isinstance(transformer, type):
            raise ValueError(
                f"neighbors={transformer.__name__} is a class. Pass an object: "
                f"neighbors={transformer.__name__}(...)."
            )
        if getattr(transformer, "mode", "distance") != "distance":
            raise ValueError(
                f"neighbors={transformer!r} returns no distances. Construct it with "
                "mode='distance'."
            )
        self.transformer = transformer

    def fit(self, points):
        """Store the points; :meth:`lists` fits the transformer, whose ``fit_transform`` it uses."""
        self._fitted = None
        return super().fit(points)

    def lists(self, k):
        """Find the k nearest other points of each point; keep the transformer for queries.

        The fitted transformer is pickled: if it draws random numbers, a refit would differ.
        """
        transformer, some = self._clone(), sampled_rows(self.points).copy()
        graph = transformer.fit_transform(self.points)
        if not equal_rows(some, sampled_rows(self.points)).all():
            raise ValueError(
                f"neighbors={self.transformer!r} changes the rows in place. Construct its parts "
                "with copy=True, such as StandardScaler(copy=True)."
            )
        self._fitted = transformer
        lists = lists_from_graph(graph, k, self_index=np.arange(graph.shape[0]))
        warn_if_short(lists, k)
        return lists

    def query(self, queries, k):
        """Find the k points nearest to each query."""
        if self.points.shape[0] == 1:  # the only neighbour, with weight at any distance
            return NeighborLists(
                np.zeros((queries.shape[0], 1), int), np.ones((queries.shape[0], 1))
            )
        transformer = self._fitted
        if transformer is None:
            transformer = self._clone().fit(self.points)
        return lists_from_graph(transformer.transform(queries), k)

    def _clone(self):
        """Clone the transformer, with no more neighbours than there are other points."""
        transformer, largest = clone(self.transformer), self.points.shape[0] - 1
        if (getattr(transformer, "n_neighbors", None) or 0) > largest:
            transformer.set_params(n_neighbors=largest)
        return transformer
