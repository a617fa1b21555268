"""What ``y`` holds: classes or numbers, of one or several targets, some of them missing."""

import numbers
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._label_types import is_auto
from ._labels import encode_labels
from ._numbers import read_numbers
from ._typing import Floats, Mask
from ._warnings import warn_user
from .exceptions import AmbiguousLabelsWarning

__all__ = ["Target", "TargetType", "is_column_of_classes", "read_target", "warn_of_minus_one"]

TargetType: TypeAlias = Literal["auto", "classes", "numbers"]
_CURE = " If y holds numbers and not classes, pass target='numbers'."


class Target(NamedTuple):
    """Codes of classes or numbers, (n_rows,) or (n_rows, n_targets), and which of them are given.

    ``classes`` are those of a single column of classes; otherwise None. With ``are_indicators``,
    several columns hold 0 and 1, which are their own codes. ``cure`` is a sentence for errors,
    empty if there is no doubt that ``y`` holds classes.
    """

    values: NDArray[Any]
    given: Mask
    are_numbers: bool
    are_indicators: bool = False
    classes: NDArray[Any] | None = None
    cure: str = ""

    @property
    def complete(self) -> Mask:
        """Mark the rows with all their values (n_rows,)."""
        every: Mask = np.logical_and.reduce(self._columns, axis=1)
        return every

    @property
    def partial(self) -> Mask:
        """Mark the rows with some of their values, but not all (n_rows,)."""
        some: Mask = np.logical_or.reduce(self._columns, axis=1)
        return some & ~self.complete

    @property
    def _columns(self) -> Mask:
        return self.given.reshape(len(self.given), -1)


def read_target(y: Any, target: TargetType = "auto", unlabeled: object = "auto") -> Target:
    """Read ``y`` as classes or as numbers; with ``"auto"``, find out which.

    Numbers with a fractional part, which no classifier takes, are numbers. A single column of
    anything else holds classes, and several columns of 0 and 1, or of strings or truth values, do
    too. Several columns of other integers are read as numbers, if -1 among them has one meaning.
    """
    if not isinstance(target, str) or target not in ("auto", "classes", "numbers"):
        raise ValueError(f"target must be 'auto', 'classes' or 'numbers', got {target!r}.")
    if target != "numbers" and hasattr(y, "toarray"):  # a sparse matrix of 0 and 1
        y = y.toarray()
    floats = None if target == "numbers" else _floats(y)
    if target == "numbers" or (target == "auto" and _are_numbers(floats, unlabeled)):
        values = read_numbers(y, unlabeled)
        if np.isnan(values).all():
            raise ValueError("No row of y has a value. Pass the value of at least one row.")
        if target == "auto":
            warn_of_minus_one(values, unlabeled)
        return Target(values, ~np.isnan(values), are_numbers=True)
    if _n_columns(y, floats) > 1:
        return _read_columns(y, floats, unlabeled)
    cure = _CURE if target == "auto" and _hold_many(floats) else ""
    try:
        classes, codes = encode_labels(y, unlabeled)
    except ValueError as error:
        raise ValueError(f"{error}{cure}") from None
    return Target(codes, codes >= 0, are_numbers=False, classes=classes, cure=cure)


def is_column_of_classes(y: Any) -> bool:
    """Return whether ``y`` is a single column, and not one of numbers with a fractional part.

    >>> is_column_of_classes([0, 1, -1]), is_column_of_classes([0.5, 1.0])
    (True, False)
    """
    floats = _floats(y)
    return _n_columns(y, floats) == 1 and not _are_numbers(floats, "auto")


def _floats(y: Any) -> Floats | None:
    """Return ``y`` as floats, NaN where missing; None if it holds anything but plain numbers."""
    if _hold_exact(y):
        return None
    try:
        return read_numbers(y)
    except (TypeError, ValueError):
        return None


def _hold_exact(y: Any) -> bool:
    """Return whether ``y`` holds decimals or fractions, which may be classes."""
    is_list = isinstance(y, (list, tuple))
    if not (is_list or getattr(getattr(y, "dtype", None), "kind", "") == "O"):
        return False
    return any(isinstance(value, (Decimal, Fraction)) for value in y)


def _are_numbers(floats: Floats | None, unlabeled: object) -> bool:
    """Return whether ``y`` holds numbers rather than classes; raise ValueError in doubt."""
    if floats is None:
        return False
    if (np.modf(floats[~np.isnan(floats)])[0] != 0).any():
        return True
    if floats.ndim == 1 or floats.shape[1] == 1:
        return False
    values = {*floats[~np.isnan(floats)].tolist()}
    marker = -1 if is_auto(unlabeled) else unlabeled
    if values - ({marker} if isinstance(marker, numbers.Real) else set()) <= {0.0, 1.0}:
        return False
    if is_auto(unlabeled) and -1 in values:
        raise ValueError(
            "y holds several columns of integers, with -1 among them: a marker, if they are "
            "classes, but a value, if they are numbers. Pass target='classes' or target='numbers', "
            "or unlabeled=-1 if it marks entries without a value."
        )
    return True


def _hold_many(floats: Floats | None) -> bool:
    """Return whether there are more than two numbers beside -1, which may be a marker."""
    return floats is not None and len({*floats[~np.isnan(floats)].tolist()} - {-1.0}) > 2


def _read_columns(y: Any, floats: Floats | None, unlabeled: object) -> Target:
    """Read several columns of classes, each with its own gaps."""
    if floats is not None and is_auto(unlabeled):
        unlabeled = _marker_of_indicators(floats)
    columns = []
    for j, column in enumerate(_columns_of(y)):
        try:
            columns.append(encode_labels(column, unlabeled))
        except ValueError as error:
            raise ValueError(f"Column {j} of y: {error}") from None
    codes = np.column_stack([column.codes for column in columns])
    given = codes >= 0
    indicators = all({*column.classes.tolist()} <= {0, 1} for column in columns)
    if indicators:
        codes = np.column_stack([c.classes.astype(np.intp)[c.codes] for c in columns])
        codes[~given] = -1
    return Target(codes, given, are_numbers=False, are_indicators=indicators)


def _marker_of_indicators(floats: Floats) -> object:
    """Return the marker of several columns: -1, if they hold nothing beside it but 0 and 1."""
    values = set(np.unique(floats[~np.isnan(floats)]).tolist())
    if -1 not in values or not values <= {-1.0, 0.0, 1.0}:
        return "auto"
    if np.isnan(floats).any():
        raise ValueError(
            "y holds both missing values and -1, and unlabeled='auto' cannot tell which of them "
            "marks the entries without a label. Write one marker for all of them."
        )
    if 0 not in values:
        raise ValueError(
            "y holds nothing but -1 and 1: labels that are present and unknown, or absent and "
            "present. Pass unlabeled=-1 if -1 marks entries without a label, or unlabeled=None if "
            "it is a class."
        )
    return -1


def warn_of_minus_one(
    values: Floats, unlabeled: object, otherwise: str = "target='numbers'"
) -> None:
    """Warn if most numbers are exactly -1, and none is missing; ``otherwise`` silences that."""
    if not is_auto(unlabeled) or np.isnan(values).any():
        return
    n_minus_one = np.count_nonzero(values == -1)
    if 2 * n_minus_one > values.size:
        warn_user(
            f"y holds numbers, and {n_minus_one} of {values.size} are exactly -1, which are read "
            "as values. Pass unlabeled=-1, to splitters and to the estimator, if -1 marks entries "
            f"without a value, or {otherwise} to silence this warning.",
            AmbiguousLabelsWarning,
        )


def _n_columns(y: Any, floats: Floats | None) -> int:
    """Return the number of targets."""
    shape = floats.shape if floats is not None else getattr(y, "shape", None)
    if shape is None:
        is_list = isinstance(y, (list, tuple)) and len(y) and isinstance(y[0], (list, np.ndarray))
        shape = (len(y), len(y[0])) if is_list else (0,)
    return int(shape[1]) if len(shape) == 2 else 1


def _columns_of(y: Any) -> list[Any]:
    """Return the columns of a table of labels."""
    if hasattr(y, "columns"):
        return [y[name] for name in y.columns]
    if isinstance(y, np.ma.MaskedArray):
        return list(y.T)
    if isinstance(y, (list, tuple)):  # numpy would make a string of the NaN among strings
        return [list(column) for column in zip(*y, strict=True)]
    if hasattr(y, "detach"):  # a tensor of torch
        y = y.detach().cpu().numpy()
    return list(np.asarray(y).T)
