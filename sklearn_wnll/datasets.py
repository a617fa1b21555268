"""Make partly labelled data from labelled data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ._label_types import are_strings, label_text
from ._labels import encode_labels
from ._typing import Labels, RandomState
from ._warnings import silenced
from .exceptions import AmbiguousLabelsWarning

__all__ = ["hide_labels"]


def hide_labels(y: Labels, n_per_class: int, random_state: RandomState = None) -> NDArray[Any]:
    """Keep a few labels of each class, drawn at random, and hide the others.

    Read more in the :doc:`user guide </guide/first_steps>`.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of any type that :class:`~sklearn_wnll.WNLLClassifier` takes. Rows that are already
        unlabelled (-1, ``"-1"``, missing or masked) remain unlabelled.
    n_per_class : int
        Number of labels to keep in each class.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. Pass an int for reproducible results across calls.

    Returns
    -------
    ndarray of shape (n_samples,)
        A copy of the labels, of the same type, with a marker in place of the hidden ones: -1
        for numbers (unsigned integers become signed), ``"-1"`` for strings, NaT for NumPy's dates
        and durations, None for booleans and other objects.

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
    with silenced(AmbiguousLabelsWarning):
        classes, codes = encode_labels(y)
    marked = _marked_classes(classes)
    counts = np.bincount(codes[codes >= 0])
    if counts.min() < n_per_class:
        raise ValueError(
            f"Class {label_text(classes, int(counts.argmin()))} has {counts.min()} labels, fewer "
            f"than n_per_class={n_per_class}. Lower n_per_class."
        )
    rng = check_random_state(random_state)
    keep = np.concatenate(
        [rng.choice(np.flatnonzero(codes == c), n_per_class, replace=False)
         for c in range(len(classes))]
    )  # fmt: skip
    kept = np.full(len(codes), -1)
    kept[keep] = codes[keep]
    return marked[kept]


def _marked_classes(classes: NDArray[Any]) -> NDArray[Any]:
    """Return the classes followed by the marker, in a type that holds all of them."""
    kind, dtype = classes.dtype.kind, classes.dtype
    marker: Any = None
    if are_strings(classes):
        marker, dtype = "-1", np.dtype(object)
    elif kind in "mM":
        marker = np.array("NaT", dtype=dtype)
    elif kind in "iuf":
        marker = -1
    if kind == "u":
        dtype = np.dtype(np.int64 if classes[-1] <= np.iinfo(np.int64).max else object)
    elif kind == "b":
        dtype = np.dtype(object)
    if marker is not None and kind not in "mM" and (classes == marker).any():
        raise ValueError(
            f"y holds {marker!r} as a class, which is the marker of hidden labels. Rename the "
            f"class first, for instance with numpy.where(y == {marker!r}, ..., y)."
        )
    marked = np.empty(len(classes) + 1, dtype=dtype)
    marked[:-1], marked[-1] = classes, marker
    return marked
