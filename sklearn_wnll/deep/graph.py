"""The weighted nearest-neighbour graph of a cloud of points, as torch tensors."""

import torch

__all__ = [
    "PointCloud",
    "differences_gradient",
    "edge_weights",
    "nearest_neighbors",
    "weights_gradient",
]

_ENTRIES = 2**23  # distances, or coordinates of differences, that are held at a time
_MORE = 2  # candidates beside the neighbours, for what products of rounded numbers confuse
_SMALLEST_WEIGHT = 1e-12  # as in sklearn_wnll.weights


class PointCloud:
    """Points and their nearest neighbours.

    Parameters
    ----------
    points : tensor of shape (n_points, n_features)
        The points; no gradient is recorded.
    n_neighbors : int
        Number of nearest other points in the list of each.

    Attributes
    ----------
    points : tensor of shape (n_points, n_features)
        The points from their mean, in units of their largest coordinate: the weights do not
        depend on these two, rounding does.
    scale : float
        The unit.
    neighbors : tensor of int64 of shape (n_points, k)
        The lists, nearest first; a point is not in its own.
    squares : tensor of shape (n_points, k)
        Squared distances to the neighbours.
    """

    def __init__(self, points, n_neighbors):
        centered = points - points.mean(dim=0)
        self.scale = float(centered.abs().max()) or 1.0
        self.points = centered / self.scale
        self.neighbors, self.squares = nearest_neighbors(self.points, n_neighbors)


def nearest_neighbors(points, n_neighbors):
    """Find the nearest others of each point, by comparing all pairs in blocks.

    Parameters
    ----------
    points : tensor of shape (n_points, n_features)
        The points.
    n_neighbors : int
        Number of neighbours; all others, if there are no more.

    Returns
    -------
    neighbors : tensor of int64 of shape (n_points, k)
        Nearest first; of equally near points the one that comes first.
    squares : tensor of shape (n_points, k)
        Squared distances, computed from differences of coordinates.
    """
    n, d = points.shape
    k = min(n_neighbors, n - 1)
    count = min(k + _MORE, n - 1)
    half = points.square().sum(dim=1) / 2
    neighbors = torch.empty((n, k), dtype=torch.long, device=points.device)
    squares = points.new_empty((n, k))
    step = max(1, _ENTRIES // max(n, count * d))
    for start in range(0, n, step):
        block = points[start : start + step]
        D = torch.addmm(half, block, points.T, alpha=-1)
        D.diagonal(start).fill_(torch.inf)
        found = D.topk(count, dim=1, largest=False, sorted=False).indices.sort(dim=1).values
        exact = (points[found] - block[:, None]).square_().sum(dim=2)
        ordered = exact.sort(dim=1, stable=True)
        squares[start : start + step] = ordered.values[:, :k]
        neighbors[start : start + step] = found.gather(1, ordered.indices[:, :k])
    return neighbors, squares


def edge_weights(squares, scale_neighbor):
    """Weigh edges by a self-tuning Gaussian, ``w(x, y) = exp(-|x - y|^2 / sigma(x)^2)``.

    Parameters
    ----------
    squares : tensor of shape (n_points, k)
        Squared distances to the neighbours, in ascending order.
    scale_neighbor : int
        Which neighbour's distance is ``sigma(x)``. Where that is 0, the next larger one is
        taken; where all are 0, all weights are 1.

    Returns
    -------
    weights : tensor of shape (n_points, k)
        Weights; below 1e-12 they are 0.
    place : tensor of int64 of shape (n_points, 1)
        Which entry of its list is the scale of a point.
    """
    k = squares.shape[1]
    places = torch.arange(k, device=squares.device)
    usable = (squares > 0) & (places >= min(scale_neighbor, k) - 1)
    place = usable.to(torch.uint8).argmax(dim=1, keepdim=True)
    sigma = torch.where(usable.any(dim=1, keepdim=True), squares.gather(1, place), 1)
    weights = torch.exp(-squares / sigma)
    return torch.where(weights < _SMALLEST_WEIGHT, 0, weights), place


def weights_gradient(gradient, squares, weights, place):
    """Turn a gradient by weights into one by squared distances.

    Parameters
    ----------
    gradient : tensor of shape (n_points, k)
        Derivatives by the weights.
    squares, weights, place : tensor
        As :func:`edge_weights` takes and gives them.

    Returns
    -------
    tensor of shape (n_points, k)
        Derivatives by the squared distances, with their part in ``sigma``.
    """
    sigma = squares.gather(1, place)
    flat = sigma == 0
    sigma = torch.where(flat, 1, sigma)
    by_exponent = gradient * weights / sigma
    by_scale = (by_exponent * squares / sigma).sum(dim=1, keepdim=True)
    return (-by_exponent).scatter_add(1, place, torch.where(flat, 0, by_scale))


def differences_gradient(gradient, cloud):
    """Turn a gradient by squared distances into one by the points.

    Parameters
    ----------
    gradient : tensor of shape (n_points, k)
        Derivatives by the squared distances to the neighbours.
    cloud : PointCloud
        The points and their lists.

    Returns
    -------
    tensor of shape (n_points, n_features)
        Derivatives by the points, in the units in which they were given.
    """
    points, (n, k) = cloud.points, cloud.neighbors.shape
    total = torch.zeros_like(points)
    step = max(1, _ENTRIES // max(1, k * points.shape[1]))
    for start in range(0, n, step):
        part = slice(start, start + step)
        neighbors = cloud.neighbors[part]
        difference = (points[part, None] - points[neighbors]) * (2 * gradient[part, :, None])
        total[part] += difference.sum(dim=1)
        total.index_add_(0, neighbors.reshape(-1), difference.flatten(0, 1), alpha=-1)
    return total / cloud.scale
