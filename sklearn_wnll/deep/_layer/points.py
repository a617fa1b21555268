"""A cloud of points and its nearest-neighbour lists, as torch tensors."""

import torch

from .sparse import csr_matrix

__all__ = ["PointCloud", "differences_gradient", "nearest_neighbors"]

_ENTRIES = 2**23  # distances, or coordinates of differences, that are held at a time
_MORE = 2  # candidates beside the neighbours, for what products of rounded numbers confuse
_SURE = 1e3  # errors of a product, within which it may not tell the last neighbour from others


class PointCloud:
    """Points (n_points, n_features) and the lists of their nearest other points.

    ``points`` are taken from their mean, in units of their largest coordinate, ``scale``: the
    weights do not depend on these two, rounding does. All that follows is in double precision:
    where little joins a group of points to the others, a solution in single precision would be
    far off. ``neighbors`` and ``squares`` (n_points, k) are the lists and squared distances,
    nearest first. No gradient is recorded.
    """

    def __init__(self, points, n_neighbors):
        double = points.double()
        centered = double - double.mean(dim=0)
        self.scale = float(centered.abs().max()) or 1.0
        self.points = centered / self.scale
        self.neighbors, self.squares = nearest_neighbors(self.points, n_neighbors, points.dtype)


def nearest_neighbors(points, n_neighbors, dtype=torch.float64):
    """Find the nearest others of each point, by comparing all pairs in blocks.

    Returns the lists and the squared distances (n_points, k), computed from differences of
    coordinates. Pairs are first compared in ``dtype``; points for which float32 does not tell the
    nearest from the others are compared again in float64.
    """
    n, k = len(points), min(n_neighbors, len(points) - 1)
    neighbors = torch.empty((n, k), dtype=torch.long, device=points.device)
    squares = points.new_empty((n, k))
    rows = torch.arange(n, device=points.device)
    _search(points, rows, neighbors, squares, dtype)
    if dtype != torch.float64:
        error = torch.finfo(dtype).eps * points.square().sum(dim=1).max()
        unsure = rows[squares[:, -1] < _SURE * error] if k else rows[:0]
        _search(points, unsure, neighbors, squares, torch.float64)
    return neighbors, squares


def _search(points, rows, neighbors, squares, dtype):
    """Write the lists of some points."""
    (n, d), k = points.shape, neighbors.shape[1]
    count = min(k + _MORE, n - 1)
    compared = points.to(dtype)
    half = compared.square().sum(dim=1) / 2
    for part in rows.split(max(1, _ENTRIES // max(n, count * d))):
        D = torch.addmm(half, compared[part], compared.T, alpha=-1)
        D[torch.arange(len(part), device=part.device), part] = torch.inf
        found = D.topk(count, dim=1, largest=False, sorted=False).indices.sort(dim=1).values
        exact = (points[found] - points[part, None]).square_().sum(dim=2)
        ordered = exact.sort(dim=1, stable=True)
        squares[part] = ordered.values[:, :k]
        neighbors[part] = found.gather(1, ordered.indices[:, :k])


def differences_gradient(gradient, cloud):
    """Turn derivatives by squared distances (n_points, k) into those by the given points."""
    # d|x - y|^2 = 2 (x - y) (dx - dy), summed by products with the matrix of the derivatives.
    points, (n, k) = cloud.points, cloud.neighbors.shape
    source = torch.arange(n, device=points.device).repeat_interleave(k)
    target, value = cloud.neighbors.reshape(-1), gradient.reshape(-1)
    order = target.argsort(stable=True)
    forward = csr_matrix(source, target, value, (n, n))
    backward = csr_matrix(target[order], source[order], value[order], (n, n))
    sums = gradient.sum(dim=1) + points.new_zeros(n).index_add_(0, target, value)
    return 2 / cloud.scale * (sums[:, None] * points - forward @ points - backward @ points)
