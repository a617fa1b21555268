"""Nearest-neighbour searches of torch tensors, where they are."""

from functools import partial

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._graph.lists import NeighborLists
from .._graph.search.base import NeighborSearch
from .._graph.search.exact import exact_seconds
from .._lazy import Lazy
from .._progress import Progress
from .cells import TensorCells
from .devices import pack, unpack
from .neighbors import center, nearest_neighbors

__all__ = ["CellTensorSearch", "ExactTensorSearch", "make_tensor_search"]

_PATIENCE = 3  # seconds; if an exact search takes longer, an approximate one is worth it
# Seconds that a GPU takes for a pair of points, and for each of their features: estimates from
# an NVIDIA H200's memory and single precision.
_PAIR, _FEATURE = 8e-12, 4e-14


def make_tensor_search(neighbors, points, random_state):
    """Make the search for ``neighbors``, as :func:`make_search` does, not yet fitted."""
    if neighbors == "auto":
        (n, d), pairs = points.shape, len(points) ** 2
        seconds = pairs * (_PAIR + d * _FEATURE)
        if not points.is_cuda:
            seconds = exact_seconds(n, n, d, None)[0]
        neighbors = "exact" if seconds < _PATIENCE else "approximate"
    if neighbors == "exact":
        return ExactTensorSearch()
    return CellTensorSearch(int(check_random_state(random_state).randint(2**31 - 1)))


class ExactTensorSearch(NeighborSearch):
    """Exact Euclidean neighbours, by comparing all pairs."""

    def __getstate__(self):
        state = super().__getstate__()
        return state | {"points": pack(state["points"])} if "points" in state else state

    def __setstate__(self, state):
        if "points" in state:
            state = state | {"points": unpack(state["points"])}
        super().__setstate__(state)

    def lists(self, k):
        """Find the k nearest other points of each point."""
        return self._find(k, None)

    def query(self, queries, k):
        """Find the k points nearest to each query."""
        return self._find(k, queries)

    def add_queries(self, lists, queries, k):
        """Find the lists of points and queries together, by searching only what is new."""
        return self._add_only_new(lists, queries, k)

    def _find(self, k, queries):
        points, n = self.points.double(), len(self.points if queries is None else queries)
        progress = Progress("neighbors")
        neighbors, squares = nearest_neighbors(
            points,
            k,
            torch.float32 if points.is_cuda else self.points.dtype,
            center(points),
            queries=None if queries is None else queries.double(),
            report=lambda done: progress.update(done / n, f"{done:,} of {n:,} points"),
        )
        progress.finish(f"{n:,} points searched exactly")
        return _as_lists(neighbors, squares)

    def _together(self, queries):
        return torch.cat([self.points, queries])


class CellTensorSearch(ExactTensorSearch):
    """Approximate Euclidean neighbours: each point is compared with the points of nearby cells."""

    _of_points = ("_cells",)

    def __init__(self, seed):
        self.seed = seed

    def fit(self, points):
        """Store the points; the first search makes the cells."""
        super().fit(points)._prepare()
        return self

    def _prepare(self):
        self._cells = Lazy(partial(TensorCells, self.points, self.seed))

    def _find(self, k, queries):
        cells, n = self._cells.get(k), len(self.points if queries is None else queries)
        if cells.are_few:
            return super()._find(k, queries)
        progress = Progress("neighbors")
        neighbors, squares = cells.nearest(
            k, queries, lambda done: progress.update(done / n, f"{done:,} of {n:,} points")
        )
        progress.finish(f"{n:,} points searched approximately")
        found = _as_lists(neighbors, squares)
        return self._repaired(found, k, queries)

    def _repaired(self, found, k, queries):
        """Search again, exactly, where the cells held too few points."""
        short = np.flatnonzero(~np.isfinite(found.distances[:, -1]))
        if not len(short):
            return found
        rows = torch.from_numpy(short).to(self.points.device)
        sources = self.points if queries is None else queries
        again = super()._find(k + (queries is None), sources[rows])
        if queries is None:
            again = again.without_self(short)
        found.indices[short], found.distances[short] = again
        return found


def _as_lists(neighbors, squares):
    """Copy lists and squared distances to the host."""
    return NeighborLists(neighbors.cpu().numpy(), squares.sqrt().cpu().numpy())
