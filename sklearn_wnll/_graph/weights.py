"""Edge weights from neighbour lists."""

import numpy as np
from scipy import sparse

from .._parallel import equal_blocks, in_threads
from .matrices import symmetric_laplacian
from .rows import index_type

__all__ = [
    "SMALLEST_WEIGHT",
    "edge_weights",
    "graph_laplacian",
    "scale_neighbor_value",
    "weight_matrix",
]

# Smaller weights vanish in the rounding of the linear system, next to weights of order 1.
SMALLEST_WEIGHT = 1e-12

_BLOCK = 16384  # rows that a thread weights at a time


def scale_neighbor_value(scale_neighbor, n_neighbors):
    """Return the neighbour that sets the scale: by default half of ``n_neighbors``, rounded up.

    >>> scale_neighbor_value(None, 15), scale_neighbor_value(3, 15)
    (8, 3)
    """
    if scale_neighbor is None:
        return (n_neighbors + 1) // 2
    if not 1 <= scale_neighbor <= n_neighbors:
        raise ValueError(
            f"scale_neighbor={scale_neighbor} is not in 1 to n_neighbors={n_neighbors}. Lower "
            "scale_neighbor, raise n_neighbors, or pass scale_neighbor=None."
        )
    return scale_neighbor


def edge_weights(distances, scale_neighbor):
    """Compute edge weights by a self-tuning Gaussian from ascending distances (n_points, k).

    ``w(x, y) = exp(-|x - y|^2 / sigma(x)^2)``, where ``sigma(x)`` is the distance from ``x`` to its
    ``scale_neighbor``-th nearest other point (to the last one, in a shorter list): Wang et al.,
    arXiv 1802.00168 (2018), after L. Zelnik-Manor and P. Perona, "Self-tuning spectral
    clustering", NeurIPS 2004. If that distance is 0, because so many points are equal,
    ``sigma(x)`` is the next larger distance; if all are 0, all weights are 1. Infinite distances,
    and weights below 1e-12, have weight 0.

    >>> import numpy as np
    >>> edge_weights(np.array([[1.0, 2.0, 3.0]]), scale_neighbor=2).round(3)
    array([[0.779, 0.368, 0.105]])
    """
    if not distances.shape[1]:
        return distances
    count = np.isfinite(distances).sum(axis=1)
    place = np.clip(np.minimum(scale_neighbor, count) - 1, 0, None)
    sigma = np.take_along_axis(distances, place[:, None], axis=1)
    positive = np.where(distances > 0, distances, np.inf).min(axis=1, keepdims=True)
    sigma = np.where(sigma > 0, sigma, positive)
    sigma[~np.isfinite(sigma)] = 1.0
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp(-((distances / sigma) ** 2))
    weights[weights < SMALLEST_WEIGHT] = 0.0
    return weights


def weight_matrix(lists, n_columns, scale_neighbor, distance=np.asarray):
    """Make the sparse matrix ``W[x, y] = w(x, y)`` (n_points, n_columns), generally not symmetric.

    ``n_columns`` is the number of points that may be neighbours. ``distance`` turns the lists'
    distances into a metric's. Indices are of 32 bits where these suffice.
    """
    n, k = lists.indices.shape
    weights, keep = np.empty((n, k)), np.empty((n, k), dtype=bool)

    def compute(rows):
        distances = lists.distances[rows].astype(np.float64)
        weights[rows] = edge_weights(distance(distances), scale_neighbor)
        np.greater(weights[rows], 0, out=keep[rows])

    in_threads(compute, equal_blocks(n, _BLOCK))
    indptr = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
    shape, all_kept = (n, n_columns), indptr[-1] == weights.size
    dtype = index_type(indptr[-1], shape)
    indices = lists.indices.flatten() if all_kept else lists.indices[keep]
    data = weights.ravel() if all_kept else weights[keep]
    indptr, indices = (part.astype(dtype, copy=False) for part in (indptr, indices))
    return sparse.csr_array((data, indices, indptr), shape=shape)


def graph_laplacian(W):
    """Make the Laplacian ``diag(T 1) - T`` of the symmetric weights ``T = W + W^T``.

    ``W`` (n_points, n_points) is 0 on the diagonal. A point without edges has 1 on the diagonal.

    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> graph_laplacian(csr_array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).toarray()
    array([[ 3., -3.,  0.],
           [-3.,  3.,  0.],
           [ 0.,  0.,  1.]])
    """
    degree = W.sum(axis=0) + W.sum(axis=1)
    return symmetric_laplacian(W, np.where(degree > 0, 0.0, 1.0))
