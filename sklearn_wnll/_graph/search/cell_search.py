"""Approximate Euclidean neighbours of dense rows, by comparing cells in blocks."""

from typing import NamedTuple

import numpy as np

from ..._parallel import equal_blocks, in_threads
from ..._progress import Progress
from ..lists import NeighborLists
from .base import NeighborSearch
from .cells import Cells
from .exact import ExactSearch, exact_seconds
from .partition import half_squares, stable_order
from .reduction import fit_reduction

__all__ = ["CellSearch"]

_NEAR = 0.975  # part of a sample's neighbours that are to be in the cells that are compared
_KEPT = 0.93  # part of them that principal components are to keep; see the notes
_MOST_PROBES = 64  # cells that a point is compared with, at most
_CELL = 300  # points in a cell
_SAMPLE = 100  # points whose neighbours are searched exactly, to choose dimensions and probes
_FEW_FEATURES = 128  # up to which principal components are not worth it
_GROUP = 2**16  # queries that are compared with a cell together, at most
_QUERIES = 8192  # queries from outside, at most
_BLOCK_BYTES = 2**20  # differences that are in work at a time
_QUICK = 0.5  # seconds that an exact search among new points may take


class CellSearch(NeighborSearch):
    """Approximate Euclidean neighbours of dense rows.

    The points are divided into cells by k-means, and each is compared with the points of the
    cells nearest to it: blocks of distances that BLAS computes, in single precision. Where
    there are many features, that is done with the first principal components, for some more
    candidates than there are neighbours. The distances that are returned are those of the
    points themselves.

    Parameters
    ----------
    seed : int
        Seed of the k-means and of the sample.
    n_jobs : int, default=None
        Number of threads; None is all cores. It does not change the lists.
    verbose : int, default=0
        Whether to print progress.

    Notes
    -----
    The numbers of cells and of components are the smallest that keep 97.5 % and 93 % of the true
    neighbours of 100 random points, but no more than 64 cells are searched. What cells lose are
    the edges across their borders, all of them in one place, and that costs accuracy: on
    MNIST with 10 to 20 labels per class, 0.3 points where 4 % of the neighbours were lost so,
    and nothing where principal components lost 5 to 8 %.
    """

    def __init__(self, seed, n_jobs=None, verbose=0):
        self.seed, self.n_jobs, self.verbose = seed, n_jobs, verbose

    def __getstate__(self):
        # The index is quickly made again, and large to save.
        return {**self.__dict__, "_index": None}

    def fit(self, points):
        """Take the points to search among."""
        self._exact = ExactSearch("euclidean", self.n_jobs, 0).fit(points)
        return super().fit(points)

    def lists(self, k):
        """Find about the k nearest other points of each point."""
        if self._is_small():
            return self._exact.lists(k)
        index, n = self._fitted_index(k), len(self.points)
        order = index.cells.order
        found = self._search(
            self.points, k, order, equal_blocks(n, _GROUP, 8), lambda part: index.others(part, k)
        )
        return self._repaired(found, self.points, np.arange(n)).with_reverse(order, self.n_jobs)

    def cross(self, queries, k):
        """Find about the k points nearest to each query."""
        if self._is_small():
            return self._exact.cross(queries, k)
        index = self._fitted_index(k)
        return self._cross(queries, k, index.locate(queries, self.n_jobs))

    def _cross(self, queries, k, located):
        """:meth:`cross` of queries whose cells are known."""
        index = self._index
        found = self._search(
            queries, k, located.order, equal_blocks(len(queries), _QUERIES, 4),
            lambda part: index.candidates(located, part, k),
        )  # fmt: skip
        return self._repaired(found, queries, None)

    def extend(self, lists, queries, k):
        """Add queries to the points, by searching only what is new."""
        if self._is_small():
            return self._exact.extend(lists, queries, k)
        n_points, n_queries = self.points.shape[0], queries.shape[0]
        located = self._fitted_index(k).locate(queries, self.n_jobs)
        to_points = self._cross(queries, k, located)
        if n_queries > 1:
            quick = min(exact_seconds(n_queries, *queries.shape, "euclidean")) < _QUICK
            among = (self._exact if quick else self).fitted_like(queries)
            own = among.lists(min(k, n_queries - 1)).shifted(n_points)
            to_points = to_points.beside(own, k)
        return self._with_new(lists, queries, k, located).above(to_points)

    def _is_small(self):
        """Whether the points would make but one cell."""
        return len(self.points) <= _CELL

    def _with_new(self, lists, queries, k, located):
        """Lists in which queries that are nearer than the last neighbour have taken a place."""
        n_points, full = len(self.points), lists.indices.shape[1] == k
        radius = lists.distances[:, -1] if full else np.full(n_points, np.inf)

        def reach(part):
            query, point = self._index.within(located, part, radius)
            distances = _distances(queries, self.points, query, point[:, None])[:, 0]
            near = distances < radius[point]
            return point[near], n_points + query[near], distances[near]

        parts = in_threads(reach, equal_blocks(len(queries), _QUERIES, 4), self.n_jobs)
        return lists.joined(*map(np.concatenate, zip(*parts, strict=True)), k)

    def _search(self, queries, k, order, parts, candidates_of):
        """Search the lists of groups of queries that are near each other."""
        found = NeighborLists.empty(len(queries), k)
        progress = Progress("neighbors", self.verbose)

        def search(part):
            rows, candidates = order[part], candidates_of(part)
            distances = _distances(queries, self.points, rows, candidates)
            nearest = NeighborLists(candidates, distances).nearest(k)
            found.indices[rows], found.distances[rows] = nearest
            return part.stop

        def report(done):
            progress.update(done / len(queries), f"{done:,} of {len(queries):,} points")

        in_threads(search, parts, self.n_jobs, report)
        progress.finish(f"{len(queries):,} points searched approximately")
        return found

    def _repaired(self, found, queries, own):
        """Search lists again, exactly, whose cells held too few points."""
        short = np.flatnonzero(found.indices[:, -1] < 0)
        if len(short):
            k = found.indices.shape[1]
            again = self._exact.cross(queries[short], k + (own is not None))
            if own is not None:
                again = again.without_self(short)
            found.indices[short], found.distances[short] = again
        return found

    def _fitted_index(self, k):
        if self._index is None:
            self._index = _Index(self.points, k, self.seed, self.n_jobs)
        return self._index


class _Index:
    """Cells of the points, or of their first principal components."""

    def __init__(self, points, k, seed, n_jobs):
        rng = np.random.default_rng(seed)
        n, d = points.shape
        self.n_candidates = min(k + 2, n - 1)
        self._points, self._reduction, reduced = points, None, points
        sample = np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))
        truth = _neighbors_of_sample(points, sample, k, n_jobs)
        if d > _FEW_FEATURES:
            n_candidates = min(k + max(2, k // 4), n - 1)
            found = fit_reduction(
                points, sample, truth, n_candidates, _KEPT,
                seed=int(rng.integers(2**31)), n_jobs=n_jobs,
            )  # fmt: skip
            if found[0] is not None:
                self.n_candidates, (self._reduction, reduced) = n_candidates, found
        self.cells = Cells(reduced, max(_CELL, 3 * k), int(rng.integers(2**31)), n_jobs)
        ranks = self.cells.ranks(reduced[sample], self.cells.home[truth])
        enough = 1 + int(np.quantile(ranks, _NEAR, method="higher"))
        self.n_probes = min(enough, _MOST_PROBES)

    def locate(self, queries, n_jobs):
        """Find the cells of queries."""

        def locate(part):
            reduced = queries[part]
            if self._reduction is not None:
                reduced = self._reduction.transform(reduced)
            return reduced, self.cells.home_of(reduced)

        parts = in_threads(locate, equal_blocks(len(queries), _QUERIES, 4), n_jobs)
        reduced, home = map(np.concatenate, zip(*parts, strict=True))
        return _Located(reduced, home, stable_order(home))

    def others(self, part, k):
        """Give points among which are about the k nearest others of the points in some places."""
        members = self.cells.order[part]
        # Points as they are have more digits than those that are kept.
        points = self._points[members] if self._reduction is None else self.cells.points(part)
        own = np.arange(part.start, part.stop)
        return self._nearest(points, self.cells.home[members], k, own)

    def candidates(self, located, part, k):
        """Give points among which are about the k nearest of queries in a part of their order."""
        rows = located.order[part]
        return self._nearest(located.reduced[rows], located.home[rows], k)

    def within(self, located, part, radius):
        """Give pairs of queries and points that may be closer than the point's radius."""
        rows = located.order[part]
        found = self.cells.within(located.reduced[rows], located.home[rows], self.n_probes, radius)
        return rows[found[0]], found[1]

    def _nearest(self, points, home, k, own=None):
        return self.cells.nearest(points, home, self.n_probes, max(k, self.n_candidates), own)


class _Located(NamedTuple):
    """Queries as they are compared, their cells, and an order in which near ones are close."""

    reduced: np.ndarray
    home: np.ndarray
    order: np.ndarray


def _neighbors_of_sample(points, sample, k, n_jobs):
    """The k nearest others of some points, as far as single precision tells points apart."""
    shift = points[sample].mean(axis=0)
    left = (points[sample] - shift).astype(np.float32, copy=False)
    count = 2 * k + 2  # by then, what single precision has confused is in order again

    def nearest(block):
        right = (points[block] - shift).astype(np.float32, copy=False)
        D = half_squares(right) - left @ right.T
        if D.shape[1] <= count:
            columns = np.broadcast_to(np.arange(D.shape[1]), D.shape)
        else:
            columns = np.argpartition(D, count, axis=1)[:, :count]
        return NeighborLists(block.start + columns, np.take_along_axis(D, columns, axis=1))

    found = NeighborLists.empty(len(sample), 0)
    for part in in_threads(nearest, equal_blocks(len(points), _QUERIES), n_jobs):
        found = found.beside(part, count)
    distances = _distances(points, points, sample, found.indices)
    return NeighborLists(found.indices, distances).nearest(k + 1).without_self(sample).indices


def _distances(queries, points, rows, candidates):
    """Euclidean distances between queries and their candidates; infinite for fillers."""
    distances = np.empty(candidates.shape)
    step = max(1, _BLOCK_BYTES // (points.itemsize * points.shape[1] * max(1, candidates.shape[1])))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        difference = points[candidates[part]]
        difference -= queries[rows[part]][:, None]
        squares = np.einsum("ijk,ijk->ij", difference, difference)
        np.sqrt(squares, out=distances[part])
    distances[candidates < 0] = np.inf
    return distances
