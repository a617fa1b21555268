"""Points in cells: a query is compared with the points of the cells nearest to it.

An inverted file, as in H. Jegou, M. Douze and C. Schmid, "Product quantization for nearest
neighbor search", IEEE TPAMI 33 (2011), without the quantization.
"""

import warnings
from itertools import pairwise

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from .._parallel import equal_blocks, in_threads

__all__ = ["Cells"]

_FLAT = 2000  # cells that one k-means finds; more are found in two levels
_SAMPLE = 30  # points per cell that k-means sees
_AROUND = 256  # cells near a point's own that are ranked for it
_BLOCK = 4096  # rows compared with centers at a time


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
        rng = np.random.default_rng(seed)
        n_cells = max(1, round(len(points) / size))
        if n_cells <= _FLAT:
            centers = _k_means(points, n_cells, rng)
            home = _nearest_centers(points, centers, n_jobs)
            self._regions = np.zeros((1, points.shape[1]), np.float32)
            region = np.zeros(n_cells, dtype=np.intp)
        else:
            self._regions = _k_means(points, round(n_cells**0.5), rng)
            centers, home, region = _divide(points, self._regions, size, rng, n_jobs)
        counts = np.bincount(home, minlength=len(centers))
        used = counts > 0
        self._centers, self.home = centers[used], (np.cumsum(used) - 1)[home]
        self._first = np.searchsorted(region[used], np.arange(len(self._regions) + 1))
        self.n_cells = len(self._centers)
        self.order = np.argsort(self.home, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(counts[used])])
        self._place_points(points, n_jobs)
        self._around = self._nearest_cells(n_jobs) if self.n_cells > _AROUND else None

    def _place_points(self, points, n_jobs):
        """Compute the rows ``[z, |z|^2 / 2, 1]`` of the points relative to their centers."""
        n, d = points.shape
        self._rows = np.empty((n, d + 2), dtype=np.float32)

        def place(block):
            members = self.order[block]
            z = self._rows[block]
            z[:, :d] = points[members] - self._centers[self.home[members]]
            z[:, d] = _half_squares(z[:, :d])
            z[:, d + 1] = 1

        list(in_threads(place, equal_blocks(n, _BLOCK), n_jobs))

    def _nearest_cells(self, n_jobs):
        """The cells nearest to each cell, itself first."""

        def nearest(block):
            D = _compare(self._centers[block], self._centers)
            return np.argpartition(D, _AROUND - 1, axis=1)[:, :_AROUND].astype(np.int32)

        return np.vstack(list(in_threads(nearest, equal_blocks(self.n_cells, 1024), n_jobs)))

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

    def home_of(self, queries):
        """Give the cell that a query would be in.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.

        Returns
        -------
        ndarray of shape (n_queries,)
            Cells.
        """
        if len(self._regions) == 1:
            return _compare(queries, self._centers).argmin(axis=1)
        region = _compare(queries, self._regions).argmin(axis=1)
        home = np.empty(len(queries), dtype=np.intp)
        for number, rows in _groups(region):
            part = slice(self._first[number], self._first[number + 1])
            home[rows] = part.start + _compare(queries[rows], self._centers[part]).argmin(axis=1)
        return home

    def ranked(self, queries, home, n_probes):
        """Give the cells whose centers are nearest to each query, nearest first.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        home : ndarray of shape (n_queries,)
            The cell of each query: only cells around it are ranked.
        n_probes : int
            Number of cells.

        Returns
        -------
        ndarray of shape (n_queries, n_probes)
            Cells.
        """
        if self._around is None:
            return _smallest(_compare(queries, self._centers), n_probes)
        ranked = np.empty((len(queries), min(n_probes, _AROUND)), dtype=np.intp)
        for cell, rows in _groups(home):
            around = self._around[cell]
            D = _compare(queries[rows], self._centers[around])
            ranked[rows] = around[_smallest(D, n_probes)]
        return ranked

    def nearest(self, queries, probes, k, own=None):
        """Find the k points nearest to each query in the cells that are probed for it.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        probes : ndarray of shape (n_queries, n_probes)
            Cells, the most promising first.
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
        for first, rows, D in self._blocks(queries, probes[:, :1], own):
            found.start(rows, first, D)
        for first, rows, D in self._blocks(queries, probes[:, 1:], own):
            found.add(rows, first, D)
        place = found.nearest()
        return np.where(place < 0, -1, self.order[place])

    def within(self, queries, probes, radius):
        """Find the points whose own radius reaches to a query.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        probes : ndarray of shape (n_queries, n_probes)
            Cells.
        radius : ndarray of shape (n_points,)
            Radius of each point.

        Returns
        -------
        query, point : ndarray of shape (n_pairs,)
            All pairs that are closer than the point's radius.
        """
        limit = (radius[self.order] ** 2 / 2).astype(np.float32)
        query, point = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
        for first, rows, D in self._blocks(queries, probes, None):
            row, column = np.nonzero(limit[first : first + D.shape[1]] > D)
            query.append(rows[row])
            point.append(self.order[first + column])
        return np.concatenate(query), np.concatenate(point)

    def _blocks(self, queries, probes, own):
        """Compare queries with cells: where a cell begins, its queries, half squared distances."""
        n_probes, d = probes.shape[1], queries.shape[1]
        for cell, entries in _groups(probes.ravel()):
            rows = entries // n_probes
            first, end = self._starts[cell], self._starts[cell + 1]
            left = np.empty((len(rows), d + 2), dtype=np.float32)
            left[:, :d] = self._centers[cell] - queries[rows]
            left[:, d] = 1
            left[:, d + 1] = _half_squares(left[:, :d])
            D = left @ self._rows[first:end].T
            if own is not None:
                column = own[rows] - first
                here = np.flatnonzero((column >= 0) & (column < end - first))
                D[here, column[here]] = np.inf
            yield first, rows, D


class _Candidates:
    """The points that may be among the k nearest of each query."""

    def __init__(self, n_queries, k):
        self.n_queries, self.k = n_queries, k
        self.bound = np.full(n_queries, np.inf, dtype=np.float32)
        self.rows, self.places, self.values = [], [], []

    def start(self, rows, first, D):
        """Take the nearest points of a query's first cell; the last of them is the bound."""
        if D.shape[1] <= self.k:
            self.add(rows, first, D)
            return
        columns = np.argpartition(D, self.k - 1, axis=1)[:, : self.k]
        values = np.take_along_axis(D, columns, axis=1)
        self.bound[rows] = values[:, -1]
        self._append(np.repeat(rows, self.k), first + columns.ravel(), values.ravel())

    def add(self, rows, first, D):
        """Take the points of another cell that are nearer than the bound."""
        hit = np.flatnonzero((self.bound[rows][:, None] > D).ravel())
        row, column = np.divmod(hit, D.shape[1])
        self._append(rows[row], first + column, D.ravel()[hit])

    def _append(self, rows, places, values):
        self.rows.append(rows)
        self.places.append(places)
        self.values.append(values)

    def nearest(self):
        """The places of the k nearest of each query; -1 where there are fewer."""
        rows, places, values = map(np.concatenate, (self.rows, self.places, self.values))
        if not len(rows):
            return np.full((self.n_queries, self.k), -1)
        # Positive numbers sort as their bits do.
        keys = rows.astype(np.uint64) << np.uint64(32)
        keys |= np.maximum(values, 0).view(np.uint32)
        order = np.argsort(keys)
        counts = np.bincount(rows, minlength=self.n_queries)
        begin = np.cumsum(counts) - counts
        rank = np.arange(self.k)
        entry = np.minimum(begin[:, None] + rank, len(rows) - 1)
        return np.where(rank < counts[:, None], places[order[entry]], -1)


def _k_means(points, n_clusters, rng):
    """Centers of clusters of a sample of the points."""
    count = min(len(points), _SAMPLE * n_clusters)
    sample = np.sort(rng.choice(len(points), count, replace=False))
    model = KMeans(n_clusters, init="random", n_init=1, max_iter=6,
                   random_state=int(rng.integers(2**31)))  # fmt: skip
    with warnings.catch_warnings():
        # Cells of points that are equal in single precision may be as few as they like.
        warnings.simplefilter("ignore", ConvergenceWarning)
        (model,) = in_threads(model.fit, [points[sample].astype(np.float32)])
    return model.cluster_centers_


def _divide(points, regions, size, rng, n_jobs):
    """Divide the points of each region into cells."""
    region_of = _nearest_centers(points, regions, n_jobs)
    members = [rows for _, rows in _groups(region_of)]
    seeds = rng.integers(2**63, size=len(members))

    def divide(part):
        rows, seed = part
        inside = points[rows]
        count = max(1, round(len(rows) / size))
        centers = _k_means(inside, count, np.random.default_rng(seed))
        return centers, _nearest_centers(inside, centers, 1)

    parts = list(in_threads(divide, list(zip(members, seeds, strict=True)), n_jobs))
    home, offset = np.empty(len(points), dtype=np.intp), 0
    for rows, (centers, inside) in zip(members, parts, strict=True):
        home[rows] = offset + inside
        offset += len(centers)
    numbers = np.unique(region_of)
    region = np.repeat(numbers, [len(centers) for centers, _ in parts])
    return np.concatenate([centers for centers, _ in parts]), home, region


def _nearest_centers(points, centers, n_jobs):
    """The nearest center of each point."""
    blocks = equal_blocks(len(points), _BLOCK)

    def nearest(block):
        return _compare(points[block], centers).argmin(axis=1)

    return np.concatenate(list(in_threads(nearest, blocks, n_jobs)))


def _compare(queries, centers):
    """Half squared distances to centers, less what depends on the query alone."""
    D = queries.astype(np.float32, copy=False) @ centers.T
    return np.subtract(_half_squares(centers), D, out=D)


def _half_squares(X):
    """Half the squared length of each row."""
    return np.einsum("ij,ij->i", X, X) / 2


def _smallest(D, count):
    """Columns of the smallest entries of each row, in order."""
    if count >= D.shape[1]:
        return np.argsort(D, axis=1)
    columns = np.argpartition(D, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(D, columns, axis=1), axis=1)
    return np.take_along_axis(columns, order, axis=1)


def _groups(labels):
    """Each label that occurs, and where."""
    order = np.argsort(labels, kind="stable")
    edges = np.flatnonzero(np.diff(labels[order], prepend=-1, append=-1))
    for start, end in pairwise(edges):
        yield labels[order[start]], order[start:end]
