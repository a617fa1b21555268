"""Make partly labelled data from labelled data."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ._labels import as_label_array, encode_labels
from ._typing import Labels, RandomState
from .exceptions import AmbiguousLabelsWarning

__all__ = ["hide_labels"]


def hide_labels(y: Labels, n_per_class: int, random_state: RandomState = None) -> NDArray[Any]:
    """Keep a few labels of each class, drawn at random, and hide the others.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels. Rows that are already unlabelled (-1, None, NaN or ``"-1"``) stay so.
    n_per_class : int
        Number of labels to keep in each class.
    random_state : int, RandomState instance or None, default=None
        Seeds the draw.

    Returns
    -------
    ndarray of shape (n_samples,)
        A copy of the labels, with -1 (or ``"-1"`` among strings) in place of the hidden ones.

    Raises
    ------
    ValueError
        If a class has fewer than ``n_per_class`` labels, if ``n_per_class`` is less than 1, or
        if -1 is a class.

    Examples
    --------
    >>> from sklearn_wnll.datasets import hide_labels
    >>> y = hide_labels([0, 0, 0, 1, 1, 1], n_per_class=1, random_state=0)
    >>> [int((y == label).sum()) for label in (-1, 0, 1)]
    [4, 1, 1]
    """
    if n_per_class < 1:
        raise ValueError(f"n_per_class must be at least 1, got {n_per_class!r}.")
    y = as_label_array(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousLabelsWarning)
        classes, codes = encode_labels(y)
    strings = classes.dtype.kind in "OUS"
    marker = "-1" if strings else -1
    if (classes == marker).any():
        raise ValueError(
            f"y holds {marker!r} as a class, which is the marker of hidden labels. Rename the "
            f"class first, for instance with numpy.where(y == {marker!r}, ..., y)."
        )
    counts = np.bincount(codes[codes >= 0])
    if counts.min() < n_per_class:
        raise ValueError(
            f"Class {classes[counts.argmin()]} has {counts.min()} labels, fewer than "
            f"n_per_class={n_per_class}. Lower n_per_class."
        )
    rng = check_random_state(random_state)
    keep = np.concatenate(
        [rng.choice(np.flatnonzero(codes == c), n_per_class, replace=False)
         for c in range(len(classes))]
    )  # fmt: skip
    holds_marker = classes.dtype.kind in "if"
    dtype = object if strings else classes.dtype if holds_marker else np.int64
    kept = np.full(len(y), marker, dtype=dtype)
    kept[keep] = classes[codes[keep]]
    return kept
