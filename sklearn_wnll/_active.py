"""Active learning: the points whose labels would help most."""

import numpy as np
from scipy import sparse

from ._extension.conjugate_gradient import conjugate_gradient
from ._graph.weights import graph_laplacian
from ._progress import Progress
from ._typing import Floats, Indices, Mask

__all__ = ["most_useful_points", "settled_by_next", "steadying_points", "walk_system"]

_END = 0.03  # about the probability that a walk ends at a step: walks take some 30 steps
_TOLERANCE = 1e-4  # of the solver; enough for a ranking
_EFFECTS = 16  # points whose effects on all gains are found together
_EFFECT_TOLERANCE = 3e-3  # of the solver; gains are then corrected to the same
_SLACK = 0.02  # a point of known effect is taken if its gain is within this part of the largest
_TAKEN = 4  # points of known effect that are taken for numbers, before others are considered


def most_useful_points(W: sparse.csr_array, labeled: Mask, uncertainty: Floats, n: int) -> Indices:
    """Choose points whose labels would resolve the most uncertainty not yet covered by labels.

    A walk steps from a point ``x`` to a neighbour ``y`` with probability ``T_xy / d_x``, and at
    each step ends by itself with probability ``e / (1 + e)``, ``e = 0.03``; at a labelled point
    it always ends. With ``v(x)`` the probability that it ends at a labelled one, and ``s(x)`` the
    expected sum of the uncertainty of the points that it visits, the gain is
    ``d_x (1 - v(x)) s(x)``: nearly the uncertainty, weighted by degree, that walks would bring to
    ``x`` if it were labelled, and that does not now end at a label. The point of the largest gain
    (within 2 %) counts as labelled from then on, which spreads out the points chosen after it.

    ``v`` and ``s`` solve ``A v_U = T_US 1`` and ``A s_U = (d q)_U`` with the matrix
    ``A = ((1 + e) diag(d) - T)_UU``. Here ``W`` (n_points, n_points) holds the edge weights,
    ``T = W + W^T``, and ``d`` its row sums; ``uncertainty`` is ``q`` (n_points,). Returns at most
    ``n`` points, the most useful first; fewer are the first of more.

    A path of seven points, labelled at one end:

    >>> W = sparse.diags_array(np.ones(6), offsets=1, shape=(7, 7)).tocsr()
    >>> most_useful_points(W, np.arange(7) == 0, np.ones(7), 2)
    array([5, 2])
    """
    n, chosen = min(n, int(np.count_nonzero(~labeled))), np.zeros(0, dtype=np.intp)
    if n == 0:
        return chosen
    gains = _Gains(W, labeled, uncertainty)
    progress = Progress("labels")
    while len(chosen) < n:
        peaks = gains.peaks()
        more = peaks[:1] if len(chosen) == n - 1 else gains.take(peaks, n - len(chosen))
        chosen = np.concatenate([chosen, more])
        progress.update(len(chosen) / n, f"{len(chosen):,} of {n:,}")
    progress.finish(f"{len(chosen):,} chosen")
    return chosen


def steadying_points(W: sparse.csr_array, labeled: list[Mask], weights: Floats, n: int) -> Indices:
    """Choose points whose values would reduce the expected variance at all points the most.

    The values are a Gaussian field whose precision is the ``A`` of :func:`most_useful_points`, so
    with ``G = A^-1`` the variance at a point without a value is ``G_yy``. A value at ``x`` reduces
    the sum, weighted by ``weights`` (n_points,), by ``sum_y weight_y G_xy^2 / G_xx``: V-optimality
    (M. Ji and J. Han, "A variance minimization criterion to active learning on graphs", AISTATS
    2012). It is computed for 16 candidates, those of the largest gain. ``labeled`` marks the points
    with a value, for each target. The sums over targets are compared.

    A path of seven points with a value at one end:

    >>> W = sparse.diags_array(np.ones(6), offsets=1, shape=(7, 7)).tocsr()
    >>> steadying_points(W, [np.arange(7) == 0], np.ones(7), 2)
    array([5, 2])
    """
    n = min(n, int(np.count_nonzero(~np.logical_and.reduce(labeled))))
    chosen = np.zeros(0, dtype=np.intp)
    if n == 0:
        return chosen
    fields = [_Gains(W, given, weights) for given in labeled]
    progress = Progress("rows")
    while len(chosen) < n:
        points = np.unique(np.concatenate([field.promising() for field in fields]))
        chosen = np.concatenate([chosen, _steadiest(fields, points, weights, n - len(chosen))])
        progress.update(len(chosen) / n, f"{len(chosen):,} of {n:,}")
    progress.finish(f"{len(chosen):,} chosen")
    return chosen


def _steadiest(fields: list["_Gains"], points: Indices, weights: Floats, n: int) -> Indices:
    """Take at most ``n`` of the points as known, those that reduce the variance the most."""
    effects = [field._solve(points) for field in fields]
    taken: list[int] = []
    while len(taken) < min(n, _TAKEN, len(points)):
        reduced = np.sum(
            [
                field.reductions(points, effect, weights)
                for field, effect in zip(fields, effects, strict=True)
            ],
            axis=0,
        )
        reduced[taken] = -1
        best = int(reduced.argmax())
        for field, effect in zip(fields, effects, strict=True):
            field.settle(points, effect, best)
        taken.append(best)
    return points[taken]


def settled_by_next(W: sparse.csr_array, labeled: Mask, uncertainty: Floats) -> float:
    """Sum the uncertainty that walks would bring to the most useful point if it were labelled.

    The unit is an unknown point of mean degree. Returns 0 if all points are labelled.

    >>> W = sparse.diags_array(np.ones(6), offsets=1, shape=(7, 7)).tocsr()
    >>> round(settled_by_next(W, np.arange(7) == 0, np.ones(7)), 1)
    3.8
    """
    if labeled.all() or not W.nnz:
        return 0.0
    gains = _Gains(W, labeled, uncertainty)
    best = gains.gain().argmax()
    effect = gains._solve(np.array([best]))[:, 0]
    return float(gains.visits @ effect / effect[best] / gains.degree.mean())


def walk_system(W: sparse.csr_array) -> sparse.csr_array:
    """Make the matrix ``(1 + e) diag(d) - T`` of walks that end by themselves."""
    laplacian = graph_laplacian(W)
    return (laplacian + _END * sparse.diags_array(laplacian.diagonal())).tocsr()


class _Gains:
    """The gain of each point, updated for each point that is taken as labelled.

    If ``x`` is taken, ``v`` rises by ``h (1 - v(x))`` and ``s`` falls by ``h s(x)``, where
    ``h = G_.x / G_xx`` with ``G = A^-1`` is the probability that a walk reaches ``x``. One
    solution finds these effects for several points.
    """

    def __init__(self, W: sparse.csr_array, labeled: Mask, uncertainty: Floats) -> None:
        self.A, self.labeled = walk_system(W), labeled.copy()
        self.diagonal = self.A.diagonal()
        self.degree = np.asarray(W.sum(axis=0) + W.sum(axis=1))
        self.visits = self.degree * uncertainty
        self.found = np.zeros((len(labeled), 2))  # v and s
        self._solve(np.zeros(0, dtype=np.intp))

    def gain(self) -> Floats:
        """Compute the gain of each point (n_points,), minus infinity at labelled ones."""
        v, s = self.found.T
        return np.where(self.labeled, -np.inf, np.maximum(self.degree * (1 - v) * s, 0))

    def peaks(self) -> Indices:
        """Find points with no less gain than any neighbour: the largest gains, in order."""
        gain = self.gain()
        around = np.maximum.reduceat(gain[self.A.indices], self.A.indptr[:-1])  # and oneself
        peaks = np.flatnonzero((gain >= around) & ~self.labeled)
        return peaks[np.argsort(-gain[peaks], kind="stable")[:_EFFECTS]]

    def promising(self) -> Indices:
        """Find the peaks, and other points with the largest gains if there are few peaks."""
        order = np.argsort(-self.gain(), kind="stable")[: np.count_nonzero(~self.labeled)]
        return np.concatenate([peaks := self.peaks(), order[~np.isin(order, peaks)]])[:_EFFECTS]

    def take(self, points: Indices, n: int) -> Indices:
        """Take at most ``n`` of the ``points`` as labelled: the first one and other good ones."""
        effects = self._solve(points)
        taken, best = np.zeros(0, dtype=np.intp), 0
        while len(taken) < n:
            self.settle(points, effects, best)
            taken = np.append(taken, points[best])
            gain = self.gain()
            best = int(gain[points].argmax())
            if self.labeled[points[best]] or gain[points[best]] < (1 - _SLACK) * gain.max():
                break
        return taken

    def settle(self, points: Indices, effects: Floats, best: int) -> None:
        """Take the ``best`` of some points as labelled, and update the ``effects`` of all."""
        x = points[best]
        if self.labeled[x]:
            return
        h, (v, s) = effects[:, best] / effects[x, best], self.found[x]
        self.found += np.outer(h, [1 - v, -s])
        effects -= np.outer(h, effects[x])
        self.labeled[x] = True

    def reductions(self, points: Indices, effects: Floats, weights: Floats) -> Floats:
        """Compute the reduction of the variance of all points by a value at each of some."""
        own = effects[points, np.arange(len(points))] * self.diagonal[points]
        squares = np.einsum("i,ij,ij->j", weights, effects, effects)
        return np.divide(squares, own, out=np.zeros(len(points)), where=~self.labeled[points])

    def _solve(self, points: Indices) -> Floats:
        """Find ``v`` and ``s`` again, and the columns of ``G`` of points, each times ``A_xx``."""
        free = np.flatnonzero(~self.labeled)
        rows, columns = self.A[free], np.arange(len(points))
        start = np.zeros((len(self.labeled), len(points)))
        start[points, columns] = 1
        ends = -(rows @ self.labeled.astype(np.float64))
        sources = self.diagonal[free, None] * start[free]
        found = conjugate_gradient(
            rows[:, free],
            np.column_stack([ends, self.visits[free], sources]),
            x0=np.column_stack([self.found[free], start[free]]),
            tol=_EFFECT_TOLERANCE if len(points) else _TOLERANCE,
        ).x
        self.found[free] = found[:, :2]
        self.found[self.labeled] = 1, 0
        start[free] = found[:, 2:]
        return start
