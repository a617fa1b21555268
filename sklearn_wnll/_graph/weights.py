"""Neighbour lists to edge weights."""

import numpy as np
from scipy import sparse

__all__ = ["SMALLEST_WEIGHT", "edge_weights", "graph_laplacian", "weight_matrix"]

# Weights below it drown in the rounding of the linear system, where they stand beside weights of 1.
SMALLEST_WEIGHT = 1e-12


def edge_weights(distances, scale_neighbor=8):
    """Weigh edges by a self-tuning Gaussian.

    ``w(x, y) = exp(-|x - y|^2 / sigma(x)^2)``, where ``sigma(x)`` is the distance from ``x``
    to its ``scale_neighbor``-th nearest other point.

    Parameters
    ----------
    distances : ndarray of shape (n_points, n_neighbors)
        Distances to the neighbours in ascending order; infinite where there is none.
    scale_neighbor : int, default=8
        Which neighbour sets the scale. In a shorter list the last one does.

    Returns
    -------
    ndarray of shape (n_points, n_neighbors)
        Weights in [0, 1]; 0 where the distance is infinite or the weight is below 1e-12,
        which no linear system with weights of 1 in it can feel. Where ``sigma(x)`` would be 0,
        because so many points are at distance 0, the next larger distance is taken; where
        all distances are 0, all weights are 1.

    References
    ----------
    Wang et al., arXiv 1802.00168 (2018); L. Zelnik-Manor and P. Perona, "Self-tuning
    spectral clustering", NeurIPS 2004.

    Examples
    --------
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


def weight_matrix(lists, n_columns, scale_neighbor=8):
    """Make the sparse matrix ``W`` of directed edge weights.

    Parameters
    ----------
    lists : NeighborLists
        Neighbours of each point.
    n_columns : int
        Number of points that may be neighbours.
    scale_neighbor : int, default=8
        Which neighbour sets the scale; see :func:`edge_weights`.

    Returns
    -------
    csr_array of shape (n_points, n_columns)
        ``W[x, y] = w(x, y)``, in general not symmetric.
    """
    weights = edge_weights(lists.distances, scale_neighbor)
    keep = weights > 0
    indptr = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
    shape = (len(weights), n_columns)
    return sparse.csr_array((weights[keep], lists.indices[keep], indptr), shape=shape)


def graph_laplacian(W):
    """Make the graph Laplacian of the symmetric weights ``T = W + W^T``.

    Parameters
    ----------
    W : csr_array of shape (n_points, n_points)
        Directed weights, 0 on the diagonal.

    Returns
    -------
    csr_array of shape (n_points, n_points)
        ``diag(T 1) - T``, with 1 on the diagonal of a point that has no edge.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> graph_laplacian(csr_array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).toarray()
    array([[ 3., -3.,  0.],
           [-3.,  3.,  0.],
           [ 0.,  0.,  1.]])
    """
    T = (W + W.T).tocsr()
    degree = np.asarray(T.sum(axis=1))
    return (sparse.diags_array(np.where(degree > 0, degree, 1.0)) - T).tocsr()
