"""Scores over the given values and labels of rows that may lack some."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, r2_score

from ._typing import Floats

__all__ = ["exact_match_of_given", "r2_of_given"]


def r2_of_given(y: Floats, predicted: Floats, sample_weight: ArrayLike | None = None) -> float:
    """Compute R2 over the numbers of ``y`` (n,) or (n, n_targets), averaged over the targets.

    NaN in ``y`` are not scored. Raises ValueError if a target has no number.

    >>> r2_of_given(np.array([1.0, np.nan, 3.0]), np.array([1.0, 9.0, 3.0]))
    1.0
    """
    given = ~np.isnan(y)
    if not given.any(axis=0).all():
        raise ValueError("A target of y has no value: there is nothing to score.")
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    columns = zip(_columns(y), _columns(given), _columns(predicted), strict=True)
    return float(np.mean([r2_score(t[g], p[g], sample_weight=weights[g]) for t, g, p in columns]))


def exact_match_of_given(
    y: NDArray[Any], predicted: Any, sample_weight: ArrayLike | None = None
) -> float:
    """Compute the fraction of rows (n, n_labels) whose given labels are all predicted right.

    NaN in ``y`` are labels that are not given. Rows without any given label are not scored.

    >>> y = np.array([[0, 1], [1, 1], [1, np.nan]])
    >>> round(exact_match_of_given(y, [[0, 1], [0, 1], [1, 0]]), 2)
    0.67
    """
    given = ~np.isnan(y)
    rows = given.any(axis=1)
    if not rows.any():
        raise ValueError("Every row of y is unlabelled: there is nothing to score.")
    weights = None if sample_weight is None else np.asarray(sample_weight)[rows]
    right = (~given | (np.asarray(predicted) == y)).all(axis=1)[rows]
    return float(accuracy_score(np.ones_like(right), right, sample_weight=weights))


def _columns(values: NDArray[Any]) -> NDArray[Any]:
    """Return the columns of (n,) or (n, n_targets)."""
    return np.reshape(values, (len(values), -1)).T
