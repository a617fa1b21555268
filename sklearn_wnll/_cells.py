"""Several labels of each row: a matrix of 0, 1 and the marker."""

import numbers
from typing import Any

import numpy as np

from ._label_types import is_auto, is_missing
from ._numbers import read_numbers
from ._typing import Floats, Labels
from ._warnings import warn_user
from .exceptions import AmbiguousLabelsWarning, FewLabelsWarning

__all__ = ["hold_cells", "read_cells", "warn_of_cells"]

_MANY = 10  # rows of exactly one 1 that look like one-hot classes

_CURE = (
    "With several columns, each cell says whether the row has a label: 1 or 0, or NaN if unknown. "
    "For one class per row, pass a column of classes; for lists of labels, "
    "sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)."
)


def hold_cells(y: Labels) -> bool:
    """Return whether labels of any container have several columns.

    >>> hold_cells([[0, 1], [1, 1]]), hold_cells([0, 1])
    (True, False)
    """
    labels: Any = y
    if isinstance(labels, (list, tuple)):
        first = labels[0] if len(labels) else None
        if isinstance(first, list):
            return len(first) > 1
        shape: Any = getattr(first, "shape", ())
        return len(shape) == 1 and shape[0] > 1
    shape = getattr(labels, "shape", ())
    return len(shape) == 2 and shape[1] > 1


def read_cells(y: Labels, unlabeled: object = "auto") -> Floats:
    """Read a matrix of labels (n_rows, n_labels): 0, 1, or NaN where it is unknown.

    With ``unlabeled="auto"``, the marker is a missing value or -1. A sparse matrix is taken too.

    >>> read_cells([[0, 1], [-1, True]])
    array([[ 0.,  1.],
           [nan,  1.]])
    """
    labels: Any = y
    if hasattr(labels, "toarray"):
        labels = labels.toarray()
    if isinstance(labels, (list, tuple)) and hasattr(labels[0], "detach"):
        labels = [row.detach().cpu().numpy() for row in labels]
    if isinstance(labels, (list, tuple)) and len(set(map(len, labels))) > 1:
        raise ValueError(f"y holds rows of different lengths. {_CURE}")
    marker = bool(unlabeled) if isinstance(unlabeled, np.bool_) else unlabeled
    _check_marker(marker)
    cells = read_numbers(labels, marker, cure=_CURE)
    if isinstance(marker, str):
        minus_one = cells == -1
        masked = np.ma.getmaskarray(labels) if isinstance(labels, np.ma.MaskedArray) else False
        if minus_one.any() and (np.isnan(cells) & ~masked).any():
            raise ValueError(
                "y holds both missing values and -1, and unlabeled='auto' cannot tell which of "
                "them marks unknown labels. Write one marker for all of them."
            )
        if minus_one.any() and (cells == 1).any() and not (cells == 0).any():
            raise ValueError(
                "y has several columns of exactly -1 and 1. Pass (y == 1).astype(int) if -1 means "
                "that a row does not have the label, or unlabeled=-1 if it marks unknown labels."
            )
        cells[minus_one] = np.nan
    wrong = ~np.isnan(cells) & (cells != 0) & (cells != 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        shown = str(cells[row, column]).removesuffix(".0")
        raise ValueError(
            f"y[{row}, {column}] is {shown}. {_CURE} For several classes in each "
            "column, fit one classifier per column (sklearn.multioutput.MultiOutputClassifier)."
        )
    return cells


def warn_of_cells(cells: Floats) -> None:
    """Warn of labels without a contrast, and of rows that look like one-hot classes."""
    known = ~np.isnan(cells)
    always = [
        np.flatnonzero(((cells == one) | ~known).all(axis=0) & known.any(axis=0)) for one in (0, 1)
    ]
    if len(always[0]) or len(always[1]):
        warn_user(
            "Of the columns of y, "
            + " and ".join(
                f"{np.array2string(columns, threshold=10, separator=', ')} hold only {one}"
                for one, columns in enumerate(always)
                if len(columns)
            )
            + ", so every row is predicted the same there. Label rows that differ; 0 says that a "
            "row does not have a label.",
            FewLabelsWarning,
        )
    complete = known.all(axis=1)
    if cells.shape[1] > 2 and complete.sum() >= _MANY and (cells[complete].sum(axis=1) == 1).all():
        warn_user(
            "Each row of y has exactly one 1, as one-hot encoded classes have. Pass "
            "y.argmax(axis=1), and -1 for unlabelled rows, if a row has one class only.",
            AmbiguousLabelsWarning,
        )


def _check_marker(unlabeled: object) -> None:
    """Refuse a marker that is no number."""
    if unlabeled is None or is_missing(unlabeled) or isinstance(unlabeled, numbers.Real):
        return
    if not is_auto(unlabeled):
        raise ValueError(
            f"unlabeled={unlabeled!r} is no number, but y has several columns of 0 and 1. Pass "
            "'auto' if missing values or -1 mark unknown labels, or the number that marks them."
        )
