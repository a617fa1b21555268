"""
Neighbor lists and distances behind the ``graph_`` of a fitted WNLLClassifier
=============================================================================

Row ``x`` of ``graph_`` stores the weight ``exp(-(d(x, y) / sigma(x))^2)`` of each neighbor ``y``.
This module imports only numpy, since some benchmarks measure the time of other imports.
"""

import numpy as np


def neighbor_lists(W):
    """Neighbors of each point, in a list of arrays."""
    return np.split(W.indices, W.indptr[1:-1])


def scaled_distances(W):
    """Distances ``d(x, y) / sigma(x)`` from weights, as a sparse matrix of the same shape.

    With ``metric="precomputed"`` they give the weights again, for the same ``n_neighbors`` and
    ``scale_neighbor``.
    """
    distances = W.copy()
    distances.data = np.sqrt(-np.log(W.data))
    return distances


def recall(exact, found):
    """Percentage of the exact neighbors that are found, as a mean over lists."""
    return 100 * float(np.mean([np.isin(*pair).mean() for pair in zip(exact, found, strict=True)]))
