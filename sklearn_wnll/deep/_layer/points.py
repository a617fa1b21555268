"""A cloud of points and its nearest-neighbour lists, as torch tensors."""

import math

import numpy as np
import torch

from ..._graph.metrics import robust_shift_and_scale, sampled_rows
from ..._tensors.neighbors import nearest_neighbors
from ..._tensors.sparse import SparseRows

__all__ = ["PointCloud", "differences_gradient"]

_ENTRIES = 2**23  # distances, or coordinates of differences, held at a time
_LOST = 1e-4  # distances below this part of the points' norms lose too many digits in a product
_FAR = 1e150  # times the scale; beyond it, squares overflow, and all distances are equal
_WIDE = 1e100  # ratio of two scales in one cloud, beyond which one of them is at risk


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
