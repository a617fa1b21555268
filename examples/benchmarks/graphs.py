"""
Neighbor lists and distances behind the ``graph_`` of a fitted WNLLClassifier
=============================================================================

Row ``x`` of ``graph_`` stores the weight ``exp(-(d(x, y) / sigma(x))^2)`` of each neighbor ``y``.
This module imports only numpy, because some benchmarks measure the time of other imports.
"""

import numpy as np


def neighbor_lists(W):
    """List the neighbors of each point, as arrays."""
    return np.split(W.indices, W.indptr[1:-1])


def scaled_distances(W):
    """Compute distances ``d(x, y) / sigma(x)`` from weights, as a sparse matrix.

    With ``metric="precomputed"`` and the same ``n_neighbors`` and ``scale_neighbor``, they
    reproduce the weights.
    """
    distances = W.copy()
    distances.data = np.sqrt(-np.log(W.data))
    return distances


def recall(exact, found):
    """Compute the percentage of exact neighbors that are found, averaged over lists."""
    return 100 * float(np.mean([np.isin(*pair).mean() for pair in zip(exact, found, strict=True)]))
