"""Labels taken away in turn: what the graph says of a labelled row without its own label."""

from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from joblib import effective_n_jobs

from .._parallel import in_threads
from .._progress import Progress
from .class_prior import corrected
from .folds import deal_folds, held_out_tolerance
from .jobs import run_jobs
from .row_labels import RowLabels
from .system import HarmonicExtension
from .template_mean import TemplateMean

__all__ = ["HeldOut", "hold_out"]

_MANY_POINTS = 500_000  # from here on, folds side by side would take too much memory


class HeldOut(NamedTuple):
    """Distributions ``u`` (n_labeled, n_classes) of labelled rows that have not seen their label.

    Other labels have ``reached`` a row (n_labeled,), or none; ``fold`` (n_labeled,) is its fold.
    The rest tells how they were found.
    """

    u: np.ndarray
    reached: np.ndarray
    fold: np.ndarray
    n_iter: int
    residual: float
    converged: bool


def hold_out(templates, labels, n_folds, n_jobs=None):
    """Take away the labels of each fold, and extend the others over the same graphs: `HeldOut`.

    Row by row, this is what a fit without the labels of the row's fold would find. ``labels`` are
    the :class:`RowLabels` that ``templates`` were fitted to, of two points at least. Rows that are
    one point are held out together.
    """
    folds = _make_folds(templates, labels, n_folds)
    answers = _solve_all(templates, folds, n_jobs)
    point = templates.points.index[labels.rows]
    u, reached = np.empty((len(point), labels.n_classes)), np.empty(len(point), dtype=bool)
    fold_of = np.empty(len(point), dtype=np.intp)
    solved = []
    for number, fold in enumerate(folds):
        found = fold.merge(templates, answers)
        mine = np.flatnonzero(np.isin(point, fold.points))
        place = np.searchsorted(fold.points, point[mine])
        u[mine], reached[mine], fold_of[mine] = found.u[place], found.reached[place], number
        solved.append(found)
    return HeldOut(
        u,
        reached,
        fold_of,
        n_iter=max(found.n_iter for found in solved),
        residual=max(found.residual for found in solved),
        converged=all(found.converged for found in solved),
    )


def _solve_all(templates, folds, n_jobs):
    """The :class:`_Answer` of each fold in each template, in this order."""
    if effective_n_jobs(n_jobs) > 1 or templates.points.n_points > _MANY_POINTS:
        tasks = (task for fold in folds for task in fold.tasks(templates))
        count = len(folds) * len(templates.transductions)
        return run_jobs(_solve, tasks, count, n_jobs, "held-out labels")
    # A thread for each fold: half of a solution is work that one thread does.
    progress, solved = Progress("held-out labels"), []

    def report(answers):
        solved.append(answers)
        progress.update(len(solved) / len(folds), f"{len(solved):,} of {len(folds):,}")

    answers = in_threads(lambda fold: fold.solve(templates), folds, report)
    progress.finish(f"{len(solved):,} solved")
    return chain.from_iterable(answers)


def _make_folds(templates, labels, n_folds):
    index, rows = templates.points.index, labels.rows
    codes, first = np.full(templates.points.n_points, -1), rows[::-1]
    codes[index[first]] = labels.codes[first]
    fold = deal_folds(codes, n_folds, np.random.RandomState(templates.extender.seed))
    if fold.max() < 1:
        raise ValueError(
            "Labels cannot be held out: only one sample is labelled, where equal rows count as "
            "one. Label another row, or pass held_out=None and calibrate=False."
        )
    return [
        _Fold(np.flatnonzero(fold == number), labels, rows[fold[index[rows]] == number])
        for number in range(fold.max() + 1)
    ]


class _Answer(NamedTuple):
    """Values at a template's held-out points, and the sum of those of its rows without a label."""

    extension: HarmonicExtension
    total: np.ndarray
    n_free: int


@dataclass(frozen=True)
class _Fold:
    """The ``points`` that lose their labels, in order, and the ``rows`` that these are."""

    points: np.ndarray
    labels: RowLabels
    rows: np.ndarray

    def left(self):
        """The :class:`RowLabels` that are left: many folds would hold many copies."""
        return self.labels.without(self.rows)

    def tasks(self, templates):
        """What is to be solved, for each template."""
        n_points, extender, left = templates.points.n_points, templates.extender, self.left()
        tol = held_out_tolerance(extender.tol)
        extender = extender._replace(fallback=left.fallback, tol=tol)
        free = np.bincount(templates.points.index[left.codes < 0], minlength=n_points)
        for number, part in enumerate(templates.parts):
            own = templates.template[part] == number  # others count where they have their value
            away = np.flatnonzero(np.isin(part, self.points))
            yield templates.transductions[number], away, free[part] * own, extender

    def solve(self, templates):
        """Solve in each template."""
        return [_solve(task) for task in self.tasks(templates)]

    def merge(self, templates, answers):
        """The templates' mean at the points, corrected by the class prior."""
        left, total, n_free = self.left(), 0.0, 0
        mean = TemplateMean(len(self.points), left.fallback)
        for part in templates.parts:
            answer = next(answers)
            mean.add(np.flatnonzero(np.isin(self.points, part)), answer.extension)
            mean.note(answer.extension)
            total, n_free = total + answer.total, n_free + answer.n_free
        result = mean.result()
        return result._replace(u=corrected(result, left.class_factors(total, n_free)))


def _solve(task):
    """Solve for a fold in a template: the part of a job that joblib pickles."""
    transduction, away, free, extender = task
    result = transduction.without(away, extender)
    free = free * result.reached
    held = result._replace(u=result.u[away], reached=result.reached[away])
    return _Answer(held, free @ result.u, int(free.sum()))
