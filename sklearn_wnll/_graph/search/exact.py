"""Exact nearest neighbours, and what they cost."""

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from ..._parallel import equal_blocks, in_threads
from ..._progress import Progress
from ..lists import NeighborLists
from .base import NeighborSearch

__all__ = ["ExactSearch", "compared_features", "exact_seconds"]

_BLOCK = 1024  # queries searched at a time
_TREE_METRICS = ("euclidean", "manhattan", "chebyshev")
_PER_ENTRY = 4  # comparing an entry of a sparse row takes as long as so many features


def compared_features(X):
    """Tell how many features the comparison of two rows costs.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, n_features)
        Rows.

    Returns
    -------
    float
        Number of features; of sparse rows, about as many as their stored entries are worth.
    """
    if not sparse.issparse(X):
        return X.shape[1]
    return min(X.shape[1], _PER_ENTRY * X.nnz / max(1, X.shape[0]))


def exact_seconds(n_queries, n_points, n_features, metric, *, is_sparse=False):
    """Estimate how long an exact search takes on two common cores.

    Parameters
    ----------
    n_queries, n_points : int
        Size of the search.
    n_features : float
        Number of features, as of :func:`compared_features`.
    metric : str
        Name of the distance.
    is_sparse : bool, default=False
        Whether the rows are sparse: no tree takes them.

    Returns
    -------
    brute, tree : float
        Seconds for comparing all pairs and for a k-d tree (infinite where there is none).

    Notes
    -----
    Fitted to 50,000 Gaussian points of 2 to 15 features and to 20,000 MNIST images: all
    pairs cost a fixed time and a time per feature, the tree a time per query that grows
    1.65-fold with each feature.

    Examples
    --------
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

    Parameters
    ----------
    metric : str
        Name of the distance.
    n_jobs : int, default=None
        Number of threads; None is all cores.
    verbose : int, default=0
        Whether to print progress.
    """

    def __init__(self, metric, n_jobs=None, verbose=0):
        self.metric, self.n_jobs, self.verbose = metric, n_jobs, verbose

    def fit(self, points):
        """Take the points to search among."""
        self._squares = None
        return super().fit(points)

    def lists(self, k):
        """Find the k nearest other points of each point."""
        return self.cross(self.points, k + 1).without_self()

    def cross(self, queries, k):
        """Find the k points nearest to each query."""
        if self._index is None:
            self._index = self._fit_index()
        n_queries = queries.shape[0]
        progress = Progress("neighbors", self.verbose)
        found = NeighborLists.empty(n_queries, k)

        def search(part):
            found.distances[part], found.indices[part] = self._index.kneighbors(queries[part], k)
            return part.stop

        def report(done):
            progress.update(done / n_queries, f"{done:,} of {n_queries:,} points")

        # Blocks of a fixed size, a thread for each: which of equally near points scikit-learn
        # returns may depend on the number of threads at work on a block.
        in_threads(search, equal_blocks(n_queries, _BLOCK), self.n_jobs, report)
        progress.finish(f"{n_queries:,} points searched exactly")
        if self.metric == "euclidean" and self._index.algorithm == "brute":
            if self._squares is None:
                self._squares = _squared_norms(self.points)
            found = _restore_digits(found, self.points, self._squares, queries)
        return found.nearest(k)

    def extend(self, lists, queries, k):
        """Add queries to the points, by searching only what is new."""
        n_points, n_queries = self.points.shape[0], queries.shape[0]
        among_queries = self.fitted_like(queries)
        to_points = self.cross(queries, min(k, n_points))
        to_queries = among_queries.cross(self.points, min(k, n_queries)).shifted(n_points)
        if n_queries > 1:
            own = among_queries.lists(min(k, n_queries - 1)).shifted(n_points)
            to_points = to_points.beside(own, k)
        return lists.beside(to_queries, k).above(to_points)

    def _fit_index(self):
        n, d = self.points.shape
        is_sparse = sparse.issparse(self.points)
        brute, tree = exact_seconds(n, n, d, self.metric, is_sparse=is_sparse)
        use_tree = tree < brute
        algorithm = "kd_tree" if use_tree else "brute"
        return NearestNeighbors(algorithm=algorithm, metric=self.metric).fit(self.points)


def _restore_digits(found, points, squares, queries):
    """Repair Euclidean distances that were lost in the difference of large squares.

    Comparing all pairs computes ``|x - y|^2`` as ``|x|^2 - 2 x.y + |y|^2``, with an error
    of about 1e-16 of the squares. Where that is a noticeable part of a distance, it is
    computed from ``x - y``; where it could change which points are nearest, they are
    searched anew without that shortcut.
    """
    indices, distances = found
    size = _squared_norms(queries)[:, None] + squares[indices]
    share = distances**2 / np.maximum(size, np.finfo(np.float64).tiny)
    lost = share[:, -1] < 1e-10
    if lost.any():
        indices[lost], distances[lost] = _by_differences(points, queries[lost], indices.shape[1])
        share[lost] = 1
    rows, columns = np.nonzero(share < 1e-4)
    for start in range(0, len(rows), _BLOCK):
        row, column = rows[start : start + _BLOCK], columns[start : start + _BLOCK]
        difference = queries[row] - points[indices[row, column]]
        distances[row, column] = np.sqrt(_squared_norms(difference))
    return NeighborLists(indices, distances)


def _by_differences(points, queries, k):
    """Find nearest neighbours by distances that are computed from ``x - y``."""
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
            nearest = nearest.beside(NeighborLists(columns, block), k)
        found = found.above(nearest)
    return found


def _squared_norms(X):
    """Squared lengths of rows, in float64."""
    if sparse.issparse(X):
        return X.astype(np.float64).power(2).sum(axis=1)
    return np.einsum("ij,ij->i", X, X, dtype=np.float64)
