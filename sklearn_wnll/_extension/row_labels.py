"""Known facts about rows: the labels of some, and perhaps the class frequencies."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .class_prior import class_prior_values, labeled_frequencies, sharp_class_factors
from .point_labels import mean_of_rows

__all__ = ["RowLabels"]


class RowLabels(NamedTuple):
    """The codes of rows (n_rows,), -1 where unknown, their ``classes``, and a prior on these.

    ``prior`` is frequencies (n_classes,), ``"labeled"`` for those of the labelled rows,
    ``"estimated"`` for ones still to be estimated, or None.
    """

    codes: np.ndarray
    classes: np.ndarray
    prior: np.ndarray | str | None

    @classmethod
    def of(cls, codes, classes, class_prior):
        """Check the estimator's ``class_prior``; without classes, there is no prior."""
        if not len(classes):
            return cls(codes, classes, None)
        if class_prior is not None and not isinstance(class_prior, str):
            frequencies = labeled_frequencies(codes, len(classes))
            class_prior = class_prior_values(class_prior, classes, frequencies)
        return cls(codes, classes, class_prior)

    @property
    def n_classes(self):
        """Number of classes."""
        return len(self.classes)

    @property
    def rows(self):
        """Labelled rows."""
        return np.flatnonzero(self.codes >= 0)

    @property
    def frequencies(self):
        """Class frequencies of the labelled rows (n_classes,)."""
        return labeled_frequencies(self.codes, self.n_classes)

    @property
    def fallback(self):
        """The distribution of rows that no label reaches (n_classes,)."""
        return self.prior if isinstance(self.prior, np.ndarray) else self.frequencies

    def on_points(self, points):
        """Average the labels to :class:`PointLabels`: each row has one vote."""
        rows = self.rows
        places = np.arange(len(rows)), self.codes[rows]
        shape = len(rows), self.n_classes
        votes = sparse.coo_array((np.ones(len(rows)), places), shape=shape)
        return mean_of_rows(points, rows, votes.tocsr())

    def columns_in(self, others):
        """Return the code of each class in ``others``, -1 if it is new there (n_classes,)."""
        codes = {label: code for code, label in enumerate(others.classes)}
        return np.array([codes.get(label, -1) for label in self.classes], dtype=np.intp)

    def grown(self, n_new):
        """Return the labels with new rows, which have none."""
        return self._replace(codes=np.append(self.codes, np.full(n_new, -1)))

    def without(self, rows):
        """Return the labels without those of some rows."""
        codes = self.codes.copy()
        codes[rows] = -1
        return self._replace(codes=codes)

    def class_factors(self, extension):
        """Compute factors on classes that correct an extension to the prior; None without one."""
        if self.prior is None:
            return None
        free = (self.codes < 0) & extension.reached
        return sharp_class_factors(extension.u, free, self.fallback, self.frequencies)
