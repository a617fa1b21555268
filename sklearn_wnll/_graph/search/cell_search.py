"""Approximate Euclidean neighbours of dense rows, by comparing cells in blocks."""

from copy import copy
from functools import partial
from typing import NamedTuple

import numpy as np

from ..._lazy import Lazy
from ..._parallel import equal_blocks, in_threads
from ..._progress import Progress
from ..lists import NeighborLists
from ..sorting import stable_order
from .base import NeighborSearch
from .cells import Cells
from .exact import ExactSearch, exact_seconds
from .partition import half_squares
from .reduction import fit_reduction

__all__ = ["CellSearch"]

_CELL_RECALL = 0.975  # fraction of a sample's neighbours that the compared cells should hold
_COMPONENT_RECALL = 0.93  # fraction that principal components should keep; see CellSearch
_MAX_PROBES = 64  # cells that a point is compared with, at most
_CELL_SIZE = 300  # points in a cell
_SAMPLE = 100  # points whose neighbours are searched exactly, to choose dimensions and probes
_FEW_FEATURES = 128  # up to here, principal components are not worth it
_POINTS = 2**16  # points compared with cells at a time, at most
_QUERIES = 8192  # the same for queries that are no points
_BLOCK_BYTES = 2**20  # memory for differences at a time
_GROWTH = 1.25  # once the points have grown by this factor, new cells are made
# On two cores, as in exact_seconds: for a point, a point compared with it and each of the
# components, a component of a compared cell, a candidate that is sorted, and a feature of one that
# may be a neighbour; then, for a neighbour in a comparison of all pairs. Fitted to 8,000 to 40,000
# Gaussian points, points on sheets, images and texts, with 15 and 50 neighbours.
_SECONDS = 2.5e-6, 6.2e-10, 8.8e-12, 5.5e-10, 4.6e-8, 4.1e-10
_SECONDS_OF_NEIGHBOR = 1.7e-7
_PATIENCE = 0.5  # seconds; if an exact search among new points takes longer, cells are worth it


class CellSearch(NeighborSearch):
    """Approximate Euclidean neighbours of dense rows.

    The points are divided into cells by k-means, and each is compared with the points of the
    cells nearest to it, in blocks of distances that BLAS computes in single precision. If there
    are many features, the first principal components are compared, for some more candidates
    than neighbours. The returned distances are those of the points themselves.

    The numbers of cells and of components are the smallest that keep 97.5 % and 93 % of the true
    neighbours of 100 random points, but at most 64 cells are searched. Cells lose edges across
    their borders, all in the same places, and that costs accuracy: on MNIST with 10 to 20 labels
    per class, 0.3 points when 4 % of the neighbours were lost this way. Principal components
    lost 5 to 8 % at no cost.

    In points without structure, many cells hold the neighbours. With ``may_compare_all``, the
    first search of the points' lists compares all pairs instead if that is faster by an estimate,
    which depends on no clock, and so do all later searches of these points and of more.
    """

    _of_points = "_exact", "_index"

    def __init__(self, seed, *, may_compare_all=False):
        self.seed, self.may_compare_all = seed, may_compare_all

    def fit(self, points):
        """Store the points; the first search makes the cells."""
        self._is_slow = None if self.may_compare_all else False
        return self._fit(points, len(points))

    def _fit(self, points, n_first, *index):
        """Store the points, and an index if known; the first points are divided into cells."""
        self._n_first = n_first
        super().fit(points)._prepare(*index)
        return self

    def _prepare(self, *index):
        self._exact = ExactSearch("euclidean", report=bool(self._is_slow)).fit(self.points)
        self._index = Lazy(partial(_Index, self.points, self.seed, self._n_first), *index)

    def grown(self, queries, k):
        """Fit a search to points and queries; queries join the cells while these stay small."""
        points = self._together(queries)
        if self._is_one_cell():
            return self.fitted_like(points)
        if self._compares_all(k) or len(points) > _GROWTH * self._n_first:
            return copy(self)._fit(points, len(points))
        index = self._index.get(k).grown(points)
        return copy(self)._fit(points, self._n_first, index)

    def lists(self, k):
        """Find about the k nearest other points of each point."""
        if self._is_slow is None and not self._is_one_cell():
            self._is_slow = self._compares_all(k)
            if self._is_slow:
                self._prepare()  # without the cells
        if self._compares_all(k):
            return self._exact.lists(k)
        index, n = self._index.get(k), len(self.points)
        found = self._search(
            self.points, k, index.cells.order, equal_blocks(n, _POINTS, 8),
            lambda part: index.candidates_of_points(part, k),
        )  # fmt: skip
        index.cells.forget()
        found = self._repair(found, self.points, np.arange(n))
        return found.with_reverse(index.cells.order)

    def order(self, k):
        """Return the points cell by cell, or None without cells."""
        return None if self._compares_all(k) else self._index.get(k).cells.order

    def query(self, queries, k):
        """Find about the k points nearest to each query."""
        if self._compares_all(k):
            return self._exact.query(queries, k)
        index = self._index.get(k)
        return self._query_cells(index, index.assign(queries), queries, k)

    def query_alone(self, queries, k):
        """:meth:`query`, with lists that do not depend on the other queries."""
        return (self._exact.query_alone if self._compares_all(k) else self.query)(queries, k)

    def add_queries(self, lists, queries, k):
        """Find the lists of points and queries together, by searching only what is new."""
        if self._compares_all(k):
            return self._exact.add_queries(lists, queries, k)
        n_points, n_queries = self.points.shape[0], queries.shape[0]
        index = self._index.get(k)
        assigned = index.assign(queries)
        to_points = self._query_cells(index, assigned, queries, k)
        if n_queries > 1:
            quick = min(exact_seconds(n_queries, *queries.shape, "euclidean")) < _PATIENCE
            among_queries = (self._exact if quick else self).fitted_like(queries)
            other_queries = among_queries.lists(min(k, n_queries - 1)).shifted(n_points)
            to_points = to_points.merge(other_queries, k)
        return self._insert(index, assigned, lists, queries, k).concatenate(to_points)

    def _is_one_cell(self):
        """Return whether there are too few points for cells to be worth it."""
        return len(self.points) <= _CELL_SIZE

    def _compares_all(self, k):
        """Return whether all pairs are compared; a search of lists keeps the choice."""
        if self._is_one_cell():
            return True
        return self._index.get(k).is_slow() if self._is_slow is None else self._is_slow

    def _query_cells(self, index, assigned, queries, k):
        """:meth:`query` of queries that are assigned to cells."""
        found = self._search(
            queries, k, assigned.order, equal_blocks(len(queries), _QUERIES, 4),
            lambda part: index.candidates_of_queries(assigned, part, k),
        )  # fmt: skip
        return self._repair(found, queries)

    def _insert(self, index, assigned, lists, queries, k):
        """Insert queries into the lists of points that are nearer to them than to the last."""
        n_points, full = len(self.points), lists.indices.shape[1] == k
        radius = lists.distances[:, -1] if full else np.full(n_points, np.inf)

        def pairs(part):
            query, point = index.pairs_within_radius(assigned, part, radius)
            distances = _distances(queries, self.points, query, point[:, None])[:, 0]
            near = distances < radius[point]
            return point[near], n_points + query[near], distances[near]

        parts = in_threads(pairs, equal_blocks(len(queries), _QUERIES, 4))
        return lists.add_pairs(*map(np.concatenate, zip(*parts, strict=True)), k)

    def _search(self, queries, k, order, parts, candidates_of):
        """Search the lists of groups of nearby queries."""
        found = NeighborLists.empty(len(queries), k, _distance_type(self.points))
        progress = Progress("neighbors")

        def search(part):
            rows, candidates = order[part], candidates_of(part)
            distances = _distances(queries, self.points, rows, candidates)
            nearest = NeighborLists(candidates, distances).nearest(k)
            found.indices[rows], found.distances[rows] = nearest
            return part.stop

        def report(done):
            progress.update(done / len(queries), f"{done:,} of {len(queries):,} points")

        in_threads(search, parts, report)
        progress.finish(f"{len(queries):,} points searched approximately")
        return found

    def _repair(self, found, queries, self_index=None):
        """Repeat the search exactly where the cells held too few points.

        ``self_index`` (n_queries,) is the point of each query, if they are points.
        """
        short = np.flatnonzero(found.indices[:, -1] < 0)
        if len(short):
            k = found.indices.shape[1]
            again = self._exact.query(queries[short], k + (self_index is not None))
            if self_index is not None:
                again = again.without_self(self_index[short])
            found.indices[short], found.distances[short] = again
        return found


class _Index:
    """Cells of the points, or of their first principal components.

    The first ``n_first`` points are divided into cells, which the others join.
    """

    def __init__(self, points, seed, n_first, k):
        rng = np.random.default_rng(seed)
        first = points[:n_first]
        n, d = first.shape
        self.n_candidates = min(k + 2, n - 1)
        self._points, self._reduction, reduced = points, None, first
        sample = np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))
        neighbors = _neighbors_of_sample(first, sample, k)
        if d > _FEW_FEATURES:
            n_candidates = min(k + max(2, k // 4), n - 1)
            found = fit_reduction(
                first, sample, neighbors, n_candidates, _COMPONENT_RECALL,
                seed=int(rng.integers(2**31)),
            )  # fmt: skip
            if found[0] is not None:
                self.n_candidates, (self._reduction, reduced) = n_candidates, found
        keeps = reduced is first and n == len(points)
        self.cells = Cells(reduced, max(_CELL_SIZE, 3 * k), int(rng.integers(2**31)), keeps=keeps)
        ranks = self.cells.ranks(reduced[sample], self.cells.cell[neighbors])
        n_probes = 1 + int(np.quantile(ranks, _CELL_RECALL, method="higher"))
        self.n_probes, self._sample = min(n_probes, _MAX_PROBES), sample
        if n < len(points):
            self._grow()

    def is_slow(self):
        """Return whether comparing all pairs would take less time, by an estimate of both."""
        (n, d), sample = self._points.shape, self.assign(self._points[self._sample])
        place = np.argsort(self.cells.order)[self._sample]
        count = partial(self.cells.count, sample.reduced, sample.cell, self.n_probes)
        # In one thread, whose products do not depend on how many there are.
        ((compared, candidates),) = in_threads(lambda k: count(k, place), [self.n_candidates])
        n_components = sample.reduced.shape[1]
        work = (
            1,
            compared,
            compared * n_components,
            self.n_probes * n_components,
            candidates,
            self.n_candidates * d,
        )
        brute, tree = exact_seconds(n, n, d, "euclidean")
        exact = min(brute + n * self.n_candidates * _SECONDS_OF_NEIGHBOR, tree)
        return n * np.dot(_SECONDS, work) > exact

    def grown(self, points):
        """Return an index of more points: its own, followed by others."""
        grown = copy(self)
        grown._points = points
        grown._grow()
        return grown

    def _grow(self):
        """Assign points without a cell to the nearest."""
        added = self.assign(self._points[len(self.cells.cell) :])
        self.cells = self.cells.grown(added.reduced, added.cell)

    def assign(self, queries):
        """Assign queries to cells."""
        self.cells.remember()

        def assign(part):
            reduced = queries[part]
            if self._reduction is not None:
                reduced = self._reduction.transform(reduced)
            return reduced, self.cells.assign(reduced)

        parts = in_threads(assign, equal_blocks(len(queries), _QUERIES, 4))
        reduced, cell = map(np.concatenate, zip(*parts, strict=True))
        return _AssignedQueries(reduced, cell, stable_order(cell))

    def candidates_of_points(self, part, k):
        """Find candidates for the k nearest others of points at some places of the cells' order."""
        members = self.cells.order[part]
        # The points themselves have more digits than the coordinates stored in the cells.
        points = self._points[members] if self._reduction is None else self.cells.points(part)
        own_place = np.arange(part.start, part.stop)
        return self._nearest(points, self.cells.cell[members], k, own_place)

    def candidates_of_queries(self, assigned, part, k):
        """Find candidates for the k nearest points of the queries in a part of their order."""
        rows = assigned.order[part]
        return self._nearest(assigned.reduced[rows], assigned.cell[rows], k)

    def pairs_within_radius(self, assigned, part, radius):
        """Find pairs of queries and points that may be closer than the point's radius."""
        rows = assigned.order[part]
        query, point = self.cells.within_radius(
            assigned.reduced[rows], assigned.cell[rows], self.n_probes, radius
        )
        return rows[query], point

    def _nearest(self, points, cell, k, own_place=None):
        k = max(k, self.n_candidates)
        return self.cells.nearest(points, cell, self.n_probes, k, own_place)


class _AssignedQueries(NamedTuple):
    """Queries as compared with cells, the cell of each, and an order that groups nearby ones.

    ``reduced`` (n_queries, n_components), ``cell`` and ``order`` (n_queries,).
    """

    reduced: np.ndarray
    cell: np.ndarray
    order: np.ndarray


def _neighbors_of_sample(points, sample, k):
    """Find the k nearest others of some points, as far as single precision separates points."""
    shift = points[sample].mean(axis=0)
    left = (points[sample] - shift).astype(np.float32, copy=False)
    count = 2 * k + 2  # enough for the k nearest, though single precision mixes up their order

    def nearest(block):
        right = (points[block] - shift).astype(np.float32, copy=False)
        D = half_squares(right) - left @ right.T
        if D.shape[1] <= count:
            columns = np.broadcast_to(np.arange(D.shape[1]), D.shape)
        else:
            columns = np.argpartition(D, count, axis=1)[:, :count]
        return NeighborLists(block.start + columns, np.take_along_axis(D, columns, axis=1))

    found = NeighborLists.empty(len(sample), 0)
    for part in in_threads(nearest, equal_blocks(len(points), _QUERIES)):
        found = found.merge(part, count)
    distances = _distances(points, points, sample, found.indices)
    return NeighborLists(found.indices, distances).nearest(k + 1).without_self(sample).indices


def _distances(queries, points, rows, candidates):
    """Compute Euclidean distances between queries and candidates; infinite for fillers."""
    distances = np.empty(candidates.shape, dtype=_distance_type(points))
    step = max(1, _BLOCK_BYTES // (points.itemsize * points.shape[1] * max(1, candidates.shape[1])))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        difference = points[candidates[part]]
        difference -= queries[rows[part]][:, None]
        squares = np.einsum("ijk,ijk->ij", difference, difference)
        np.sqrt(squares, out=distances[part])
    distances[candidates < 0] = np.inf
    return distances


def _distance_type(points):
    """Return the type of distances that has all digits of those between points."""
    return np.promote_types(points.dtype, np.float32)
