"""Given values of rows: numbers, some of them missing."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .point_labels import mean_of_rows
from .values import Units

__all__ = ["RowValues"]


class RowValues(NamedTuple):
    """Values of rows (n_rows, n_targets), NaN where there is none.

    If ``single`` is True, users gave and get one column (n_rows,). In a layer, a row has either
    all values or none.
    """

    values: np.ndarray
    single: bool = False

    @property
    def known(self):
        """Rows with a value (n_rows,)."""
        return ~np.isnan(self.values).any(axis=1)

    @property
    def rows(self):
        """Numbers of the rows with a value."""
        return np.flatnonzero(self.known)

    @property
    def rows_with_any(self):
        """Numbers of the rows with a value of any target."""
        return np.flatnonzero(~np.isnan(self.values).all(axis=1))

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
        return self.units.clipped(given.sum(axis=0) / max(1, len(given)))

    @property
    def units(self):
        """The range of the values."""
        return Units.of(self.values[self.rows])

    def on_points(self, points):
        """Average the values to :class:`PointLabels`: each row has one vote."""
        rows = self.rows
        values, n_points = self.values[rows], points.n_points
        found = mean_of_rows(points, rows, sparse.csr_array(values))
        low, high = (np.full((n_points, self.n_classes), end) for end in (np.inf, -np.inf))
        np.minimum.at(low, points.index[rows], values)
        np.maximum.at(high, points.index[rows], values)
        # Of equal numbers, the mean is that number.
        mean = found.g.toarray().clip(low[found.labeled], high[found.labeled])
        return found._replace(g=sparse.csr_array(mean))

    def without(self, rows):
        """Return the values without those of some rows."""
        values = self.values.copy()
        values[rows] = np.nan
        return self._replace(values=values)

    def grown(self, n_new):
        """Return the values with new rows, which have none."""
        new = np.full((n_new, self.values.shape[1]), np.nan)
        return self._replace(values=np.vstack([self.values, new]))

    def shaped(self, values):
        """Return values (n, n_targets, ...) in the shape that users get."""
        return values[:, 0] if self.single else values

    def of_targets(self, numbers):
        """Return numbers of the targets (n_targets,) as users get them."""
        return float(numbers[0]) if self.single else numbers

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

    def of_rows(self, rows):
        """Select some rows."""
        return self._replace(values=self.values[rows])

    def of(self, columns):
        """Select some columns."""
        return self._replace(values=self.values[:, columns])
