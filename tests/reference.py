"""The method in a few dense lines, to hold the package to."""

import numpy as np
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
        sigma = row[nearest[min(scale_neighbor, k) - 1]]
        W[x, nearest] = np.exp(-((row[nearest] / sigma) ** 2))
    return np.where(W < 1e-12, 0, W)


def dense_values(W, labeled, g, label_weight):
    """Extend labels with one of the weights; return what the edges to each point count, too."""
    if label_weight == "poisson":
        gamma = dense_poisson_weights(W, labeled)
        return dense_extension(gamma[:, None] * W * gamma, labeled, g, 1.0), gamma
    mu = {"wnll": len(W) / labeled.sum(), "laplace": 1.0}.get(label_weight, label_weight)
    return dense_extension(W, labeled, g, mu), np.where(labeled, mu, 1.0)


def dense_extension(W, labeled, g, mu):
    """Solve the weighted nonlocal Laplacian by an elimination that never subtracts.

    Points are taken out of a random walk one by one, the walks through them kept; so each value is
    right to the last digits, however little joins a point to the labels. It is 0 where none does.
    W. K. Grassmann, M. I. Taksar and D. P. Heyman, Operations Research 33 (1985).
    """
    S, U = np.flatnonzero(labeled), np.flatnonzero(~labeled)
    T, ends = (W + W.T)[np.ix_(U, U)], (W + mu * W.T)[np.ix_(U, S)] @ g
    np.fill_diagonal(T, 0)
    leaves = np.zeros(len(U))
    for k in reversed(range(len(U))):
        leaves[k] = T[k, :k].sum() + ends[k].sum()
        if leaves[k] > 0:
            part = T[:k, k] / leaves[k]
            T[:k, :k] += np.outer(part, T[k, :k])
            ends[:k] += np.outer(part, ends[k])
            np.fill_diagonal(T[:k, :k], 0)
    u = np.zeros((len(W), g.shape[1]))
    u[S] = g
    for k in np.flatnonzero(leaves):
        u[U[k]] = (T[k, :k] @ u[U[:k]] + ends[k]) / leaves[k]
    return u


def dense_poisson_weights(W, labeled):
    """Solve the Poisson equation in each component by the pseudo-inverse."""
    T = W + W.T
    _, component = connected_components(T)
    gamma = np.ones(len(W))
    for number in np.unique(component):
        part = np.flatnonzero(component == number)
        source = labeled[part] - labeled[part].mean()
        if source.any():
            L = np.diag(T[part][:, part].sum(axis=1)) - T[part][:, part]
            x = np.linalg.pinv(L, hermitian=True) @ source
            x -= x.min()
            gamma[part] = x / x.mean() + 1e-3
    return gamma
