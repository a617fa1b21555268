"""The labelled samples of a training, and those of ``validation``, held out from it."""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from .._label_types import read_labels
from .._labels import is_unlabeled
from .._typing import Indices, Mask
from .._warnings import warn_user
from ..exceptions import MemorizedLabelsWarning
from ._training.validation import held_out

__all__ = ["LabeledSamples", "check_enough_labels", "check_validation", "rows_to_hold_out",
           "still_held_out", "warn_if_memorized"]  # fmt: skip

# The network may have memorized its labels if the linear head has learned the first fraction of
# them, and the graph agrees with the second fraction when they are held out.
_LEARNED, _AGREED = 0.99, 0.9


class LabeledSamples(NamedTuple):
    """Samples (n, ...) and the codes of their classes (n,), -1 if unlabelled."""

    X: NDArray[Any]
    codes: Indices

    def split(self, rows: Indices) -> tuple[Self, Self | None]:
        """Split off some rows: the other samples, and these, or None if there are none."""
        if not len(rows):
            return self, None
        others = np.delete(np.arange(len(self.codes)), rows)
        parts = (type(self)(self.X[chosen], self.codes[chosen]) for chosen in (others, rows))
        return next(parts), next(parts)


def check_enough_labels(codes: Indices) -> None:
    """Refuse fewer than the two labelled samples that a training needs."""
    n_labeled = np.count_nonzero(codes >= 0)
    if n_labeled < 2:
        raise ValueError(
            f"y labels {n_labeled} sample of n_samples={len(codes)}, too few for a template "
            "batch and a query batch: training needs at least 2 labelled samples, better "
            "several of each class. Label more, or use WNLLClassifier, which does not train."
        )


def warn_if_memorized(learned: Mask, score: float) -> None:
    """Warn if the score of held-out labels may only show that the network ``learned`` them."""
    part = float(np.mean(learned))
    if part >= _LEARNED and score >= _AGREED:
        warn_user(
            f"The network was trained with the labels that are held out, and has learned {part:.0%}"
            f" of them. So held_out_score_={score:.3f} may be far too high, the temperature too "
            "low, and wrong labels may not be suspected. Score on samples that the training has "
            "not seen, and look for wrong labels with WNLLClassifier before the training.",
            MemorizedLabelsWarning,
        )


def check_validation(
    validation: object,
    classes: NDArray[Any],
    unlabeled: object,
    validate_X: Callable[[Any], NDArray[Any]],
) -> LabeledSamples | None:
    """Check and return the samples of ``validation=(X, y)``; None if it is not a tuple."""
    if not isinstance(validation, tuple):
        return None
    if len(validation) != 2:
        raise ValueError(
            f"validation is a tuple of {len(validation)}. Pass (X, y), samples as for fit and "
            "their labels, or a fraction of the labelled samples."
        )
    try:
        X, y = validate_X(validation[0]), read_labels(validation[1])
        check_consistent_length(X, y.values)
        missing = is_unlabeled(y, unlabeled, classes)
    except ValueError as error:
        raise ValueError(f"validation=(X, y) does not fit: {error}") from error
    if missing.any():
        raise ValueError(
            f"validation=(X, y) has {missing.sum()} samples without a label, which cannot be "
            "scored. Leave them out, or pass them to fit."
        )
    code = {label: number for number, label in enumerate(classes.tolist())}
    labels = y.known(~missing).tolist()
    unknown = list(dict.fromkeys(repr(label) for label in labels if label not in code))
    if unknown:
        raise ValueError(
            f"validation=(X, y) has the labels {', '.join(unknown[:5])}, which no sample of fit "
            "has. Leave those samples out, or label some of each class in fit."
        )
    return LabeledSamples(X, np.array([code[label] for label in labels]))


def rows_to_hold_out(codes: Indices, validation: object, seed: int) -> Indices:
    """Draw rows to hold out, if ``validation`` is a fraction; otherwise none."""
    if validation is None or isinstance(validation, tuple):
        return np.empty(0, dtype=np.intp)
    return held_out(codes, validation, seed)


def still_held_out(codes: Indices, rows: Indices) -> Indices:
    """Select the held-out rows that can stay held out with the current labels.

    They have a label, and leave the training one label of their class, and at least two in all.
    """
    training = codes.copy()
    training[rows] = -1
    left = training[training >= 0]
    return rows[np.isin(codes[rows], left)] if len(left) > 1 else rows[:0]
