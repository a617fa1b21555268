"""Precomputed distances: the points they distinguish, and their nearest-neighbour graph."""

from copy import copy
from dataclasses import dataclass

import joblib
import numpy as np
from scipy import sparse

from .base import GraphBuilder, PointGraph
from .lists import (
    lists_from_graph,
    merge_zero_distances,
    smallest_of_equal,
    smallest_of_groups,
    warn_if_short,
)
from .points import Match, Points
from .similarities import check_no_similarities, check_no_weights
from .weights import weight_matrix

__all__ = ["PrecomputedGraph", "PrecomputedGraphBuilder", "PrecomputedPoints", "check_no_blocks"]


class PrecomputedPoints(Points):
    """Points of fitted samples: samples at distance 0 are one point.

    A query at distance 0 from a fitted sample is that point. Distances between queries are
    unknown, so no two of them are one point. The fitted matrix itself stands for the fitted
    samples, whether or not it stores their distances to themselves.
    """

    def __init__(self, distances, index, n_points):
        self.index, self.n_points = index, n_points
        self._fingerprint = _fingerprint(distances)

    def are_of(self, distances):
        """Return whether distances are the fitted ones, byte for byte."""
        return distances.shape[0] == len(self.index) and self._fingerprint == _fingerprint(
            distances
        )

    def match(self, distances):
        """Find the queries among the points: a :class:`Match` whose ``new`` holds distances."""
        _check_distances(distances)
        check_no_weights(distances)
        n_queries = distances.shape[0]
        if self.are_of(distances):
            return Match(self.index, distances[:0, : self.n_points])
        if sparse.issparse(distances):
            stored = distances.tocoo()
            rows, columns = stored.row[stored.data == 0], stored.col[stored.data == 0]
        else:
            rows, columns = np.nonzero(distances == 0)
        point = np.full(n_queries, -1)
        point[rows] = self.index[columns]
        new = np.flatnonzero(point < 0)
        point[new] = self.n_points + np.arange(len(new))
        return Match(point, self._to_points(distances[new]))

    def _to_points(self, distances):
        """Turn distances to the fitted samples into distances to their points."""
        if not sparse.issparse(distances):
            return smallest_of_groups(distances.T, self.index).T
        stored, shape = distances.tocoo(), (distances.shape[0], self.n_points)
        return smallest_of_equal(stored.row, self.index[stored.col], stored.data, shape).tocsr()


class PrecomputedGraph(PointGraph):
    """Graph of points with precomputed distances. Queries are linked by fitted points only."""

    def __init__(self, distances, n_neighbors, scale_neighbor, *, merged):
        self._n_neighbors, self._scale_neighbor = n_neighbors, scale_neighbor
        n = distances.shape[0]
        self._lists = lists_from_graph(distances, n_neighbors, self_index=np.arange(n))
        if not merged:  # merging shortens lists; the user did nothing wrong
            warn_if_short(self._lists, min(n_neighbors, n - 1))
        self.weights = weight_matrix(self._lists, n, scale_neighbor)

    def add_queries(self, new):
        """Return the weights of all points after ``new`` (n_new, n_points) ones have joined."""
        to_points = lists_from_graph(new, self._n_neighbors)
        to_new = lists_from_graph(new.T, self._n_neighbors).shifted(self.n_points)
        lists = self._lists.merge(to_new, self._n_neighbors).concatenate(to_points)
        return weight_matrix(lists, self.n_points + new.shape[0], self._scale_neighbor)

    def compact(self):
        """Return the graph without its lists and edges; distances are not kept."""
        compact = copy(self)
        compact._lists, compact.weights = None, sparse.csr_array((self.n_points, self.n_points))
        return compact

    def query_weights(self, new):
        """Weights of the edges from new points to fitted ones (n_new, n_points)."""
        lists = lists_from_graph(new, self._n_neighbors)
        return weight_matrix(lists, self.n_points, self._scale_neighbor)


@dataclass(frozen=True)
class PrecomputedGraphBuilder(GraphBuilder):
    """Builder for distances. The entries stored in a sparse matrix are neighbours, also zeros."""

    n_neighbors: int
    scale_neighbor: int

    def points(self, distances):
        """Find the points of samples, and the distances between points (n_points, n_points)."""
        if distances.shape[0] != distances.shape[1]:
            raise ValueError(
                "With metric='precomputed', X must be a square matrix of distances between the "
                f"fitted samples, got shape {distances.shape}."
            )
        _check_distances(distances)
        merged, index = merge_zero_distances(distances)
        check_no_similarities(distances, index)
        points = PrecomputedPoints(distances, index, merged.shape[0])
        return points, (merged, merged.shape[0] < distances.shape[0])

    def build(self, points):
        """Build the graph of all points."""
        distances, merged = points
        return PrecomputedGraph(distances, self.n_neighbors, self.scale_neighbor, merged=merged)


def check_no_blocks(X):
    """Refuse a sparse matrix of blocks, which stores zeros where no distance was given."""
    if sparse.issparse(X) and X.format == "bsr":
        raise ValueError(
            "With metric='precomputed', the stored entries of a sparse X are neighbors, but blocks "
            "(BSR) also store zeros. Pass X.tocsr() after its eliminate_zeros()."
        )


def _check_distances(distances):
    """Refuse negative distances."""
    if distances.size and distances.min() < 0:
        raise ValueError(
            "Negative values in data passed as X, which holds distances with metric='precomputed'. "
            "Pass numpy.maximum(X, 0) if they are rounding, or turn similarities into distances."
        )


def _fingerprint(distances):
    """Hash a matrix of distances, to recognize it later."""
    if not sparse.issparse(distances):
        return joblib.hash(np.ascontiguousarray(distances))
    # scipy may change the type of the indices when it copies.
    places = (part.astype(np.int64) for part in (distances.indptr, distances.indices))
    return distances.shape, joblib.hash(distances.data), *map(joblib.hash, places)
