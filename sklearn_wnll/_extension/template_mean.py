"""The mean over several templates."""

import numpy as np

from .._parallel import equal_blocks
from .system import HarmonicExtension

__all__ = ["TemplateMean"]

_ROWS = 4096  # added at a time


class TemplateMean:
    """Mean of rows' distributions over several templates."""

    def __init__(self, n_rows, fallback):
        self.values, self.fallback = np.zeros((n_rows, len(fallback))), fallback
        self.count = np.zeros(n_rows, dtype=np.intp)
        self.n_iter, self.residual, self.converged = 0, 0.0, True

    def add(self, rows, extension, points=None):
        """Add distributions of points (default: all) to rows, where a label reaches them."""
        points = np.arange(len(rows)) if points is None else points
        reached = extension.reached[points]
        rows, points = rows[reached], points[reached]
        for part in equal_blocks(len(rows), _ROWS):  # avoids a copy of all rows
            self.values[rows[part]] += extension.u[points[part]]
        self.count[rows] += 1

    def note(self, solved):
        """Note the details of a solution."""
        self.n_iter = max(self.n_iter, solved.n_iter)
        self.residual = max(self.residual, solved.residual)
        self.converged &= solved.converged

    def result(self):
        """Return the means; the fallback where no label reaches a row in any template."""
        reached = self.count > 0
        self.values[~reached] = self.fallback
        several = np.flatnonzero(self.count > 1)
        for part in equal_blocks(len(several), _ROWS):
            self.values[several[part]] /= self.count[several[part], None]
        return HarmonicExtension(self.values, reached, self.n_iter, self.residual, self.converged)
