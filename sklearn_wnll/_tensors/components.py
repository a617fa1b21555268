"""Connected components of a graph, as torch tensors."""

import torch

__all__ = ["connected_components"]


def connected_components(row, column, n_points):
    """Find the smallest point of each point's component (n_points,).

    Edges (n_edges,) are given in both directions.
    """
    label = torch.arange(n_points, device=row.device)
    while True:
        # Each point, and the point that is its label, take the smallest label next to them; then
        # labels are followed to their ends.
        least = label.scatter_reduce(0, row, label[column], "amin")
        least = least.scatter_reduce(0, label, least, "amin")
        least = least[least]
        if torch.equal(least, label):
            return label
        label = least
