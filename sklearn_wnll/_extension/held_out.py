"""Labels taken away in turn: what the graph says of a labelled row without its own label."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .class_prior import corrected
from .jobs import run_jobs
from .row_labels import RowLabels
from .system import HarmonicExtension
from .template_mean import TemplateMean

__all__ = ["HeldOut", "deal_folds", "held_out_tolerance", "hold_out"]

_TOLERANCE, _TIGHT = 1000, 1e-9


def held_out_tolerance(tol):
    """The solver's tolerance for held-out labels: 1000 times the fit's, or less below 1e-6.

    A held-out label is one draw, beside which an error of 1e-2 in its probability says nothing.

    >>> f"{held_out_tolerance(1e-6):g}, {held_out_tolerance(1e-9):g}"
    '0.001, 1e-09'
    """
    return float(tol * np.clip(tol / _TIGHT, 1, _TOLERANCE))


def deal_folds(codes, n_folds, rng):
    """Deal labelled points to folds of nearly equal size, the classes in proportion.

    ``codes`` (n_points,) are -1 without a label. Returns the fold of each point, -1 without a
    label; there are at most as many folds as labels. The names of the classes change nothing.

    >>> deal_folds(np.array([0, 0, -1, 1, 1]), 2, np.random.RandomState(0))
    array([ 1,  0, -1,  0,  1])
    """
    labeled = rng.permutation(np.flatnonzero(codes >= 0))
    _, first, class_of = np.unique(codes[labeled], return_index=True, return_inverse=True)
    by_class = labeled[np.argsort(first[class_of], kind="stable")]
    fold = np.full(len(codes), -1)
    fold[by_class] = np.arange(len(by_class)) % min(n_folds, len(by_class))
    return fold


class HeldOut(NamedTuple):
    """Distributions ``u`` (n_labeled, n_classes) of labelled rows that have not seen their label.

    ``fold`` (n_labeled,) is the fold of a row, ``left`` (n_folds, n_classes) the part of the labels
    of each class that it leaves. The rest tells how they were found.
    """

    u: np.ndarray
    fold: np.ndarray
    left: np.ndarray
    n_iter: int
    residual: float
    converged: bool

    def fair(self, codes):
        """Distributions and codes of rows whose class has labels in other folds.

        A fold takes more of one class than of another, if there are few, and most from the
        row's own. To make up for it, classes gain what they have lost.
        """
        left = self.left[self.fold]
        known = left[np.arange(len(codes)), codes] > 0
        left = np.where(left > 0, left, 1)[known]
        u = self.u[known] / left
        return u / u.sum(axis=1, keepdims=True), codes[known]


def hold_out(templates, labels, n_folds, n_jobs=None):
    """Take away the labels of each fold, and extend the others over the same graphs: `HeldOut`.

    Row by row, this is what a fit without the labels of the row's fold would find. ``labels`` are
    the :class:`RowLabels` that ``templates`` were fitted to, of two points at least. Rows that are
    one point are held out together.
    """
    folds = _make_folds(templates, labels, n_folds)
    tasks = (task for fold in folds for task in fold.tasks(templates))
    count = len(folds) * len(templates.transductions)
    answers = run_jobs(_solve, tasks, count, n_jobs, "held-out labels")
    point = templates.points.index[labels.rows]
    u, fold_of = np.empty((len(point), labels.n_classes)), np.empty(len(point), dtype=np.intp)
    solved = []
    for number, fold in enumerate(folds):
        found = fold.merge(templates, answers)
        mine = np.flatnonzero(np.isin(point, fold.points))
        u[mine] = found.u[np.searchsorted(fold.points, point[mine])]
        fold_of[mine] = number
        solved.append(found)
    return HeldOut(
        u,
        fold_of,
        np.array([fold.left.counts for fold in folds]) / labels.counts,
        n_iter=max(found.n_iter for found in solved),
        residual=max(found.residual for found in solved),
        converged=all(found.converged for found in solved),
    )


def _make_folds(templates, labels, n_folds):
    index, rows = templates.points.index, labels.rows
    codes, first = np.full(templates.points.n_points, -1), rows[::-1]
    codes[index[first]] = labels.codes[first]
    fold = deal_folds(codes, n_folds, np.random.RandomState(templates.seed))
    if fold.max() < 1:
        raise ValueError(
            "Labels cannot be held out where only one row, or equal rows, are labelled. Label "
            "another row, or pass held_out=None and calibrate=False."
        )
    return [
        _Fold(np.flatnonzero(fold == number), labels.without(rows[fold[index[rows]] == number]))
        for number in range(fold.max() + 1)
    ]


class _Answer(NamedTuple):
    """Values at a template's held-out points, and the sum of those of its rows without a label."""

    extension: HarmonicExtension
    total: np.ndarray
    n_free: int


@dataclass(frozen=True)
class _Fold:
    """The ``points`` that lose their labels, in order, and the :class:`RowLabels` that are left."""

    points: np.ndarray
    left: RowLabels

    def tasks(self, templates):
        """What is to be solved, for each template."""
        n_points, extender = templates.points.n_points, templates.extender
        tol = held_out_tolerance(extender.tol)
        extender = extender._replace(fallback=self.left.fallback, tol=tol)
        away = np.zeros(n_points, dtype=bool)
        away[self.points] = True
        free = np.bincount(templates.points.index[self.left.codes < 0], minlength=n_points)
        for number, part in enumerate(templates.parts):
            own = templates.template[part] == number  # others count where they have their value
            yield templates.transductions[number], away[part], free[part] * own, extender

    def merge(self, templates, answers):
        """The templates' mean at the points, corrected by the class prior."""
        mean, total, n_free = TemplateMean(len(self.points), self.left.fallback), 0.0, 0
        for part in templates.parts:
            answer = next(answers)
            mean.add(np.flatnonzero(np.isin(self.points, part)), answer.extension)
            mean.note(answer.extension)
            total, n_free = total + answer.total, n_free + answer.n_free
        result = mean.result()
        return result._replace(u=corrected(result, self.left.class_factors(total, n_free)))


def _solve(task):
    """Solve for a fold in a template: the part of a job that joblib pickles."""
    transduction, away, free, extender = task
    result = transduction.without(away, extender)
    free = free * result.reached
    held = result._replace(u=result.u[away], reached=result.reached[away])
    return _Answer(held, free @ result.u, int(free.sum()))
