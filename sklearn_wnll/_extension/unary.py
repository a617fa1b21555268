"""The mean over rows of values that pull at points."""

import numpy as np
from scipy import sparse

from .system import Unary

__all__ = ["mean_unary"]


def mean_unary(p, index, n_points, strength):
    """Average values ``p`` of rows to a :class:`Unary` term, of strength 0 at points without one.

    ``index`` (n_rows,) is the point of each row.
    """
    count = np.bincount(index, minlength=n_points)
    ends = index, np.arange(len(index))
    mean = sparse.coo_array((1 / count[index], ends), shape=(n_points, len(index))).tocsr()
    return Unary(mean @ p, np.where(count > 0, strength, 0.0))
