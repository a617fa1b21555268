"""Held-out labels: the graph's prediction of labelled rows without their own labels."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._parallel import in_threads
from .._progress import Progress
from .class_prior import corrected
from .folds import deal_folds
from .row_labels import RowLabels
from .templates import Templates

__all__ = ["Extended", "HeldOut", "hold_out"]

_MANY_POINTS = 500_000  # from here on, parallel folds would take too much memory


class Extended(NamedTuple):
    """Labels extended over ``templates``, corrected by the prior only."""

    templates: Templates
    class_factors: np.ndarray | None

    @classmethod
    def alone(cls, templates, labels):
        """Correct nothing."""
        return cls(templates, None)

    @classmethod
    def of(cls, templates, labels):
        """Correct by the prior, if there is one."""
        if labels.prior is None:
            return cls(templates, None)
        return cls(templates, labels.class_factors(templates.fitted()))


class HeldOut(NamedTuple):
    """Distributions ``u`` (n_labeled, n_classes) of labelled rows without their own labels.

    ``reached`` (n_labeled,) marks rows that other labels reach, ``fold`` (n_labeled,) is the fold
    of each. The rest describes the solution.
    """

    u: np.ndarray
    reached: np.ndarray
    fold: np.ndarray
    n_iter: int
    residual: float
    converged: bool


def hold_out(templates, labels, solve, n_folds, n_jobs=None):
    """Take away the labels of each fold, and extend the others over the same graphs: `HeldOut`.

    Each row gets the result of a fit without the labels of its fold. ``labels`` are the
    :class:`RowLabels` that ``templates`` were fitted to, of two points at least, and ``solve``
    turns the remaining ones into a :class:`Solution`. Rows that are one point are held out
    together.
    """
    folds = _make_folds(templates, labels, n_folds)
    point = templates.points.index[labels.rows]
    u, reached = np.empty((len(point), labels.n_classes)), np.empty(len(point), dtype=bool)
    fold_of = np.empty(len(point), dtype=np.intp)
    solved = _solve_all(templates, solve, folds, n_jobs)
    for number, (fold, found) in enumerate(zip(folds, solved, strict=True)):
        mine = np.flatnonzero(np.isin(point, fold.points))
        place = np.searchsorted(fold.points, point[mine])
        u[mine], reached[mine], fold_of[mine] = found.u[place], found.reached[place], number
    return HeldOut(
        u,
        reached,
        fold_of,
        n_iter=max(found.n_iter for found in solved),
        residual=max(found.residual for found in solved),
        converged=all(found.converged for found in solved),
    )


def _solve_all(templates, solve, folds, n_jobs):
    """Find the distributions of each fold's points."""
    progress, solved = Progress("held-out labels"), []

    def report(found):
        solved.append(found)
        progress.update(len(solved) / len(folds), f"{len(solved):,} of {len(folds):,}")

    in_turn = len(templates.parts) > 1 or templates.points.n_points > _MANY_POINTS
    # One thread per fold: half of the work of a solution is single-threaded.
    if in_turn:
        for fold in folds:
            report(fold.solve(templates, solve, n_jobs))
    else:
        in_threads(lambda fold: fold.solve(templates, solve), folds, report)
    progress.finish(f"{len(solved):,} solved")
    return solved


def _make_folds(templates, labels, n_folds):
    index, rows = templates.points.index, labels.rows
    codes, first = np.full(templates.points.n_points, -1), rows[::-1]
    codes[index[first]] = labels.codes[first]
    fold = deal_folds(codes, n_folds, np.random.RandomState(templates.extender.seed))
    if fold.max() < 1:
        raise ValueError(
            "Labels cannot be held out: only one sample is labelled, where equal rows count as "
            "one. Label another row, or pass held_out=None (and calibrate=False)."
        )
    return [
        _Fold(np.flatnonzero(fold == number), labels, rows[fold[index[rows]] == number])
        for number in range(fold.max() + 1)
    ]


@dataclass(frozen=True)
class _Fold:
    """The ``points`` that lose their labels, in order, and their ``rows``."""

    points: np.ndarray
    labels: RowLabels
    rows: np.ndarray

    def solve(self, templates, solve, n_jobs=None):
        """Extend the remaining labels: a :class:`HarmonicExtension` of the points."""
        left = self.labels.without(self.rows)
        extender = templates.extender._replace(
            fallback=left.fallback, tol=templates.extender.held_out_tol
        )
        solution = solve(templates.without(self.points, extender, n_jobs), left)
        found = solution.templates.at(self.points)
        return found._replace(u=corrected(found, solution.class_factors))
