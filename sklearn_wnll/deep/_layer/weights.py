"""Edge weights of a graph as torch tensors, and their derivatives; as in ``_graph/weights.py``."""

import torch

from ..._graph.weights import SMALLEST_WEIGHT

__all__ = ["edge_weights", "weights_gradient"]


def edge_weights(squares, scale_neighbor):
    """Compute self-tuning Gaussian weights of edges from ascending squared distances (n_points, k).

    ``w(x, y) = exp(-|x - y|^2 / sigma(x)^2)``, where ``sigma(x)`` is the distance of the
    ``scale_neighbor``-th neighbour; if that is 0, the next larger one; if all are 0, all weights
    are 1. Weights below 1e-12 are 0. Also returns the place of each point's scale in its list
    (n_points, 1).
    """
    k = squares.shape[1]
    places = torch.arange(k, device=squares.device)
    usable = (squares > 0) & (places >= min(scale_neighbor, k) - 1)
    scale_position = usable.to(torch.uint8).argmax(dim=1, keepdim=True)
    sigma = torch.where(usable.any(dim=1, keepdim=True), squares.gather(1, scale_position), 1)
    weights = torch.exp(-squares / sigma)
    return torch.where(weights < SMALLEST_WEIGHT, 0, weights), scale_position


def weights_gradient(gradient, squares, weights, scale_position):
    """Turn derivatives by the weights (n_points, k) into those by squared distances.

    ``squares``, ``weights`` and ``scale_position`` are those of :func:`edge_weights`.
    """
    sigma = squares.gather(1, scale_position)
    flat = sigma == 0
    sigma = torch.where(flat, 1, sigma)
    by_exponent = gradient * weights / sigma
    by_scale = (by_exponent * squares / sigma).sum(dim=1, keepdim=True)
    places = torch.arange(squares.shape[1], device=squares.device)
    return torch.where((places == scale_position) & ~flat, by_scale, 0) - by_exponent
