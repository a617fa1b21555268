"""Exact nearest neighbours of torch tensors, by comparing all pairs in blocks."""

import math

import torch

from .._graph.metrics import sampled_rows

__all__ = ["block_entries", "center", "nearest_neighbors"]

_MORE = 2  # candidates in addition to the neighbours, in case rounding mixes up some
_DOUBT = 4  # an unseen rounding error may exceed the seen ones by this factor
_TIE = 1e-12  # squared distances count as equal if they agree to this part
_SINGLE_FAR = 1e15  # numbers beyond it have squares that overflow in single precision


def block_entries(device):
    """Return the number of distances to hold at a time: a cache's on a CPU, a GiB on a GPU."""
    return 2**23 if device.type == "cpu" else 2**28


def center(points):
    """Return the median of a sample of points (n_features,), which a far point does not move."""
    sample = sampled_rows(points)
    return sample.sort(dim=0).values[len(sample) // 2]  # repeatable on a GPU, unlike torch.median


def nearest_neighbors(
    points, n_neighbors, dtype=torch.float64, shift=0, *, queries=None, report=None
):
    """Find the nearest others of each point, or the points nearest to each query.

    Returns the lists and the squared distances (n, k), computed from differences of coordinates.
    Pairs are first compared by products, in ``dtype``, of the points minus ``shift``
    (n_features,). Where rounding may have mixed up the nearest with others, they are compared
    again: by products in float64, and finally by differences. ``report`` is called with the number
    of lists found so far.
    """
    sources, others = (points, len(points) - 1) if queries is None else (queries, len(points))
    n, k = len(sources), min(n_neighbors, others)
    neighbors = torch.empty((n, k), dtype=torch.long, device=points.device)
    squares = points.new_empty((n, k))
    if not n * k:
        return neighbors, squares
    cloud = _Cloud(points, points - shift, queries, None if queries is None else queries - shift)
    comparisons = [_Products(cloud, torch.float64), _Differences(cloud)]
    if dtype != torch.float64 and cloud.largest() < _SINGLE_FAR:
        comparisons.insert(0, _Products(cloud, dtype))
    rows = torch.arange(n, device=points.device)
    for comparison in comparisons:
        if len(rows):
            rows = rows[_search(cloud, rows, neighbors, squares, comparison, report)]
    return neighbors, squares


class _Cloud:
    """Points, also shifted near the origin, and the queries compared with them.

    Without queries, these are the points, which are not their own neighbours.
    """

    def __init__(self, points, centered, queries, centered_queries):
        self.points, self.centered = points, centered
        self.among_points = queries is None
        self.sources = points if self.among_points else queries
        self.centered_sources = centered if self.among_points else centered_queries

    def largest(self):
        """Return the largest coordinate after the shift."""
        parts = (self.centered,) if self.among_points else (self.centered, self.centered_sources)
        return max(float(part.abs().max()) for part in parts)


def _search(cloud, rows, neighbors, squares, comparison, report):
    """Write the lists of some rows; return the rows that need a better comparison."""
    points, (n, d), k = cloud.points, cloud.points.shape, neighbors.shape[1]
    n_others = n - cloud.among_points
    count = min(k + _MORE, n_others)
    unsure, done = [], 0
    for part in rows.split(max(1, block_entries(points.device) // max(n, count * d))):
        D = comparison(part)
        if cloud.among_points:
            D[torch.arange(len(part), device=part.device), part] = torch.inf
        compared, found = D.topk(count, dim=1, largest=False, sorted=False)
        found, order = found.sort(dim=1)
        compared = compared.gather(1, order)
        exact = (points[found] - cloud.sources[part, None]).square_().sum(dim=2)
        ordered = exact.sort(dim=1, stable=True)
        squares[part] = ordered.values[:, :k]
        neighbors[part] = found.gather(1, ordered.indices[:, :k])
        # Unless all others are candidates, one left out may be nearer than the last neighbour.
        doubt = comparison.doubt(part, compared, exact, squares[part, -1])
        unsure.append(doubt if count < n_others else torch.zeros_like(doubt))
        done += len(part)
        if report is not None:
            report(done)
    return torch.cat(unsure)


class _Products:
    """Compare distances by ``|y|^2 / 2 - x.y``, in one product of matrices.

    Rounding hides numbers smaller than a part of ``|x|^2``.
    """

    def __init__(self, cloud, dtype):
        self._points = self._sources = cloud.centered.to(dtype)
        self._half = self._source_half = self._points.square().sum(dim=1) / 2
        if not cloud.among_points:
            self._sources = cloud.centered_sources.to(dtype)
            self._source_half = self._sources.square().sum(dim=1) / 2
        n_features = self._points.shape[1]
        self._error = torch.finfo(dtype).eps * (4 + math.sqrt(n_features))

    def __call__(self, part):
        return torch.addmm(self._half, self._sources[part], self._points.T, alpha=-1)

    def doubt(self, part, compared, exact, last):
        """Return whether a point left out may be nearer than the last neighbour."""
        half = self._source_half[part].double()
        compared = compared.double() + half[:, None]
        # Products may be rounded more than their type implies, for example on tensor cores.
        seen = (compared - exact / 2).abs().amax(dim=1)
        error = _DOUBT * torch.maximum(seen, self._error * half)
        # A distant point has a larger error, which its distance outweighs.
        nearest_left_out = compared.amax(dim=1) * (1 - _DOUBT * self._error) - error
        told_apart = error < _TIE * last
        return (2 * nearest_left_out < last) & ~told_apart & (last > 0)


class _Differences:
    """Compare distances by the differences of coordinates."""

    def __init__(self, cloud):
        self._points, self._sources = cloud.points, cloud.sources

    def __call__(self, part):
        return torch.cdist(
            self._sources[part], self._points, compute_mode="donot_use_mm_for_euclid_dist"
        )

    def doubt(self, part, compared, exact, last):
        """Return False for all: no list is in doubt."""
        return torch.zeros_like(last, dtype=torch.bool)
