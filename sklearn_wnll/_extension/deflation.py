"""Linear systems on graphs: conjugate gradients deflated by clusters of points."""

from functools import partial

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from .conjugate_gradient import Deflation, conjugate_gradient

__all__ = ["solve_on_graph"]

_WEAK = 1e-3  # an edge is weak below this part of all edges of each of its ends
_CLUSTER_SIZE = 256
_MAX_SEEDS = 512  # bounds the cost of the system summed over clusters
_FEW_POINTS = 4096  # up to here, iterations cost less than what would save them


def solve_on_graph(A, B, *, row_sums, start, **options):
    """Solve ``A X = B`` where the off-diagonal entries of ``A`` (n, n) are minus a graph's weights.

    ``A`` is a symmetric M-matrix. Where all rows sum to 0 it is singular; the right-hand sides
    ``B`` (n, c) then sum to 0 on each connected component. ``row_sums`` (n,) are free of the
    rounding of a difference; ``start`` is (n, c); ``options`` are those of
    :func:`conjugate_gradient`. Returns a :class:`SolverResult`.
    """
    cluster = _grow_clusters(A)
    # Points of a cluster one after the other: what a product reads together lies together.
    order = np.argsort(cluster, kind="stable")
    A, B = _permuted(A, order), B[order]
    deflation = _cluster_deflation(A, row_sums[order], cluster[order])
    result = conjugate_gradient(A, B, x0=start[order], deflation=deflation, **options)
    x = np.empty_like(result.x)
    x[order] = result.x
    return result._replace(x=x)


def _cluster_deflation(A, row_sums, cluster):
    """The functions that are constant on clusters, for the solver; None if they are of no use.

    If the clusters are regions of the graph, slowly varying functions, which would take many
    iterations, are near such a function. If weak edges alone tie a cluster to the rest, they add
    so little to the residual that the solver could end before it has seen them. A single point
    that labels hold fast needs neither.
    """
    held = (np.bincount(cluster) == 1)[cluster] & (row_sums > _WEAK * A.diagonal())
    numbers, group = np.unique(cluster[~held], return_inverse=True)
    if not len(numbers) or (len(numbers) == 1 and row_sums.sum() > _WEAK * A.diagonal().sum()):
        return None
    indptr = np.append(0, np.cumsum(~held))
    shape = (len(cluster), len(numbers))
    basis = sparse.csr_array((np.ones(len(group)), group, indptr), shape=shape)
    return Deflation(basis, row_sums, partial(_factorize, singular=not row_sums.any()))


def _factorize(summed, singular):
    """Factorize the system summed over clusters.

    If it is singular, one cluster of each of its connected components has the value 0.
    """
    free = np.arange(summed.shape[0])
    if singular:
        _, component = connected_components(summed, directed=False)
        free = np.delete(free, np.unique(component, return_index=True)[1])
    factors = splu(summed[free][:, free].tocsc()) if len(free) else None

    def solve(y):
        solution = np.zeros_like(y)
        if factors is not None:
            # Column by column: for a block, BLAS starts threads that wait for one another.
            for j, column in enumerate(y[free].T):
                solution[free, j] = factors.solve(column)
        return solution

    return solve


def _grow_clusters(A):
    """Grow clusters over strong edges, from random points if there are many points.

    What these do not reach makes clusters of its own, as strong edges connect it.
    """
    n_points = A.shape[0]
    n_seeds = min(n_points // _CLUSTER_SIZE, _MAX_SEEDS) if n_points > _FEW_POINTS else 0
    front = np.random.default_rng(0).choice(n_points, n_seeds, replace=False)
    cluster, claim = np.full(n_points, -1), np.empty(n_points, dtype=np.intp)
    cluster[front] = np.arange(n_seeds)
    degree = A.diagonal()
    while front.size:
        source, target = _strong_edges(A, degree, front, cluster < 0)
        edge = np.arange(len(target))
        claim[target] = edge
        first = claim[target] == edge  # one edge to each new point
        front = target[first]
        cluster[front] = cluster[source[first]]
    rest = cluster < 0
    source, target = _strong_edges(A, degree, np.flatnonzero(rest), rest)
    place = np.cumsum(rest) - 1
    n_rest = np.count_nonzero(rest)
    edges = sparse.coo_array(
        (np.ones(len(source)), (place[source], place[target])), shape=(n_rest, n_rest)
    )
    _, cluster[rest] = connected_components(edges, directed=False)
    cluster[rest] += n_seeds
    return cluster


def _strong_edges(A, degree, points, allowed):
    """The ends of the edges from ``points`` to ``allowed`` ones that are not weak."""
    rows = A[points]
    edges = np.flatnonzero(allowed[rows.indices])
    source, target = np.repeat(points, np.diff(rows.indptr))[edges], rows.indices[edges]
    strong = rows.data[edges] < -_WEAK * np.minimum(degree[source], degree[target])
    return source[strong], target[strong]


def _permuted(A, order):
    """The symmetric matrix with rows and columns in the given order."""
    place = np.empty(len(order), dtype=A.indices.dtype)
    place[order] = np.arange(len(order))
    rows = A[order]
    return sparse.csr_array((rows.data, place[rows.indices], rows.indptr), shape=A.shape)
