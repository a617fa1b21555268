"""Labels in partitions: their classes, found from the distinct labels of each."""

from typing import NamedTuple

import numpy as np

from .._label_types import LabelColumn, read_labels
from .._labels import encode_labels

__all__ = ["DistinctLabels", "PartLabels", "find_classes"]

_MOST_ROWS = 1_000_000  # of a column that stands for all labels


class DistinctLabels(NamedTuple):
    """The distinct labels of a partition, how often each occurs, and numbers of missing ones.

    ``of_row`` (n_rows,) is the number of each row's label, -1 if it is missing; masked ones are
    missing too.
    """

    values: np.ndarray
    counts: np.ndarray
    n_missing: int
    n_masked: int
    of_row: np.ndarray

    @classmethod
    def of(cls, y):
        """Find the distinct labels in a partition, in any container."""
        column = read_labels(y)
        of_row = np.full(len(column), -1)
        values, of_row[~column.missing] = _distinct(column.known(~column.missing))
        counts = np.bincount(of_row[of_row >= 0], minlength=len(values))
        n_masked, n_missing = (np.count_nonzero(m) for m in (column.masked, column.missing))
        return cls(values, counts, n_missing, n_masked, of_row)

    @classmethod
    def summary_of(cls, y):
        """Find the same without the number of each row's label."""
        return cls.of(y)._replace(of_row=None)


class PartLabels(NamedTuple):
    """The labelled rows of a partition of ``n_rows``: their positions, and the codes of classes."""

    n_rows: int
    positions: np.ndarray
    codes: np.ndarray

    @classmethod
    def of(cls, codes):
        """Select the labelled rows by their codes (n_rows,), -1 without a label."""
        positions = np.flatnonzero(codes >= 0)
        return cls(len(codes), positions, codes[positions])

    @classmethod
    def read(cls, y, table):
        """Read the labels of a partition by the code of each of its :class:`DistinctLabels`."""
        return cls.of(np.append(table, -1)[DistinctLabels.of(y).of_row])


def _distinct(labels):
    """Return distinct labels, and the number of each row's label among them."""
    if labels.dtype != object:
        return np.unique(labels, return_inverse=True)
    try:
        number = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    except TypeError:  # cannot be hashed, which is refused when classes are sorted
        return labels, np.arange(len(labels))
    found = np.fromiter(map(number.__getitem__, labels), dtype=np.intp, count=len(labels))
    return np.fromiter(number, dtype=object, count=len(number)), found


def find_classes(parts, unlabeled):
    """Find the classes in the :class:`DistinctLabels` of all partitions.

    Returns the classes, and the codes of each partition's distinct labels, -1 if they mark
    unlabelled rows. Warns and raises as :func:`encode_labels` does for all rows.
    """
    values = _concatenated([part.values for part in parts if len(part.values)])
    counts = np.concatenate([part.counts for part in parts])
    n_missing, n_masked = (sum(part[i] for part in parts) for i in (2, 3))
    counts = counts.clip(max=max(1, _MOST_ROWS // max(1, len(counts))))
    first = np.cumsum(counts) - counts
    column = _column(np.repeat(values, counts), min(n_missing, _MOST_ROWS), n_masked)
    classes, codes = encode_labels(column, unlabeled)
    tables = np.split(codes[first], np.cumsum([len(part.values) for part in parts])[:-1])
    return classes, tables


def _concatenated(arrays):
    """Concatenate labels without changing the type of any."""
    if not arrays:
        return np.empty(0)
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) == 1 or all(dtype.kind == "U" for dtype in dtypes):
        return np.concatenate(arrays)
    labels = [label for array in arrays for label in array]
    return np.fromiter(labels, dtype=object, count=len(labels))


def _column(values, n_missing, n_masked):
    """Make a column of values, and of missing ones, the first of which are masked."""
    fill = np.zeros(n_missing, dtype=values.dtype)
    if values.dtype.kind == "f":
        fill[:] = np.nan
    place = np.arange(-len(values), n_missing)
    missing = place >= 0
    return LabelColumn(np.concatenate([values, fill]), missing, missing & (place < n_masked))
