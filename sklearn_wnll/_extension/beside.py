"""Distributions beside the graph: known ones, or those of a classifier the graph teaches."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import has_fit_parameter

from .balance import evening_power
from .folds import deal_folds, has_others
from .held_out import Extended, hold_out
from .unary import mean_unary

__all__ = ["Beside", "Classifier", "Companion", "Known"]

_STRENGTH = 0.5  # in all stages but the last
_AGREEMENT = 0.6  # below that, a classifier has learned too little from the graph
_FOLDS = 3  # of the labels that measure the graph's errors


class Classifier(NamedTuple):
    """A scikit-learn ``estimator`` with ``predict_proba``, and the sorted ``classes``."""

    estimator: Any
    classes: np.ndarray

    def fit(self, X, codes, weights):
        """Return a clone fitted to rows of known ``codes`` (n,), with ``weights`` (n,)."""
        fitted, params = clone(self.estimator), {}
        prefix, last = "", fitted
        while isinstance(last, Pipeline):
            name, last = last.steps[-1]
            prefix += f"{name}__"
        if has_fit_parameter(last, "sample_weight"):
            params[f"{prefix}sample_weight"] = weights
        return self._replace(estimator=fitted.fit(X, self.classes[codes], **params))

    def distributions(self, X):
        """Predict the distributions of rows (n, n_classes); unseen classes have 0."""
        found = np.asarray(self.estimator.predict_proba(X), dtype=np.float64)
        if not np.isfinite(found).all():
            raise ValueError(
                "estimator returns NaN or infinity as probabilities: scale its features, or pass "
                "another classifier."
            )
        p = np.zeros((len(found), len(self.classes)))
        p[:, np.searchsorted(self.classes, self.estimator.classes_)] = found
        return p


class Beside(NamedTuple):
    """Distributions that pull at points with a ``strength``.

    A fitted :class:`Classifier` predicts them. Without one, they are passed instead of features.
    """

    classifier: Classifier | None
    strength: float

    def unary(self, X, index, n_points):
        """Return the :class:`Unary` term of points: the mean over the rows of each (n_rows,)."""
        p = X if self.classifier is None else self.classifier.distributions(X)
        return mean_unary(p, index, n_points, self.strength)

    def pull(self, templates, X):
        """Solve the templates of the rows ``X`` again, beside these distributions."""
        if self.strength == 0:
            return templates
        points = templates.points
        return templates.beside_points(self.unary(X, points.index, points.n_points))


class Known(NamedTuple):
    """Known distributions ``p`` (n_rows, n_classes) of rows, from any source."""

    p: np.ndarray
    strength: float

    def join(self, templates, labels, extension):
        """Return the templates beside them, and the :class:`Beside` for those of new rows."""
        beside = Beside(None, self.strength)
        return beside.pull(templates, self.p), beside


class _Lessons(NamedTuple):
    """Rows from which a classifier learns: their ``codes`` and ``weights`` (n_rows,).

    ``tested`` (n_rows,) weighs the graph's labels, which measure how well it has learned, by the
    lead of the first class over the second.
    """

    rows: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    tested: np.ndarray

    @classmethod
    def of_graph(cls, extension, labels):
        """Take the graph's labels, weighted by probability; given ones weigh as much in total.

        Then the weights of classes are evened out: the graph leans towards some classes, and a
        classifier that did so too would count that twice. If all labels are given, they stay.
        """
        rows = np.flatnonzero(extension.reached)
        u, given = extension.u[rows], labels.codes[rows] >= 0
        codes = u.argmax(axis=1)
        if given.all():
            return cls(rows, codes, np.ones(len(rows)), np.zeros(len(rows)))
        second, first = np.partition(u, -2, axis=1)[:, -2:].T
        weights, tested = np.where(given, 0, first), np.where(given, 0, first - second)
        weights[given] = weights.sum() / np.count_nonzero(given)
        power = evening_power(np.bincount(labels.codes[labels.rows], minlength=labels.n_classes))
        even = weights * np.bincount(codes, weights)[codes] ** -power
        return cls(rows, codes, even * weights.sum() / even.sum(), tested)

    def of(self, part):
        """Select some of the rows."""
        return _Lessons(*(each[part] for each in self))

    @property
    def teach(self):
        """Return whether there are two classes or more to learn."""
        return len(np.unique(self.codes)) > 1

    def agreement(self, predicted, n_classes):
        """Compute the agreement with ``predicted`` classes (n_rows,): Cohen's weighted kappa."""
        total = self.tested.sum()
        if not total > 0:
            return 1.0
        weights = self.tested / total
        one, two = (np.bincount(codes, weights, n_classes) for codes in (self.codes, predicted))
        return (weights[self.codes == predicted].sum() - one @ two) / max(1 - one @ two, 1e-12)


class Companion(NamedTuple):
    """A :class:`Classifier` to train beside the graph of the rows ``X``.

    It learns from the graph's labels and the given ones or, with ``given``, from the latter alone.
    ``strength`` is a number, or ``"auto"``.
    """

    classifier: Classifier
    X: Any
    given: bool
    strength: float | str
    n_stages: int
    seed: int

    def join(self, templates, labels, extension):
        """Train in stages: the templates beside the classifier, and the :class:`Beside`.

        ``extension`` is that of the labels alone. In each stage but the last, a row's distribution
        comes from a classifier that has learned from the other half of the rows: one that
        memorizes its lessons would only repeat them. With a single class, no classifier joins, and
        None takes its place.
        """
        lessons = _Lessons.of_graph(extension, labels)
        if not lessons.teach:
            return templates, None
        if self.given:
            return self._join_taught_by_labels(templates, labels, lessons)
        strength = self.strength
        for stage in range(self.n_stages):
            last = stage == self.n_stages - 1
            if strength == "auto" or not last:
                p = self._learn_in_halves(lessons, labels)
                if strength == "auto":
                    agreement = lessons.agreement(p.argmax(axis=1), labels.n_classes)
                    strength = _find_strength(templates, labels, agreement)
            if strength == 0 or last:
                break
            beside = self._spread(templates, lessons.rows, p, _STRENGTH)
            lessons = _Lessons.of_graph(beside.fitted(), labels)
        beside = Beside(self._fit(lessons), strength)
        return beside.pull(templates, self.X), beside

    def _join_taught_by_labels(self, templates, labels, lessons):
        ones = np.ones(len(labels.rows))
        given = _Lessons(labels.rows, labels.codes[labels.rows], ones, ones)
        if not given.teach:
            return templates, None
        beside = Beside(self._fit(given), self.strength)
        if self.strength == "auto":
            p = beside.classifier.distributions(_safe_indexing(self.X, lessons.rows))
            agreement = lessons.agreement(p.argmax(axis=1), labels.n_classes)
            beside = beside._replace(strength=_find_strength(templates, labels, agreement))
        return beside.pull(templates, self.X), beside

    def _fit(self, lessons):
        X = _safe_indexing(self.X, lessons.rows)
        return self.classifier.fit(X, lessons.codes, lessons.weights)

    def _spread(self, templates, rows, p, strength):
        """Solve the templates again, beside distributions of some rows."""
        points = templates.points
        unary = mean_unary(p, points.index[rows], points.n_points, strength)
        return templates.beside_points(unary)

    def _learn_in_halves(self, lessons, labels):
        """Predict each half of the rows by a classifier that has learned the other half."""
        codes = labels.codes[lessons.rows]
        rng = np.random.RandomState(self.seed)
        half, others = deal_folds(codes, 2, rng), np.flatnonzero(codes < 0)
        half[others] = rng.permutation(len(others)) % 2
        p = np.full((len(half), labels.n_classes), 1 / labels.n_classes)
        for number in range(2):
            learned, asked = lessons.of(half != number), half == number
            if learned.teach and asked.any():
                X = _safe_indexing(self.X, lessons.rows[asked])
                p[asked] = self._fit(learned).distributions(X)
        return p


def _find_strength(templates, labels, agreement):
    """Return the graph's error odds, or 0 if the classifier does not learn from the graph.

    On rows not learned, classifiers that guess agree with the graph by 0 to 0.4 beyond chance, on
    five data sets, and others by more than 0.75. The odds are those of held-out labels, at most 1,
    and one third if there are none.
    """
    if agreement < _AGREEMENT:
        return 0.0
    wrong = right = 0
    codes = labels.codes[labels.rows]
    if len(np.unique(templates.points.index[labels.rows])) > 1:
        held_out = hold_out(templates, labels, Extended.of, _FOLDS)
        known = has_others(codes, held_out.fold) & held_out.reached
        right = np.count_nonzero(known & (held_out.u.argmax(axis=1) == codes))
        wrong = np.count_nonzero(known) - right
    return min(1.0, (wrong + 1) / (right + 3))
