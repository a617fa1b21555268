"""Harmonic extension on a weighted graph: the linear system, and the points it leaves out."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._graph.matrices import (
    components,
    narrowed,
    plus_diagonal,
    scaled,
    submatrix,
    symmetric_laplacian,
)
from .._parallel import equal_blocks
from .._progress import Progress
from .deflation import GraphSolver

__all__ = ["HarmonicExtension", "Unary", "harmonic_extension", "harmonic_system",
           "reached_points", "softly_clamped_system", "weighted_mean"]  # fmt: skip

_CLASSES = 64  # solved at a time; each takes about six vectors over the points
_ROWS = 4096  # normalized at a time


def reached_points(component, labeled):
    """Mark the points connected with a labelled one (n_points,), by their components.

    The linear system is positive definite if and only if it leaves out all other points.
    """
    reached = np.zeros(component.max() + 1, dtype=bool)
    reached[component[labeled]] = True
    return reached[component]


def harmonic_system(W, labeled, unknown, mu):
    """Assemble the linear system ``A u = B g`` of the weighted nonlocal Laplacian.

    For each unlabelled point ``x``, with the labelled points ``S``,

    ``sum_y (w(x,y) + w(y,x)) (u(x) - u(y)) + (mu - 1) sum_{y in S} w(y,x) (u(x) - u(y)) = 0``

    and ``u = g`` on ``S``. With ``T = W + W^T`` that is

    ``A = diag(T 1 + (mu - 1) (W^T)_{.,S} 1) - T``, ``B = (T + (mu - 1) W^T)_{.,S}``,

    restricted to ``unknown`` points: unlabelled ones, each with all points connected to it through
    unlabelled ones. ``(T + (mu - 1) W^T)_{.,S}`` is ``(W + mu W^T)_{.,S}``; ``mu`` is ``n / m`` for
    the WNLL, 1 for the graph Laplacian. ``A`` (n_unknown, n_unknown) is a symmetric M-matrix with
    the row sums of ``B`` (n_unknown, n_labeled).

    Z. Shi, S. Osher and W. Zhu, "Weighted nonlocal Laplacian on interpolation from sparse
    data", J. Sci. Comput. 73 (2017); Wang et al., arXiv 1802.00168 (2018). Here in matrix form.
    """
    # Only edges that leave a labelled point carry the extra weight.
    outward = submatrix(W, labeled, unknown).T
    B = (submatrix(W, unknown, labeled) + mu * outward).tocsr()
    return symmetric_laplacian(submatrix(W, unknown, unknown), B.sum(axis=1)), B


def softly_clamped_system(W, labeled, unknown, mu, fidelity):
    """Assemble the linear system ``A u = B g`` whose solution may differ from the labels.

    It minimizes, with ``c(x) = mu`` at labelled points ``S`` and 1 elsewhere, and the degrees ``d``
    of ``W + W^T``,

    ``sum_xy c(x) w(x,y) |u(x) - u(y)|^2 + sum_{x in S} fidelity(x) d(x) |u(x) - g(x)|^2``

    over the ``unknown`` points, which are all that a label reaches. For a large ``fidelity``
    (n_labeled,) it is the :func:`harmonic_system`. ``A`` (n_unknown, n_unknown) is a symmetric
    M-matrix with the row sums of ``B`` (n_unknown, n_labeled).
    """
    degree = _degrees(W)[labeled]
    factors = np.ones(W.shape[0])
    factors[labeled] = mu
    place, shape = np.full(W.shape[0], -1), (len(unknown), len(labeled))
    place[unknown] = np.arange(len(unknown))
    entries = place[labeled], np.arange(len(labeled))
    B = sparse.csr_array((fidelity * degree, entries), shape=shape)
    within = submatrix(scaled(W, factors), unknown, unknown)
    return symmetric_laplacian(within, B.sum(axis=1)), B


class Unary(NamedTuple):
    """Distributions ``p`` (n_points, n_classes) that pull at the unlabelled points.

    ``(L + diag(strength d)) u = B g + diag(strength d) p``, with the degree ``d`` of a point: as if
    the point had one more neighbour, with this distribution and ``strength`` (n_points,) times the
    weight of all others. X. Zhu, Z. Ghahramani and J. Lafferty, "Semi-supervised learning using
    Gaussian fields and harmonic functions", ICML 2003, section 5.
    """

    p: np.ndarray
    strength: np.ndarray

    @classmethod
    def joined(cls, first, n_first, second, n_second):
        """Concatenate the terms of some points and of others; one of the two may have none."""
        if first is None and second is None:
            return None
        n_classes = (second if first is None else first).p.shape[1]
        parts = [
            cls(np.zeros((n, n_classes)), np.zeros(n)) if one is None else one
            for one, n in ((first, n_first), (second, n_second))
        ]
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def __getitem__(self, points):
        return Unary(self.p[points], self.strength[points])


class HarmonicExtension(NamedTuple):
    """Distributions ``u`` (n_points, n_classes); ``reached`` (n_points,) marks those by a label.

    ``n_iter`` and ``residual`` are those of the slowest class; ``converged`` holds for all.
    ``masses`` (n_labeled,), computed on request, sum the shares of each labelled point in the
    others. ``walks`` (n_points, 2) are the lengths of walks found so far, a start for another
    solution.
    """

    u: np.ndarray
    reached: np.ndarray
    n_iter: int
    residual: float
    converged: bool
    masses: np.ndarray | None = None
    walks: np.ndarray | None = None


def harmonic_extension(
    W, labeled, g, fallback, *, mu, fidelity=None, unary=None, component=None, start=None,
    walks=None, order=None, masses=False, sources=None, tol=1e-6, max_iter=1000, callback=None
):  # fmt: skip
    """Extend values from labelled points to all points of a graph: a :class:`HarmonicExtension`.

    ``W`` (n_points, n_points) holds directed weights, ``g`` (n_labeled, n_classes) distributions
    of the labelled points, dense or sparse. Points that no label reaches get the distribution
    ``fallback`` (n_classes,). The solver starts at ``start`` (n_points, n_classes), which becomes
    the result, or at ``fallback``, and at the ``walks`` (n_points, 2) of another extension. Pass
    the :func:`components` if known, and an ``order`` that puts nearby points next to each other;
    points that it leaves out follow.

    With ``fidelity`` (n_labeled,), labelled points are clamped softly, and may get another value.
    A :class:`Unary` term reaches the points it pulls at, as a label does. With ``masses``, those
    of labelled points are found too, which is one more column to solve for.

    By the maximum principle ``u`` is in [0, 1] and sums to 1 over the classes; the solver's small
    deviations are cut off. With ``sources`` (n_classes,), columns are numbers instead, to which
    each step of a walk to the labels adds the column's source.

    A path of three points, labelled at its ends:

    >>> W = sparse.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=float)
    >>> labeled = np.array([True, False, True])
    >>> harmonic_extension(W, labeled, np.eye(2), np.full(2, 0.5), mu=1.0).u
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]])
    """
    W, g = narrowed(W), sparse.csc_array(g)
    u = np.tile(fallback, (W.shape[0], 1)) if start is None else start
    pulling = labeled if unary is None else labeled | (unary.strength > 0)
    reached = reached_points(components(W) if component is None else component, pulling)
    u[~reached] = fallback
    clamped = fidelity is None
    given, unknown = np.flatnonzero(labeled), _in_order(reached & ~(labeled & clamped), order)
    results, system = [], None
    walks = np.zeros((len(u), 2)) if walks is None else walks.copy()
    if sources is None and g.shape[1] == 1:
        u[reached] = 1.0
    elif len(unknown):
        system = _System.of(W, given, unknown, mu, fidelity, unary, walks[unknown, 0])
    options = {"tol": tol, "max_iter": max_iter, "callback": callback}
    for classes in equal_blocks(g.shape[1], _CLASSES):
        if clamped:
            u[given, classes] = g[:, classes].toarray()
        if system is not None:
            right = system.right_side(g[:, classes], classes)
            if sources is not None:
                right = right.toarray() if sparse.issparse(right) else right
                right += system.diagonal[:, None] * sources[classes]
            result = system.solver.solve(right, u[:, classes], unknown, **options)
            u[unknown, classes] = result.x
            results.append(result._replace(x=None))
    if sources is None:
        _normalize(u, unknown, fallback)
    found = np.zeros(len(given)) if masses else None
    if system is not None:
        walks[unknown, 0] = system.solver.steps
    if masses and system is not None:
        found, result = system.masses(walks[unknown, 1], **options)
        walks[unknown, 1] = result.x[:, 0]
        results.append(result._replace(x=None))
    return HarmonicExtension(
        u=u,
        reached=reached,
        masses=found,
        walks=walks,
        n_iter=max((int(result.n_iter.max()) for result in results), default=0),
        residual=max((float(result.residual.max()) for result in results), default=0.0),
        converged=all(result.converged.all() for result in results),
    )


def _in_order(chosen, order):
    """List chosen points, by a mask (n_points,): those in ``order`` as there, then the others."""
    if order is None:
        return np.flatnonzero(chosen)
    n_ordered = len(order)
    return np.append(order[chosen[order]], n_ordered + np.flatnonzero(chosen[n_ordered:]))


class _System(NamedTuple):
    """The linear system of ``n_unknown`` points, and the terms that pull at them."""

    solver: GraphSolver
    diagonal: np.ndarray
    B: sparse.csr_array
    pull: np.ndarray | None
    p: np.ndarray | None

    @classmethod
    def of(cls, W, given, unknown, mu, fidelity, unary, steps):
        """Assemble the system; labels of ``given`` points without ``fidelity`` are clamped.

        ``steps`` (n_unknown,) are a first guess of the lengths of walks.
        """
        progress = Progress("system")
        if fidelity is None:
            A, B = harmonic_system(W, given, unknown, mu)
        else:
            A, B = softly_clamped_system(W, given, unknown, mu, fidelity)
        row_sums, pull, p = B.sum(axis=1), None, None
        if unary is not None:
            pull = unary.strength * _degrees(W)
            pull[given] = 0
            pull, p = pull[unknown], unary.p[unknown]
            A, row_sums = plus_diagonal(A, pull), row_sums + pull
        system = cls(GraphSolver(A, row_sums, steps), A.diagonal(), B, pull, p)
        progress.finish(f"{len(unknown):,} equations")
        return system

    def right_side(self, g, classes):
        """Sum the terms of labels ``g`` (n_labeled, some classes) and the unary term.

        Most entries are 0 without that, and the result may be sparse.
        """
        right = self.B @ g
        if self.pull is None:
            return right
        right = right.toarray() if sparse.issparse(right) else right
        right += self.pull[:, None] * self.p[:, classes]
        return right

    def masses(self, start, **options):
        """Sum each label's shares in the points (n_labeled,), and return the solver's result too.

        The solver starts at ``start`` (n_unknown,).
        """
        n_unknown, n_given = self.B.shape
        # In units of the mean, to suit the tolerance.
        right = np.full((n_unknown, 1), n_given / n_unknown)
        result = self.solver.solve(right, start[:, None], **options)
        return (self.B.T @ result.x)[:, 0] * n_unknown / n_given, result


def _degrees(W):
    """Compute the degrees of ``W + W^T`` (n_points,), 1 at points without edges."""
    degree = W.sum(axis=0) + W.sum(axis=1)
    return np.where(degree > 0, degree, 1.0)


def _normalize(u, points, fallback):
    """Turn the solution at some points into distributions, cutting off small deviations."""
    for part in equal_blocks(len(points), _ROWS):
        solved = u[points[part]].clip(0, 1)
        total = solved.sum(axis=1, keepdims=True)
        u[points[part]] = np.divide(solved, total, out=np.tile(fallback, (len(solved), 1)),
                                    where=total > 0)  # fmt: skip


def weighted_mean(W, point_weights, reached, u, fallback, unary=None, degrees=None):
    """Average new points' fitted neighbours, and mark new points with a neighbour that is reached.

    ``u(q) = sum_y c(y) w(q,y) u(y) / sum_y c(y) w(q,y)`` over the neighbours ``y`` that a label
    reaches, with weights ``W`` (n_queries, n_points), the weight ``c`` (n_points,) of a point (for
    the WNLL ``mu`` at labelled points and 1 elsewhere) and ``u`` (n_points, n_classes). A
    :class:`Unary` term of the new points, with their ``degrees`` (n_queries,), is one more
    neighbour. Without any neighbour, the mean is ``fallback`` (n_classes,).
    """
    weighted = scaled(W, by_column=point_weights * reached)
    # Summed in the order of the values, which makes a mean of equal values exact.
    total, values = (weighted @ np.ones(W.shape[1]))[:, None], weighted @ u
    if unary is not None:
        pull = (unary.strength * degrees)[:, None]
        total, values = total + pull, values + pull * unary.p
    mean = np.tile(fallback, (W.shape[0], 1))
    np.divide(values, total, out=mean, where=total > 0)
    return mean, total[:, 0] > 0
