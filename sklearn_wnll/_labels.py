"""Labels of any type, some of them missing: markers, classes and codes."""

import numbers
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from ._typing import Indices, Labels, Mask
from ._warnings import warn_user
from .exceptions import AmbiguousLabelsWarning

__all__ = [
    "EncodedLabels",
    "as_label_array",
    "check_no_missing",
    "encode_labels",
    "is_unlabeled",
    "required_labels",
]

_MARKER_LIKE = ("", "?", "nan", "none", "na", "n/a", "<na>", "null",
                "unknown", "unlabeled", "unlabelled")  # fmt: skip


def required_labels(n_classes: int) -> int:
    """Give the number of random labels that shows every class once, on average.

    With ``c`` equally likely classes, drawing labelled rows until each class has been
    seen takes ``c (1 + 1/2 + ... + 1/c)`` draws on average (the coupon collector's
    problem). With fewer labels drawn at random, a class may well be missing.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 1.

    Returns
    -------
    int
        The bound, rounded up.

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
    """The distinct labels, sorted, and the position of each row's among them, -1 if unlabelled."""

    classes: NDArray[Any]
    codes: Indices


def encode_labels(y: Labels, unlabeled: object = "auto") -> EncodedLabels:
    """Find the classes in ``y``, and the rows that have no label: :class:`EncodedLabels`.

    Warns with an AmbiguousLabelsWarning if there is a doubt: ``y`` is exactly -1 and 1; or no row
    is unlabelled and a class is called "", "nan", "none" or the like, is what -1 becomes in
    unsigned integers, or is -1 where another marker is asked for. Raises ValueError if no row is
    labelled, if ``y`` holds infinity or continuous targets, or if its labels cannot be sorted.

    >>> encode_labels(["cat", None, "dog", "cat"])
    EncodedLabels(classes=array(['cat', 'dog'], dtype=object), codes=array([ 0, -1,  1,  0]))
    """
    y = as_label_array(y)
    labeled = ~_unlabeled_mask(y, unlabeled)
    if not labeled.any():
        raise ValueError(
            f"Every row of y is unlabelled (unlabeled={unlabeled!r}). Give at least one row a "
            "label, or pass unlabeled=None if the marker is a class."
        )
    known = as_label_array(y[labeled])
    check_no_missing(known, unlabeled)
    if known.dtype.kind == "f":
        assert_all_finite(known, input_name="y")
    try:
        classes, known_codes = np.unique(known, return_inverse=True)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in known})
        raise ValueError(
            f"y mixes labels of the types {', '.join(types)}, which cannot be sorted. Convert "
            "them to one type, for instance with y.astype(str); among strings, None or '-1' marks "
            "an unlabelled row."
        ) from error
    if classes.dtype == object:
        # A list made of an array of strings holds numpy's strings.
        plain = (label.item() if isinstance(label, np.generic) else label for label in classes)
        classes = np.fromiter(plain, dtype=object, count=len(classes))
    with warnings.catch_warnings():
        # Few labels of many classes are this package's business, not a mistake.
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
        check_classification_targets(known)
    if labeled.all():
        _warn_of_marker_like(classes, unlabeled)
    codes = np.full(len(y), -1, dtype=np.intp)
    codes[labeled] = known_codes
    return EncodedLabels(classes, codes)


def is_unlabeled(y: Labels, unlabeled: object = "auto", classes: ArrayLike | None = None) -> Mask:
    """Which rows of ``y`` have no label (n_samples,).

    With ``unlabeled="auto"`` the marker is -1 or NaN among numbers, and None, NaN or ``"-1"`` among
    strings and other objects; but exactly the values -1 and 1 are two classes, with a warning.
    A missing value (None, NaN) inside ``unlabeled`` stands for all missing values, any other value
    for itself; None says that every row is labelled. Of known ``classes``, with ``"auto"``, what is
    among them is a label. Raises ValueError if ``y`` holds both missing values and -1, or -1 beside
    other negative numbers.

    >>> is_unlabeled([0, 1, -1])
    array([False, False,  True])
    >>> is_unlabeled(["a", "?", "b"], unlabeled="?")
    array([False,  True, False])
    >>> is_unlabeled([1, -1, 1], classes=[-1, 1])
    array([False, False, False])
    """
    y = as_label_array(y)
    if classes is None or not _is_auto(unlabeled):
        return _unlabeled_mask(y, unlabeled)
    minus_one = "-1" if _holds_strings(y) else -1
    if _equals(as_label_array(classes), minus_one).any():
        return _missing(y)
    return _missing(y) | _equals(y, minus_one)


def _unlabeled_mask(y: NDArray[Any], unlabeled: object) -> Mask:
    """:func:`is_unlabeled` of an array that :func:`as_label_array` has made."""
    if unlabeled is None:
        return np.zeros(len(y), dtype=bool)
    if _is_auto(unlabeled):
        return _auto_mask(y)
    if _is_missing_scalar(unlabeled):
        return _missing(y)
    if isinstance(unlabeled, numbers.Number) and _holds_strings(y):
        raise ValueError(
            f"unlabeled={unlabeled!r} is a number but the labels in y are strings. Pass the "
            f"marker as it stands in y, for instance unlabeled={str(unlabeled)!r}."
        )
    return _equals(y, unlabeled)


def _is_auto(unlabeled: object) -> bool:
    """Whether the markers are the automatic ones."""
    return isinstance(unlabeled, str) and unlabeled == "auto"


def _auto_mask(y: NDArray[Any]) -> Mask:
    """Rows that the automatic markers mark; see :func:`is_unlabeled`."""
    strings = _holds_strings(y)
    missing = _missing(y)
    minus_one = _equals(y, "-1" if strings else -1)
    if y.dtype.kind == "b" or not minus_one.any():
        return missing
    name = '"-1"' if strings else "-1"
    if missing.any():
        raise ValueError(
            f"y holds both missing values and {name}, and unlabeled='auto' cannot tell which of "
            f"them marks the unlabelled rows. Pass unlabeled=float('nan') if {name} is a class, "
            "or make all unlabelled rows alike."
        )
    if not strings and (y < -1).any():
        raise ValueError(
            "y holds -1, the marker of unlabelled rows, beside other negative labels. Pass "
            "unlabeled=None if -1 is a class here, or unlabeled=-1 if it marks unlabelled rows."
        )
    others = y[~minus_one]
    if len(others) and (others == ("1" if strings else 1)).all():
        warn_user(
            f"y holds exactly the values {name} and 1, which are read as two classes. Pass "
            f"unlabeled={name} if {name} marks unlabelled rows, or unlabeled=None to silence "
            "this warning.",
            AmbiguousLabelsWarning,
        )
        return np.zeros(len(y), dtype=bool)
    return minus_one


def _warn_of_marker_like(classes: NDArray[Any], unlabeled: object) -> None:
    """Warn of a class that looks like a missing label, where no label is missing."""
    if unlabeled is None:
        return
    for label in classes.tolist():
        if _is_marker_like(label, classes, _is_auto(unlabeled)):
            warn_user(
                f"No row of y is unlabelled by unlabeled={unlabeled!r}, and {label!r} is read as "
                f"a class. Pass unlabeled={label!r} if it marks unlabelled rows, or "
                "unlabeled=None to silence this warning.",
                AmbiguousLabelsWarning,
            )


def _is_marker_like(label: object, classes: NDArray[Any], auto: bool) -> bool:
    """Whether a class looks like what marks a missing label elsewhere."""
    if not auto:
        return label in (-1, "-1") and len(classes) > 2
    if classes.dtype.kind == "u":  # where -1 is the largest number
        largest = np.iinfo(classes.dtype).max
        return label == largest and len(classes) > 2 and largest - 1 not in classes
    return isinstance(label, str) and label.strip().lower() in _MARKER_LIKE


def as_label_array(y: Labels) -> NDArray[Any]:
    """Make labels an array (n_samples,), of numbers if all of them are numbers.

    >>> as_label_array([1, 2])
    array([1, 2])
    >>> as_label_array([1, None])
    array([1, None], dtype=object)
    """
    labels: Any = y
    if hasattr(labels, "detach"):  # a tensor of torch
        labels = labels.detach().cpu().numpy()
    if isinstance(labels, (list, tuple)):
        # np.asarray would turn the NaN of ["a", nan] into the string "nan".
        labels = np.array(labels, dtype=object)
    elif not isinstance(getattr(labels, "dtype", np.dtype(object)), np.dtype):
        # A type of pandas, which np.asarray may turn into floats to hold NaN.
        labels = np.array(list(labels), dtype=object)
    labels = column_or_1d(np.asarray(labels), warn=True)
    if labels.dtype.kind == "O" and len(labels) and all(map(_is_number, labels)):
        return np.array(labels.tolist())
    return labels


def _is_number(label: object) -> bool:
    """Whether a label is a real number or a truth value."""
    return isinstance(label, (numbers.Real, np.bool_))


def _holds_strings(y: NDArray[Any]) -> bool:
    """Whether the labels are strings."""
    return y.dtype.kind in "US" or (
        y.dtype.kind == "O" and any(isinstance(label, str) for label in y)
    )


def _is_missing_scalar(value: object) -> bool:
    """Whether a value is None, NaN, or pandas' NA (which equals nothing, itself included)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, numbers.Real) and value != value


def _missing(y: NDArray[Any]) -> Mask:
    """Where an array holds None, NaN or NA."""
    if y.dtype.kind == "f":
        return np.isnan(y)
    if y.dtype.kind in "mM":
        return np.isnat(y)
    if y.dtype.kind != "O":
        return np.zeros(len(y), dtype=bool)
    return np.fromiter((_is_missing_scalar(label) for label in y), dtype=bool, count=len(y))


def _equals(y: NDArray[Any], value: object) -> Mask:
    """Where an array holds a value, whatever the types."""
    if y.dtype.kind == "O":
        return np.fromiter(
            (not _is_missing_scalar(label) and bool(label == value) for label in y),
            dtype=bool,
            count=len(y),
        )
    equal = y == value
    return np.full(len(y), False) if np.isscalar(equal) else np.asarray(equal, dtype=bool)


def check_no_missing(known: NDArray[Any], unlabeled: object) -> None:
    """Refuse NaN or None among labels that ``unlabeled`` does not mark."""
    if _missing(known).any():
        raise ValueError(
            f"y contains NaN or None, which unlabeled={unlabeled!r} does not mark. Pass "
            "unlabeled='auto' or unlabeled=float('nan') if missing values are unlabelled rows."
        )
