"""Detect a class that has swallowed others, against the evidence of the distributions."""

import numpy as np

from .._parallel import equal_blocks

__all__ = ["swallowing_class"]

# The gap between predicted frequencies and the mean distribution must exceed: this part of the
# rows, this multiple of a single row's gap, and this many standard deviations of chance.
_GAP, _RATIO, _DEVIATIONS = 0.2, 3, 5
_ROWS = 4096  # at a time


def swallowing_class(u, rows):
    """Return the class that wins most of the ``rows`` by a negligible lead, or None.

    If ``u`` (n, n_classes) is almost the same everywhere, as for the graph Laplacian with few
    labels, a class with a small lead wins nearly all rows. Then the predicted frequencies are far
    from the mean of ``u`` over the ``rows``, while single rows are near it. A class that really is
    frequent moves both.

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
    # With many classes, the class of any single row is a whole row above its mean.
    chance = np.sqrt(mean[largest] * (1 - mean[largest]) / n_rows) + 1 / n_rows
    collapsed = gap > max(_GAP, _RATIO * spread) and excess[largest] > _DEVIATIONS * chance
    return largest if collapsed else None
