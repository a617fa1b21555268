"""The method in a few dense lines, to hold the package to."""

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist


def dense_weights(X, k=15, scale_neighbor=8):
    """Directed weights w(x, y) of distinct points."""
    D = cdist(X, X)
    np.fill_diagonal(D, np.inf)
    W = np.zeros_like(D)
    k = min(k, len(X) - 1)
    for x, row in enumerate(D):
        nearest = np.argsort(row)[:k]
        sigma = row[nearest[min(scale_neighbor, k) - 1]]
        W[x, nearest] = np.exp(-((row[nearest] / sigma) ** 2))
    return W


def dense_extension(W, labeled, g, mu):
    """Solve the weighted nonlocal Laplacian by Gaussian elimination."""
    S, U = np.flatnonzero(labeled), np.flatnonzero(~labeled)
    C = W + W.T
    C[:, S] += (mu - 1) * W.T[:, S]
    A = np.diag(C.sum(axis=1)[U]) - C[np.ix_(U, U)]
    u = np.empty((len(W), g.shape[1]))
    u[S], u[U] = g, np.linalg.solve(A, C[np.ix_(U, S)] @ g)
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
