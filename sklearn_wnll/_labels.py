"""Labels of any type, some of them missing: markers, classes and codes."""

import numbers
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._label_doubts import warn_of_doubts
from ._label_types import (
    LabelColumn,
    are_strings,
    equal_rows,
    is_auto,
    is_missing,
    label_text,
    read_labels,
    sorted_classes,
)
from ._typing import Indices, Labels, Mask
from ._warnings import warn_user
from .exceptions import AmbiguousLabelsWarning

__all__ = [
    "EncodedLabels",
    "are_right",
    "encode_labels",
    "is_unlabeled",
    "required_labels",
]


def required_labels(n_classes: int) -> int:
    """Compute how many random labels it takes, on average, to see every class once.

    With ``c`` equally likely classes, seeing each class takes ``c (1 + 1/2 + ... + 1/c)`` draws on
    average (the coupon collector's problem). With fewer labels drawn at random, a class may well
    be missing.

    Read more in the :doc:`user guide </guide/method>`.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 1.

    Returns
    -------
    int
        Number of labels, rounded up.

    Raises
    ------
    ValueError
        If ``n_classes`` is less than 1.

    References
    ----------
    Wang et al., "Deep Learning with Data Dependent Implicit Activation Function",
    arXiv 1802.00168 (2018): the condition of representability.

    Examples
    --------
    >>> from sklearn_wnll import required_labels
    >>> required_labels(10), required_labels(100)
    (30, 519)
    """
    if n_classes < 1:
        raise ValueError(f"n_classes must be at least 1, got {n_classes!r}.")
    return int(np.ceil(n_classes * np.sum(1.0 / np.arange(1, n_classes + 1))))


class EncodedLabels(NamedTuple):
    """Distinct labels, sorted, and the position of each row's label, -1 if unlabelled."""

    classes: NDArray[Any]
    codes: Indices


def encode_labels(
    y: Labels | LabelColumn, unlabeled: object = "auto", *, may_be_empty: bool = False
) -> EncodedLabels:
    """Find the classes in ``y``, and the rows without a label: :class:`EncodedLabels`.

    Classes have the type of the labels in ``y``. Warns with an AmbiguousLabelsWarning in case of
    doubt: if ``y`` is exactly -1 and 1, or if a class is named "", "nan", "none" or the like, is
    the value of -1 in unsigned integers, is -1 although another marker was passed, or is as
    frequent as only unlabelled rows are. Raises ValueError if no row is labelled, or if ``y``
    holds an invalid class. With ``may_be_empty``, no row needs a label, but NaN alone is a mistake.

    >>> encode_labels(["cat", None, "dog", "cat"])
    EncodedLabels(classes=array(['cat', 'dog'], dtype=object), codes=array([ 0, -1,  1,  0]))
    """
    column = read_labels(y)
    labeled = ~_unlabeled_mask(column, unlabeled)
    codes = np.full(len(column), -1, dtype=np.intp)
    if not labeled.any():
        nan = column.values.dtype.kind == "f" and (column.missing & ~column.masked).any()
        if may_be_empty and not (is_auto(unlabeled) and nan):
            return EncodedLabels(column.known(labeled), codes)
        none_yet = (
            " To begin without any label, pass numpy.full(len(X), -1), or numpy.full(len(X), None) "
            "if labels will be strings."
        )
        raise ValueError(
            f"Every row of y is unlabelled (unlabeled={unlabeled!r}). Give at least one row a "
            "label, or pass unlabeled=None if the marker is a class."
            + (none_yet if may_be_empty else "")
        )
    _check_no_missing(column, labeled, unlabeled)
    classes, codes[labeled] = sorted_classes(column.known(labeled))
    if unlabeled is not None:
        if labeled.all():
            _check_type_of_marker(unlabeled, classes)
        marker = "float('nan')" if column.missing.any() else repr(_minus_one(column))
        warn_of_doubts(classes, codes, unlabeled, marker)
    return EncodedLabels(classes, codes)


def is_unlabeled(
    y: Labels | LabelColumn, unlabeled: object = "auto", classes: ArrayLike | None = None
) -> Mask:
    """Mark the rows of ``y`` without a label (n_samples,).

    With ``unlabeled="auto"`` the marker is a missing value (None, NaN, NaT, NA), or -1, which is
    ``"-1"`` among strings; but exactly the values -1 and 1 are two classes, with a warning. NaN as
    ``unlabeled`` stands for all missing values, any other value for itself. None means that every
    row is labelled. Masked rows of a ``numpy.ma`` array are always unlabelled. With ``"auto"`` and
    known ``classes``, members of these are labels. Raises ValueError if ``y`` holds both missing
    values and -1, or -1 beside other negative numbers.

    >>> is_unlabeled([0, 1, -1])
    array([False, False,  True])
    >>> is_unlabeled(["a", "?", "b"], unlabeled="?")
    array([False,  True, False])
    >>> is_unlabeled([1, -1, 1], classes=[-1, 1])
    array([False, False, False])
    """
    column = read_labels(y)
    if classes is None or not is_auto(unlabeled):
        return _unlabeled_mask(column, unlabeled)
    minus_one = _minus_one(column)
    if read_labels(classes).equals(minus_one).any():
        return column.missing
    return column.missing | column.equals(minus_one)


def are_right(predicted: NDArray[Any], y: LabelColumn, labeled: Mask, unlabeled: object) -> Mask:
    """Compare predicted labels with those of the labelled rows of ``y``.

    Raises ValueError if a label is missing, or if only one of ``y`` and the predicted labels holds
    strings.
    """
    _check_no_missing(y, labeled, unlabeled)
    truth, predicted = y.known(labeled), predicted[labeled]
    if are_strings(truth) != are_strings(predicted):
        other, fitted = "strings", "are not"
        if not are_strings(truth):
            other, fitted = "not strings", "are"
        raise ValueError(
            f"The labels in y are {other}, but the fitted ones {fitted}. Pass labels of the type "
            "of classes_."
        )
    return equal_rows(truth, predicted)


def _unlabeled_mask(y: LabelColumn, unlabeled: object) -> Mask:
    """:func:`is_unlabeled` without known classes."""
    if unlabeled is None:
        if y.masked.any():
            raise ValueError(
                f"y is masked in {np.count_nonzero(y.masked)} rows, but unlabeled=None says that "
                "every row is labelled. Pass unlabeled='auto', or y.data if the mask means nothing."
            )
        return np.zeros(len(y), dtype=bool)
    if is_auto(unlabeled):
        return _auto_mask(y)
    if isinstance(unlabeled, Collection) and not isinstance(unlabeled, (str, bytes)):
        raise ValueError(_several_markers(unlabeled))
    if is_missing(unlabeled):
        return y.missing
    equal = y.equals(unlabeled)
    if not equal.any() and isinstance(unlabeled, numbers.Number) and are_strings(y.values):
        raise ValueError(
            f"unlabeled={unlabeled!r} is a number but the labels in y are strings. Pass the "
            f"marker exactly as in y, for instance unlabeled={str(unlabeled)!r}."
        )
    if isinstance(unlabeled, (bool, np.bool_)) and not _hold_truth_values(y):
        raise ValueError(
            f"unlabeled={unlabeled!r} is a truth value, but the labels in y are not. Pass the "
            "marker exactly as in y, or unlabeled=None if every row is labelled."
        )
    return y.masked | equal


def _minus_one(y: LabelColumn) -> str | int:
    """Return the marker -1 in the type of the labels."""
    return "-1" if are_strings(y.values) else -1


def _auto_mask(y: LabelColumn) -> Mask:
    """Mark the unlabelled rows for "auto"; see :func:`is_unlabeled`."""
    missing, marker = y.missing, _minus_one(y)
    minus_one = y.equals(marker)
    if y.values.dtype.kind == "b" or not minus_one.any():
        return missing
    name = '"-1"' if marker == "-1" else "-1"
    if missing.any():
        raise ValueError(
            f"y holds both missing values and {name}, and unlabeled='auto' cannot tell which of "
            f"them marks the unlabelled rows. Pass unlabeled=float('nan') if {name} is a class, "
            "or write one marker for all unlabelled rows."
        )
    if _hold_less_than_minus_one(y.values):
        raise ValueError(
            "y holds -1, the marker of unlabelled rows, beside other negative labels. Pass "
            "unlabeled=None if -1 is a class here, or unlabeled=-1 if it marks unlabelled rows."
        )
    one = y.equals("1" if marker == "-1" else 1)
    if not minus_one.all() and (minus_one | one).all() and not _hold_truth_values(y):
        warn_user(
            f"y holds exactly the values {name} and 1, which are read as two classes. Pass "
            f"unlabeled={name} if {name} marks unlabelled rows, or unlabeled=None to silence "
            "this warning.",
            AmbiguousLabelsWarning,
        )
        return np.zeros(len(y), dtype=bool)
    return minus_one


def _hold_truth_values(y: LabelColumn) -> bool:
    """Return whether some labels are True or False."""
    kind = y.values.dtype.kind
    return kind == "b" or (kind == "O" and bool({bool, np.bool_} & set(map(type, y.values))))


def _hold_less_than_minus_one(labels: NDArray[Any]) -> bool:
    """Return whether some labels are numbers below -1."""
    if labels.dtype.kind == "O":
        return any(isinstance(label, numbers.Real) and label < -1 for label in labels)
    return labels.dtype.kind in "if" and bool((labels < -1).any())


def _several_markers(unlabeled: Any) -> str:
    """Make the message for a list of markers, with code that turns them into one."""
    listed = unlabeled.tolist() if hasattr(unlabeled, "tolist") else list(unlabeled)
    markers = listed if isinstance(listed, list) else [listed]
    named = [marker for marker in markers if not is_missing(marker)]
    written, marker = ("None", "float('nan')") if len(named) < len(markers) else ("", "None")
    if named and not written:
        written = marker = repr(named[0])
    cure = f"Pass unlabeled={marker}."
    if len(markers) > 1:
        cure = (
            f"Write one marker for all of them, y = numpy.where(numpy.isin(y, {named!r}), "
            f"{written}, y), and pass unlabeled={marker}."
        )
    return f"unlabeled must be one value, got {unlabeled!r}. {cure}"


def _check_type_of_marker(unlabeled: object, classes: NDArray[Any]) -> None:
    """Refuse a marker that occurs only as a value of another type: "99" among numbers."""
    if is_auto(unlabeled) or is_missing(unlabeled):
        return
    for code in range(len(classes)):
        if str(classes[code]) == str(unlabeled):
            raise ValueError(
                f"unlabeled={unlabeled!r} is no label in y, but {label_text(classes, code)} is. "
                "Pass the marker exactly as in y, or unlabeled=None if it is a class."
            )


def _check_no_missing(y: LabelColumn, labeled: Mask, unlabeled: object) -> None:
    """Refuse NaN or None among labels if ``unlabeled`` does not mark them."""
    if (y.missing & labeled).any():
        raise ValueError(
            f"y contains NaN or None, which unlabeled={unlabeled!r} does not mark. Pass "
            "unlabeled='auto' or unlabeled=float('nan') if missing values are unlabelled rows."
        )
