"""Regions of a graph, and their middle points, before the first label."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._active import most_useful_points, walk_system
from ._extension.conjugate_gradient import conjugate_gradient
from ._progress import Progress
from ._typing import Floats, Indices

__all__ = ["central_points"]

_REGIONS = 32  # at most: the time grows with their number
_SURPLUS = 1.5  # initial regions per final one; the smallest ones are merged
_ROUNDS = 2, 4  # with the surplus, and without it
_SOLVED = 16  # regions at a time; each takes about six vectors over the points
_TOLERANCE = 1e-3  # of the solver


def central_points(W: sparse.csr_array, n: int) -> Indices:
    """Choose points of a graph without labels, each in the middle of a region.

    ``G = ((1 + e) diag(d) - T)^-1`` is that of :func:`most_useful_points`. The closeness of ``x``
    to a region ``R`` is ``s(x) = sum_{y in R} G_xy d_y / d(R)``. A point goes to the region with
    the largest ``2 s(x)`` minus the mean of ``s`` on ``R``, weighted by ``d``: the step of k-means
    with the kernel ``G``. The middle of a region is its point with the largest ``d_x s(x)``. The
    first middles are the most useful points if nothing is known, more than ``n`` of them. Then the
    smallest region joins the one closest to it, until ``n`` are left.

    Returns at most ``n`` points, those of the largest regions first. If ``n`` exceeds 32 or the
    number of regions, further points follow, the most useful in addition to these first.

    Two cliques, of four points and of five:

    >>> cliques = [np.ones((4, 4)) - np.eye(4), np.ones((5, 5)) - np.eye(5)]
    >>> central_points(sparse.csr_array(sparse.block_diag(cliques)), 2)
    array([4, 0])
    """
    n_points, wanted = W.shape[0], min(n, _REGIONS)
    labeled, unknown = np.zeros(n_points, dtype=bool), np.ones(n_points)
    A, progress = walk_system(W), Progress("regions")
    degree = np.asarray(W.sum(axis=0) + W.sum(axis=1))
    degree = np.where(degree > 0, degree, 1)
    middles = most_useful_points(W, labeled, unknown, int(np.ceil(_SURPLUS * wanted)))
    for rounds in _ROUNDS:
        regions = _first_regions(A, degree, middles)
        for _ in range(rounds):
            regions = _next_regions(A, degree, regions)
            progress.update(0, f"around {len(middles):,} points")
        middles = _merged(regions, wanted)
    progress.finish(f"{len(middles):,} found")
    labeled[middles] = True
    return np.concatenate([middles, most_useful_points(W, labeled, unknown, n - len(middles))])


class _Regions(NamedTuple):
    """The region ``of`` each point (n_points,), and data on the previous regions.

    These are ``middles`` and ``volumes`` (k,), and the ``ties`` (k, k): sums of ``d_x G_xy d_y``.
    """

    of: Indices
    middles: Indices
    volumes: Floats
    ties: Floats


def _first_regions(A, degree, middles):
    """Assign points to the middle whose walks reach them most."""
    of = np.full(len(degree), -1)
    of[middles] = np.arange(len(middles))
    closest = _Largest(len(degree))
    for numbers, inside in _parts(degree, of, len(middles)):
        closest.add(numbers, conjugate_gradient(A, inside, tol=_TOLERANCE).x)
    k = len(middles)
    return _Regions(closest.column, middles, np.zeros(k), np.zeros((k, k)))


def _next_regions(A, degree, regions):
    """Do one step of k-means."""
    k = len(regions.middles)
    middles, volumes, ties = np.copy(regions.middles), np.zeros(k), np.zeros((k, k))
    belongs = sparse.csr_array(
        (degree, regions.of, np.arange(len(degree) + 1)), shape=(len(degree), k)
    ).T.tocsr()
    closest = _Largest(len(degree))
    for numbers, inside in _parts(degree, regions.of, k):
        total = inside.sum(axis=0)
        s = conjugate_gradient(A, inside, tol=_TOLERANCE).x / np.where(total > 0, total, 1)
        mean = np.einsum("ij,ij->j", inside, s) / np.where(total > 0, total, 1)
        closest.add(numbers, np.where(total > 0, 2 * s - mean, -np.inf))
        middles[numbers], volumes[numbers] = (inside * s).argmax(axis=0), total
        ties[:, numbers] = (belongs @ s) * total
    return _Regions(closest.column, middles, volumes, ties)


def _merged(regions, n):
    """Merge the smallest regions until ``n`` are left; return their middles, the largest first."""
    volumes, ties = regions.volumes.copy(), regions.ties.copy()
    left = volumes > 0
    while np.count_nonzero(left) > n:
        smallest = np.where(left, volumes, np.inf).argmin()
        left[smallest] = False
        near = np.where(left, ties[smallest] / np.where(left, volumes, 1), 0)
        if near.max() > 0:  # otherwise it is a component of its own
            other = near.argmax()
            volumes[other] += volumes[smallest]
            ties[other] += ties[smallest]
            ties[:, other] += ties[:, smallest]
    kept = np.flatnonzero(left)
    return regions.middles[kept[np.argsort(-volumes[kept], kind="stable")]]


def _parts(degree, of, n_regions):
    """Yield a few regions at a time: numbers, and the degrees of their points (n_points, k)."""
    for start in range(0, n_regions, _SOLVED):
        numbers = np.arange(start, min(start + _SOLVED, n_regions))
        yield numbers, np.where(of[:, None] == numbers, degree[:, None], 0)


class _Largest:
    """The column of the largest value in each row, with columns added a few at a time."""

    def __init__(self, n_rows):
        self.column, self.value = np.zeros(n_rows, dtype=np.intp), np.full(n_rows, -np.inf)

    def add(self, numbers, values):
        """Take some columns, by their ``numbers``, into account."""
        place = values.argmax(axis=1)
        value = np.take_along_axis(values, place[:, None], axis=1)[:, 0]
        better = value > self.value
        self.column[better], self.value[better] = numbers[place[better]], value[better]
