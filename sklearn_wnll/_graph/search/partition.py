"""Points divided into cells of nearly equal size, by k-means in one or two levels."""

import warnings
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from ..._parallel import equal_blocks, in_threads

__all__ = ["Partition", "groups", "half_squares", "stable_order"]

_FLAT = 2000  # cells that one k-means finds; more are found in two levels
_SAMPLE = 30  # points per cell that k-means sees
_AROUND = 512  # cells near a point's own among which the nearest are looked for
_ROUNDS = 2  # steps by which cells of different regions are brought into line
_BLOCK = 4096  # rows compared with centers at a time


class Partition:
    """Cells of the points that are nearest to a center.

    Many cells are found in two levels: regions, and cells in each. Two steps of k-means on
    all points follow, in which a point chooses among the cells around its own, so that it
    does not matter where a region ends.

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
    centers : ndarray of float32 of shape (n_cells, n_features)
        Centers of the cells, none of which is empty.
    home : ndarray of shape (n_points,)
        The cell of each point.
    """

    def __init__(self, points, size, seed, n_jobs=None):
        rng = np.random.default_rng(seed)
        n_cells = max(1, round(len(points) / size))
        with warnings.catch_warnings():
            # Points that are equal in single precision may make fewer cells.
            warnings.simplefilter("ignore", ConvergenceWarning)
            if n_cells <= _FLAT:
                centers = _k_means(points, n_cells, rng)
                home = _nearest_centers(points, centers, n_jobs)
                regions = centers.mean(axis=0, keepdims=True)
            else:
                regions = _k_means(points, round(n_cells**0.5), rng)
                centers, home = _divide(points, regions, size, rng, n_jobs)
                for _ in range(_ROUNDS):
                    around = _around(centers, n_jobs)
                    home = _nearest_around(points, home, centers, around, n_jobs)
                    centers, home = _means(points, home)
        self._number(regions, *_without_empty(centers, home))
        self._around = None
        if len(self.centers) > _AROUND:
            self._around = _around(self.centers, n_jobs)

    def _number(self, regions, centers, home):
        """Number the cells region by region, so that near ones are near in memory too."""
        region = _compare(centers, regions).argmin(axis=1)
        order = stable_order(region)
        self.centers, self.home = centers[order], np.argsort(order)[home]
        used, first = np.unique(region[order], return_index=True)
        self._regions, self._edges = regions[used], [*first, len(centers)]

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
        home = np.empty(len(queries), dtype=np.intp)
        for region, rows in groups(_compare(queries, self._regions).argmin(axis=1)):
            start, end = self._edges[region], self._edges[region + 1]
            home[rows] = start + _compare(queries[rows], self.centers[start:end]).argmin(axis=1)
        if self._around is None:
            return home
        return _nearest_around(queries, home, self.centers, self._around, 1)

    def near(self, queries, home, count):
        """Find the cells whose centers are nearest to each query, beside its own cell.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        home : ndarray of shape (n_queries,)
            The cell of each query; only cells around it are compared.
        count : int
            Number of cells.

        Returns
        -------
        query, cell : ndarray of shape (n_pairs,)
            ``count`` pairs for each query; fewer if there are fewer cells, more if some are
            equally near.
        """
        if self._around is None:
            D = _compare(queries, self.centers)
            D[np.arange(len(D)), home] = np.inf
            return _smallest(D, count)
        query, cell = [], []
        for own, rows in groups(home):
            around = self._around[own]
            D = _compare(queries[rows], self.centers[around])
            D[:, around == own] = np.inf
            row, column = _smallest(D, count)
            query.append(rows[row])
            cell.append(around[column])
        return np.concatenate(query), np.concatenate(cell)

    def ranks(self, queries, cells):
        """Tell how many centers are nearer to a query than some cell's.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        cells : ndarray of shape (n_queries, n)
            Cells.

        Returns
        -------
        ndarray of shape (n_queries, n)
            Ranks, from 0.
        """
        ranks = _compare(queries, self.centers).argsort(axis=1).argsort(axis=1)
        return np.take_along_axis(ranks, cells, axis=1)


def _k_means(points, n_clusters, rng):
    """Centers of clusters of a sample of the points."""
    count = min(len(points), _SAMPLE * n_clusters)
    sample = np.sort(rng.choice(len(points), count, replace=False))
    model = KMeans(
        n_clusters, init="random", n_init=1, max_iter=6, random_state=int(rng.integers(2**31))
    )
    (model,) = in_threads(model.fit, [points[sample].astype(np.float32)])
    return model.cluster_centers_


def _divide(points, regions, size, rng, n_jobs):
    """Divide the points of each region into cells."""
    members = [rows for _, rows in groups(_nearest_centers(points, regions, n_jobs))]
    seeds = rng.integers(2**63, size=len(members))

    def divide(part):
        rows, seed = part
        inside = points[rows]
        count = max(1, round(len(rows) / size))
        centers = _k_means(inside, count, np.random.default_rng(seed))
        return centers, _nearest_centers(inside, centers, 1)

    parts = in_threads(divide, list(zip(members, seeds, strict=True)), n_jobs)
    home, offset = np.empty(len(points), dtype=np.intp), 0
    for rows, (centers, inside) in zip(members, parts, strict=True):
        home[rows] = offset + inside
        offset += len(centers)
    return _without_empty(np.concatenate([centers for centers, _ in parts]), home)


def _nearest_centers(points, centers, n_jobs):
    """The nearest center of each point."""
    blocks = equal_blocks(len(points), _BLOCK)

    def nearest(block):
        return _compare(points[block], centers).argmin(axis=1)

    return np.concatenate(in_threads(nearest, blocks, n_jobs))


def _around(centers, n_jobs):
    """The cells nearest to each cell, itself among them."""

    def nearest(block):
        D = _compare(centers[block], centers)
        count = min(_AROUND, D.shape[1])
        return np.argpartition(D, count - 1, axis=1)[:, :count].astype(np.int32)

    return np.vstack(in_threads(nearest, equal_blocks(len(centers), 256), n_jobs))


def _nearest_around(points, home, centers, around, n_jobs):
    """The nearest center of each point, out of those around its cell's."""
    nearest = np.empty_like(home)

    def settle(group):
        cell, rows = group
        near = around[cell]
        nearest[rows] = near[_compare(points[rows], centers[near]).argmin(axis=1)]

    in_threads(settle, list(groups(home)), n_jobs)
    return nearest


def _means(points, home):
    """Centers of cells as means of their points; the empty ones are dropped."""
    counts = np.bincount(home)
    ones = np.ones(len(home), dtype=points.dtype)
    members = sparse.csr_array((ones, (home, np.arange(len(home)))))
    centers = (members @ points / np.maximum(counts, 1)[:, None]).astype(np.float32)
    return _without_empty(centers, home)


def _without_empty(centers, home):
    """Drop the cells that hold no point."""
    used = np.bincount(home, minlength=len(centers)) > 0
    return centers[used], (np.cumsum(used) - 1)[home]


def half_squares(X):
    """Give half the squared length of each row.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        ``|x|^2 / 2``.
    """
    return np.einsum("ij,ij->i", X, X) / 2


def groups(labels):
    """Go through the labels that occur.

    Parameters
    ----------
    labels : ndarray of int of shape (n,)
        Labels, not negative.

    Yields
    ------
    label : int
        A label.
    where : ndarray
        Its places.
    """
    order = stable_order(labels)
    edges = np.flatnonzero(np.diff(labels[order], prepend=-1, append=-1))
    for start, end in pairwise(edges):
        yield labels[order[start]], order[start:end]


def stable_order(labels):
    """Sort labels, equal ones in the order in which they come.

    Parameters
    ----------
    labels : ndarray of int of shape (n,)
        Labels, not negative.

    Returns
    -------
    ndarray of shape (n,)
        Their order. Labels of 16 bits are sorted several times as fast as others.
    """
    if len(labels) and labels.max() <= np.iinfo(np.uint16).max:
        labels = labels.astype(np.uint16)
    return np.argsort(labels, kind="stable")


def _smallest(D, count):
    """Rows and columns of the smallest entries of each row, infinite ones left out."""
    count = min(count, D.shape[1] - 1)
    if not count:
        return np.empty((2, 0), dtype=np.intp)
    limit = np.partition(D, count - 1, axis=1)[:, count - 1]
    return np.nonzero(limit[:, None] >= D)


def _compare(queries, centers):
    """Half squared distances to centers, less what depends on the query alone."""
    with np.errstate(invalid="ignore"):  # BLAS may say so of finite rows (numpy issue 24067)
        D = queries.astype(np.float32, copy=False) @ centers.T
    return np.subtract(half_squares(centers), D, out=D)
