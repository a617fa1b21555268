"""Lists of nearest neighbours, and how to read them from given distances."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .._parallel import equal_blocks, in_threads
from .._warnings import warn_user
from ..exceptions import ShortNeighborListsWarning

__all__ = [
    "NeighborLists",
    "lists_from_graph",
    "merge_zero_distances",
    "smallest_of_equal",
    "smallest_of_groups",
    "warn_if_short",
]

_BLOCK = 2048  # rows sorted or compared at a time


class NeighborLists(NamedTuple):
    """The nearest neighbours of some points.

    Attributes
    ----------
    indices : ndarray of shape (n_points, n_neighbors)
        Neighbours, nearest first; -1 where a list is shorter. No list holds its own point.
    distances : ndarray of shape (n_points, n_neighbors)
        Their distances; infinite where a list is shorter.
    """

    indices: np.ndarray
    distances: np.ndarray

    @classmethod
    def empty(cls, n_points, k):
        """Make lists without neighbours, to be filled in.

        Parameters
        ----------
        n_points : int
            Number of lists.
        k : int
            Length of the lists.

        Returns
        -------
        NeighborLists
            Fillers only.
        """
        shape = n_points, k
        return cls(np.full(shape, -1, dtype=np.intp), np.full(shape, np.inf))

    def nearest(self, k):
        """Keep the k nearest of each list, in order of distance.

        Parameters
        ----------
        k : int
            Number of neighbours to keep, at most.

        Returns
        -------
        NeighborLists
            The shortened lists.
        """
        order = np.argsort(self.distances, axis=1, kind="stable")[:, :k]
        return NeighborLists(
            np.take_along_axis(self.indices, order, axis=1),
            np.take_along_axis(self.distances, order, axis=1),
        )

    def beside(self, other, k):
        """Merge with other lists of the same points and keep the k nearest.

        Parameters
        ----------
        other : NeighborLists
            Lists of the same points, of other neighbours.
        k : int
            Number of neighbours to keep, at most.

        Returns
        -------
        NeighborLists
            The merged lists.
        """
        return NeighborLists(
            np.hstack([self.indices, other.indices]), np.hstack([self.distances, other.distances])
        ).nearest(k)

    def above(self, other):
        """Put the lists of other points below these.

        Parameters
        ----------
        other : NeighborLists
            Lists of further points.

        Returns
        -------
        NeighborLists
            The lists of all points; the shorter ones are filled up.
        """
        width = max(self.indices.shape[1], other.indices.shape[1])
        a, b = (
            [
                np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=fill)
                for part, fill in zip(lists, (-1, np.inf), strict=True)
            ]
            for lists in (self, other)
        )
        return NeighborLists(*map(np.vstack, zip(a, b, strict=True)))

    def shifted(self, offset):
        """Add an offset to the indices.

        Parameters
        ----------
        offset : int
            What to add.

        Returns
        -------
        NeighborLists
            Lists with shifted indices; the fillers stay.
        """
        return NeighborLists(np.where(self.indices < 0, -1, self.indices + offset), self.distances)

    def without_self(self, own=None):
        """Drop each point from its own list, by index; points at distance 0 stay.

        Parameters
        ----------
        own : ndarray of shape (n_points,), default=None
            The point of each list; None: the lists are those of all points in order.

        Returns
        -------
        NeighborLists
            Lists that are one shorter. A list that does not hold its own point, because
            others are as near, loses its last entry.
        """
        own = np.arange(len(self.indices)) if own is None else own
        drop = self.indices == own[:, None]
        drop[:, -1] |= ~drop.any(axis=1)
        shape = (len(drop), -1)
        return NeighborLists(
            self.indices[~drop].reshape(shape), self.distances[~drop].reshape(shape)
        )

    def with_reverse(self, order, n_jobs=None):
        """Let points whose neighbour another point is be candidates for its own list.

        Of two points, an approximate search may find the one from the other but not the
        other from the one.

        Parameters
        ----------
        order : ndarray of shape (n_points,)
            The points in an order in which near ones are close: what is read together then
            is in the processor's cache.
        n_jobs : int, default=None
            Number of threads; None is all cores.

        Returns
        -------
        NeighborLists
            Lists of all points, as long as before.
        """
        k = self.indices.shape[1]

        def unknown(part):
            point = np.repeat(order[part], k)
            other, distance = self.indices[order[part]].ravel(), self.distances[order[part]].ravel()
            nearer = np.flatnonzero(distance < self.distances[other, -1])
            point, other, distance = point[nearer], other[nearer], distance[nearer]
            new = ~(self.indices[other] == point[:, None]).any(axis=1)
            return other[new], point[new], distance[new]

        parts = in_threads(unknown, equal_blocks(len(order), _BLOCK), n_jobs)
        return self.joined(*map(np.concatenate, zip(*parts, strict=True)), k)

    def joined(self, points, others, distances, k):
        """Add single neighbours to some of the lists and keep the k nearest.

        Parameters
        ----------
        points, others : ndarray of shape (n_pairs,)
            Points, and a new neighbour of each.
        distances : ndarray of shape (n_pairs,)
            Their distances.
        k : int
            Number of neighbours to keep, at most.

        Returns
        -------
        NeighborLists
            Lists of all points.
        """
        changed, row = np.unique(points, return_inverse=True)
        new = _lists_from_pairs(row, others, distances, len(changed), k)
        old = NeighborLists(self.indices[changed], self.distances[changed])
        lists = self.above(NeighborLists.empty(0, k))
        lists.indices[changed], lists.distances[changed] = old.beside(new, k)
        return lists


def lists_from_graph(graph, k, own=None):
    """Read the k nearest neighbours of each row from a matrix of distances.

    Parameters
    ----------
    graph : sparse matrix or ndarray of shape (n_rows, n_points)
        Distances. In a sparse one what is stored are neighbours, zeros too.
    k : int
        Number of neighbours to keep, at most.
    own : ndarray of shape (n_rows,), default=None
        The point that each row is, which is not its own neighbour. None: the rows are
        other points.

    Returns
    -------
    NeighborLists
        One list for each row; rows that store fewer than ``k`` neighbours keep those. Of a
        neighbour that a row stores twice, the smaller distance counts.
    """
    n_rows, n_points = graph.shape
    k = min(k, n_points - (own is not None))
    if not sparse.issparse(graph):
        return _lists_from_dense(graph, k, own)
    rows, columns, distances = _stored(graph)
    if own is not None:
        other = own[rows] != columns
        rows, columns, distances = rows[other], columns[other], distances[other]
    return _lists_from_pairs(rows, columns, distances, n_rows, k)


def _lists_from_pairs(rows, columns, distances, n_rows, k):
    """The k nearest neighbours of each row among the pairs that are given."""
    order = np.lexsort((columns, distances, rows))
    rows, columns, distances = rows[order], columns[order], distances[order]
    counts = np.bincount(rows, minlength=n_rows)
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    keep = rank < k
    lists = NeighborLists.empty(n_rows, k)
    lists.indices[rows[keep], rank[keep]] = columns[keep]
    lists.distances[rows[keep], rank[keep]] = distances[keep]
    return lists


def warn_if_short(lists, k):
    """Warn if lists are shorter than they should be.

    Parameters
    ----------
    lists : NeighborLists
        Lists of given neighbours.
    k : int
        Number of neighbours that each list should have.

    Warns
    -----
    ShortNeighborListsWarning
        If some have fewer.
    """
    short = np.count_nonzero((lists.indices >= 0).sum(axis=1) < k)
    if short:
        warn_user(
            f"The neighbor graph stores fewer than {k} neighbors for {short} of "
            f"{len(lists.indices)} rows, which keep what they have. Compute the graph with more "
            "neighbors or lower n_neighbors.",
            ShortNeighborListsWarning,
        )


def _lists_from_dense(graph, k, own):
    """:func:`lists_from_graph` of a full matrix."""
    lists = NeighborLists.empty(len(graph), k)
    for start in range(0, len(graph), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = graph[part].astype(np.float64)
        if own is not None:
            block[np.arange(len(block)), own[part]] = np.inf
        nearest = np.argpartition(block, k - 1, axis=1)[:, :k] if k else np.empty((len(block), 0))
        lists.indices[part] = nearest
        lists.distances[part] = np.take_along_axis(block, lists.indices[part], axis=1)
    return lists.nearest(k)


def _stored(graph):
    """Rows, columns and distances that a sparse matrix stores, explicit zeros included."""
    graph = graph.tocoo()
    rows, columns = graph.row.astype(np.intp), graph.col.astype(np.intp)
    distances = graph.data.astype(np.float64)
    pairs = rows * graph.shape[1] + columns
    if len(np.unique(pairs)) == len(pairs):
        return rows, columns, distances
    order = np.lexsort((distances, pairs))
    first = order[np.append(True, np.diff(pairs[order]) != 0)]
    return rows[first], columns[first], distances[first]


def merge_zero_distances(graph):
    """Group points whose distance is given as zero: they are one point.

    Parameters
    ----------
    graph : sparse matrix or ndarray of shape (n_points, n_points)
        Distances. In a sparse one only what is stored counts.

    Returns
    -------
    merged : sparse matrix or ndarray of shape (n_groups, n_groups)
        Distances between the groups, the smallest that are given.
    group : ndarray of shape (n_points,)
        The group of each point, numbered in order of first members.

    Examples
    --------
    >>> import numpy as np
    >>> distances = np.array([[0.0, 2.0, 0.0], [2.0, 0.0, 2.0], [0.0, 2.0, 0.0]])
    >>> merged, group = merge_zero_distances(distances)
    >>> group.tolist(), merged.tolist()
    ([0, 1, 0], [[0.0, 2.0], [2.0, 0.0]])
    """
    n = graph.shape[0]
    if sparse.issparse(graph):
        rows, columns, distances = _stored(graph)
        zero = distances == 0
        ends = rows[zero], columns[zero]
    else:
        ends = np.nonzero(graph == 0)
    links = sparse.coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(n, n))
    n_groups, component = connected_components(links, directed=False)
    if n_groups == n:
        return graph, np.arange(n)
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    group = np.argsort(np.argsort(first))[inverse]
    if not sparse.issparse(graph):
        return smallest_of_groups(smallest_of_groups(graph, group).T, group).T, group
    return smallest_of_equal(group[rows], group[columns], distances, (n_groups, n_groups)), group


def smallest_of_groups(distances, group):
    """Give the smallest distances to the rows of each group.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_columns)
        Distances.
    group : ndarray of shape (n_rows,)
        The group of each row, numbered from 0 without gaps.

    Returns
    -------
    ndarray of shape (n_groups, n_columns)
        Smallest of each column in each group.
    """
    order = np.argsort(group, kind="stable")
    start = np.flatnonzero(np.diff(group[order], prepend=-1))
    return np.minimum.reduceat(distances[order], start, axis=0)


def smallest_of_equal(rows, columns, distances, shape):
    """Make a sparse matrix of distances, the smallest where one is given several times.

    Parameters
    ----------
    rows, columns : ndarray of shape (n_entries,)
        Places.
    distances : ndarray of shape (n_entries,)
        Distances.
    shape : tuple of int
        Shape of the matrix.

    Returns
    -------
    coo_array
        The matrix, with explicit zeros.
    """
    order = np.lexsort((distances, columns, rows))
    rows, columns, distances = rows[order], columns[order], distances[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows) != 0) | (np.diff(columns) != 0)
    return sparse.coo_array((distances[new], (rows[new], columns[new])), shape=shape)
