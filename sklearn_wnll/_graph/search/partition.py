"""Partition of points into cells of nearly equal size, by k-means in one or two levels."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from ..._parallel import equal_blocks, in_threads
from ..._progress import Progress
from ..sorting import groups, stable_order

__all__ = ["Partition", "half_squares"]

_ONE_LEVEL = 2000  # cells that one k-means finds; more take two levels
_SAMPLE = 30  # points per cell that k-means sees
_SURROUNDING = 512  # cells around a point's own that are searched for the nearest
_REFINEMENTS = 2  # steps of k-means that move cells across the borders of regions
_BLOCK = 4096  # rows compared with centers at a time


class Partition:
    """Cells of the points (n_points, n_features) that are nearest to a center.

    ``centers`` (n_cells, n_features) are float32, ``cell`` (n_points,) is the cell of each point;
    no cell is empty, and each holds about ``size`` points. Many cells are found in two levels,
    regions and then cells in each. Two steps of k-means on all points follow, where each point
    chooses among the cells around its own, so borders of regions leave no trace.
    """

    def __init__(self, points, size, seed):
        rng, progress = np.random.default_rng(seed), Progress("cells")
        n_cells = max(1, round(len(points) / size))
        with warnings.catch_warnings():
            # Points that are equal in single precision may make fewer cells.
            warnings.simplefilter("ignore", ConvergenceWarning)
            if n_cells <= _ONE_LEVEL:
                centers = _k_means(points, n_cells, rng)
                cell = _nearest_centers(points, centers)
                regions = centers.mean(axis=0, keepdims=True)
            else:
                regions = _k_means(points, round(n_cells**0.5), rng)
                centers, cell = _divide_regions(points, regions, size, rng)
                for step in range(_REFINEMENTS):
                    progress.update((1 + step) / (1 + _REFINEMENTS), f"{len(centers):,} cells")
                    surrounding = _surrounding_cells(centers)
                    cell = _nearest_surrounding(points, cell, centers, surrounding)
                    centers, cell = _cell_means(points, cell)
                progress.finish(f"{len(centers):,} cells")
        self._number_cells(regions, *_without_empty(centers, cell))
        self._surrounding = None
        if len(self.centers) > _SURROUNDING:
            self._surrounding = _surrounding_cells(self.centers)

    def _number_cells(self, regions, centers, cell):
        """Number the cells region by region, which keeps nearby cells close in memory."""
        region = _compare(centers, regions).argmin(axis=1)
        order = stable_order(region)
        self.centers, self.cell = centers[order], np.argsort(order)[cell]
        used, first = np.unique(region[order], return_index=True)
        self._regions, self._edges = regions[used], [*first, len(centers)]

    def assign(self, queries):
        """Find the cell of each query (n_queries,)."""
        cell = np.empty(len(queries), dtype=np.intp)
        for region, rows in groups(_compare(queries, self._regions).argmin(axis=1)):
            start, end = self._edges[region], self._edges[region + 1]
            cell[rows] = start + _compare(queries[rows], self.centers[start:end]).argmin(axis=1)
        if self._surrounding is None:
            return cell
        return _nearest_surrounding(queries, cell, self.centers, self._surrounding)

    def nearest_cells(self, queries, cell, count):
        """Find the ``count`` cells nearest to each query, besides its own ``cell``.

        Returns pairs of queries and cells (n_pairs,), fewer if there are fewer cells, more if
        some are equally near.
        """
        if self._surrounding is None:
            D = _compare(queries, self.centers)
            D[np.arange(len(D)), cell] = np.inf
            return _smallest_entries(D, count)
        near_query, near_cell = [], []
        for own_cell, rows in groups(cell):
            surrounding = self._surrounding[own_cell]
            D = _compare(queries[rows], self.centers[surrounding])
            D[:, surrounding == own_cell] = np.inf
            row, column = _smallest_entries(D, count)
            near_query.append(rows[row])
            near_cell.append(surrounding[column])
        return np.concatenate(near_query), np.concatenate(near_cell)

    def ranks(self, queries, cells):
        """Count the centers nearer to each query than those of its ``cells``.

        ``cells`` and the ranks are (n_queries, n).
        """
        ranks = _compare(queries, self.centers).argsort(axis=1).argsort(axis=1)
        return np.take_along_axis(ranks, cells, axis=1)


def _k_means(points, n_clusters, rng):
    """Find centers of clusters from a sample of the points."""
    count = min(len(points), _SAMPLE * n_clusters)
    sample = np.sort(rng.choice(len(points), count, replace=False))
    model = KMeans(
        n_clusters, init="random", n_init=1, max_iter=6, random_state=int(rng.integers(2**31))
    )
    (model,) = in_threads(model.fit, [points[sample].astype(np.float32)])
    return model.cluster_centers_


def _divide_regions(points, regions, size, rng):
    """Divide the points of each region into cells: centers, and the cell of each point."""
    members = [rows for _, rows in groups(_nearest_centers(points, regions))]
    seeds = rng.integers(2**63, size=len(members))

    def divide(region):
        rows, seed = region
        inside = points[rows]
        count = max(1, round(len(rows) / size))
        centers = _k_means(inside, count, np.random.default_rng(seed))
        return centers, _nearest_centers(inside, centers)

    parts = in_threads(divide, list(zip(members, seeds, strict=True)))
    cell, offset = np.empty(len(points), dtype=np.intp), 0
    for rows, (centers, inside) in zip(members, parts, strict=True):
        cell[rows] = offset + inside
        offset += len(centers)
    return _without_empty(np.concatenate([centers for centers, _ in parts]), cell)


def _nearest_centers(points, centers):
    """Find the nearest center of each point."""

    def nearest(block):
        return _compare(points[block], centers).argmin(axis=1)

    return np.concatenate(in_threads(nearest, equal_blocks(len(points), _BLOCK)))


def _surrounding_cells(centers):
    """Find the cells nearest to each cell, itself included (n_cells, at most 512)."""

    def nearest(block):
        D = _compare(centers[block], centers)
        count = min(_SURROUNDING, D.shape[1])
        return np.argpartition(D, count - 1, axis=1)[:, :count].astype(np.int32)

    return np.vstack(in_threads(nearest, equal_blocks(len(centers), 256)))


def _nearest_surrounding(points, cell, centers, surrounding):
    """Find the nearest center of each point among those around its cell's."""
    nearest = np.empty_like(cell)

    def assign(group):
        own_cell, rows = group
        near = surrounding[own_cell]
        nearest[rows] = near[_compare(points[rows], centers[near]).argmin(axis=1)]

    in_threads(assign, list(groups(cell)))
    return nearest


def _cell_means(points, cell):
    """Compute centers of cells as means of their points, dropping empty cells."""
    counts = np.bincount(cell)
    ones = np.ones(len(cell), dtype=points.dtype)
    members = sparse.csr_array((ones, (cell, np.arange(len(cell)))))
    centers = (members @ points / np.maximum(counts, 1)[:, None]).astype(np.float32)
    return _without_empty(centers, cell)


def _without_empty(centers, cell):
    """Drop the cells that hold no point."""
    used = np.bincount(cell, minlength=len(centers)) > 0
    return centers[used], (np.cumsum(used) - 1)[cell]


def half_squares(X):
    """Compute half the squared length ``|x|^2 / 2`` of each row (n_rows,)."""
    return np.einsum("ij,ij->i", X, X) / 2


def _smallest_entries(D, count):
    """Find rows and columns of the smallest entries of each row, except its infinite one."""
    count = min(count, D.shape[1] - 1)
    if not count:
        return np.empty((2, 0), dtype=np.intp)
    limit = np.partition(D, count - 1, axis=1)[:, count - 1]
    return np.nonzero(limit[:, None] >= D)


def _compare(queries, centers):
    """Compute half squared distances to centers, minus the query's own half square."""
    with np.errstate(invalid="ignore"):  # BLAS may raise it for finite rows (numpy issue 24067)
        D = queries.astype(np.float32, copy=False) @ centers.T
    return np.subtract(half_squares(centers), D, out=D)
