"""Approximate neighbours of sparse rows, and by other distances than the Euclidean."""

import numpy as np
from scipy import sparse

from ..._parallel import n_threads
from ..lists import NeighborLists
from .base import NeighborSearch
from .exact import ExactSearch, compared_features, exact_seconds

__all__ = ["DescentSearch"]


class DescentSearch(NeighborSearch):
    """Approximate nearest neighbours by nearest-neighbour descent, with pynndescent.

    Queries are compared with all points where that is quicker than it takes pynndescent
    to compile its queries.

    Parameters
    ----------
    metric : str
        Name of the distance.
    seed : int
        Seed of the search.
    n_jobs : int, default=None
        Number of threads; None is all cores.
    verbose : int, default=0
        Whether to print progress.
    repeatable : bool, default=True
        Whether the lists may not depend on the number of threads: pynndescent, whose lists do,
        then takes one.

    Notes
    -----
    pynndescent compiles for 20 to 30 s before the first search in a process, and for
    about 40 s more before the first query.
    """

    _QUICK = 40  # seconds that an exact search may take instead

    def __init__(self, metric, seed, n_jobs=None, verbose=0, repeatable=True):
        self.metric, self.seed, self.n_jobs, self.verbose = metric, seed, n_jobs, verbose
        self.repeatable = repeatable

    def fit(self, points):
        """Take the points to search among."""
        self._exact = ExactSearch(self.metric, self.n_jobs, self.verbose).fit(points)
        return super().fit(points)

    def __getstate__(self):
        # The index is quickly made again, and large to save.
        return {**self.__dict__, "_index": None}

    def lists(self, k):
        """Find about the k nearest other points of each point.

        Lists in which the search failed (with fewer than k different points) are searched
        again exactly.
        """
        if self.points.shape[0] <= k + 1:
            return self._exact.lists(k)
        found = self._fitted_index(k + 1).neighbor_graph
        return self._repaired(found, self.points).without_self()

    def cross(self, queries, k):
        """Find about the k points nearest to each query."""
        if self._is_quick(queries):
            return self._exact.cross(queries, k)
        found = self._fitted_index(k + 1).query(_for_pynndescent(queries), k=k)
        return self._repaired(found, queries)

    def extend(self, lists, queries, k):
        """Add queries to the points, exactly where that is quick, else by a new search."""
        if self._is_quick(queries):
            return self._exact.extend(lists, queries, k)
        return super().extend(lists, queries, k)

    def _is_quick(self, queries):
        size = queries.shape[0], self.points.shape[0], compared_features(self.points)
        is_sparse = sparse.issparse(self.points)
        return min(exact_seconds(*size, self.metric, is_sparse=is_sparse)) < self._QUICK

    def _repaired(self, found, queries):
        """Search lists again that hold a point twice, or none at some place."""
        indices, distances = found[0].astype(np.intp), found[1].astype(np.float64)
        ordered = np.sort(indices, axis=1)
        failed = (ordered[:, 0] < 0) | (np.diff(ordered, axis=1) == 0).any(axis=1)
        failed |= ~np.isfinite(distances).all(axis=1)
        if failed.any():
            again = self._exact.cross(queries[failed], indices.shape[1])
            indices[failed], distances[failed] = again
        return NeighborLists(indices, distances)

    def _fitted_index(self, k):
        if self._index is None:
            from pynndescent import NNDescent  # takes seconds to import

            self._index = NNDescent(
                _for_pynndescent(self.points),
                metric=self.metric,
                n_neighbors=k,
                random_state=self.seed,
                n_jobs=1 if self.repeatable else _numba_threads(self.n_jobs),
                verbose=bool(self.verbose),
            )
        return self._index


def _numba_threads(n_jobs):
    """Threads for numba, which takes no more than it has."""
    import numba  # with pynndescent

    return min(n_threads(n_jobs), numba.config.NUMBA_NUM_THREADS)


def _for_pynndescent(points):
    """Points in the type that pynndescent computes with."""
    if sparse.issparse(points):
        return sparse.csr_matrix(points, dtype=np.float32)
    return np.ascontiguousarray(points, dtype=np.float32)
