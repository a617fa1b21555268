"""Known facts about rows: the labels of some, and perhaps the class frequencies."""

from typing import NamedTuple

import numpy as np

from .class_prior import class_prior_values, labeled_frequencies, sharp_class_factors

__all__ = ["RowLabels"]


class RowLabels(NamedTuple):
    """The codes of rows (n_rows,), -1 where unknown, and a prior on the classes.

    ``prior`` is frequencies (n_classes,), ``"labeled"`` for those of the labelled rows,
    ``"estimated"`` for ones still to be estimated, or None.
    """

    codes: np.ndarray
    n_classes: int
    prior: np.ndarray | str | None

    @classmethod
    def of(cls, codes, classes, class_prior):
        """Check the estimator's ``class_prior``; without classes, there is no prior."""
        if not len(classes):
            return cls(codes, 0, None)
        if class_prior is not None and not isinstance(class_prior, str):
            frequencies = labeled_frequencies(codes, len(classes))
            class_prior = class_prior_values(class_prior, classes, frequencies)
        return cls(codes, len(classes), class_prior)

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
