"""Harmonic extension on a weighted graph: the linear system, and where it has no answer."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .._graph.rows import with_narrow_indices
from .deflation import solve_on_graph

__all__ = ["HarmonicExtension", "harmonic_extension", "harmonic_system", "reached_points",
           "weighted_mean"]  # fmt: skip


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


def harmonic_extension(
    W, labeled, g, fallback, *, mu, start=None, tol=1e-6, max_iter=1000, callback=None
):
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
        Factor on the energy of labelled points, as
        ``label_weight_value`` gives it.
    start : ndarray of shape (n_points, n_classes), default=None
        Where the solver starts; None is ``fallback`` everywhere.
    tol : float, default=1e-6
        Relative residual at which a class has converged.
    max_iter : int, default=1000
        Largest number of iterations.
    callback : callable, default=None
        Called after each iteration with the largest relative residual.

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
    result = solve_on_graph(
        A,
        B,
        row_sums=B.sum(axis=1),
        start=u[unknown],
        tol=tol,
        max_iter=max_iter,
        callback=callback,
    )
    solved = result.x.clip(0, 1)
    total = solved.sum(axis=1, keepdims=True)
    u[unknown] = np.divide(solved, total, out=np.tile(fallback, (len(solved), 1)), where=total > 0)
    return HarmonicExtension(
        u=u,
        reached=reached,
        n_iter=int(result.n_iter.max()),
        residual=float(result.residual.max()),
        converged=bool(result.converged.all()),
    )


def weighted_mean(W, point_weights, reached, u, fallback):
    """Give new points the weighted mean of their fitted neighbours' values.

    ``u(q) = sum_y c(y) w(q,y) u(y) / sum_y c(y) w(q,y)`` over the neighbours ``y`` that a
    label reaches, with the weight ``c(y)`` of a point.

    Parameters
    ----------
    W : csr_array of shape (n_queries, n_points)
        Edge weights from the queries to the fitted points.
    point_weights : ndarray of shape (n_points,)
        ``c``: for the WNLL ``mu`` at labelled points and 1 elsewhere.
    reached : ndarray of bool of shape (n_points,)
        Which fitted points a label reaches.
    u : ndarray of shape (n_points, n_classes)
        Values of the fitted points.
    fallback : ndarray of shape (n_classes,)
        Value where no neighbour is reached.

    Returns
    -------
    mean : ndarray of shape (n_queries, n_classes)
        Distribution of each query.
    reached : ndarray of bool of shape (n_queries,)
        Whether a label reaches a neighbour of it.
    """
    neighbors = W.indices
    weights = W.data * (point_weights * reached)[neighbors]
    weighted = sparse.csr_array((weights, neighbors, W.indptr), shape=W.shape)
    # Summed as the values are, so that a mean of equal values is that value.
    total = (weighted @ np.ones(W.shape[1]))[:, None]
    mean = np.tile(fallback, (W.shape[0], 1))
    np.divide(weighted @ u, total, out=mean, where=total > 0)
    return mean, total[:, 0] > 0
