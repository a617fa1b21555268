"""Distributions beside the graph: of a classifier, which the graph teaches, or known ones."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import has_fit_parameter

from .balance import chance_of_sizes
from .folds import deal_folds, has_others
from .held_out import Extended, hold_out
from .system import Unary

__all__ = ["Beside", "Classifier", "Companion", "Known"]

_STRENGTH = 0.5  # in all stages but the last
_AGREEMENT = 0.6  # below that, a classifier knows too little of what the graph knows
_FOLDS = 3  # of labels that tell how often the graph errs


class Classifier(NamedTuple):
    """A scikit-learn ``estimator`` with ``predict_proba``, and the sorted ``classes``."""

    estimator: Any
    classes: np.ndarray

    def fit(self, X, codes, weights):
        """A clone that is fitted to rows of known ``codes`` (n,), with ``weights`` (n,)."""
        fitted, params = clone(self.estimator), {}
        prefix, last = "", fitted
        while isinstance(last, Pipeline):
            name, last = last.steps[-1]
            prefix += f"{name}__"
        if has_fit_parameter(last, "sample_weight"):
            params[f"{prefix}sample_weight"] = weights
        return self._replace(estimator=fitted.fit(X, self.classes[codes], **params))

    def distributions(self, X):
        """The distributions of rows (n, n_classes); a class that it has not seen has 0."""
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

    They are those of a fitted :class:`Classifier`. Without one, they take the place of features.
    """

    classifier: Classifier | None
    strength: float

    def unary(self, X, index, n_points):
        """The :class:`Unary` term of points: the mean over the rows that each is (n_rows,)."""
        p = X if self.classifier is None else self.classifier.distributions(X)
        return _mean_of_rows(p, index, n_points, self.strength)

    def pull(self, templates, X):
        """The templates of the rows ``X`` beside these distributions."""
        if self.strength == 0:
            return templates
        points = templates.points
        return _beside_points(templates, self.unary(X, points.index, points.n_points))


class Known(NamedTuple):
    """Distributions ``p`` (n_rows, n_classes) of rows, by whatever has found them."""

    p: np.ndarray
    strength: float

    def join(self, templates, labels, extension):
        """The templates beside them, and the :class:`Beside`, which takes others for new rows."""
        beside = Beside(None, self.strength)
        return beside.pull(templates, self.p), beside


def _beside_points(templates, unary):
    """The templates beside a :class:`Unary` term of all points."""
    return templates.beside([unary[part] for part in templates.parts])


def _mean_of_rows(p, index, n_points, strength):
    """A :class:`Unary` term of points by the distributions of rows; no term where no row is."""
    count = np.bincount(index, minlength=n_points)
    ends = index, np.arange(len(index))
    mean = sparse.coo_array((1 / count[index], ends), shape=(n_points, len(index))).tocsr()
    return Unary(mean @ p, np.where(count > 0, strength, 0.0))


class _Lessons(NamedTuple):
    """Rows from which a classifier learns: their ``codes`` and ``weights`` (n_rows,).

    Those that can tell how well it has learned, the graph's labels, are weighted by ``tested``
    (n_rows,): by how far the first class is ahead of the second.
    """

    rows: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    tested: np.ndarray

    @classmethod
    def of_graph(cls, extension, labels):
        """Labels of the graph, weighted by their probability; given ones weigh as much in all.

        Then classes are made to weigh more alike: how many rows the graph gives to each is partly
        chance, of which the classifier would make a prior.
        """
        rows = np.flatnonzero(extension.reached)
        u, given = extension.u[rows], labels.codes[rows] >= 0
        second, first = np.partition(u, -2, axis=1)[:, -2:].T
        weights, tested = np.where(given, 0, first), np.where(given, 0, first - second)
        weights[given] = weights.sum() / np.count_nonzero(given) if weights.any() else 1.0
        codes = u.argmax(axis=1)
        counts = np.bincount(labels.codes[labels.rows], minlength=labels.n_classes)
        even = weights * np.bincount(codes, weights)[codes] ** -chance_of_sizes(counts)
        return cls(rows, codes, even * weights.sum() / even.sum(), tested)

    def of(self, part):
        """Some of the rows."""
        return _Lessons(*(each[part] for each in self))

    @property
    def teach(self):
        """Whether there are classes to be told apart."""
        return len(np.unique(self.codes)) > 1

    def agreement(self, predicted, n_classes):
        """Agreement with ``predicted`` classes (n_rows,) beyond chance: Cohen's weighted kappa."""
        total = self.tested.sum()
        if not total > 0:
            return 1.0
        weights = self.tested / total
        one, two = (np.bincount(codes, weights, n_classes) for codes in (self.codes, predicted))
        return (weights[self.codes == predicted].sum() - one @ two) / max(1 - one @ two, 1e-12)


class Companion(NamedTuple):
    """A :class:`Classifier` to train beside the graph of the rows ``X``.

    It learns from the graph's labels and the given ones, or from the latter alone, ``given``.
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
        memorizes its lessons would only repeat them. Where there is nothing to tell apart, no
        classifier joins: None.
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
        """The templates beside distributions of some rows."""
        points = templates.points
        unary = _mean_of_rows(p, points.index[rows], points.n_points, strength)
        return _beside_points(templates, unary)

    def _learn_in_halves(self, lessons, labels):
        """Distributions of rows by a classifier that has learned the other half of them."""
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
    """0 for a classifier that does not learn what the graph knows, else the graph's error odds.

    At rows that they have not learned, classifiers that guess agree with the graph by 0 to 0.4
    beyond chance, on five data sets; others by more than 0.75. The odds are those of labels that
    are held out, one third if nothing is known of them, and at most 1.
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
