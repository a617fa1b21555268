"""Classes of given sizes: labels diffuse and are reassigned until the sizes are right."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._graph.matrices import narrowed, scaled, weight_between
from .system import Unary

__all__ = ["Walk", "size_labels", "sized_unary"]

_STEPS = 8  # of a walk between two assignments
_LAZINESS = 0.1  # fraction of a point's value kept at each step
_STRENGTH = 3.0  # of the assigned labels, in the extension that follows
_ROUNDS, _FEWEST, _MOST = 3, 3, 20  # of assignments within bounds, and to given sizes
_WIDEST = 2.0  # largest multiple of its size that a class may have if sizes are doubted
# Largest ratio of the cut to that of bounded sizes at which given sizes are believed: near the
# sizes of a cautious correction, and farther away.
_LONGER_CUT, _HARDLY_LONGER = 1.35, 1.03
_FAR, _FAR_OF_ONE = 0.1, 0.12  # part of rows in other classes, at most; with one label per class
_ITERATIONS, _TOLERANCE, _SMALLEST = 60, 0.003, 1e-7


class Walk(NamedTuple):
    """A lazy random walk by ``transition`` (n_points, n_points), with the labels held fixed.

    A :class:`Unary` term of the points is one more neighbour.
    """

    weights: sparse.csr_array
    transition: sparse.csr_array
    labeled: np.ndarray
    g: np.ndarray
    unary: Unary | None

    @classmethod
    def of(cls, W, labels):
        """Walk on ``T = W + W^T`` of directed weights, held fixed at :class:`PointLabels`."""
        T = narrowed((W + W.T).tocsr()).astype(np.float32)
        degree = T.sum(axis=1)
        inverse = (1 / np.where(degree > 0, degree, 1)).astype(np.float32)
        g = labels.g.toarray().astype(np.float32)
        return cls(T, scaled(T, inverse), labels.labeled, g, labels.unary)

    def __call__(self, codes, n_steps, laziness):
        """Diffuse the classes of points (n_points,): values (n_points, n_classes)."""
        u = np.zeros((len(codes), self.g.shape[1]), dtype=np.float32)
        u[np.arange(len(codes)), codes] = 1
        stay, pull = 1.0, 0.0
        if self.unary is not None:
            strength = self.unary.strength[:, None].astype(np.float32)
            stay, pull = 1 / (1 + strength), strength / (1 + strength) * self.unary.p
        for _ in range(n_steps):
            u = laziness * u + (1 - laziness) * (stay * (self.transition @ u) + pull)
            u[self.labeled] = self.g
        return u

    def cut(self, codes):
        """Sum the weights of edges between classes."""
        return weight_between(self.weights, codes)


class _Sizes(NamedTuple):
    """Points to be assigned to classes, the number of rows of each, and the target sizes."""

    free: np.ndarray
    counts: np.ndarray
    aim: np.ndarray

    def of(self, codes):
        """Compute the sizes of the classes (n_classes,)."""
        return np.bincount(codes[self.free], self.counts, len(self.aim))

    def deal(self, u, codes, low, high, offsets=None):
        """Assign each free point to a class, with sizes within bounds; return the offsets too."""
        offsets, found = size_labels(u[self.free], self.counts, low, high, offsets)
        codes = codes.copy()
        codes[self.free] = found
        return codes, offsets


def size_labels(u, counts, low, high, offsets=None):
    """Assign points to classes by ``argmax_c log u_c + w_c``, with sizes within bounds.

    ``u`` (n_points, n_classes) are positive or 0, and a point counts for ``counts`` (n_points,)
    rows. The steps of the offsets ``w`` (n_classes,) grow while the sign of a class's error stays,
    and are halved when it changes; offsets are 0 where no bound binds. Returns the best offsets of
    60 steps, and the classes (n_points,), which may miss a bound by a row or 0.3 %.

    >>> u = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    >>> size_labels(u, np.ones(4), np.array([2, 2]), np.array([2, 2]))[1]
    array([0, 0, 0, 1])
    """
    n_classes = u.shape[1]
    logs = np.log(np.maximum(u, _SMALLEST)).astype(np.float32)
    w = np.zeros(n_classes, dtype=np.float32) if offsets is None else offsets
    step, last = np.full(n_classes, 0.3, dtype=np.float32), np.zeros(n_classes)
    slack, best = np.maximum(1, _TOLERANCE * high), None
    for _ in range(_ITERATIONS):
        codes = (logs + w).argmax(axis=1)
        size = np.bincount(codes, counts, n_classes)
        error = (np.maximum(low - size, 0) + np.maximum(size - high, 0)).sum()
        if best is None or error <= best[0]:
            best = error, w, codes
        wrong = (size < low - slack).astype(int) - (size > high + slack)
        # An offset not needed by a bound goes back to 0.
        needless = (wrong == 0) & (
            ((w > 0) & (size > low + slack)) | ((w < 0) & (size < high - slack))
        )
        sign = np.where(needless, -np.sign(w), wrong)
        if not sign.any():
            break
        step = np.where(sign * last < 0, step / 2, np.where(sign * last > 0, step * 1.3, step))
        step = np.minimum(step, 2)
        moved = w + sign * step
        w = np.where(needless & (moved * w < 0), 0, moved).astype(np.float32)
        last = np.where(sign != 0, sign, last)
    return best[1], best[2]


def sized_unary(W, labels, u, cautious, counts, aim):
    """Make a :class:`Unary` term of labels whose classes have the given sizes, if believed.

    ``u`` (n_points, n_classes) are distributions already corrected by the class prior, ``counts``
    (n_points,) the number of unlabelled rows of each point, 0 to leave it unchanged, and ``aim``
    (n_classes,) the sizes in rows.

    In each round, labels walk some steps on the graph while the given ones are held fixed, and are
    reassigned with offsets on the classes: volume-constrained diffusion (Calder, Cook, Thorpe and
    Slepcev, ICML 2020), without their Poisson sources, which do harm when labels are many. The
    sizes are believed if the ``cautious`` codes (n_points,), by distributions corrected by
    :func:`class_factors` alone, nearly have them, and if the cut between classes of these sizes
    is not much longer than between classes of any size from the given one to the graph's own.
    """
    walk = Walk.of(W, labels)
    sizes = _Sizes(np.flatnonzero(counts), counts[counts > 0], aim)
    start = u.argmax(axis=1)
    own = sizes.of(start)
    codes = start
    for _ in range(_ROUNDS):
        low, high = np.minimum(own, aim), _WIDEST * np.maximum(own, aim)
        codes, _ = sizes.deal(walk(codes, _STEPS, _LAZINESS), codes, low, high)
    n_labeled = np.count_nonzero(labels.labeled)
    far = np.abs(sizes.of(cautious) - aim).sum() / (2 * aim.sum())
    if far <= _FAR:
        near = far <= _FAR_OF_ONE / np.sqrt(n_labeled / len(aim))
        forced, offsets = sizes.deal(u, start, aim, aim)
        n_rounds = int(np.sqrt(len(u) / n_labeled) / 4)
        for _ in range(min(max(n_rounds, _FEWEST), _MOST)):
            moved = walk(forced, _STEPS, _LAZINESS)
            forced, offsets = sizes.deal(moved, forced, aim, aim, offsets)
        if walk.cut(forced) <= (_LONGER_CUT if near else _HARDLY_LONGER) * walk.cut(codes):
            codes = forced
    p = np.zeros(u.shape)
    p[np.arange(len(codes)), codes] = 1
    return Unary(p, np.where(counts > 0, _STRENGTH, 0.0))
