"""Given values of rows: numbers, some of them missing."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .point_labels import mean_of_rows
from .values import Units

__all__ = ["RowValues"]


class RowValues(NamedTuple):
    """Values of rows (n_rows, n_targets), NaN where there is none.

    In a layer, a row has either all values or none.
    """

    values: np.ndarray

    @property
    def known(self):
        """Rows with a value (n_rows,)."""
        return ~np.isnan(self.values).any(axis=1)

    @property
    def rows(self):
        """Numbers of the rows with a value."""
        return np.flatnonzero(self.known)

    @property
    def codes(self):
        """0 for rows with a value, -1 for others (n_rows,): one class, by which rows are dealt."""
        return np.where(self.known, 0, -1)

    @property
    def n_classes(self):
        """Number of columns."""
        return self.values.shape[1]

    @property
    def fallback(self):
        """The values of rows that no given value reaches: the means (n_targets,)."""
        given = self.values[self.rows]
        return Units.of(given).clipped(given.mean(axis=0))

    def on_points(self, points):
        """Average the values to :class:`PointLabels`: each row has one vote."""
        rows = self.rows
        given = self.values[rows]
        found = mean_of_rows(points, rows, sparse.csr_array(given))
        # Of equal numbers, the mean is that number.
        return found._replace(g=sparse.csr_array(Units.of(given).clipped(found.g.toarray())))

    def without(self, rows):
        """Return the values without those of some rows."""
        values = self.values.copy()
        values[rows] = np.nan
        return self._replace(values=values)

    def grown(self, n_new):
        """Return the values with new rows, which have none."""
        new = np.full((n_new, self.values.shape[1]), np.nan)
        return self._replace(values=np.vstack([self.values, new]))

    def layers(self, *, shared=True):
        """Group the columns by their gaps: arrays of columns, in the order of their first ones.

        Without ``shared``, each column is a group of its own.
        """
        if not shared:
            return [np.array([column]) for column in range(self.values.shape[1])]
        gaps = np.packbits(np.isnan(self.values), axis=0)
        groups = {}
        for column in range(self.values.shape[1]):
            groups.setdefault(gaps[:, column].tobytes(), []).append(column)
        return [np.array(columns) for columns in groups.values()]

    def of(self, columns):
        """Select some columns."""
        return self._replace(values=self.values[:, columns])
