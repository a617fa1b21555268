"""Weights and similarities passed as distances: recognized ones, and false alarms."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_similarity, linear_kernel, rbf_kernel
from sklearn.neighbors import KNeighborsTransformer, kneighbors_graph, radius_neighbors_graph
from sklearn.preprocessing import normalize

from sklearn_wnll._graph.precomputed import PrecomputedGraphBuilder
from sklearn_wnll.exceptions import ShortNeighborListsWarning, SimilaritiesWarning

from .clouds import examples, sparse_rows
from .test_graph import feature_points_and_graph

DISTANCES = {
    "euclidean": lambda X: cdist(X, X),
    "squared": lambda X: cdist(X, X, "sqeuclidean"),
    "below one": lambda X: cdist(X, X) / 100,
    "cosine": lambda X: cdist(X, X, "cosine").clip(0),
    "jaccard": lambda X: cdist(X > 0, X > 0, "jaccard"),
    "hamming": lambda X: cdist(X > 0, X > 0, "hamming"),
    "integers": lambda X: np.ceil(cdist(X, X)),
    "all equal": lambda X: 1.0 - np.eye(len(X)),
    "rounding on the diagonal": lambda X: cdist(X, X) + 1e-12,
    "unknown is far": lambda X: np.where(cdist(X, X) < 1.5, cdist(X, X), 1e9),
    "many copies": lambda X: cdist(X[np.arange(len(X)) % 3], X[np.arange(len(X)) % 3]),
    "sparse": lambda X: kneighbors_graph(X, 8, mode="distance"),
    "sparse, itself too": lambda X: KNeighborsTransformer(n_neighbors=8).fit_transform(X),
    "sparse, below one": lambda X: kneighbors_graph(X / 100, 8, mode="distance"),
    "within a radius": lambda X: radius_neighbors_graph(X, 2, mode="distance"),
    "symmetric": lambda X: kneighbors_graph(X, 8, mode="distance").maximum(
        kneighbors_graph(X, 8, mode="distance").T
    ),
    "lattice": lambda X: sparse.csr_array(kneighbors_graph(X, 4)),
    "hops": lambda X: shortest_path(kneighbors_graph(X, 4), directed=False).clip(max=99),
}


def distances_and_weights(X, **params):
    _, graph = feature_points_and_graph(X, **params)
    return cdist(X, X), graph.weights


def build(matrix, k=8):
    if sparse.issparse(matrix):
        matrix = sparse.csr_array(matrix, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShortNeighborListsWarning)
        builder = PrecomputedGraphBuilder(k, (k + 1) // 2)
        points, merged = builder.points(matrix)
        return points, builder.build(merged)


@examples(10)
@given(st.integers(0, 2**32 - 1), st.integers(11, 60), st.integers(2, 6))
@pytest.mark.parametrize("kind", DISTANCES)
def test_distances_are_no_similarities(kind, seed, n, d):
    build(DISTANCES[kind](np.random.default_rng(seed).normal(size=(n, d))))


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return np.repeat(3 * rng.normal(size=(3, 4)), 30, axis=0) + rng.normal(size=(90, 4))


REFUSED = {
    "graph_": lambda W: W,
    "graph_ as float32": lambda W: W.astype(np.float32),
    "graph_ as a full matrix": lambda W: W.toarray(),
    "graph_ made symmetric": lambda W: W.maximum(W.T),
    "graph_ made symmetric, full": lambda W: (W + W.T).toarray(),
    "adjacency as a full matrix": lambda W: 1.0 * (W.toarray() > 0),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_fitted_graph_is_refused(kind, X):
    with pytest.raises(ValueError, match=r"seems to hold weights.*sqrt\(-numpy.log\(X\)\)"):
        build(REFUSED[kind](distances_and_weights(X)[1]))


KERNELS = {
    "rbf": rbf_kernel,
    "cosine": lambda X: cosine_similarity(np.abs(X)),
    "inner products": lambda X: linear_kernel(np.abs(X)),
    "exponential": lambda X: np.exp(-cdist(X, X)),
    "rows that sum to 1": lambda X: normalize(rbf_kernel(X), norm="l1"),
    "connectivity": lambda X: kneighbors_graph(X, 8, include_self=True),
}


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("kind", KERNELS)
def test_a_kernel_is_refused(kind, make, X):
    K = KERNELS[kind](X)
    if sparse.issparse(K):
        K = K if make is sparse.csr_array else K.toarray()
    with pytest.raises(ValueError, match=r"every sample is farthest from itself.*Turn them into"):
        build(make(K))


DOUBTFUL = {
    "kernel without diagonal": lambda X: rbf_kernel(X) * (1 - np.eye(len(X))),
    "random walk": lambda X: normalize(rbf_kernel(X) * (1 - np.eye(len(X))), norm="l1"),
    "sparse random walk": lambda X: normalize(kneighbors_graph(X, 8, mode="distance"), norm="l1"),
}


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_what_may_be_similarities_is_warned_of(kind, X):
    with pytest.warns(SimilaritiesWarning, match="X is read as distances, but"):
        build(DOUBTFUL[kind](X))


def test_queries_of_weights_are_refused(X):
    points, _ = build(cdist(X[:80], X[:80]))
    weights = distances_and_weights(X)[1][80:, :80]
    with pytest.raises(ValueError, match="seems to hold weights"):
        points.match(weights)


def test_distances_from_a_fitted_graph_make_the_same_graph(X):
    W = distances_and_weights(X, k=8, scale_neighbor=4)[1]
    distances = W.copy()
    distances.data = np.sqrt(-np.log(distances.data))
    again = build(distances)[1].weights
    np.testing.assert_allclose(again.toarray(), W.toarray(), atol=1e-12)


def test_a_graph_of_ones_gives_every_edge_the_same_weight(X):
    graph = kneighbors_graph(X, 8)
    weights = build(graph)[1].weights
    np.testing.assert_allclose(weights.toarray(), np.exp(-1) * graph.toarray())


def test_stored_zeros_are_no_weights():
    graph = sparse.csr_array(sparse_rows(30, 30, 0.3) + sparse.identity(30))
    graph.setdiag(0)
    graph.data[::7] = 0
    build(graph)
