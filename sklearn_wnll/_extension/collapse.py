"""A class that has swallowed others: predicted frequencies that the distributions do not bear."""

import numpy as np

from .._parallel import equal_blocks

__all__ = ["swallowing_class"]

# The predicted frequencies must differ from the mean distribution by this part of the rows, by so
# many times what a row's distribution does, and by so many standard deviations of chance.
_GAP, _RATIO, _DEVIATIONS = 0.2, 3, 5
_ROWS = 4096  # at a time


def swallowing_class(u, rows):
    """The class that most of some rows are predicted to be for next to nothing, or None.

    Where ``u`` (n, n_classes) is almost the same everywhere, as the graph Laplacian's is with few
    labels, a class that is ahead by little wins nearly all rows. So the predicted frequencies are
    far from the mean of ``u`` over the ``rows``, while single rows are near it. Classes that are
    frequent indeed move both.

    >>> u = np.column_stack([0.5 + 1e-3 * np.arange(1000) / 1000, np.full(1000, 0.5)])
    >>> swallowing_class(u / u.sum(axis=1, keepdims=True), np.arange(1000))
    0
    """
    n_rows, n_classes = len(rows), u.shape[1]
    if not n_rows or n_classes < 2:
        return None
    parts = [rows[part] for part in equal_blocks(n_rows, _ROWS)]
    mean = sum(u[part].sum(axis=0) for part in parts) / n_rows
    found = sum(np.bincount(u[part].argmax(axis=1), minlength=n_classes) for part in parts)
    excess = found / n_rows - mean
    gap = np.abs(excess).sum() / 2
    spread = sum(np.abs(u[part] - mean).sum() for part in parts) / (2 * n_rows)
    largest = int(excess.argmax())
    # Of many classes, one is always a whole row above its mean: that of any one row.
    chance = np.sqrt(mean[largest] * (1 - mean[largest]) / n_rows) + 1 / n_rows
    collapsed = gap > max(_GAP, _RATIO * spread) and excess[largest] > _DEVIATIONS * chance
    return largest if collapsed else None
