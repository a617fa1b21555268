"""Exact nearest-neighbour search, and its cost."""

from functools import partial

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from ..._lazy import Lazy
from ..._parallel import equal_blocks, in_threads
from ..._progress import Progress
from ..lists import NeighborLists
from .base import NeighborSearch

__all__ = ["ExactSearch", "compared_features", "exact_seconds"]

_BLOCK = 1024  # queries searched at a time
_NUMBERS = 2**17  # differences computed at a time
_TREE_METRICS = ("euclidean", "manhattan", "chebyshev")
_PER_ENTRY = 4  # comparing an entry of a sparse row takes as long as this many features


def compared_features(X):
    """Estimate the cost, in features, of comparing two rows of ``X`` (n, n_features).

    Each stored entry of a sparse row counts as four features.
    """
    if not sparse.issparse(X):
        return X.shape[1]
    return min(X.shape[1], _PER_ENTRY * X.nnz / max(1, X.shape[0]))


def exact_seconds(n_queries, n_points, n_features, metric, *, is_sparse=False):
    """Estimate the seconds an exact search takes on two cores, by brute force and by k-d tree.

    Fitted to 50,000 Gaussian points of 2 to 15 features and to 20,000 MNIST images: a pair costs
    a fixed time and a time per feature, the tree a time per query that grows 1.65-fold with each
    feature. The tree's time is infinite for rows and metrics that it cannot search.

    >>> brute, tree = exact_seconds(100_000, 100_000, 2, "euclidean")
    >>> tree < 1 < brute
    True
    """
    per_feature = 2.1e-11 if metric == "euclidean" else 1e-9
    brute = n_queries * n_points * (1.1e-9 + per_feature * n_features)
    if metric not in _TREE_METRICS or n_points < 100 or is_sparse:
        return brute, np.inf
    return brute, n_queries * 1.2e-6 * 1.65 ** min(n_features, 100)


class ExactSearch(NeighborSearch):
    """Exact nearest neighbours, by scikit-learn.

    ``algorithm`` is that of :class:`NearestNeighbors`; None is the faster one. A search that
    helps another turns ``report`` off, and prints no progress of its own.
    """

    _of_points = "_index", "_squares"

    def __init__(self, metric, *, algorithm=None, report=True):
        self.metric, self.algorithm, self.report = metric, algorithm, report

    def fit(self, points):
        """Store the points; the first query prepares them for searching."""
        super().fit(points)._prepare()
        return self

    def _prepare(self):
        self._index = Lazy(partial(_fit_index, self.points, self.metric, self.algorithm))
        self._squares = Lazy(partial(_squared_norms, self.points))

    def lists(self, k):
        """Find the k nearest other points of each point."""
        return self.query(self.points, k + 1).without_self()

    def query(self, queries, k):
        """Find the k points nearest to each query."""
        index, n_queries = self._index.get(), queries.shape[0]
        progress = Progress("neighbors", self.report)
        found = NeighborLists.empty(n_queries, k)

        def search(part):
            found.distances[part], found.indices[part] = index.kneighbors(queries[part], k)
            return part.stop

        def report(done):
            progress.update(done / n_queries, f"{done:,} of {n_queries:,} points")

        # Blocks of a fixed size, one thread each: among equally near points, scikit-learn's choice
        # may depend on the number of threads working on a block.
        in_threads(search, equal_blocks(n_queries, _BLOCK), report)
        progress.finish(f"{n_queries:,} points searched exactly")
        if self.metric == "euclidean" and index.algorithm == "brute":
            found = _restore_digits(found, self.points, self._squares.get(), queries)
        return found.nearest(k)

    def query_alone(self, queries, k):
        """:meth:`query`, with lists that do not depend on the other queries in any bit."""
        found = self.query(queries, k)
        if self.metric != "euclidean" or sparse.issparse(self.points):
            return found
        if self._index.get().algorithm != "brute":
            return found
        # BLAS rounds a product of two rows differently at the edges of a block.
        distances = _distances(queries, self.points, found.indices)
        order = np.lexsort((found.indices, distances), axis=1)
        return NeighborLists(
            *(np.take_along_axis(part, order, axis=1) for part in (found.indices, distances))
        )

    def add_queries(self, lists, queries, k):
        """Find the lists of points and queries together, by searching only what is new."""
        return self._add_only_new(lists, queries, k)


def _fit_index(points, metric, algorithm):
    """Fit scikit-learn's search."""
    if algorithm is None:
        n, d = points.shape
        brute, tree = exact_seconds(n, n, d, metric, is_sparse=sparse.issparse(points))
        algorithm = "kd_tree" if tree < brute else "brute"
    return NearestNeighbors(algorithm=algorithm, metric=metric).fit(points)


def _restore_digits(found, points, squares, queries):
    """Repair Euclidean distances that were lost in the difference of large squares.

    Brute force computes ``|x - y|^2`` as ``|x|^2 - 2 x.y + |y|^2``, with an error of about 1e-16
    times the squares. If this error is noticeable in a distance, the distance is computed from
    ``x - y``; if it could change which points are nearest, the search is repeated without that
    shortcut. ``squares`` (n_points,) are the squared norms of the points.
    """
    indices, distances = found
    size = _squared_norms(queries)[:, None] + squares[indices]
    share = distances**2 / np.maximum(size, np.finfo(np.float64).tiny)
    lost = share[:, -1] < 1e-10
    if lost.any():
        indices[lost], distances[lost] = _search_by_differences(
            points, queries[lost], indices.shape[1]
        )
        share[lost] = 1
    rows, columns = np.nonzero(share < 1e-4)
    for start in range(0, len(rows), _BLOCK):
        row, column = rows[start : start + _BLOCK], columns[start : start + _BLOCK]
        difference = queries[row] - points[indices[row, column]]
        distances[row, column] = np.sqrt(_squared_norms(difference))
    return NeighborLists(indices, distances)


def _distances(queries, points, indices):
    """Compute Euclidean distances of queries to some points each (n_queries, k), one by one."""
    distances = np.empty(indices.shape)
    step = max(1, _NUMBERS // (points.shape[1] * indices.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        difference = points[indices[part]].astype(np.float64, copy=False)
        difference -= queries[part, None]
        distances[part] = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference))
    return distances


def _search_by_differences(points, queries, k):
    """Find the k nearest points by distances computed from ``x - y``."""
    if not sparse.issparse(points):
        tree = NearestNeighbors(algorithm="kd_tree").fit(points)
        distances, indices = tree.kneighbors(queries, k)
        return NeighborLists(indices, distances)
    height = max(1, 2**22 // points.shape[1])  # rows that are made dense at a time
    found = NeighborLists.empty(0, k)
    for first in range(0, queries.shape[0], height):
        rows = queries[first : first + height].toarray()
        nearest = NeighborLists.empty(len(rows), 0)
        for start in range(0, points.shape[0], height):
            block = cdist(rows, points[start : start + height].toarray())
            columns = np.broadcast_to(start + np.arange(block.shape[1]), block.shape)
            nearest = nearest.merge(NeighborLists(columns, block), k)
        found = found.concatenate(nearest)
    return found


def _squared_norms(X):
    """Squared lengths of rows, in float64."""
    if sparse.issparse(X):
        return X.astype(np.float64).power(2).sum(axis=1)
    return np.einsum("ij,ij->i", X, X, dtype=np.float64)
