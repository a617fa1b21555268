"""Harmonic extension on a weighted graph: the linear system, and where it has no answer."""

import numbers
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from .points import with_narrow_indices
from .solvers import Deflation, conjugate_gradient

__all__ = ["HarmonicExtension", "harmonic_extension", "harmonic_system", "label_weight_value",
           "reached_points", "weighted_mean"]  # fmt: skip

_WEIGHT_RANGE = 1e-12, 1e12
_WEAK = 1e-3  # an edge is weak below this part of all edges of each of its ends
_CLUSTER_SIZE = 256
_MAX_SEEDS = 512  # bounds the cost of the system summed over clusters
_FEW_POINTS = 4096  # up to here, iterations cost less than what would save them


def label_weight_value(label_weight, n_points, n_labeled):
    """Give the factor ``mu`` on the energy of labelled points.

    Parameters
    ----------
    label_weight : {"wnll", "laplace"} or float
        ``"wnll"`` is ``n / m``, ``"laplace"`` is 1, a number is itself, between 1e-12 and
        1e12: beyond that it is as good as nothing or infinity, and hides the other weights.
    n_points : int
        Number of points ``n``.
    n_labeled : int
        Number of labelled points ``m``.

    Returns
    -------
    float
        The factor ``mu``.

    References
    ----------
    Z. Shi, S. Osher and W. Zhu, "Weighted nonlocal Laplacian on interpolation from sparse
    data", J. Sci. Comput. 73 (2017).

    Examples
    --------
    >>> label_weight_value("wnll", 1000, 10)
    100.0
    """
    if isinstance(label_weight, numbers.Real):
        return float(np.clip(label_weight, *_WEIGHT_RANGE))
    return {"wnll": n_points / n_labeled, "laplace": 1.0}[label_weight]


def reached_points(W, labeled):
    """Tell which points are connected with a labelled one.

    Parameters
    ----------
    W : csr_array of shape (n_points, n_points)
        Directed edge weights; an edge connects both ways.
    labeled : ndarray of bool of shape (n_points,)
        Which points are labelled.

    Returns
    -------
    ndarray of bool of shape (n_points,)
        False in the connected components of the graph that hold no labelled point. Exactly
        without those is the linear system positive definite.
    """
    _, component = connected_components(W, directed=False)
    return np.isin(component, component[labeled])


def harmonic_system(W, labeled, unknown, g, mu):
    """Assemble the linear system ``A u = B`` of the weighted nonlocal Laplacian.

    For each unlabelled point ``x``, with the labelled points ``S``,

    ``sum_y (w(x,y) + w(y,x)) (u(x) - u(y)) + (mu - 1) sum_{y in S} w(y,x) (u(x) - u(y)) = 0``

    and ``u = g`` on ``S``. With ``T = W + W^T`` that is

    ``A = diag(T 1 + (mu - 1) (W^T)_{.,S} 1) - T``, ``B = (T + (mu - 1) W^T)_{.,S} g``,

    restricted to the unlabelled points. ``(T + (mu - 1) W^T)_{.,S}`` is ``(W + mu W^T)_{.,S}``.

    Parameters
    ----------
    W : csr_array of shape (n_points, n_points)
        Directed edge weights.
    labeled : ndarray of bool of shape (n_points,)
        Which points are labelled.
    unknown : ndarray of bool of shape (n_points,)
        Which points are solved for: unlabelled ones, and with a point all that it is
        connected with through unlabelled points.
    g : ndarray of shape (n_labeled, n_classes)
        Values of the labelled points.
    mu : float
        Factor on the energy of labelled points: ``n / m`` is the WNLL, 1 the graph Laplacian.

    Returns
    -------
    A : csr_array of shape (n_unknown, n_unknown)
        Symmetric M-matrix.
    B : ndarray of shape (n_unknown, n_classes)
        One right-hand side per class.

    References
    ----------
    Z. Shi, S. Osher and W. Zhu, "Weighted nonlocal Laplacian on interpolation from sparse
    data", J. Sci. Comput. 73 (2017); Wang et al., arXiv 1802.00168 (2018). Here in matrix form.
    """
    out = W[unknown]
    # Twice transposed, rows are sorted, and sorted rows are added faster.
    within_transposed = out[:, unknown].T.tocsr()
    within = within_transposed.T.tocsr() + within_transposed
    # Only edges that leave a labelled point carry the extra weight.
    to_labels = out[:, labeled] + mu * W[labeled][:, unknown].T
    A = (sparse.diags_array(within.sum(axis=1) + to_labels.sum(axis=1)) - within).tocsr()
    B = to_labels @ g
    return A, B


class HarmonicExtension(NamedTuple):
    """What :func:`harmonic_extension` returns.

    Attributes
    ----------
    u : ndarray of shape (n_points, n_classes)
        Distribution of each point.
    reached : ndarray of bool of shape (n_points,)
        False where no label reaches a point.
    n_iter : int
        Iterations of the solver.
    residual : float
        Largest relative residual of a class.
    converged : bool
        Whether all classes reached the tolerance.
    """

    u: np.ndarray
    reached: np.ndarray
    n_iter: int
    residual: float
    converged: bool


def harmonic_extension(W, labeled, g, fallback, *, mu, start=None, tol=1e-6, max_iter=1000,
                       callback=None, n_jobs=None):  # fmt: skip
    """Extend values from labelled points to all points of a graph.

    Parameters
    ----------
    W : csr_array of shape (n_points, n_points)
        Directed edge weights.
    labeled : ndarray of bool of shape (n_points,)
        Which points are labelled; at least one.
    g : ndarray of shape (n_labeled, n_classes)
        Distributions of the labelled points: not negative, and each sums to 1.
    fallback : ndarray of shape (n_classes,)
        Distribution of points that no label reaches.
    mu : float
        Factor on the energy of labelled points; see :func:`label_weight_value`.
    start : ndarray of shape (n_points, n_classes), default=None
        Where the solver starts; None is ``fallback`` everywhere.
    tol : float, default=1e-6
        Relative residual at which a class has converged.
    max_iter : int, default=1000
        Largest number of iterations.
    callback : callable, default=None
        Called after each iteration with the largest relative residual.
    n_jobs : int, default=None
        Number of threads; None is all cores. It changes no bit of the result.

    Returns
    -------
    HarmonicExtension
        ``u`` and how it was found. By the maximum principle ``u`` is in [0, 1] and sums to
        1 over the classes; what the solver leaves beyond its tolerance is cut off.

    Examples
    --------
    A path of three points, labelled at its ends:

    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> W = csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=float)
    >>> labeled = np.array([True, False, True])
    >>> harmonic_extension(W, labeled, np.eye(2), np.full(2, 0.5), mu=1.0).u
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]])
    """
    W = with_narrow_indices(W)
    u = np.tile(fallback, (W.shape[0], 1)) if start is None else np.array(start)
    reached = reached_points(W, labeled)
    u[labeled] = g
    u[~reached] = fallback
    unknown = reached & ~labeled
    if not unknown.any():
        return HarmonicExtension(u, reached, 0, 0.0, True)
    A, B = harmonic_system(W, labeled, unknown, g, mu)
    cluster = _grow_clusters(A)
    # Points of a cluster one after the other: what a product reads together lies together.
    order = np.argsort(cluster, kind="stable")
    A, B, points = _permuted(A, order), B[order], np.flatnonzero(unknown)[order]
    result = conjugate_gradient(
        A,
        B,
        x0=u[points],
        deflation=_cluster_deflation(A, B, cluster[order]),
        tol=tol,
        max_iter=max_iter,
        callback=callback,
        n_jobs=n_jobs,
    )
    solved = result.x.clip(0, 1)
    total = solved.sum(axis=1, keepdims=True)
    u[points] = np.divide(solved, total, out=np.tile(fallback, (len(solved), 1)), where=total > 0)
    return HarmonicExtension(
        u=u,
        reached=reached,
        n_iter=int(result.n_iter.max()),
        residual=float(result.residual.max()),
        converged=bool(result.converged.all()),
    )


def _cluster_deflation(A, B, cluster):
    """Give the solver the functions that are constant on clusters, or None if of no use.

    Where the clusters are regions of the graph, what varies little over it is near such a
    function, and would else take many iterations. Where weak edges alone tie a cluster to the
    rest, they add so little to the residual that the solver could end before it has seen them.
    A single point that labels hold fast needs neither.
    """
    n_points, to_labels = len(cluster), B.sum(axis=1)
    held = (np.bincount(cluster) == 1)[cluster] & (to_labels > _WEAK * A.diagonal())
    numbers, group = np.unique(cluster[~held], return_inverse=True)
    if not len(numbers) or (len(numbers) == 1 and B.sum() > _WEAK * A.diagonal().sum()):
        return None
    indptr = np.append(0, np.cumsum(~held))
    basis = sparse.csr_array((np.ones(len(group)), group, indptr), shape=(n_points, len(numbers)))

    def factorize(summed):
        """Factorize the system summed over clusters."""
        factors = splu(summed.tocsc())
        # Column by column: for a block, BLAS starts threads that wait for one another.
        return lambda y: np.column_stack([factors.solve(column) for column in y.T])

    return Deflation(basis, to_labels, factorize)


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
    """Give the ends of the edges from ``points`` to ``allowed`` ones that are not weak."""
    rows = A[points]
    edges = np.flatnonzero(allowed[rows.indices])
    source, target = np.repeat(points, np.diff(rows.indptr))[edges], rows.indices[edges]
    strong = rows.data[edges] < -_WEAK * np.minimum(degree[source], degree[target])
    return source[strong], target[strong]


def _permuted(A, order):
    """Give the symmetric matrix with rows and columns in the given order."""
    place = np.empty(len(order), dtype=A.indices.dtype)
    place[order] = np.arange(len(order))
    rows = A[order]
    return sparse.csr_array((rows.data, place[rows.indices], rows.indptr), shape=A.shape)


def weighted_mean(W, labeled, reached, u, fallback, *, mu):
    """Give new points the weighted mean of their fitted neighbours' values.

    ``u(q) = sum_y c(y) w(q,y) u(y) / sum_y c(y) w(q,y)`` over the neighbours ``y`` that a
    label reaches, with ``c(y) = mu`` where ``y`` is labelled and 1 elsewhere.

    Parameters
    ----------
    W : csr_array of shape (n_queries, n_points)
        Edge weights from the queries to the fitted points.
    labeled, reached : ndarray of bool of shape (n_points,)
        Which fitted points are labelled, and which a label reaches.
    u : ndarray of shape (n_points, n_classes)
        Values of the fitted points.
    fallback : ndarray of shape (n_classes,)
        Value where no neighbour is reached.
    mu : float
        Factor on labelled neighbours.

    Returns
    -------
    mean : ndarray of shape (n_queries, n_classes)
        Distribution of each query.
    reached : ndarray of bool of shape (n_queries,)
        Whether a label reaches a neighbour of it.
    """
    neighbors = W.indices
    weights = W.data * np.where(labeled[neighbors], mu, 1.0) * reached[neighbors]
    weighted = sparse.csr_array((weights, neighbors, W.indptr), shape=W.shape)
    # Summed as the values are, so that a mean of equal values is that value.
    total = (weighted @ np.ones(W.shape[1]))[:, None]
    mean = np.tile(fallback, (W.shape[0], 1))
    np.divide(weighted @ u, total, out=mean, where=total > 0)
    return mean, total[:, 0] > 0
