"""Labels of points: distributions over classes, or numbers."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .noise import Trust
from .number_noise import NumberTrust
from .system import Unary

__all__ = ["PointLabels", "mean_of_rows"]


class PointLabels(NamedTuple):
    """Mask of ``labeled`` points (n_points,), and their labels ``g`` (n_labeled, n_columns).

    A column is a class, and a point has a distribution, in which each of its rows has one vote; or
    a column is a target. Without ``trust``, all labels are right. A :class:`Unary` term of all
    points may pull at the others.
    """

    labeled: np.ndarray
    g: sparse.csr_array
    trust: Trust | NumberTrust | None = None
    unary: Unary | None = None

    @property
    def codes(self):
        """The class of each labelled point (n_labeled,)."""
        return np.ravel(self.g.argmax(axis=1))  # a column in older versions of SciPy

    def of(self, part):
        """Select the labels of some of the points."""
        inside = self.labeled[part]
        row = np.cumsum(self.labeled) - 1
        return PointLabels(inside, self.g[row[part[inside]]])

    def without(self, away):
        """Keep only the labels of other points: no trust, no unary term."""
        left = self.labeled.copy()
        left[away] = False
        return PointLabels(left, self.g[left[self.labeled]])


def mean_of_rows(points, rows, values):
    """Average the labels of some rows, sparse (n_known, n_columns), to those of points."""
    labeled = np.zeros(points.n_points, dtype=bool)
    labeled[points.index[rows]] = True
    place = (np.cumsum(labeled) - 1)[points.index[rows]]
    ends, shape = (place, np.arange(len(rows))), (np.count_nonzero(labeled), len(rows))
    members = sparse.coo_array((np.ones(len(rows)), ends), shape=shape).tocsr()
    total = (members @ values).tocsr()
    return PointLabels(labeled, (sparse.diags_array(1 / members.sum(axis=1)) @ total).tocsr())
