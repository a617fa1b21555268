"""Points in cells: queries are compared with the points of the nearest cells.

An inverted file, as in H. Jegou, M. Douze and C. Schmid, "Product quantization for nearest
neighbor search", IEEE TPAMI 33 (2011), without the quantization.
"""

from copy import copy
from functools import partial

import numpy as np

from ..._lazy import Lazy
from ..._parallel import equal_blocks, in_threads
from ..sorting import groups, stable_order
from .partition import Partition, half_squares

__all__ = ["Cells"]

_BLOCK = 4096  # points whose rows are computed at a time
_ENTRIES = 2**23  # distances that one thread compares at a time
_FORGOTTEN = 2**26  # numbers; fewer are not worth computing again
_CANDIDATE_ROWS = 1024  # queries whose candidates are compared at a time, at most
_CANDIDATE_ENTRIES = 2**18  # candidates that are compared at a time, unless one query has more


class Cells:
    """Points (n_points, n_features) divided by k-means, ready to be compared with queries.

    ``order`` (n_points,) are the points cell by cell, ``cell`` (n_points,) is the cell of each,
    and each holds about ``size`` points. Coordinates are float32, relative to the center of a
    cell, so they lose few digits. If the caller ``keeps`` the points, the coordinates may be
    forgotten between searches.
    """

    def __init__(self, points, size, seed, *, keeps=False):
        self._partition = partition = Partition(points, size, seed)
        self.cell, self.n_cells = partition.cell, len(partition.centers)
        self.assign, self.ranks = partition.assign, partition.ranks
        self._sort()
        compute = partial(_relative_rows, points, partition.centers, self.cell, self.order)
        self._again, self._rows = compute if keeps else None, Lazy(None, compute())

    def remember(self):
        """Compute coordinates that were forgotten, in threads, before they share a search."""
        self._rows.get()

    def forget(self):
        """Free the memory of many coordinates."""
        if self._again and len(self.cell) * self._partition.centers.shape[1] > _FORGOTTEN:
            self._rows = Lazy(self._again)

    def grown(self, points, cell):
        """Return the cells with more points (n_new, n_features), each in a ``cell`` (n_new,)."""
        grown, n = copy(self), len(self.cell)
        grown.cell = np.concatenate([self.cell, cell])
        grown._sort()
        place, known = np.argsort(grown.order), self._rows.get()
        rows = np.empty((len(place), known.shape[1]), dtype=np.float32)
        rows[place[self.order]] = known
        centers, new = self._partition.centers, np.arange(len(points))
        rows[place[n:]] = _relative_rows(points, centers, cell, new)
        grown._rows, grown._again = Lazy(None, rows), None
        return grown

    def _sort(self):
        self.order = stable_order(self.cell)
        self._edges = np.concatenate([[0], np.cumsum(np.bincount(self.cell))])

    def points(self, part):
        """Compute the float32 coordinates of the points at some places of ``order``, a slice."""
        centers = self._partition.centers[self.cell[self.order[part]]]
        return self._rows.get()[part, :-2] + centers

    def nearest(self, queries, cell, n_probes, k, own_place=None):
        """Find the k nearest points to each query, in its own cell and ``n_probes - 1`` others.

        The points (n_queries, k) are in no order; -1 if the cells hold too few. A query that is
        itself at ``own_place`` (n_queries,) of ``order`` does not find itself.
        """
        place = self._candidates(queries, cell, n_probes, k, own_place).nearest()
        return np.where(place < 0, -1, self.order[place])

    def count(self, queries, cell, n_probes, k, own_place=None):
        """Count the points that :meth:`nearest` compares, and those that it sorts, per query."""
        found = self._candidates(queries, cell, n_probes, k, own_place)
        return found.n_compared / len(queries), sum(map(len, found.rows)) / len(queries)

    def _candidates(self, queries, cell, n_probes, k, own_place):
        """Compare queries with the points of cells: first their own, which bounds the others."""
        candidates = _Candidates(len(queries), k)
        for first, rows, D in self._blocks(queries, np.arange(len(queries)), cell, own_place):
            candidates.start(rows, first, D)
        pairs = self._partition.nearest_cells(queries, cell, n_probes - 1)
        for first, rows, D in self._blocks(queries, *pairs, own_place):
            candidates.add(rows, first, D)
        return candidates

    def within_radius(self, queries, cell, n_probes, radius):
        """Find pairs of queries and points that are closer than the point's ``radius``.

        ``radius`` is (n_points,); the queries and the points of the pairs are (n_pairs,).
        """
        limit = (radius[self.order] ** 2 / 2).astype(np.float32)
        near_query, near_cell = self._partition.nearest_cells(queries, cell, n_probes - 1)
        near_query = np.concatenate([np.arange(len(queries)), near_query])
        near_cell = np.concatenate([cell, near_cell])
        query, point = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
        for first, rows, D in self._blocks(queries, near_query, near_cell):
            row, column = np.nonzero(limit[first : first + D.shape[1]] > D)
            query.append(rows[row])
            point.append(self.order[first + column])
        return np.concatenate(query), np.concatenate(point)

    def _blocks(self, queries, query, cell, own_place=None):
        """Compare pairs of queries and cells, cell by cell.

        Yields the first place of the cell, some of its queries, and the half squared distances.
        """
        for own_cell, entries in groups(cell):
            first, end = self._edges[own_cell], self._edges[own_cell + 1]
            for rows in _pieces(query[entries], end - first):
                yield first, rows, self._compare(queries, rows, own_cell, own_place)

    def _compare(self, queries, rows, cell, own_place):
        """Compute half squared distances between some queries and the points of a cell."""
        first, end = self._edges[cell], self._edges[cell + 1]
        d = queries.shape[1]
        left = np.empty((len(rows), d + 2), dtype=np.float32)
        left[:, :d] = self._partition.centers[cell] - queries[rows]
        left[:, d] = 1
        left[:, d + 1] = half_squares(left[:, :d])
        with np.errstate(invalid="ignore"):  # BLAS may raise it for finite rows (numpy issue 24067)
            D = left @ self._rows.get()[first:end].T
        if own_place is not None:
            column = own_place[rows] - first
            here = np.flatnonzero((column >= 0) & (column < end - first))
            D[here, column[here]] = np.inf
        return D


def _relative_rows(points, centers, cell, order):
    """Compute the rows ``[z, |z|^2 / 2, 1]`` of points, in an order, relative to their centers."""
    n, d = points.shape
    rows = np.empty((n, d + 2), dtype=np.float32)

    def compute(block):
        members = order[block]
        z = rows[block]
        z[:, :d] = points[members] - centers[cell[members]]
        z[:, d] = half_squares(z[:, :d])
        z[:, d + 1] = 1

    in_threads(compute, equal_blocks(n, _BLOCK))
    return rows


def _pieces(rows, size):
    """Cut the queries of a cell of ``size`` points, to bound the memory of a comparison."""
    step = max(1, _ENTRIES // size)
    return (rows[start : start + step] for start in range(0, len(rows), step))


class _Candidates:
    """The points that may be among the k nearest of each query."""

    def __init__(self, n_queries, k):
        self.n_queries, self.k, self.n_compared = n_queries, k, 0
        self.bound = np.full(n_queries, np.inf, dtype=np.float32)
        self.rows, self.places, self.values = [], [], []

    def start(self, rows, first, D):
        """Add the nearest points of a query's own cell; the last of them is the bound."""
        if D.shape[1] > self.k:
            largest = np.partition(D, self.k - 1, axis=1)[:, self.k - 1]
            self.bound[rows] = np.nextafter(largest, np.float32(np.inf))
        self.add(rows, first, D)

    def add(self, rows, first, D):
        """Add the points of another cell that are nearer than the bound."""
        self.n_compared += D.size
        hit = np.flatnonzero((self.bound[rows][:, None] > D).ravel())
        row, column = np.divmod(hit, D.shape[1])
        self.rows.append(rows[row])
        self.places.append(first + column)
        self.values.append(D.ravel()[hit])

    def nearest(self):
        """The places of the k nearest of each query; -1 if there are fewer."""
        rows, places, values = map(np.concatenate, (self.rows, self.places, self.values))
        order = stable_order(rows)
        counts = np.bincount(rows, minlength=self.n_queries)
        begin = np.cumsum(counts) - counts
        nearest = np.full((self.n_queries, self.k), -1)
        for part in _of_similar_size(counts):
            width = max(counts[part].max(), self.k)
            missing = np.arange(width) >= counts[part][:, None]
            entries = begin[part][:, None] + np.arange(width)
            entries[missing] = 0
            entries = order[entries]
            block = values[entries]
            block[missing] = np.inf
            columns = np.argpartition(block, self.k - 1, axis=1)[:, : self.k]
            found = places[np.take_along_axis(entries, columns, axis=1)]
            found[np.take_along_axis(missing, columns, axis=1)] = -1
            nearest[part] = found
        return nearest


def _of_similar_size(counts):
    """Group queries by their numbers of candidates, which then fill rectangles with few gaps.

    A query whose own cell is small has many more candidates than most.
    """
    order, start = stable_order(counts), 0
    while start < len(order):
        widest = counts[order[min(start + _CANDIDATE_ROWS, len(order)) - 1]]
        height = min(_CANDIDATE_ROWS, max(1, _CANDIDATE_ENTRIES // max(widest, 1)))
        yield order[start : start + height]
        start += height
