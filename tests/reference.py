"""The method in a few dense lines, as a reference for the package."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

SCIPY_NAMES = {"l1": "cityblock", "manhattan": "cityblock", "l2": "euclidean"}
OF_TRUTH_VALUES = "jaccard", "dice", "rogerstanimoto", "sokalsneath", "yule"


def dense_distances(X, Y, metric="euclidean"):
    """Distances between all rows, by scipy's definitions; "haversine" by its formula."""
    if metric == "haversine":
        squares = np.sin((X[:, None] - Y) / 2) ** 2
        cosines = np.cos(X[:, None, 0]) * np.cos(Y[:, 0])
        return 2 * np.arcsin(np.sqrt(squares[..., 0] + cosines * squares[..., 1]))
    if metric in OF_TRUTH_VALUES:
        X, Y = X != 0, Y != 0
    return cdist(X, Y, SCIPY_NAMES.get(metric, metric))


def dense_weights(X, k=15, scale_neighbor=8, metric="euclidean"):
    """Directed weights w(x, y) of distinct points."""
    D = dense_distances(X, X, metric)
    np.fill_diagonal(D, np.inf)
    return weights_of_nearest(D, min(k, len(X) - 1), scale_neighbor)


def dense_query_weights(new, X, k=15, scale_neighbor=8, metric="euclidean"):
    """Weights w(q, y) from new points to others."""
    return weights_of_nearest(dense_distances(new, X, metric), min(k, len(X)), scale_neighbor)


def weights_of_nearest(D, k, scale_neighbor):
    """Weights of the k nearest by distances (n, m)."""
    W = np.zeros_like(D)
    for x, row in enumerate(D):
        nearest = np.argsort(row)[:k]
        sigma = row[nearest[min(scale_neighbor, k) - 1]] if k else 1.0
        W[x, nearest] = np.exp(-((row[nearest] / sigma) ** 2))
    return np.where(W < 1e-12, 0, W)


def dense_values(W, labeled, g, label_weight):
    """Extend labels with one of the weights; also return the factor on edges to each point."""
    if label_weight == "poisson":
        gamma = dense_poisson_weights(W, labeled)
        return dense_extension(gamma[:, None] * W * gamma, labeled, g, 1.0), gamma
    mu = {"wnll": len(W) / labeled.sum(), "laplace": 1.0}.get(label_weight, label_weight)
    return dense_extension(W, labeled, g, mu), np.where(labeled, mu, 1.0)


def dense_extension(W, labeled, g, mu):
    """Solve the weighted nonlocal Laplacian; it is 0 where no label reaches a point."""
    S, U = np.flatnonzero(labeled), np.flatnonzero(~labeled)
    to_labels = (W + mu * W.T)[np.ix_(U, S)]
    u = np.zeros((len(W), g.shape[1]))
    u[S] = g
    u[U] = eliminate((W + W.T)[np.ix_(U, U)], to_labels.sum(axis=1), to_labels @ g)
    return u


def eliminate(T, excess, b):
    """Solve ``(diag(T 1 + excess) - T) x = b`` by an elimination that never subtracts.

    Points are removed from a random walk one by one, keeping the walks through them; so the matrix
    loses no digit, however weak the edges. On a singular part of it, ``x`` is 0 at one point.
    W. K. Grassmann, M. I. Taksar and D. P. Heyman, Operations Research 33 (1985).
    """
    T, excess, x = T.copy(), excess.astype(float), b.astype(float)
    np.fill_diagonal(T, 0)
    leaves = np.zeros(len(T))
    for k in reversed(range(len(T))):
        leaves[k] = T[k, :k].sum() + excess[k]
        if leaves[k] > 0:
            part = T[:k, k] / leaves[k]
            T[:k, :k] += np.outer(part, T[k, :k])
            excess[:k] += part * excess[k]
            x[:k] += np.multiply.outer(part, x[k])
            np.fill_diagonal(T[:k, :k], 0)
    for k in range(len(T)):
        x[k] = (T[k, :k] @ x[:k] + x[k]) / leaves[k] if leaves[k] > 0 else 0
    return x


def dense_poisson_weights(W, labeled):
    """Solve the Poisson equation in each component."""
    T = W + W.T
    _, component = connected_components(sparse.csr_array(T))  # a dense one would lose weak edges
    gamma = np.ones(len(W))
    for number in np.unique(component):
        part = np.flatnonzero(component == number)
        source = labeled[part] * len(part) - labeled[part].sum()  # whole numbers: exact sums
        if source.any():
            x = eliminate(T[np.ix_(part, part)], np.zeros(len(part)), source)
            x -= x.min()
            gamma[part] = x / x.mean() + 1e-3
    return gamma
