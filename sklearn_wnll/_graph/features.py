"""Points to weighted graph: the cloud that an estimator fits, and how queries join it."""

from typing import NamedTuple

import joblib
import numpy as np
from scipy import sparse

from .lists import (
    NeighborLists,
    lists_from_graph,
    merge_zero_distances,
    smallest_of_equal,
    smallest_of_groups,
    warn_if_short,
)
from .rows import RowIndex, equal_rows, first_of_equal_rows, row_keys
from .weights import weight_matrix

__all__ = ["FeatureGraph", "Placement", "PrecomputedGraph"]


class Placement(NamedTuple):
    """Where queries are in a fitted graph.

    Attributes
    ----------
    point : ndarray of shape (n_queries,)
        The point that each query is. Fitted points come first, new ones after them; equal
        queries are one point.
    new : ndarray or sparse matrix of shape (n_new, n_features)
        The new points, as the graph's other methods take them.
    """

    point: np.ndarray
    new: np.ndarray


class FeatureGraph:
    """The weighted nearest-neighbour graph of rows of features.

    Equal rows are one point. A point is not its own neighbour.

    Parameters
    ----------
    search : NeighborSearch
        How neighbours are found.
    space : FeatureSpace
        How rows become points.
    n_neighbors : int
        Number of neighbours of each point.
    scale_neighbor : int
        Which neighbour sets the scale of the weights.

    Attributes
    ----------
    point_index_ : ndarray of shape (n_samples,)
        The point that each fitted row is.
    n_points_ : int
        Number of points.
    weights_ : csr_array of shape (n_points, n_points)
        Directed edge weights ``W``.
    """

    def __init__(self, search, space, n_neighbors, scale_neighbor):
        self.search, self.space = search, space
        self.n_neighbors, self.scale_neighbor = n_neighbors, scale_neighbor

    def fit(self, X):
        """Build the graph.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        FeatureGraph
            Itself.
        """
        X = self.space.rows(X)
        keys = row_keys(X)
        first, self.point_index_ = first_of_equal_rows(X, keys)
        distinct = X if len(first) == X.shape[0] else X[first]
        self.n_points_ = n = len(first)
        self._rows, self._dtype = RowIndex(keys[first]), distinct.dtype
        self.search.fit(self.space.fit(distinct).transform(distinct))
        k = min(self.n_neighbors, n - 1)
        self._lists = self.search.lists(k) if k else NeighborLists.empty(n, 0)
        self.weights_ = self._weights(self._lists, n)
        return self

    def distinct(self, X):
        """Tell which rows would be the same point.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        first : ndarray of shape (n_points,)
            First row of each point.
        point : ndarray of shape (n_samples,)
            The point of each row.
        """
        X = self.space.rows(X)
        return first_of_equal_rows(X, row_keys(X))

    def place(self, X):
        """Find which queries are fitted points.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_queries, n_features)
            Queries; compared with the fitted rows by their bytes.

        Returns
        -------
        Placement
            The point of each query, and the new points.
        """
        if sparse.issparse(self.search.points):
            X = sparse.csr_array(X)
        elif sparse.issparse(X):
            X = X.toarray()
        given = self.space.rows(X)
        X = _cast(given, self._dtype)
        keys = row_keys(X)
        point = self._rows.find(keys)
        candidate = np.flatnonzero(point >= 0)
        found = self.space.transform(X[candidate])
        same = equal_rows(found, self.search.points[point[candidate]])
        if given.dtype != self._dtype:  # a row that was rounded is another row
            same &= equal_rows(X[candidate].astype(given.dtype), given[candidate])
        point[candidate[~same]] = -1
        new = np.flatnonzero(point < 0)
        first, inverse = first_of_equal_rows(X[new], keys[new])
        point[new] = self.n_points_ + inverse
        return Placement(point, self.space.transform(X[new[first]]))

    def extend(self, new):
        """Let new points join the graph.

        Parameters
        ----------
        new : ndarray or csr_array of shape (n_new, n_features)
            New points, from :meth:`place`.

        Returns
        -------
        csr_array of shape (n_points + n_new, n_points + n_new)
            Edge weights of all points, the new ones last. New points may have become
            neighbours of fitted ones.
        """
        lists = self.search.extend(self._lists, new, self.n_neighbors)
        return self._weights(lists, self.n_points_ + new.shape[0])

    def cross(self, new):
        """Weigh the edges from new points to fitted ones.

        Parameters
        ----------
        new : ndarray or csr_array of shape (n_new, n_features)
            New points, from :meth:`place`.

        Returns
        -------
        csr_array of shape (n_new, n_points)
            Edge weights.
        """
        k = min(self.n_neighbors, self.n_points_)
        return self._weights(self.search.cross(new, k), self.n_points_)

    def _weights(self, lists, n_columns):
        lists = NeighborLists(lists.indices, self.space.distance(lists.distances))
        return weight_matrix(lists, n_columns, self.scale_neighbor)


class PrecomputedGraph:
    """The weighted nearest-neighbour graph of given distances.

    Points at distance 0 are one point. A query at distance 0 of a fitted point is that
    point. Distances between queries are not known: they meet only in fitted points.

    Parameters
    ----------
    n_neighbors : int
        Number of neighbours of each point.
    scale_neighbor : int
        Which neighbour sets the scale of the weights.

    Attributes
    ----------
    point_index_ : ndarray of shape (n_samples,)
        The point that each fitted row is.
    n_points_ : int
        Number of points.
    weights_ : csr_array of shape (n_points, n_points)
        Directed edge weights ``W``.
    """

    def __init__(self, n_neighbors, scale_neighbor):
        self.n_neighbors, self.scale_neighbor = n_neighbors, scale_neighbor

    def fit(self, distances):
        """Build the graph.

        Parameters
        ----------
        distances : ndarray or csr_array of shape (n_samples, n_samples)
            Distances. In a sparse matrix what is stored are neighbours, zeros too.

        Returns
        -------
        PrecomputedGraph
            Itself.

        Raises
        ------
        ValueError
            If the matrix is not square, or does not hold distances.
        """
        if distances.shape[0] != distances.shape[1]:
            raise ValueError(
                "With metric='precomputed', X must be a square matrix of distances between the "
                f"fitted samples, got shape {distances.shape}."
            )
        _check_distances(distances)
        if not sparse.issparse(distances) and _looks_similar(distances):
            raise ValueError(
                "With metric='precomputed', X must hold distances, but every sample is farthest "
                "from itself: X seems to hold similarities. Turn them into distances."
            )
        merged, self.point_index_ = merge_zero_distances(distances)
        self.n_points_ = n = merged.shape[0]
        self._lists = lists_from_graph(merged, self.n_neighbors, own=np.arange(n))
        if n == distances.shape[0]:  # merging shortens lists, which is nobody's mistake
            warn_if_short(self._lists, min(self.n_neighbors, n - 1))
        self.weights_ = weight_matrix(self._lists, n, self.scale_neighbor)
        self._fingerprint = _fingerprint(distances)
        return self

    def place(self, distances):
        """Find which queries are fitted points.

        Parameters
        ----------
        distances : ndarray or csr_array of shape (n_queries, n_samples)
            Distances from queries to the fitted samples. The fitted matrix itself stands
            for the fitted samples, whether or not it stores their distances to themselves.

        Returns
        -------
        Placement
            The point of each query, and the distances from new points to fitted points.
        """
        _check_distances(distances)
        n_queries = distances.shape[0]
        if n_queries == len(self.point_index_) and _fingerprint(distances) == self._fingerprint:
            return Placement(self.point_index_, distances[:0, : self.n_points_])
        if sparse.issparse(distances):
            stored = distances.tocoo()
            rows, columns = stored.row[stored.data == 0], stored.col[stored.data == 0]
        else:
            rows, columns = np.nonzero(distances == 0)
        point = np.full(n_queries, -1)
        point[rows] = self.point_index_[columns]
        new = np.flatnonzero(point < 0)
        point[new] = self.n_points_ + np.arange(len(new))
        return Placement(point, self._to_points(distances[new]))

    def extend(self, new):
        """Let new points join the graph.

        Parameters
        ----------
        new : ndarray or csr_array of shape (n_new, n_points)
            Distances from new points to fitted ones, from :meth:`place`.

        Returns
        -------
        csr_array of shape (n_points + n_new, n_points + n_new)
            Edge weights of all points, the new ones last.
        """
        to_points = lists_from_graph(new, self.n_neighbors)
        to_new = lists_from_graph(new.T, self.n_neighbors).shifted(self.n_points_)
        lists = self._lists.beside(to_new, self.n_neighbors).above(to_points)
        return weight_matrix(lists, self.n_points_ + new.shape[0], self.scale_neighbor)

    def cross(self, new):
        """Weigh the edges from new points to fitted ones.

        Parameters
        ----------
        new : ndarray or csr_array of shape (n_new, n_points)
            Distances from new points to fitted ones, from :meth:`place`.

        Returns
        -------
        csr_array of shape (n_new, n_points)
            Edge weights.
        """
        lists = lists_from_graph(new, self.n_neighbors)
        return weight_matrix(lists, self.n_points_, self.scale_neighbor)

    def _to_points(self, distances):
        """Turn distances to the fitted samples into distances to the points they are."""
        if not sparse.issparse(distances):
            return smallest_of_groups(distances.T, self.point_index_).T
        stored, shape = distances.tocoo(), (distances.shape[0], self.n_points_)
        point = self.point_index_[stored.col]
        return smallest_of_equal(stored.row, point, stored.data, shape).tocsr()


def _cast(X, dtype):
    """Convert rows to another precision; what is too large becomes the largest number."""
    if X.dtype == dtype:
        return X
    largest = np.finfo(dtype).max
    if sparse.issparse(X):
        X = X.copy()
        X.data = X.data.clip(-largest, largest)
        return X.astype(dtype)
    return X.clip(-largest, largest).astype(dtype)


def _check_distances(distances):
    """Refuse negative distances."""
    if distances.size and distances.min() < 0:
        raise ValueError(
            "Negative values in data passed as X, which holds distances with metric='precomputed'. "
            "Pass numpy.maximum(X, 0) if they are rounding, or turn similarities into distances."
        )


def _looks_similar(matrix):
    """Whether the diagonal of a full matrix holds the largest value of each row."""
    diagonal = np.diagonal(matrix)
    return len(matrix) > 1 and diagonal.min() > 0 and (diagonal >= matrix.max(axis=1)).all()


def _fingerprint(distances):
    """A hash by which a matrix of distances is known again."""
    if not sparse.issparse(distances):
        return joblib.hash(np.ascontiguousarray(distances))
    # scipy may change the type of the indices when it copies.
    places = (part.astype(np.int64) for part in (distances.indptr, distances.indices))
    return distances.shape, joblib.hash(distances.data), *map(joblib.hash, places)
