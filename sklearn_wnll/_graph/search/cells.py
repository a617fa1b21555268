"""Points in cells: a query is compared with the points of the cells nearest to it.

An inverted file, as in H. Jegou, M. Douze and C. Schmid, "Product quantization for nearest
neighbor search", IEEE TPAMI 33 (2011), without the quantization.
"""

import numpy as np

from ..._parallel import equal_blocks, in_threads
from .partition import Partition, groups, half_squares, stable_order

__all__ = ["Cells"]

_BLOCK = 4096  # points placed at a time
_ENTRIES = 2**23  # distances that one thread compares at a time


class Cells:
    """Points divided by k-means, ready to be compared with queries in float32.

    Coordinates are kept relative to the center of a cell, where they lose no digits.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_features)
        The points.
    size : int
        Points in a cell, on average.
    seed : int
        Seed of the k-means.
    n_jobs : int, default=None
        Number of threads.

    Attributes
    ----------
    order : ndarray of shape (n_points,)
        The points, cell by cell.
    home : ndarray of shape (n_points,)
        The cell of each point.
    n_cells : int
        Number of cells, none of them empty.
    """

    def __init__(self, points, size, seed, n_jobs=None):
        partition = Partition(points, size, seed, n_jobs)
        self.home, self._centers = partition.home, partition.centers
        self.home_of, self.ranks, self._near = partition.home_of, partition.ranks, partition.near
        self.n_cells = len(self._centers)
        self.order = stable_order(self.home)
        self._edges = np.concatenate([[0], np.cumsum(np.bincount(self.home))])
        self._place_points(points, n_jobs)

    def _place_points(self, points, n_jobs):
        """Compute the rows ``[z, |z|^2 / 2, 1]`` of the points relative to their centers."""
        n, d = points.shape
        self._rows = np.empty((n, d + 2), dtype=np.float32)

        def place(block):
            members = self.order[block]
            z = self._rows[block]
            z[:, :d] = points[members] - self._centers[self.home[members]]
            z[:, d] = half_squares(z[:, :d])
            z[:, d + 1] = 1

        in_threads(place, equal_blocks(n, _BLOCK), n_jobs)

    def points(self, part):
        """Give the coordinates of points in single precision.

        Parameters
        ----------
        part : slice
            Places in ``order``.

        Returns
        -------
        ndarray of float32 of shape (n_part, n_features)
            The points.
        """
        return self._rows[part, :-2] + self._centers[self.home[self.order[part]]]

    def nearest(self, queries, home, n_probes, k, own=None):
        """Find the k points nearest to each query in the cells that are near to it.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        home : ndarray of shape (n_queries,)
            The cell of each query.
        n_probes : int
            Number of cells that a query is compared with.
        k : int
            Number of points.
        own : ndarray of shape (n_queries,), default=None
            Where in ``order`` each query itself is; it is not found.

        Returns
        -------
        ndarray of shape (n_queries, k)
            Points, in no order; -1 where the cells hold too few.
        """
        found = _Candidates(len(queries), k)
        for first, rows, D in self._blocks(queries, np.arange(len(queries)), home, own):
            found.start(rows, first, D)
        near = self._near(queries, home, n_probes - 1)
        for first, rows, D in self._blocks(queries, *near, own):
            found.add(rows, first, D)
        place = found.nearest()
        return np.where(place < 0, -1, self.order[place])

    def within(self, queries, home, n_probes, radius):
        """Find the points whose own radius reaches to a query.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        home : ndarray of shape (n_queries,)
            The cell of each query.
        n_probes : int
            Number of cells that a query is compared with.
        radius : ndarray of shape (n_points,)
            Radius of each point.

        Returns
        -------
        query, point : ndarray of shape (n_pairs,)
            All pairs that are closer than the point's radius.
        """
        limit = (radius[self.order] ** 2 / 2).astype(np.float32)
        near, cell = self._near(queries, home, n_probes - 1)
        near = np.concatenate([np.arange(len(queries)), near])
        query, point = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
        for first, rows, D in self._blocks(queries, near, np.concatenate([home, cell])):
            row, column = np.nonzero(limit[first : first + D.shape[1]] > D)
            query.append(rows[row])
            point.append(self.order[first + column])
        return np.concatenate(query), np.concatenate(point)

    def _blocks(self, queries, query, cells, own=None):
        """Compare queries with cells: where a cell begins, its queries, half squared distances."""
        for cell, entries in groups(cells):
            first, end = self._edges[cell], self._edges[cell + 1]
            for rows in self._pieces(query[entries], end - first):
                yield first, rows, self._compare(queries, rows, cell, own)

    @staticmethod
    def _pieces(rows, size):
        """Cut the queries of a cell, so that what is compared at a time has a bound."""
        step = max(1, _ENTRIES // size)
        return (rows[start : start + step] for start in range(0, len(rows), step))

    def _compare(self, queries, rows, cell, own):
        """Half squared distances between some queries and the points of a cell."""
        first, end = self._edges[cell], self._edges[cell + 1]
        d = queries.shape[1]
        left = np.empty((len(rows), d + 2), dtype=np.float32)
        left[:, :d] = self._centers[cell] - queries[rows]
        left[:, d] = 1
        left[:, d + 1] = half_squares(left[:, :d])
        with np.errstate(invalid="ignore"):  # BLAS may say so of finite rows (numpy issue 24067)
            D = left @ self._rows[first:end].T
        if own is not None:
            column = own[rows] - first
            here = np.flatnonzero((column >= 0) & (column < end - first))
            D[here, column[here]] = np.inf
        return D


class _Candidates:
    """The points that may be among the k nearest of each query."""

    _ROWS = 1024  # queries whose candidates are compared at a time

    def __init__(self, n_queries, k):
        self.n_queries, self.k = n_queries, k
        self.bound = np.full(n_queries, np.inf, dtype=np.float32)
        self.rows, self.places, self.values = [], [], []

    def start(self, rows, first, D):
        """Take the nearest points of a query's first cell; the last of them is the bound."""
        if D.shape[1] > self.k:
            largest = np.partition(D, self.k - 1, axis=1)[:, self.k - 1]
            self.bound[rows] = np.nextafter(largest, np.float32(np.inf))
        self.add(rows, first, D)

    def add(self, rows, first, D):
        """Take the points of another cell that are nearer than the bound."""
        hit = np.flatnonzero((self.bound[rows][:, None] > D).ravel())
        row, column = np.divmod(hit, D.shape[1])
        self.rows.append(rows[row])
        self.places.append(first + column)
        self.values.append(D.ravel()[hit])

    def nearest(self):
        """The places of the k nearest of each query; -1 where there are fewer."""
        rows, places, values = map(np.concatenate, (self.rows, self.places, self.values))
        order = stable_order(rows)
        counts = np.bincount(rows, minlength=self.n_queries)
        begin = np.cumsum(counts) - counts
        nearest = np.full((self.n_queries, self.k), -1)
        by_count = stable_order(counts)
        for start in range(0, self.n_queries, self._ROWS):
            part = by_count[start : start + self._ROWS]
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
