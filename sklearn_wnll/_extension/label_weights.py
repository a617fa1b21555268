"""Weights of labelled points, or of the points near them."""

import numbers
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._graph.matrices import components, scaled
from .._graph.weights import graph_laplacian
from .deflation import GraphSolver
from .noise import softened

__all__ = ["Reweighted", "label_weight_value", "poisson_weights", "reweighted"]

_WEIGHT_RANGE = 1e-12, 1e12
_SMALLEST = 1e-3  # times the mean, so edges remain where the Poisson weight is least


class Reweighted(NamedTuple):
    """Weights ``W``, the factor ``mu`` on labelled points' energy, and details of the solution.

    An edge from a new point to each point is multiplied by ``point_weights`` (n_points,).
    """

    W: sparse.csr_array
    mu: float
    point_weights: np.ndarray
    n_iter: int = 0
    residual: float = 0.0
    converged: bool = True


def reweighted(W, labeled, label_weight, *, noise=0.0, **options):
    """Weight the points of a graph by its labels: a :class:`Reweighted`.

    ``W`` (n_points, n_points) holds directed weights, ``labeled`` (n_points,) marks at least one
    point; a fraction ``noise`` of the labels is wrong. The solver's ``options`` are used by
    ``label_weight="poisson"``.
    """
    if label_weight == "poisson":
        solved = poisson_weights(W, labeled, **options)
        gamma = solved.point_weights
        return solved._replace(W=scaled(W, gamma, gamma))
    mu = label_weight_value(label_weight, len(labeled), np.count_nonzero(labeled))
    mu = softened(mu, noise)
    return Reweighted(W, mu, np.where(labeled, mu, 1.0))


def label_weight_value(label_weight, n_points, n_labeled):
    """Return the factor ``mu`` on the energy of labelled points.

    ``"wnll"`` is ``n / m`` for ``n`` points and ``m`` labelled ones (Shi, Osher and Zhu, J. Sci.
    Comput. 73, 2017), ``"laplace"`` is 1. A number is clipped to 1e-12 to 1e12: beyond that it is
    as good as 0 or infinity, and hides the other weights.

    >>> label_weight_value("wnll", 1000, 10)
    100.0
    """
    if isinstance(label_weight, numbers.Real):
        return float(np.clip(label_weight, *_WEIGHT_RANGE))
    return {"wnll": n_points / n_labeled, "laplace": 1.0}[label_weight]


def poisson_weights(W, labeled, *, tol=1e-6, **options):
    """Weight points by the solution of a Poisson equation with sources at the labelled ones.

    ``gamma`` solves, with ``T = W + W^T`` and the fraction ``p`` of points that are labelled,

    ``sum_y T(x,y) (gamma(x) - gamma(y)) = 1 - p`` where ``x`` is labelled, ``-p`` elsewhere,

    and is shifted to be positive. The edge weights become ``gamma(x) w(x,y) gamma(y)``. They are
    large around labels, and further out where labels are few, which keeps the harmonic extension
    from falling off at once. Each connected component has its own ``p``, and ``gamma`` has mean 1
    there. Returns a :class:`Reweighted` with ``gamma`` as ``point_weights``, and ``W`` unchanged.

    J. Calder, B. Cook, M. Thorpe and D. Slepcev, "Poisson learning: graph based semi-supervised
    learning at very low label rates", ICML 2020; K. Miller and J. Calder, "Poisson reweighted
    Laplacian uncertainty sampling for graph-based active learning", SIAM J. Math. Data Sci. 5
    (2023).

    A path of three points, labelled at one end:

    >>> W = sparse.csr_array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=float)
    >>> poisson_weights(W, np.array([True, False, False])).point_weights.round(2)
    array([2.25, 0.75, 0.  ])
    """
    component = components(W)
    size, n_labeled = np.bincount(component), np.bincount(component, labeled)
    # In each component the scale is free. Integers have exact sums over clusters, and weak edges
    # carry nothing else.
    source = np.where(labeled, size[component], 0) - n_labeled[component]
    A = graph_laplacian(W)
    # The size of a solution is about the length of walks times the source per step.
    strength = np.bincount(component, np.abs(source)) / np.bincount(component, A.diagonal())
    tol *= strength.min(initial=np.inf, where=strength > 0)
    result = GraphSolver(A, np.zeros(len(source))).solve(
        source[:, None], np.zeros((len(source), 1)), tol=tol, **options
    )
    gamma = result.x[:, 0]
    lowest = np.full(len(size), np.inf)
    np.minimum.at(lowest, component, gamma)
    gamma = gamma - lowest[component]
    mean = np.bincount(component, gamma) / size
    # Where all points are labelled, or none, the weights are equal.
    flat = ~(mean > 0)
    mean[flat] = 1
    gamma = gamma / mean[component] + np.where(flat, 1, _SMALLEST)[component]
    return Reweighted(
        W, 1.0, gamma, int(result.n_iter[0]), float(result.residual[0]), bool(result.converged[0])
    )
