"""Lists of nearest neighbours, and how to read them from given distances."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .._parallel import equal_blocks, in_threads
from .._warnings import warn_user
from ..exceptions import ShortNeighborListsWarning
from .sorting import stable_order

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
    """The nearest neighbours of some points, nearest first, and their distances.

    ``indices`` and ``distances`` are (n_points, n_neighbors), of 32 bits in long lists where these
    hold all digits. Shorter lists are padded with -1 at distance infinity. In lists of points among
    points, none holds the point itself.
    """

    indices: np.ndarray
    distances: np.ndarray

    @classmethod
    def empty(cls, n_points, k, dtype=np.float64):
        """Make lists of fillers, with distances of a type."""
        shape = n_points, k
        return cls(np.full(shape, -1, dtype=np.int32), np.full(shape, np.inf, dtype=dtype))

    def nearest(self, k):
        """Sort each list by distance and keep the k nearest; equal distances keep their order."""
        order = np.argsort(self.distances, axis=1, kind="stable")[:, :k]
        return NeighborLists(
            np.take_along_axis(self.indices, order, axis=1),
            np.take_along_axis(self.distances, order, axis=1),
        )

    def merge(self, other, k):
        """Merge with lists of the same points, of other neighbours, and keep the k nearest."""
        return NeighborLists(
            np.hstack([self.indices, other.indices]), np.hstack([self.distances, other.distances])
        ).nearest(k)

    def concatenate(self, other):
        """Append the lists of other points; the shorter lists are padded."""
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
        """Add an offset to the indices; the fillers stay."""
        return NeighborLists(np.where(self.indices < 0, -1, self.indices + offset), self.distances)

    def without_self(self, self_index=None):
        """Drop each point from its own list, by index: other points at distance 0 stay.

        ``self_index`` (n_points,) is the point of each list; None means all points in order. A
        list without its point, because others are as near, loses its last entry.
        """
        self_index = np.arange(len(self.indices)) if self_index is None else self_index
        drop = self.indices == self_index[:, None]
        drop[:, -1] |= ~drop.any(axis=1)
        shape = (len(drop), -1)
        return NeighborLists(
            self.indices[~drop].reshape(shape), self.distances[~drop].reshape(shape)
        )

    def with_reverse(self, order):
        """Add each point to the lists of its neighbours, if it is near enough.

        An approximate search may find y from x but not x from y. ``order`` (n_points,) puts nearby
        points next to each other, which keeps reads in the processor's cache.
        """
        k = self.indices.shape[1]

        def missing_pairs(part):
            point = np.repeat(order[part], k)
            other, distance = self.indices[order[part]].ravel(), self.distances[order[part]].ravel()
            nearer = np.flatnonzero(distance < self.distances[other, -1])
            point, other, distance = point[nearer], other[nearer], distance[nearer]
            new = ~(self.indices[other] == point[:, None]).any(axis=1)
            return other[new], point[new].astype(other.dtype), distance[new]

        parts = in_threads(missing_pairs, equal_blocks(len(order), _BLOCK))
        return self.add_pairs(*map(np.concatenate, zip(*parts, strict=True)), k)

    def add_pairs(self, points, neighbors, distances, k):
        """Add single neighbours of some of the points and keep the k nearest of each point.

        ``points``, ``neighbors`` and ``distances`` are (n_pairs,).
        """
        order = stable_order(points)
        points, neighbors, distances = points[order], neighbors[order], distances[order]
        first = np.flatnonzero(np.diff(points, prepend=-1))
        changed, edges = points[first], np.append(first, len(points))
        lists = self.concatenate(NeighborLists.empty(0, k, self.distances.dtype))

        def add(part):
            pairs = slice(edges[part.start], edges[part.stop])
            rows, own = changed[part], np.diff(edges[part.start : part.stop + 1])
            new = _lists_from_pairs(
                np.repeat(np.arange(len(rows)), own),
                neighbors[pairs],
                distances[pairs],
                len(rows),
                k,
            )
            old = NeighborLists(self.indices[rows], self.distances[rows])
            lists.indices[rows], lists.distances[rows] = old.merge(new, k)

        in_threads(add, equal_blocks(len(changed), _BLOCK))
        return lists


def lists_from_graph(graph, k, self_index=None):
    """Read the k nearest neighbours of each row from distances (n_rows, n_points).

    A sparse ``graph`` stores neighbours, also those at distance zero. Rows that store fewer than
    ``k`` keep those; if a neighbour is stored twice, the smaller distance counts. ``self_index``
    (n_rows,) is the point of each row, which is not its own neighbour; None if rows are no points.
    """
    n_rows, n_points = graph.shape
    k = min(k, n_points - (self_index is not None))
    if not sparse.issparse(graph):
        return _lists_from_dense(graph, k, self_index)
    rows, columns, distances = _stored_distances(graph)
    if self_index is not None:
        other = self_index[rows] != columns
        rows, columns, distances = rows[other], columns[other], distances[other]
    return _lists_from_pairs(rows, columns, distances, n_rows, k)


def _lists_from_pairs(rows, columns, distances, n_rows, k):
    """Find the k nearest neighbours of each row among pairs (n_pairs,)."""
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
    """Warn if some lists have fewer than k neighbours."""
    short = np.count_nonzero((lists.indices >= 0).sum(axis=1) < k)
    if short:
        warn_user(
            f"The neighbor graph stores fewer than {k} neighbors for {short} of "
            f"{len(lists.indices)} rows, which keep what they have. Compute the graph with more "
            "neighbors or lower n_neighbors.",
            ShortNeighborListsWarning,
        )


def _lists_from_dense(graph, k, self_index):
    """:func:`lists_from_graph` of a full matrix."""
    lists = NeighborLists.empty(len(graph), k)
    for start in range(0, len(graph), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = graph[part].astype(np.float64)
        if self_index is not None:
            block[np.arange(len(block)), self_index[part]] = np.inf
        nearest = np.argpartition(block, k - 1, axis=1)[:, :k] if k else np.empty((len(block), 0))
        lists.indices[part] = nearest
        lists.distances[part] = np.take_along_axis(block, lists.indices[part], axis=1)
    return lists.nearest(k)


def _stored_distances(graph):
    """Return the rows, columns and distances stored in a sparse matrix, also explicit zeros."""
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
    """Merge points at distance zero into one point, in distances (n_points, n_points).

    In a sparse ``graph``, only the stored distances count. Returns the smallest distances between
    the groups (n_groups, n_groups), and the group of each point (n_points,), numbered in the order
    of first members.

    >>> import numpy as np
    >>> distances = np.array([[0.0, 2.0, 0.0], [2.0, 0.0, 2.0], [0.0, 2.0, 0.0]])
    >>> merged, group = merge_zero_distances(distances)
    >>> group.tolist(), merged.tolist()
    ([0, 1, 0], [[0.0, 2.0], [2.0, 0.0]])
    """
    n = graph.shape[0]
    if sparse.issparse(graph):
        rows, columns, distances = _stored_distances(graph)
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
    """Find the smallest of the distances (n_rows, n_columns) from the rows of each group.

    ``group`` (n_rows,) numbers the groups from 0 without gaps; the result is (n_groups, n_columns).
    """
    order = np.argsort(group, kind="stable")
    start = np.flatnonzero(np.diff(group[order], prepend=-1))
    return np.minimum.reduceat(distances[order], start, axis=0)


def smallest_of_equal(rows, columns, distances, shape):
    """Make a sparse matrix of entries (n_entries,), keeping the smallest at each place.

    Zeros are stored.
    """
    order = np.lexsort((distances, columns, rows))
    rows, columns, distances = rows[order], columns[order], distances[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows) != 0) | (np.diff(columns) != 0)
    return sparse.coo_array((distances[new], (rows[new], columns[new])), shape=shape)
