"""Labels in users' containers: missing ones, and the common type of the others."""

import numbers
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import assert_all_finite

from ._typing import Indices, Labels, Mask
from ._warnings import warn_user

__all__ = [
    "LabelColumn",
    "are_strings",
    "equal_rows",
    "is_auto",
    "is_missing",
    "label_text",
    "read_labels",
    "sorted_classes",
]

_NUMBERS = "biuf"
_SHAPE = "y should be a 1d array, with a label or a marker for each row"


@dataclass(frozen=True)
class LabelColumn:
    """Values (n,), and masks of rows that are missing, whatever their value, or masked."""

    values: NDArray[Any]
    missing: Mask
    masked: Mask

    def __len__(self) -> int:
        return len(self.values)

    def known(self, rows: Mask) -> NDArray[Any]:
        """Return labels of some rows, as an array of their type."""
        return _common_type(self.values[rows])

    def equals(self, value: object) -> Mask:
        """Mark the rows that hold a value, whatever the types."""
        kind, equal = self.values.dtype.kind, ~self.missing
        if kind == "O":
            equal[equal] = np.equal(self.values[equal], np.fromiter([value], dtype=object))
            if _is_number(value):  # a numpy duration equals the number of its units
                durations = [isinstance(label, np.timedelta64) for label in self.values[equal]]
                equal[equal] = ~np.array(durations, dtype=bool)
        elif kind in "mM":
            equal &= _equal_times(self.values, value)
        else:
            equal &= isinstance(value, str) == (kind == "U") and np.asarray(self.values == value)
        return equal


def read_labels(y: Labels | LabelColumn) -> LabelColumn:
    """Read labels of any container: a list, an array, a column of pandas, a tensor.

    >>> read_labels([1, None]).missing
    array([False,  True])
    """
    labels: Any = y
    if isinstance(labels, LabelColumn):
        return labels
    if hasattr(labels, "detach"):  # a tensor of torch
        labels = labels.detach().cpu().numpy()
    elif hasattr(labels, "to_pylist"):  # an array of Arrow
        labels = labels.to_pylist()
    elif hasattr(labels, "columns") and labels.shape[1] == 1:
        _warn_of_column()
        labels = labels[labels.columns[0]]
    if not isinstance(getattr(labels, "dtype", np.dtype(object)), np.dtype):
        return _read_extension(labels)
    if isinstance(labels, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(labels)
        labels, masked = _as_array(labels.data), masked.reshape(len(masked), -1)[:, 0]
        return _find_missing(labels, masked)
    return _find_missing(_as_array(labels))


def _read_extension(labels: Any) -> LabelColumn:
    """Read a column of a type unknown to numpy, such as those of pandas."""
    codes = getattr(getattr(labels, "cat", labels), "codes", None)
    if codes is not None:
        codes, categories = np.asarray(codes), read_labels(labels.dtype.categories).values
        filled = categories[codes] if len(categories) else np.zeros(len(codes))
        return _find_missing(filled, missing=codes < 0)
    numpy_dtype = getattr(labels.dtype, "numpy_dtype", None)
    if numpy_dtype is not None and numpy_dtype.kind in _NUMBERS:
        filled = labels.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0))
        return _find_missing(filled, missing=np.asarray(labels.isna()))
    return read_labels(list(labels))


def _as_array(labels: Any) -> NDArray[Any]:
    """Make an array (n,) of a list or an array, without changing the type of any label."""
    if isinstance(labels, Sequence) and not isinstance(labels, str):
        labels = _list_as_array(labels)
    array: NDArray[Any] = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        _warn_of_column()
        array = array[:, 0]
    if array.ndim == 0:
        raise ValueError(f"{_SHAPE}, got a {type(labels).__name__}. Pass a list or an array.")
    if array.ndim != 1:
        raise ValueError(
            f"{_SHAPE}, got an array of shape {array.shape}. Only WNLLClassifier takes several "
            "labels per row; for one-hot rows, pass y.argmax(axis=1)."
        )
    if array.dtype.kind == "V":
        raise ValueError(
            f"{_SHAPE}, got a structured array with the fields {array.dtype.names}. Pass one of "
            "them, such as y[name]."
        )
    return array.astype(object) if array.dtype.kind == "T" else array


def _list_as_array(labels: Sequence[object]) -> NDArray[Any]:
    """Make an array of objects: np.asarray would turn the NaN of ["a", nan] into a string."""
    kinds = set(map(type, labels))
    if tuple in kinds:
        raise ValueError(
            f"{_SHAPE}, got a list of tuples. If the tuples are labels, pass them as objects, such "
            "as pandas.Series(y). For several labels per row, pass lists."
        )
    if list in kinds or getattr(labels[0] if labels else None, "shape", ()) != ():
        return np.array(labels, dtype=object)
    objects = np.fromiter(labels, dtype=object, count=len(labels))
    # As keys, tensors and arrays of one number are equal only to themselves.
    wrappers = {kind for kind in kinds if kind is np.ndarray or hasattr(kind, "detach")}
    for i, label in enumerate(labels if wrappers else ()):
        if type(label) in wrappers:
            objects[i] = label.item()  # type: ignore[attr-defined]
    return objects


def _warn_of_column() -> None:
    warn_user(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y "
        "to (n_samples,), for example using ravel().",
        DataConversionWarning,
    )


def _find_missing(
    values: NDArray[Any], masked: Mask | None = None, *, missing: Mask | None = None
) -> LabelColumn:
    """Find missing values, in addition to those known to be ``masked`` or ``missing``."""
    masked = np.zeros(len(values), dtype=bool) if masked is None else masked
    found = masked.copy() if missing is None else masked | missing
    if values.dtype.kind in "fc":
        found |= np.isnan(values)
    elif values.dtype.kind in "mM":
        found |= np.isnat(values)
    elif values.dtype.kind == "O":
        kinds = {kind for kind in set(map(type, values)) if not issubclass(kind, (str, int))}
        if kinds:
            missing_ones = (type(label) in kinds and is_missing(label) for label in values)
            found |= np.fromiter(missing_ones, dtype=bool, count=len(values))
    return LabelColumn(values, found, masked)


def is_auto(unlabeled: object) -> bool:
    """Return whether ``unlabeled`` is "auto"."""
    return isinstance(unlabeled, str) and unlabeled == "auto"


def is_missing(value: object) -> bool:
    """Return whether a value is None, NaN, NaT, masked, or pandas' NA (which equals nothing)."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, numbers.Real) and value != value


def are_strings(labels: NDArray[Any]) -> bool:
    """Return whether some labels are strings."""
    kind = labels.dtype.kind
    return kind == "U" or (kind == "O" and any(issubclass(t, str) for t in set(map(type, labels))))


def equal_rows(a: NDArray[Any], b: NDArray[Any]) -> Mask:
    """Compare two columns of labels row by row, whatever the types."""
    if a.dtype == b.dtype or {a.dtype.kind, b.dtype.kind} <= set(_NUMBERS):
        return a == b
    # astype(object) would turn dates in nanoseconds into numbers.
    a, b = (np.fromiter(labels, dtype=object, count=len(labels)) for labels in (a, b))
    return np.equal(a, b)


def _is_number(value: object) -> bool:
    """Return whether a value is a number; numpy's durations, which pass for one, are not."""
    return isinstance(value, numbers.Number) and not isinstance(value, np.timedelta64)


def _equal_times(times: NDArray[Any], value: object) -> Mask:
    """Mark the places where dates or durations equal a value that is not a number."""
    nowhere = np.zeros(len(times), dtype=bool)
    if _is_number(value):
        return nowhere
    try:
        return np.asarray(times == np.array(value, dtype=times.dtype))
    except (TypeError, ValueError):
        return nowhere


def _common_type(labels: NDArray[Any]) -> NDArray[Any]:
    """Convert labels, none missing, to the numpy type that holds all of them unchanged.

    The type is bool, integer, float or one of numpy's dates. Other labels stay objects.

    >>> _common_type(np.array([2**53 + 1, 0], dtype=object))
    array([9007199254740993,                0])
    >>> _common_type(np.array([2**53 + 1, 0.0], dtype=object))
    array([9007199254740993, 0.0], dtype=object)
    """
    if labels.dtype != object:
        return labels
    kinds = set(map(type, labels))
    if np.str_ in kinds:  # from a list made from an array
        plain = (str(label) if type(label) is np.str_ else label for label in labels)
        return np.fromiter(plain, dtype=object, count=len(labels))
    if len(kinds) == 1 and all(issubclass(kind, np.generic) for kind in kinds):
        return np.array(labels.tolist())
    numeric = bool, int, float, np.bool_, np.integer, np.floating
    # An IntEnum is more than its number.
    if all(kind in numeric or issubclass(kind, numeric[3:]) for kind in kinds):
        return _common_number(labels, kinds)
    return labels


def _common_number(labels: NDArray[Any], kinds: set[type]) -> NDArray[Any]:
    """Convert numbers of several types to one that holds them all exactly, or to objects."""
    plain = [label.item() if isinstance(label, np.generic) else label for label in labels]
    floats = any(issubclass(kind, (float, np.floating)) for kind in kinds)
    try:
        array = np.array(plain, dtype=np.float64 if floats else None)
    except OverflowError:
        array = np.array(plain, dtype=object)
    exact = array.dtype.kind in "biu" or (floats and all(map(operator.eq, array.tolist(), plain)))
    return array if exact else np.fromiter(plain, dtype=object, count=len(plain))


def sorted_classes(labels: NDArray[Any]) -> tuple[NDArray[Any], Indices]:
    """Return the distinct labels, sorted, and the position of each row's label among them.

    Raises ValueError if labels are infinite, continuous, bytes or complex, or if they cannot be
    hashed and sorted.
    """
    kinds = set(map(type, labels)) if labels.dtype == object else {labels.dtype.type}
    _check_kinds(labels, kinds)
    if labels.dtype != object:
        return np.unique(labels, return_inverse=True)
    try:
        ordered = sorted(set(labels))
        if not all(a < b for a, b in pairwise(ordered)):
            raise TypeError("neither of two is smaller")
    except (TypeError, ValueError) as error:
        raise ValueError(_not_sortable(kinds, error)) from error
    codes = {label: code for code, label in enumerate(ordered)}
    found = np.fromiter(map(codes.__getitem__, labels), dtype=np.intp, count=len(labels))
    return np.fromiter(ordered, dtype=object, count=len(ordered)), found


def _check_kinds(labels: NDArray[Any], kinds: set[type]) -> None:
    """Refuse bytes, complex numbers, infinity and fractions, with the cure."""
    if any(issubclass(kind, bytes) for kind in kinds):
        raise ValueError(
            "y holds bytes. Pass strings, such as [label.decode() for label in y] or, for an "
            "array, numpy.char.decode(y)."
        )
    if any(issubclass(kind, (complex, np.complexfloating)) for kind in kinds):
        raise ValueError("y holds complex numbers, which cannot be sorted. Pass real ones.")
    if not any(issubclass(kind, (float, np.floating)) for kind in kinds):
        return
    floats = labels
    if labels.dtype == object:
        floats = np.array([label for label in labels if isinstance(label, float)])
    assert_all_finite(floats, input_name="y")
    if (floats != np.trunc(floats)).any():
        raise ValueError(
            "Unknown label type: continuous. y holds numbers with a fractional part, which are the "
            "targets of a regression: use WNLLRegressor. If they are classes, pass strings."
        )


def _not_sortable(kinds: set[type], error: Exception) -> str:
    """Make the message for labels that cannot be sorted, with the cure."""
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    if len(kinds) > 1:
        return (
            f"y mixes labels of the types {names}, which cannot be sorted: {error}. Convert them "
            "to one type: for strings, write str(label), and None or '-1' where there is no label."
        )
    if kinds & {list, set}:
        return (
            f"y holds labels of the type {names}. For several labels per row, pass "
            "sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y) to WNLLClassifier."
        )
    return (
        f"y holds labels of the type {names}, which cannot be hashed and sorted: {error}. Pass "
        "strings or numbers instead, such as str(label) for each, or label.name for members of "
        "an Enum."
    )


def label_text(classes: NDArray[Any], code: int) -> str:
    """Format a class for a message."""
    label = classes[code]
    if isinstance(label, (np.datetime64, np.timedelta64)):
        return str(label)
    return repr(label.item() if isinstance(label, np.generic) else label)
