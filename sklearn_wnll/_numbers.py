"""Numbers in users' containers, some of them missing."""

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._label_types import is_auto, is_missing
from ._typing import Floats, Numbers

__all__ = ["read_numbers"]

_LARGEST = 1e150  # beyond that, squares overflow; below its inverse, they vanish


def read_numbers(
    y: Numbers, unlabeled: object = "auto", *, cure: str = "For classes, use WNLLClassifier."
) -> Floats:
    """Read numbers of any container: (n_rows,) or (n_rows, n_targets), NaN where there is none.

    With ``unlabeled="auto"``, or NaN, the marker is any missing value; a number is the marker
    itself. With None, no value may be missing. Masked entries of a ``numpy.ma`` array are always
    missing. NaN in all rows is refused as a mistake; None or a number may be in all. ``cure`` ends
    the messages about entries that are no numbers.

    >>> read_numbers([1, None, 2.5])
    array([1. , nan, 2.5])
    """
    marker = None
    if isinstance(unlabeled, numbers.Real) and not is_missing(unlabeled):
        marker = float(unlabeled)
    values, masked = _as_floats(y, cure, marker)
    if values.ndim not in (1, 2) or not values.size:
        raise ValueError(
            "y should hold a number for each row, of shape (n_samples,), or one for each target, "
            f"of shape (n_samples, n_targets); got shape {values.shape}."
        )
    missing = np.isnan(values)
    if unlabeled is None:
        if missing.any() or masked.any():
            raise ValueError(
                "Input y contains NaN or masked entries, but unlabeled=None says that every row "
                "has a value. Pass unlabeled='auto' if they mark rows without one."
            )
    elif marker is not None:
        if (missing & ~masked).any():
            raise ValueError(
                f"Input y contains NaN, which unlabeled={unlabeled!r} does not mark. Pass "
                "unlabeled='auto' if NaN marks rows without a value."
            )
    elif not (is_missing(unlabeled) or is_auto(unlabeled)):
        raise ValueError(
            f"unlabeled={unlabeled!r} is no number. Pass 'auto' if missing values mark rows "
            "without a value, or the number that marks them."
        )
    if np.isnan(values).all() and not masked.any() and _hold_nan_only(y):
        raise ValueError(
            "Input y contains NaN only: no row has a value. To begin without any value, pass "
            "numpy.full(len(X), None)."
        )
    values[missing | masked] = np.nan
    if np.isinf(values).any():
        raise ValueError(
            "Input y contains infinity or a value too large for dtype('float64'). Pass NaN for "
            "rows without a value."
        )
    if (np.abs(values) > _LARGEST).any():
        raise ValueError(f"y holds numbers beyond {_LARGEST:g}. Divide y by a power of ten.")
    span = np.fmax.reduce(values) - np.fmin.reduce(values)
    if ((span > 0) & (span < 1 / _LARGEST)).any():
        raise ValueError(
            f"y holds numbers that differ by less than {1 / _LARGEST:g}. Multiply y by a power of "
            "ten."
        )
    return values


def _hold_nan_only(y: Any) -> bool:
    """Return whether all entries are NaN, not None or another missing value."""
    return all(isinstance(value, float) for value in np.asarray(y, dtype=object).flat)


def _as_floats(y: Any, cure: str, marker: float | None) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a copy as floats, with NaN for missing entries, and the mask of those not to be read.

    They are masked, or equal to the ``marker``, if there is one.
    """
    if hasattr(y, "detach"):  # a tensor of torch
        y = y.detach().cpu().numpy()
    elif hasattr(y, "to_pylist"):  # an array of Arrow
        y = y.to_pylist()
    if hasattr(y, "toarray"):
        raise ValueError("y is sparse. Pass y.toarray(), with NaN where a row has no value.")
    if hasattr(y, "columns"):
        columns = [_as_floats(y[name], cure, marker) for name in y.columns]
        if not columns:
            return np.empty((len(y), 0)), np.empty((len(y), 0), dtype=bool)
        values, masks = map(np.column_stack, zip(*columns, strict=True))
        return values, masks
    mask = np.ma.getmaskarray(y) if isinstance(y, np.ma.MaskedArray) else None
    values = np.ma.getdata(y) if mask is not None else _as_array(y)
    if values.dtype.kind == "O":
        values = _floats_of_objects(values, cure)
    elif values.dtype.kind not in "biuf":
        kind = {"c": "Complex data", "U": "Text", "M": "Dates", "m": "Durations"}
        raise ValueError(
            f"{kind.get(values.dtype.kind, str(values.dtype))} not supported as y: it has to hold "
            f"numbers, with NaN where a row has no value. {cure}"
        )
    if mask is None:
        mask = np.zeros(values.shape, dtype=bool)
    if marker is not None:
        mask = mask | (values == marker)  # rounds the marker as the values are
    return np.array(values, dtype=np.float64), mask


def _as_array(y: Any) -> NDArray[Any]:
    """Convert lists, and columns of any kind of DataFrame."""
    if not isinstance(y, np.ndarray) and not isinstance(getattr(y, "dtype", None), np.dtype):
        y = y.tolist() if hasattr(y, "tolist") else y.to_list() if hasattr(y, "to_list") else y
        try:
            values = np.asarray(y)
        except ValueError:  # rows of different lengths
            raise ValueError("y holds rows of different lengths. Pass NaN for gaps.") from None
        return values
    return np.asarray(y)


def _floats_of_objects(values: NDArray[Any], cure: str) -> Floats:
    """Convert objects; raise ValueError if one is neither missing nor a number."""
    floats = np.full(values.shape, np.nan)
    for place, value in np.ndenumerate(values):
        if is_missing(value):
            continue
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise ValueError(
                f"y holds {value!r}, which is no number. Pass NaN where a row has no value. {cure}"
            )
        try:
            floats[place] = float(value)
        except OverflowError:  # of a whole number
            floats[place] = np.inf
    return floats
