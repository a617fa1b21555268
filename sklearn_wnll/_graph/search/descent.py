"""Approximate neighbours of sparse rows, and by non-Euclidean distances."""

from functools import partial
from threading import Lock

import numpy as np
from scipy import sparse

from ..._lazy import Lazy
from ..._parallel import n_threads
from ..._progress import Progress
from ..lists import NeighborLists
from .base import NeighborSearch
from .exact import ExactSearch, compared_features, exact_seconds

__all__ = ["DescentSearch"]

_PATIENCE = 40  # seconds; if an exact search takes longer, compiling pynndescent's is worth it
_PAIRS = 2**16  # whose distances are computed at a time
# Distances computed from differences of rows, which single precision may round away.
_OF_DIFFERENCES = {
    "euclidean": lambda D: np.sqrt((D * D).sum(axis=1)),
    "manhattan": lambda D: abs(D).sum(axis=1),
    "chebyshev": lambda D: abs(D).max(axis=1),
}


class DescentSearch(NeighborSearch):
    """Approximate nearest neighbours by nearest-neighbour descent, with pynndescent.

    pynndescent compiles for 20 to 30 s before the first search in a process, and for about 40 s
    more before the first query. If an exact search takes less time, it answers the queries.
    pynndescent computes in single precision, so Euclidean, Manhattan and Chebyshev distances to
    the neighbours it finds are recomputed. Its lists depend on the number of threads: with
    ``repeatable``, it uses one.
    """

    _of_points = "_exact", "_index"

    def __init__(self, metric, seed, *, repeatable=True):
        self.metric, self.seed, self.repeatable = metric, seed, repeatable

    def fit(self, points):
        """Store the points; the first search builds pynndescent's index of them."""
        super().fit(points)._prepare()
        return self

    def _prepare(self):
        self._exact = ExactSearch(self.metric).fit(self.points)
        self._index = Lazy(partial(_Index, self.points, self.metric, self.seed, self.repeatable))

    def lists(self, k):
        """Find about the k nearest other points of each point."""
        if self.points.shape[0] <= k + 1:
            return self._exact.lists(k)
        progress = Progress("neighbors")
        found = self._repair(self._index.get(k + 1).lists(), self.points)
        self._report(progress, self.points)
        return found.without_self()

    def query(self, queries, k):
        """Find about the k points nearest to each query."""
        if self._is_quick(queries):
            return self._exact.query(queries, k)
        progress = Progress("neighbors")
        found = self._repair(self._index.get(k + 1).query(queries, k), queries)
        self._report(progress, queries)
        return found

    def add_queries(self, lists, queries, k):
        """Find the lists of points and queries together, by a new search if that is faster."""
        if self._is_quick(queries):
            return self._exact.add_queries(lists, queries, k)
        return super().add_queries(lists, queries, k)

    def _is_quick(self, queries):
        """Return whether comparing the queries with all points is fast enough."""
        size = queries.shape[0], self.points.shape[0], compared_features(self.points)
        is_sparse = sparse.issparse(self.points)
        return min(exact_seconds(*size, self.metric, is_sparse=is_sparse)) < _PATIENCE

    def _repair(self, found, queries):
        """Repeat the search exactly for lists with a point twice or fewer than k points."""
        indices, distances = found
        self._compute_distances(found, queries)
        ordered = np.sort(indices, axis=1)
        failed = (ordered[:, 0] < 0) | (np.diff(ordered, axis=1) == 0).any(axis=1)
        failed |= ~np.isfinite(distances).all(axis=1)
        if failed.any():
            again = self._exact.query(queries[failed], indices.shape[1])
            indices[failed], distances[failed] = again
        return found

    def _compute_distances(self, found, queries):
        """Replace pynndescent's distances by those between the rows themselves."""
        of_differences = _OF_DIFFERENCES.get(self.metric)
        if of_differences is None:
            return
        rows, columns = np.nonzero(found.indices >= 0)
        for start in range(0, len(rows), _PAIRS):
            row, column = rows[start : start + _PAIRS], columns[start : start + _PAIRS]
            difference = queries[row] - self.points[found.indices[row, column]]
            found.distances[row, column] = of_differences(difference.astype(np.float64))

    @staticmethod
    def _report(progress, queries):
        progress.finish(f"{queries.shape[0]:,} points searched approximately")


class _Index:
    """pynndescent's index, for one thread at a time: its queries share their working memory."""

    def __init__(self, points, metric, seed, repeatable, k):
        from pynndescent import NNDescent  # takes seconds to import

        self._lock = Lock()
        self._index = NNDescent(
            _for_pynndescent(points),
            metric=metric,
            n_neighbors=k,
            random_state=seed,
            n_jobs=1 if repeatable else _numba_threads(),
        )

    def lists(self):
        """Find the k points nearest to each point, itself included."""
        with self._lock:
            return _as_lists(self._index.neighbor_graph)

    def query(self, queries, k):
        """The k points nearest to each query."""
        with self._lock:
            return _as_lists(self._index.query(_for_pynndescent(queries), k=k))


def _as_lists(found):
    """Copy pynndescent's indices and distances to lists."""
    return NeighborLists(found[0].astype(np.intp), found[1].astype(np.float64))


def _numba_threads():
    """Return the number of threads for numba, which accepts no more than it has."""
    import numba  # with pynndescent

    return min(n_threads(), numba.config.NUMBA_NUM_THREADS)


def _for_pynndescent(points):
    """Points in the type that pynndescent computes with."""
    if sparse.issparse(points):
        return sparse.csr_matrix(points, dtype=np.float32)
    return np.ascontiguousarray(points, dtype=np.float32)
