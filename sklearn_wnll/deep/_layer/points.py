"""A cloud of points and its nearest-neighbour lists, as torch tensors."""

import math

import numpy as np
import torch

from ..._graph.metrics import robust_shift_and_scale, sampled_rows
from .sparse import SparseRows

__all__ = ["PointCloud", "differences_gradient", "nearest_neighbors"]

_ENTRIES = 2**23  # distances, or coordinates of differences, held at a time
_MORE = 2  # candidates in addition to the neighbours, in case rounding mixes up some
_DOUBT = 4  # an unseen rounding error may exceed the seen ones by this factor
_LOST = 1e-4  # distances below this part of the points' norms lose too many digits in a product
_TIE = 1e-12  # squared distances count as equal if they agree to this part
_FAR = 1e150  # times the scale; beyond it, squares overflow, and all distances are equal
_WIDE = 1e100  # ratio of two scales in one cloud, beyond which one of them is at risk
_SINGLE_FAR = 1e15  # the same for products in single precision


class PointCloud:
    """Points (n_points, n_features) and the lists of their nearest other points.

    ``points`` are in units of ``scale``, a power of 2 near the robust scale of the sparse backend:
    the weights do not depend on it, and no digit is lost. All computations from here on are in
    double precision: for groups weakly tied to other points, a solution in single precision would
    be far off. ``neighbors`` and ``squares`` (n_points, k) are the lists and squared distances,
    nearest first. No gradient is recorded.
    """

    def __init__(self, points, n_neighbors):
        double = points.double()
        # An eighth, because median and radii are sums and differences, which might overflow.
        sample = sampled_rows(double).div(8).cpu().numpy()
        shift, scale = robust_shift_and_scale(sample)
        radii = np.abs(sample - shift).max(axis=1)
        smallest = radii[radii > 0].min(initial=scale)
        if smallest < scale / _WIDE:  # midway, where squares neither vanish nor overflow
            scale = math.sqrt(scale) * math.sqrt(smallest)
        self.scale = 2.0 ** min(1023, max(-1000, math.frexp(scale)[1] + 2))
        self.points = (double / self.scale).clamp_(-_FAR, _FAR)
        self.shift = torch.from_numpy(shift).to(self.points) * (8 / self.scale)
        self.neighbors, self.squares = nearest_neighbors(
            self.points, n_neighbors, points.dtype, self.shift
        )


def nearest_neighbors(points, n_neighbors, dtype=torch.float64, shift=0):
    """Find the nearest others of each point, by comparing all pairs in blocks.

    Returns the lists and the squared distances (n_points, k), computed from differences of
    coordinates. Pairs are first compared by products, in ``dtype``, of the points minus ``shift``
    (n_features,). Where rounding may have mixed up the nearest with others, they are compared
    again: by products in float64, and finally by differences.
    """
    n, k = len(points), min(n_neighbors, len(points) - 1)
    neighbors = torch.empty((n, k), dtype=torch.long, device=points.device)
    squares = points.new_empty((n, k))
    if not k:
        return neighbors, squares
    centered = points - shift
    comparisons = [_Products(centered, torch.float64), _Differences(points)]
    if dtype != torch.float64 and float(centered.abs().max()) < _SINGLE_FAR:
        comparisons.insert(0, _Products(centered, dtype))
    rows = torch.arange(n, device=points.device)
    for comparison in comparisons:
        if len(rows):
            rows = rows[_search(points, rows, neighbors, squares, comparison)]
    return neighbors, squares


def _search(points, rows, neighbors, squares, comparison):
    """Write the lists of some points; return the points that need a better comparison."""
    (n, d), k = points.shape, neighbors.shape[1]
    count = min(k + _MORE, n - 1)
    unsure = []
    for part in rows.split(max(1, _ENTRIES // max(n, count * d))):
        D = comparison(part)
        D[torch.arange(len(part), device=part.device), part] = torch.inf
        compared, found = D.topk(count, dim=1, largest=False, sorted=False)
        found, order = found.sort(dim=1)
        compared = compared.gather(1, order)
        exact = (points[found] - points[part, None]).square_().sum(dim=2)
        ordered = exact.sort(dim=1, stable=True)
        squares[part] = ordered.values[:, :k]
        neighbors[part] = found.gather(1, ordered.indices[:, :k])
        # Unless all others are candidates, one left out may be nearer than the last neighbour.
        doubt = comparison.doubt(part, compared, exact, squares[part, -1])
        unsure.append(doubt if count < n - 1 else torch.zeros_like(doubt))
    return torch.cat(unsure)


class _Products:
    """Compare distances by ``|y|^2 / 2 - x.y``, in one product of matrices.

    Rounding hides numbers smaller than a part of ``|x|^2``.
    """

    def __init__(self, points, dtype):
        self._points = points.to(dtype)
        self._half = self._points.square().sum(dim=1) / 2
        n_features = points.shape[1]
        self._error = torch.finfo(dtype).eps * (4 + math.sqrt(n_features))

    def __call__(self, part):
        return torch.addmm(self._half, self._points[part], self._points.T, alpha=-1)

    def doubt(self, part, compared, exact, last):
        """Return whether a point left out may be nearer than the last neighbour."""
        half = self._half[part].double()
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

    def __init__(self, points):
        self._points = points

    def __call__(self, part):
        return torch.cdist(
            self._points[part], self._points, compute_mode="donot_use_mm_for_euclid_dist"
        )

    def doubt(self, part, compared, exact, last):
        """Return False for all: no list is in doubt."""
        return torch.zeros_like(last, dtype=torch.bool)


def differences_gradient(gradient, cloud):
    """Turn derivatives by squared distances (n_points, k) into those by the given points."""
    # d|x - y|^2 = 2 (x - y) (dx - dy), summed by one product with the derivatives' matrix.
    points, (n, k) = cloud.points, cloud.neighbors.shape
    source = torch.arange(n, device=points.device).repeat_interleave(k)
    target = cloud.neighbors.reshape(-1)
    row, order = torch.cat([source, target]).sort(stable=True)
    column = torch.cat([target, source])[order]
    value = gradient.reshape(-1).repeat(2)[order]
    centered, zeros = points - cloud.shift, points.new_zeros(n)
    total = zeros.index_add(0, row, value)[:, None] * centered
    total -= SparseRows(row, column, value, (n, n)) @ centered
    # If neighbours are closer to each other than to the origin by far, the product cancels most
    # digits.
    size = value.abs()
    distance = cloud.squares.sqrt().reshape(-1).repeat(2)[order]
    needed = zeros.index_add(0, row, size * distance)
    given = zeros.index_add(0, row, size) * centered.norm(dim=1)
    lost = needed < _LOST * given
    total[lost] = 0
    for edge in lost[row].nonzero().squeeze(1).split(max(1, _ENTRIES // max(1, points.shape[1]))):
        change = value[edge, None] * (points[row[edge]] - points[column[edge]])
        places = torch.arange(len(edge), device=edge.device)
        total += (
            SparseRows(row[edge], places, torch.ones_like(value[edge]), (n, len(edge))) @ change
        )
    return 2 * total / cloud.scale
