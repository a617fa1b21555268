"""Several labels at once: the parts of the classifier for a ``y`` of several columns."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from ._base import PartlyLabeledClassifierMixin
from ._cells import hold_cells, read_cells, warn_of_cells
from ._certainty import certainty
from ._extension.label_matrix import LabelMatrix, prior_values
from ._extension.layers import Layers
from ._extension.row_values import RowValues
from ._extension.several_labels import SeveralAnswer, find_answers, find_answers_alone
from ._extension.transduction import Extender
from ._fit_memory import find_template_size
from ._fit_setup import check_combination, graph_builder, plan_extension
from ._fit_warnings import warn_if_not_converged, warn_if_unreached
from ._label_advice import HeldOutLabels, SuggestsLabels, SuspectsLabels
from ._partial_scores import exact_match_of_given
from ._progress import show_progress
from ._serving import CallCounter
from ._typing import Floats, Indices, Labels, Mask

__all__ = ["TakesSeveralLabels"]

_ROUNDING = float(np.finfo(np.float64).epsneg)


class TakesSeveralLabels(SuggestsLabels, SuspectsLabels, PartlyLabeledClassifierMixin):
    """A classifier whose ``y`` may have several columns of 0, 1 and the marker.

    Its ``_answer`` is then a :class:`SeveralAnswer`, and ``classes_`` has a row for each.
    """

    classes_: NDArray[Any]
    calibrate: bool
    class_prior: Any
    estimator: Any
    held_out: int | None
    label_noise: Any
    label_weight: Any
    max_iter: int
    n_jobs: int | None
    template_size_: int | None
    tol: float
    unlabeled: object
    volume_constraint: bool
    _answer: Any
    _kept: Any
    _set_graph: Callable[..., None]

    def _read_matrix(self, n_rows: int, y: Labels) -> LabelMatrix:
        """Check a ``y`` of several columns."""
        cells = read_cells(y, self.unlabeled)
        if len(cells) != n_rows:
            raise ValueError(
                f"Inconsistent numbers of samples: X has {n_rows} rows and y {len(cells)}. y needs "
                "a row for every row of X; NaN says that a label is unknown."
            )
        empty = np.flatnonzero(np.isnan(cells).all(axis=0))
        if 0 < len(empty) < cells.shape[1]:
            raise ValueError(
                f"Column {empty[0]} of y holds no label. Say for at least one row whether it has "
                "this label, or leave the column out."
            )
        warn_of_cells(cells)
        return self._with_prior(RowValues(cells))

    def _with_prior(self, values: RowValues) -> LabelMatrix:
        check_combination(self, np.arange(2))
        prior = prior_values(self.class_prior, values.n_classes)
        if prior is None and self._adapts:
            prior = "labeled"
        return LabelMatrix(values, prior)

    @property
    def _adapts(self) -> bool:
        return isinstance(self.label_weight, str) and self.label_weight == "auto"

    def _shares_systems(self) -> bool:
        """Return whether labels with the same gaps have the same system."""
        return (
            self.estimator is None
            and self.label_noise == 0
            and not self.volume_constraint
            and not (isinstance(self.class_prior, str) and self.class_prior == "estimated")
        )

    def _extender(self, values: RowValues) -> Extender:
        """Plan the extension of some labels."""
        return Extender(
            label_weight="wnll" if self._adapts else self.label_weight,
            label_noise=0.0,
            fallback=values.fallback,
            tol=self.tol,
            max_iter=self.max_iter,
            seed=self._kept.seed,
            units=values.units,
        )

    def _fit_matrix(self, rows: Any, labels: LabelMatrix) -> None:
        """Extend labels over a new graph, and set the fitted attributes."""
        self.template_size_ = size = find_template_size(self, rows, labels)
        with show_progress(self.verbose):
            layers = Layers.fit(
                graph_builder(self, rows, size),
                rows,
                labels.values,
                self._extender,
                template_size=size,
                n_jobs=self._jobs,
            )
        self._set_matrix_answer(labels, layers)

    def _extend_matrix_again(self, templates: Any, labels: LabelMatrix) -> None:
        """Extend labels over existing graphs, and set the fitted attributes."""
        known = isinstance(self._answer, SeveralAnswer) and not self._answer.pairs
        if not (known and isinstance(templates, Layers)):
            first = templates.layers[0] if isinstance(templates, Layers) else templates
            # None of its columns is one of the labels.
            templates = Layers([np.array([-1])], [labels.values], [first], [None])
        with show_progress(self.verbose):
            layers = templates.relabeled(labels.values, self._extender, n_jobs=self._jobs)
        self._set_matrix_answer(labels, layers)

    def _plan_column(self, column: Any) -> tuple[Any, Extender]:
        """Plan the extension of a label that has a system of its own."""
        recipe, extender = plan_extension(self, self._kept, column, None)
        return recipe, extender._replace(label_weight="wnll") if self._adapts else extender

    def _set_matrix_answer(self, labels: LabelMatrix, layers: Layers) -> None:
        if self.held_out is not None or self.calibrate:
            _check_can_hold_out(labels, layers.points.index)
        find = find_answers
        if not self._shares_systems():
            find = partial(find_answers_alone, plan=self._plan_column)
        with show_progress(self.verbose):
            answer, solved = find(
                layers,
                labels,
                n_folds=self.held_out,
                calibrate=self.calibrate,
                n_jobs=self._jobs,
            )
        result, first = answer.fitted(), answer.templates.layers[0]
        has_labels = bool(answer.corrections)
        warn_if_not_converged(result, self.tol, self.max_iter)
        if has_labels:
            warn_if_unreached(result.reached.all(axis=1), "rows of X")
        self.classes_ = np.tile(np.arange(2), (labels.n_labels if has_labels else 0, 1))
        self._answer, self._calls = answer, CallCounter()
        self.label_distributions_, self.reached_ = result.u, result.reached
        if has_labels:
            self.transduction_ = self._decide(result.u)
        self._set_graph(first, result.n_iter)
        self._set_corrections(answer)
        for one in solved or ():
            tol = first.extender.held_out_tol
            warn_if_not_converged(one, tol, self.max_iter, "held-out distributions")
        if answer.held_out is not None:
            cells, known = labels.values.values, labels.known
            self.held_out_distributions_ = answer.held_out
            right = self._decide(answer.held_out[known]) == cells[known]
            self.held_out_score_ = float(right.mean())

    def _set_corrections(self, answer: SeveralAnswer) -> None:
        """Set the attributes with a number, or a classifier, for each label."""
        each, n_labels = answer.corrections, answer.labels.n_labels
        self.temperature_ = np.array([one.temperature for one in each] or np.ones(n_labels))
        self.label_noise_ = np.array([one.label_noise for one in each] or np.zeros(n_labels))
        if each and self.class_prior is not None:
            self.class_sizes_ = np.array([one.fallback[1] for one in each])
        if each and self.estimator is not None:
            besides = answer.templates.besides
            self.estimator_ = [one and one.classifier.estimator for one in besides]
            strengths = [0.0 if one is None else one.strength for one in besides]
            self.estimator_weight_ = np.array(strengths, dtype=np.float64)

    @property
    def _several(self) -> bool:
        return isinstance(getattr(self, "_answer", None), SeveralAnswer)

    def _decide(self, u: Floats) -> NDArray[Any]:
        if self._several:
            return (u > 0.5).astype(np.int64)
        return super()._decide(u)

    def _as_proba(self, u: Floats) -> Floats:
        # scikit-learn wants probabilities of several labels strictly between 0 and 1.
        return u.clip(_ROUNDING, 1 - _ROUNDING) if self._several else super()._as_proba(u)

    def _certainty(self, u: Floats, reached: Mask) -> Floats:
        if not self._several:
            return super()._certainty(u, reached)
        each = [
            certainty(np.column_stack([1 - p, p]), of_label)
            for p, of_label in zip(u.T, reached.T, strict=True)
        ]
        return np.mean(each, axis=0)

    def _no_predictions(self) -> tuple[Floats, Mask]:
        u, reached = super()._no_predictions()
        return u, np.empty(u.shape, dtype=bool) if self._several else reached

    def _uncertainty(self, u: Floats, reached: Mask) -> Floats:
        if self._several:
            return 1 - self._certainty(u, reached)
        return super()._uncertainty(u, reached)

    def _labeled_points(self) -> Mask:
        if not self._several:
            return super()._labeled_points()
        first = [layer.transductions[0] for layer in self._answer.templates.layers]
        labeled: Mask = np.all([one.labels.labeled for one in first], axis=0)
        return labeled

    def _accuracy(self, predicted: NDArray[Any], y: Labels, sample_weight: Any) -> float:
        if not self._several:
            if hold_cells(y):
                raise ValueError(
                    "y has several columns, but one label per row was fitted. Pass a column of "
                    "classes."
                )
            return super()._accuracy(predicted, y, sample_weight)
        cells = _cells_like(y, self.unlabeled, predicted)
        check_consistent_length(predicted, cells, sample_weight)
        return exact_match_of_given(cells, predicted, sample_weight)

    def _held_out_labels(self) -> HeldOutLabels:
        raise ValueError(
            "suspect_labels takes one label per row, but the classifier was fitted with "
            f"{self.classes_.shape[0]}. Fit with held_out=5, and compare y with "
            "held_out_distributions_."
        )


def _check_can_hold_out(labels: LabelMatrix, index: Indices) -> None:
    """Refuse a label that is known for a single point; ``index`` holds the point of each row."""
    for number, known in enumerate(labels.known.T):
        if len(np.unique(index[known])) == 1:
            raise ValueError(
                f"Column {number} of y is known for only one distinct row, so this label cannot be "
                "held out. Say for another row whether it has the label, leave the column out, or "
                "pass held_out=None (and calibrate=False)."
            )


def _cells_like(y: Labels, unlabeled: object, predicted: NDArray[Any]) -> Floats:
    """Read labels to compare with predicted ones (n_rows, n_labels)."""
    n_labels = predicted.shape[1]
    cells = read_cells(y, unlabeled) if hold_cells(y) else np.empty((0, 1))
    if cells.shape[1] != n_labels:
        raise ValueError(
            f"y should have {n_labels} columns, one for each label that was fitted. Pass labels "
            f"of shape (n_queries, {n_labels})."
        )
    return cells
