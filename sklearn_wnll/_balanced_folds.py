"""Folds in which the values of one or several targets are distributed alike."""

import numpy as np

from ._typing import Floats, Indices, Mask

__all__ = ["balance_classes", "balance_numbers"]

_MOST_BANDS = 50  # of each target, to bound the memory


def balance_numbers(values: Floats, n_folds: int) -> Indices:
    """Assign rows with numbers (n_rows, n_targets) to folds; return the fold of each row.

    The rows are cut into bands of similar values, and each band is shared out among the folds.
    With one target, each fold gets one row of each band.

    >>> balance_numbers(np.array([[1.0], [9.0], [2.0], [8.0]]), 2)
    array([0, 0, 1, 1])
    """
    n_rows, n_targets = values.shape
    ranks = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    if n_targets > 1:
        return balance_classes(ranks // max(2 * n_folds, -(-n_rows // _MOST_BANDS)), n_folds)
    fold = np.empty(n_rows, dtype=np.intp)
    fold[np.lexsort((np.arange(n_rows), ranks[:, 0] // n_folds))] = np.arange(n_rows) % n_folds
    return fold


def balance_classes(codes: Indices, n_folds: int) -> Indices:
    """Assign rows of several codes (n_rows, n_columns) to folds; return the fold of each row.

    Each fold gets nearly the same number of rows of each code of each column. The rows of the
    rarest code go first, each to the fold that lacks this code most: the iterative stratification
    of Sechidis, Tsoumakas and Vlahavas (2011), without its random choices. With at least
    ``n_folds`` rows, no fold is empty.

    >>> balance_classes(np.array([[0, 1], [0, 1], [1, 0], [1, 1]]), 2)
    array([0, 1, 0, 1])
    """
    held = _indicators(codes)
    n_left = held.sum(axis=0)
    lacking = np.tile(n_left / n_folds, (n_folds, 1))
    room = np.full(n_folds, len(codes) / n_folds)
    fold = np.full(len(codes), -1)
    while n_left.any():
        rarest = np.where(n_left > 0, n_left, len(codes) + 1).argmin()
        rows = np.flatnonzero(held[:, rarest] & (fold < 0))
        for row in rows:
            chosen = np.lexsort((-room, -lacking[:, rarest]))[0]
            fold[row] = chosen
            lacking[chosen, held[row]] -= 1
            room[chosen] -= 1
        n_left -= held[rows].sum(axis=0)
    return fold


def _indicators(codes: Indices) -> Mask:
    """Mark the rows of each code of each column: (n_rows, number of codes)."""
    columns = [column[:, None] == np.unique(column) for column in codes.T]
    return np.concatenate(columns, axis=1)
