"""Random problems by seed: labelled clouds, and weighted graphs."""

from typing import NamedTuple

import numpy as np

__all__ = ["CLOUDS", "GRAPHS", "CloudCase", "GraphCase", "cloud_case", "graph_case"]


class CloudCase(NamedTuple):
    """Points, their classes (-1 if unlabelled), and the parameters of a classifier."""

    kind: str
    X: np.ndarray
    y: np.ndarray
    params: dict


class GraphCase(NamedTuple):
    """Directed weights, labelled points, their distributions, and their factor."""

    kind: str
    W: np.ndarray
    labeled: np.ndarray
    g: np.ndarray
    mu: float


def cloud_case(seed):
    """A cloud of one of the kinds, with 1 to 6 classes, and from one label to all."""
    rng = np.random.default_rng([seed, 0])
    kind = list(CLOUDS)[rng.integers(len(CLOUDS))]
    X = CLOUDS[kind](rng, int(rng.integers(6, 60)), int(rng.integers(1, 6)))
    n = len(X)
    n_labeled = int(rng.choice([1, 2, n // 4 + 1, n // 2 + 1, n - 1, n]))
    y = np.full(n, -1)
    y[rng.permutation(n)[:n_labeled]] = rng.integers(0, rng.integers(1, 7), n_labeled)
    n_neighbors = int(rng.integers(1, 16))
    weights = ["wnll", "laplace", "poisson", 10.0 ** rng.uniform(-12, 12)]
    params = {
        "n_neighbors": n_neighbors,
        "scale_neighbor": int(rng.integers(1, n_neighbors + 1)),
        "label_weight": weights[rng.integers(4)],
    }
    return CloudCase(kind, X, y, params)


def _gaussian(rng, n, d):
    return rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-6, 6) + rng.normal(size=d)


def _lattice(rng, n, d):
    return rng.integers(0, 6, size=(n, d)).astype(float)


def _duplicates(rng, n, d):
    return rng.normal(size=(n, d))[rng.integers(0, max(2, n // 3), n)]


def _line(rng, n, d):
    return rng.normal(size=(n, 1)) ** 3 * rng.normal(size=(1, d))


def _islands(rng, n, d):
    centres = rng.normal(size=(4, d)) * 10.0 ** rng.uniform(0, 4)
    return centres[rng.integers(0, 4, n)] + rng.normal(size=(n, d))


def _twins(rng, n, d):
    X = rng.normal(size=(n, d))
    X[n // 2 :] = X[: n - n // 2] + 1e-9 * rng.normal(size=(n - n // 2, d))
    return X


def _densities(rng, n, d):
    return rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-4, 4, size=(n, 1))


CLOUDS = {
    "gaussian": _gaussian,
    "lattice": _lattice,
    "duplicates": _duplicates,
    "line": _line,
    "islands": _islands,
    "twins": _twins,
    "densities": _densities,
}


def graph_case(seed):
    """A graph of one of the kinds, with weights from 1e-12 to 1, and label weight up to 1e12."""
    rng = np.random.default_rng([seed, 1])
    kind = list(GRAPHS)[rng.integers(len(GRAPHS))]
    W = GRAPHS[kind](rng, int(rng.integers(6, 80)))
    np.fill_diagonal(W, 0)
    n, n_classes = len(W), int(rng.integers(1, 7))
    labeled = np.zeros(n, dtype=bool)
    labeled[rng.permutation(n)[: rng.integers(1, max(2, n // 5))]] = True
    g = np.eye(n_classes)[rng.integers(0, n_classes, labeled.sum())]
    return GraphCase(kind, W, labeled, g, 10.0 ** rng.uniform(-6, 12))


def _random_edges(rng, n, density, low, high):
    return (rng.random((n, n)) < density) * 10.0 ** rng.uniform(low, high, (n, n))


def _even(rng, n):
    return _random_edges(rng, n, 6 / n, -1, 0)


def _wide(rng, n):
    return _random_edges(rng, n, 6 / n, -12 * rng.random(), 0)


def _tied_clusters(rng, n):
    cluster = rng.integers(0, 4, n)
    inside = _random_edges(rng, n, 0.5, -1, 0)
    return np.where(cluster[:, None] == cluster, inside, _random_edges(rng, n, 0.05, -12, -6))


def _fading_path(rng, n):
    W, i, order = np.zeros((n, n)), np.arange(n - 1), rng.permutation(n)
    W[i, i + 1] = 10.0 ** -np.minimum(rng.random() * i, 12)
    return W[np.ix_(order, order)]


def _star_of_paths(rng, n):
    """Four paths from one point, with weights that grow with the distance from it."""
    W = np.zeros((n, n))
    for arm in range(4):
        path = np.append(0, np.arange(1 + arm, n, 4))
        W[path[:-1], path[1:]] = 10.0 ** np.minimum(1.3 * np.arange(len(path) - 1) - 12, 0)
    order = rng.permutation(n)
    return W[np.ix_(order, order)]


GRAPHS = {
    "even": _even,
    "wide": _wide,
    "tied clusters": _tied_clusters,
    "fading path": _fading_path,
    "star of paths": _star_of_paths,
}
