"""Nearest-neighbour searches: exact, approximate, or a user's own.

Each search is fitted to points and then gives the points' own lists, the lists of
queries among the points, and the lists of points and queries together.
"""

from abc import ABC, abstractmethod

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from ._progress import Progress
from .neighbors import NeighborLists, lists_from_graph, warn_if_short

__all__ = [
    "ApproximateSearch",
    "ExactSearch",
    "NeighborSearch",
    "TransformerSearch",
    "exact_seconds",
    "make_search",
]

_BLOCK = 4096  # queries searched at a time
_TREE_METRICS = ("euclidean", "manhattan", "chebyshev")
_PATIENCE = 30  # seconds of exact search beyond which compiling pynndescent pays


class NeighborSearch(ABC):
    """A way to find nearest neighbours."""

    def fit(self, points):
        """Take the points to search among.

        Parameters
        ----------
        points : ndarray or csr_array of shape (n_points, n_features)
            The points, distinct.

        Returns
        -------
        NeighborSearch
            Itself.
        """
        self.points = points
        self._index = None
        return self

    @abstractmethod
    def lists(self, k):
        """Find the k nearest other points of each point.

        Parameters
        ----------
        k : int
            Number of neighbours, less than the number of points.

        Returns
        -------
        NeighborLists
            One list for each point.
        """

    @abstractmethod
    def cross(self, queries, k):
        """Find the k points nearest to each query.

        Parameters
        ----------
        queries : ndarray or csr_array of shape (n_queries, n_features)
            What to search for; a query that is among the points finds itself.
        k : int
            Number of neighbours, at most the number of points.

        Returns
        -------
        NeighborLists
            One list for each query.
        """

    @abstractmethod
    def unfitted(self):
        """Give a search of the same kind for other points.

        Returns
        -------
        NeighborSearch
            With the same parameters, not fitted.
        """

    def extend(self, lists, queries, k):
        """Add queries to the points: the lists of all, as if searched together.

        Parameters
        ----------
        lists : NeighborLists
            Lists of the points.
        queries : ndarray or csr_array of shape (n_queries, n_features)
            New points, distinct.
        k : int
            Number of neighbours.

        Returns
        -------
        NeighborLists
            The points' lists and below them the queries'; queries are numbered after the
            points.
        """
        if sparse.issparse(self.points):
            together = sparse.vstack([self.points, queries], format="csr")
        else:
            together = np.vstack([self.points, queries])
        return self.unfitted().fit(together).lists(min(k, together.shape[0] - 1))


def exact_seconds(n_queries, n_points, n_features, metric):
    """Estimate how long an exact search takes on two common cores.

    Parameters
    ----------
    n_queries, n_points, n_features : int
        Size of the search.
    metric : str
        Name of the distance.

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
    if metric not in _TREE_METRICS or n_points < 100:
        return brute, np.inf
    return brute, n_queries * 1.2e-6 * 1.65 ** min(n_features, 100)


class ExactSearch(NeighborSearch):
    """Exact nearest neighbours, by scikit-learn.

    Parameters
    ----------
    metric : str
        Name of the distance.
    n_jobs : int, default=None
        As for :class:`sklearn.neighbors.NearestNeighbors`.
    verbose : int, default=0
        Whether to print progress.
    """

    def __init__(self, metric, n_jobs=None, verbose=0):
        self.metric, self.n_jobs, self.verbose = metric, n_jobs, verbose

    def unfitted(self):
        """Give a search of the same kind for other points."""
        return ExactSearch(self.metric, self.n_jobs, self.verbose)

    def lists(self, k):
        """Find the k nearest other points of each point."""
        return self.cross(self.points, k + 1).without_self()

    def cross(self, queries, k):
        """Find the k points nearest to each query."""
        if self._index is None:
            self._index = self._fit_index()
        n_queries = queries.shape[0]
        progress = Progress("neighbors", self.verbose)
        found = NeighborLists(np.empty((n_queries, k), dtype=np.intp), np.empty((n_queries, k)))
        for start in range(0, n_queries, _BLOCK):
            part = slice(start, start + _BLOCK)
            found.distances[part], found.indices[part] = self._index.kneighbors(queries[part], k)
            progress.update(f"{min(start + _BLOCK, n_queries):,} of {n_queries:,} points")
        progress.finish(f"{n_queries:,} points searched exactly")
        if self.metric == "euclidean" and self._index.algorithm == "brute":
            found = _restore_digits(found, self.points, queries)
        return found.nearest(k)

    def extend(self, lists, queries, k):
        """Add queries to the points, by searching only what is new."""
        n_points, n_queries = self.points.shape[0], queries.shape[0]
        among_queries = self.unfitted().fit(queries)
        to_points = self.cross(queries, min(k, n_points))
        to_queries = among_queries.cross(self.points, min(k, n_queries)).shifted(n_points)
        if n_queries > 1:
            own = among_queries.lists(min(k, n_queries - 1)).shifted(n_points)
            to_points = to_points.beside(own, k)
        return lists.beside(to_queries, k).above(to_points)

    def _fit_index(self):
        n, d = self.points.shape
        brute, tree = exact_seconds(n, n, d, self.metric)
        use_tree = tree < brute and not sparse.issparse(self.points)
        return NearestNeighbors(
            algorithm="kd_tree" if use_tree else "brute", metric=self.metric, n_jobs=self.n_jobs
        ).fit(self.points)


def _restore_digits(found, points, queries):
    """Repair Euclidean distances that were lost in the difference of large squares.

    Comparing all pairs computes ``|x - y|^2`` as ``|x|^2 - 2 x.y + |y|^2``, with an error
    of about 1e-16 of the squares. Where that is a noticeable part of a distance, it is
    computed from ``x - y``; where it could change which points are nearest, they are
    searched anew by a tree, which never takes that shortcut.
    """
    indices, distances = found
    squares = _squared_norms(queries)[:, None] + _squared_norms(points)[indices]
    share = distances**2 / np.maximum(squares, np.finfo(np.float64).tiny)
    lost = share[:, -1] < 1e-10
    if lost.any() and not sparse.issparse(points):
        tree = NearestNeighbors(algorithm="kd_tree").fit(points)
        distances[lost], indices[lost] = tree.kneighbors(queries[lost], indices.shape[1])
        share[lost] = 1
    rows, columns = np.nonzero(share < 1e-4)
    for start in range(0, len(rows), _BLOCK):
        row, column = rows[start : start + _BLOCK], columns[start : start + _BLOCK]
        difference = queries[row] - points[indices[row, column]]
        distances[row, column] = np.sqrt(_squared_norms(difference))
    return NeighborLists(indices, distances)


def _squared_norms(X):
    """Squared lengths of rows, in float64."""
    if sparse.issparse(X):
        return X.astype(np.float64).power(2).sum(axis=1)
    return np.einsum("ij,ij->i", X, X, dtype=np.float64)


class ApproximateSearch(NeighborSearch):
    """Approximate nearest neighbours, by pynndescent.

    Queries are compared with all points where that is quicker than it takes pynndescent
    to compile its queries.

    Parameters
    ----------
    metric : str
        Name of the distance.
    seed : int
        Seed of the search; the same seed and number of threads give the same lists.
    n_jobs : int, default=None
        Number of threads; None is all cores.
    verbose : int, default=0
        Whether to print progress.

    Notes
    -----
    pynndescent compiles for about 20 s before the first search in a process, and for
    about 40 s more before the first query.
    """

    _QUICK = 40  # seconds that an exact search may take instead

    def __init__(self, metric, seed, n_jobs=None, verbose=0):
        self.metric, self.seed, self.n_jobs, self.verbose = metric, seed, n_jobs, verbose

    def __getstate__(self):
        # The index is quickly made again, and large to save.
        return {**self.__dict__, "_index": None}

    def unfitted(self):
        """Give a search of the same kind for other points."""
        return ApproximateSearch(self.metric, self.seed, self.n_jobs, self.verbose)

    def lists(self, k):
        """Find about the k nearest other points of each point.

        Lists in which the search failed (with fewer than k different points) are searched
        again exactly.
        """
        if self.points.shape[0] <= k + 1:
            return self._exact().lists(k)
        found = self._fitted_index(k + 1).neighbor_graph
        return self._repaired(found, self.points).without_self()

    def cross(self, queries, k):
        """Find about the k points nearest to each query."""
        if self._is_quick(queries):
            return self._exact().cross(queries, k)
        found = self._fitted_index(k + 1).query(_for_pynndescent(queries), k=k)
        return self._repaired(found, queries)

    def extend(self, lists, queries, k):
        """Add queries to the points, exactly where that is quick, else by a new search."""
        if self._is_quick(queries):
            return self._exact().extend(lists, queries, k)
        return super().extend(lists, queries, k)

    def _exact(self):
        return ExactSearch(self.metric, self.n_jobs, self.verbose).fit(self.points)

    def _is_quick(self, queries):
        size = queries.shape[0], *self.points.shape
        return min(exact_seconds(*size, self.metric)) < self._QUICK

    def _repaired(self, found, queries):
        """Search lists again that hold a point twice, or none at some place."""
        indices, distances = found[0].astype(np.intp), found[1].astype(np.float64)
        ordered = np.sort(indices, axis=1)
        failed = (ordered[:, 0] < 0) | (np.diff(ordered, axis=1) == 0).any(axis=1)
        failed |= ~np.isfinite(distances).all(axis=1)
        if failed.any():
            again = self._exact().cross(queries[failed], indices.shape[1])
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
                n_jobs=self.n_jobs,
                verbose=bool(self.verbose),
            )
        return self._index


def _for_pynndescent(points):
    """Points in the type that pynndescent computes with."""
    if sparse.issparse(points):
        return sparse.csr_matrix(points, dtype=np.float32)
    return np.ascontiguousarray(points, dtype=np.float32)


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
        If the transformer is set to give no distances.
    """

    def __init__(self, transformer):
        if getattr(transformer, "mode", "distance") != "distance":
            raise ValueError(
                f"neighbors={transformer!r} gives no distances. Construct it with mode='distance'."
            )
        self.transformer = transformer

    def unfitted(self):
        """Give a search of the same kind for other points."""
        return TransformerSearch(self.transformer)

    def lists(self, k):
        """Find the k nearest other points of each point."""
        self._index = self._sized()
        graph = self._index.fit_transform(self.points)
        lists = lists_from_graph(graph, k, own=np.arange(graph.shape[0]))
        warn_if_short(lists, k)
        return lists

    def cross(self, queries, k):
        """Find the k points nearest to each query."""
        if self._index is None:
            self._index = self._sized().fit(self.points)
        return lists_from_graph(self._index.transform(queries), k)

    def _sized(self):
        """Clone the transformer, with no more neighbours than there are other points."""
        transformer, largest = clone(self.transformer), self.points.shape[0] - 1
        if (getattr(transformer, "n_neighbors", None) or 0) > largest:
            transformer.set_params(n_neighbors=largest)
        return transformer


def make_search(neighbors, shape, *, metric, random_state=None, n_jobs=None, verbose=0):
    """Make the search that ``neighbors`` asks for.

    Parameters
    ----------
    neighbors : {"auto", "exact", "approximate"} or transformer
        ``"auto"`` is the exact search where it is expected to take less than 30 s.
    shape : tuple of (n_points, n_features)
        Size of the data.
    metric : str
        Name of the distance; a transformer has its own.
    random_state : int, RandomState instance or None, default=None
        Seeds the approximate search.
    n_jobs : int, default=None
        Number of threads.
    verbose : int, default=0
        Whether to print progress.

    Returns
    -------
    NeighborSearch
        Not yet fitted.

    Examples
    --------
    >>> type(make_search("auto", (1_000, 50), metric="euclidean")).__name__
    'ExactSearch'
    >>> type(make_search("auto", (1_000_000, 50), metric="euclidean")).__name__
    'ApproximateSearch'
    """
    if not isinstance(neighbors, str):
        return TransformerSearch(neighbors)
    if neighbors == "auto":
        seconds = min(exact_seconds(shape[0], *shape, metric))
        neighbors = "exact" if seconds < _PATIENCE else "approximate"
    if neighbors == "exact":
        return ExactSearch(metric, n_jobs, verbose)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    return ApproximateSearch(metric, seed, n_jobs, verbose)
