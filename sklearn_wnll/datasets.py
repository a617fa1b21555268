"""Make partly labelled data from labelled data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ._label_types import are_strings, label_text
from ._labels import encode_labels
from ._numbers import read_numbers
from ._targets import TargetType, is_column_of_classes, read_target
from ._typing import Labels, Numbers, RandomState
from ._warnings import silenced
from .exceptions import AmbiguousLabelsWarning

__all__ = ["hide_labels"]

_LARGEST_EXACT = 2.0**53


def hide_labels(
    y: Labels | Numbers,
    n_per_class: int | None = None,
    random_state: RandomState = None,
    *,
    n_rows: int | None = None,
    target: TargetType = "auto",
) -> NDArray[Any]:
    """Keep a few labels, drawn at random, and hide the others.

    Read more in the :doc:`user guide </guide/first_steps>`.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Labels of any type that :class:`~sklearn_wnll.WNLLClassifier` takes, or numbers. Rows that
        are already unlabelled (-1 among classes, ``"-1"``, missing or masked) remain unlabelled.
    n_per_class : int, default=None
        Number of labels to keep in each class. Needs a single column of classes.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. Pass an int for reproducible results across calls.
    n_rows : int, default=None
        Number of rows to keep, whatever their class, with all their labels. For numbers, and for
        several labels or numbers per row. Pass either this or ``n_per_class``.
    target : {"auto", "classes", "numbers"}, default="auto"
        What ``y`` holds, for ``n_rows``, as in :class:`~sklearn_wnll.model_selection.LabeledFold`.
        Pass "numbers" if ``y`` holds integers that are numbers, and -1 is one of them.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_targets)
        A copy of the labels, with a marker in place of the hidden ones. With ``n_per_class``, it
        is of the same type, and the marker is -1 for numbers (unsigned integers become signed),
        ``"-1"`` for strings, NaT for NumPy's dates and durations, None for booleans and other
        objects. With ``n_rows``, numbers become floats, and the marker is NaN, which classifiers
        and regressors understand; labels of other types are marked as above.

    Raises
    ------
    ValueError
        If a class has fewer than ``n_per_class`` labels, or ``y`` fewer than ``n_rows`` labelled
        rows; if the number is less than 1; if -1 is a class; or if ``n_per_class`` is passed with
        numbers or several columns.

    Examples
    --------
    >>> from sklearn_wnll.datasets import hide_labels
    >>> y = hide_labels([0, 0, 0, 1, 1, 1], n_per_class=1, random_state=0)
    >>> [int((y == label).sum()) for label in (-1, 0, 1)]
    [4, 1, 1]
    >>> hide_labels([0.5, 1.5, 2.5, 3.5], n_rows=2, random_state=0)
    array([nan, nan, 2.5, 3.5])
    """
    if (n_per_class is None) == (n_rows is None):
        raise ValueError(
            "Pass either n_per_class, the number of labels to keep in each class, or n_rows, the "
            "number of rows to keep."
        )
    name, n = ("n_rows", n_rows) if n_per_class is None else ("n_per_class", n_per_class)
    if n is None or n < 1:
        raise ValueError(f"{name} must be at least 1, got {n!r}.")
    rng = check_random_state(random_state)
    if n_rows is None:
        return _keep_per_class(y, n, rng)
    return _keep_rows(y, n, rng, target)


def _keep_per_class(y: Any, n: int, rng: np.random.RandomState) -> NDArray[Any]:
    """Keep ``n`` labels of each class."""
    if not is_column_of_classes(y):
        raise ValueError(
            "n_per_class needs a single column of classes, but y holds numbers or several "
            f"columns. Pass n_rows={n} to keep that many rows, drawn at random."
        )
    with silenced(AmbiguousLabelsWarning):
        classes, codes = encode_labels(y)
    marked = _marked_classes(classes)
    counts = np.bincount(codes[codes >= 0])
    if counts.min() < n:
        raise ValueError(
            f"Class {label_text(classes, int(counts.argmin()))} has {counts.min()} labels, fewer "
            f"than n_per_class={n}. Lower n_per_class."
        )
    keep = np.concatenate(
        [rng.choice(np.flatnonzero(codes == c), n, replace=False) for c in range(len(classes))]
    )
    kept = np.full(len(codes), -1)
    kept[keep] = codes[keep]
    return marked[kept]


def _keep_rows(y: Any, n: int, rng: np.random.RandomState, target: TargetType) -> NDArray[Any]:
    """Keep ``n`` rows with their labels."""
    y = y.toarray() if hasattr(y, "toarray") else y
    read = read_target(y, target)
    labeled = np.flatnonzero(read.complete | read.partial)
    if len(labeled) < n:
        raise ValueError(
            f"y has {len(labeled)} labelled rows, fewer than n_rows={n}. Lower n_rows."
        )
    keep = rng.choice(labeled, n, replace=False)
    if read.classes is not None and read.classes.dtype.kind not in "iuf":
        codes = np.full(len(read.values), -1)
        codes[keep] = read.values[keep]
        return _marked_classes(read.classes)[codes]
    given = read_numbers(y).reshape(read.values.shape)
    if (np.abs(given) > _LARGEST_EXACT).any():
        raise ValueError("y holds numbers beyond 2**53, which floats beside NaN cannot hold.")
    kept = np.full(given.shape, np.nan)
    kept[keep] = np.where(read.given[keep], given[keep], np.nan)
    return kept


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
