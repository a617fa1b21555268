"""Several labels of each row: every one is a number, its probability, over the same graphs."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .answer import find_answer, temperature_of
from .class_prior import corrected
from .held_out import Extended, hold_out
from .label_matrix import LabelMatrix
from .layers import Layers, Prediction, unary_of
from .prediction import predict_layers
from .temperature import apply_temperature
from .templates import Templates

__all__ = ["Correction", "SeveralAnswer", "find_answers", "find_answers_alone"]

_FOLDS = 5  # by default


class Correction(NamedTuple):
    """Steps from the extension of a label to its probability, as for two classes.

    ``fallback`` (2,) is the distribution of rows that no label reaches.
    """

    fallback: np.ndarray
    class_factors: np.ndarray | None = None
    temperature: float = 1.0
    label_noise: float = 0.0

    def __call__(self, extension):
        """Return the probability of 1 for each row (n_rows,)."""
        u, reached = corrected(extension, self.class_factors), extension.reached
        if self.temperature != 1:
            u = apply_temperature(u, self.temperature)
        return np.where(reached, u[:, 1], self.fallback[1])


@dataclass(frozen=True)
class SeveralAnswer:
    """Labels extended over the graphs of ``templates``, and a correction for each column.

    Without ``pairs``, a layer holds the probabilities of labels with the same gaps. With
    ``pairs``, each label has a layer of its own, with a distribution over 0 and 1.
    ``held_out`` (n_rows, n_labels) are probabilities of given cells without their own labels; it
    is None if it was not asked for.
    """

    labels: LabelMatrix
    templates: Layers
    corrections: list
    held_out: np.ndarray | None = None
    pairs: bool = False

    def fitted(self):
        """Return the probabilities of all fitted rows: a :class:`Prediction`."""
        return self._prediction([layer.fitted() for layer in self.templates.layers])

    def predict(self, X, given, **options):
        """Predict the probabilities of queries, and a :class:`Prediction` with details.

        ``given`` are the rows of ``X`` in the form a classifier takes; for the ``options`` see
        :func:`predict_layers`.
        """
        finders = [unary_of(beside, given) for beside in self.templates.besides]
        found = self._prediction(predict_layers(self.templates.layers, X, finders, **options))
        return found.u, found

    def compact(self):
        """Keep only the parts that an inductive prediction needs."""
        labels = self.labels._replace(values=self.labels.values.of_rows([]))
        return replace(self, labels=labels, templates=self.templates.compact(), held_out=None)

    def _prediction(self, found):
        """Correct the extensions of layers."""
        answers, groups = [], self.templates.groups
        for columns, extension in zip(groups, found, strict=True):
            u = np.full((len(extension.u), len(columns)), 0.5)
            for place, column in enumerate(columns if self.corrections else ()):
                pair = extension if self.pairs else _pair(extension, place)
                u[:, place] = self.corrections[column](pair)
            answers.append(extension._replace(u=u))
        return Prediction.of(groups, answers)


def find_answers(layers, labels, *, n_folds=None, calibrate=False, n_jobs=None):
    """Correct the labels of layers towards their prior: a :class:`SeveralAnswer`.

    Labels are held out in ``n_folds`` if that is not None, or if ``calibrate`` requires it.
    Without any label, nothing is corrected. Also returns the solution of the held-out labels.
    """
    if not labels.known.any():
        return SeveralAnswer(labels, layers, []), None
    factors, solved = [None] * labels.n_labels, []
    for columns, layer in zip(layers.groups, layers.layers, strict=True):
        found = _factors(layer.fitted(), labels.of(columns))
        for column, of_column in zip(columns, found, strict=True):
            factors[column] = of_column
    corrections = [
        Correction(labels.column(j).fallback, factors[j]) for j in range(labels.n_labels)
    ]
    answer = SeveralAnswer(labels, layers, corrections)
    if n_folds is None and not calibrate:
        return answer, None
    pairs = [None] * labels.n_labels
    for columns, layer in zip(layers.groups, layers.layers, strict=True):
        own = labels.of(columns)
        held_out = hold_out(layer, own.values, _Correcting(own), n_folds or _FOLDS, n_jobs)
        solved.append(held_out)
        for place, column in enumerate(columns):
            pairs[column] = _pair(held_out, place)
    return _with_held_out(answer, pairs, calibrate), solved


def find_answers_alone(layers, labels, *, plan, n_folds=None, calibrate=False, n_jobs=None):
    """Extend each label of ``layers`` again, as the classes 0 and 1: a :class:`SeveralAnswer`.

    ``plan`` turns the :class:`RowLabels` of a column into its recipe and :class:`Extender`. Also
    returns the solution of the held-out labels.
    """
    if not labels.known.any():
        return SeveralAnswer(labels, layers, []), None
    answers, corrections = [], []
    for number in range(labels.n_labels):
        column = labels.column(number)
        recipe, extender = plan(column)
        first = layers.layers[0].relabeled(column, extender, np.full(2, -1), n_jobs)
        answer, _ = find_answer(
            first, column, recipe, n_folds=n_folds, calibrate=calibrate, n_jobs=n_jobs
        )
        answers.append(answer)
        corrections.append(
            Correction(
                answer.labels.fallback,
                answer.class_factors,
                answer.temperature,
                answer.templates.label_noise,
            )
        )
    alone = Layers(
        [np.array([number]) for number in range(labels.n_labels)],
        [labels.values.of([number]) for number in range(labels.n_labels)],
        [answer.templates for answer in answers],
        [answer.beside for answer in answers],
    )
    answer = SeveralAnswer(labels, alone, corrections, pairs=True)
    if n_folds is None and not calibrate:
        return answer, None
    pairs = [one.held_out for one in answers]
    return _with_held_out(answer, pairs, calibrate=False), pairs


def _with_held_out(answer, pairs, calibrate):
    """Add held-out labels, a :class:`HeldOut` of two classes for each column; calibrate by them."""
    held_out, corrections = np.full(answer.labels.known.shape, np.nan), []
    for number, (pair, correction) in enumerate(zip(pairs, answer.corrections, strict=True)):
        column = answer.labels.column(number)
        if calibrate:
            temperature = temperature_of(pair, column.codes[column.rows], correction.label_noise)
            correction = correction._replace(temperature=temperature)
        corrections.append(correction)
        # Held-out extensions are corrected already, by the labels of the other folds.
        held_out[column.rows, number] = correction._replace(class_factors=None)(pair)
    return replace(answer, corrections=corrections, held_out=held_out)


class _Correcting(NamedTuple):
    """Correct ``labels`` that are extended without those of a fold towards their prior."""

    labels: LabelMatrix

    def __call__(self, templates, left):
        factors = _factors(templates.fitted(), self.labels._replace(values=left))
        return Extended(_Corrected(templates, factors), None)


class _Corrected(NamedTuple):
    """Templates whose probabilities are corrected by factors on 0 and 1."""

    templates: Templates
    factors: list

    def at(self, points):
        """Return the extension to some points, the mean over all templates."""
        found = self.templates.at(points)
        pairs = [corrected(_pair(found, place), one) for place, one in enumerate(self.factors)]
        return found._replace(u=np.column_stack([pair[:, 1] for pair in pairs]))


def _factors(extension, labels):
    """Compute factors on 0 and 1 that correct the columns of an extension to the labels' prior."""
    return [
        labels.column(number).class_factors(_pair(extension, number))
        for number in range(labels.n_labels)
    ]


def _pair(found, place):
    """Return the extension of a column of numbers with distributions over 0 and 1."""
    u = found.u[:, place]
    return found._replace(u=np.column_stack([1 - u, u]))
