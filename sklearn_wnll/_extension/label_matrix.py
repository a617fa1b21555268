"""Known facts about the labels of rows, several at once."""

from typing import NamedTuple

import numpy as np

from .row_labels import RowLabels
from .row_values import RowValues

__all__ = ["LabelMatrix", "prior_values"]


class LabelMatrix(NamedTuple):
    """Labels of rows: ``values`` of 1, 0 or NaN, and a prior on the frequency of each label.

    ``prior`` is frequencies (n_labels,), ``"labeled"``, ``"estimated"`` or None, as in
    :class:`RowLabels`.
    """

    values: RowValues
    prior: np.ndarray | str | None = None

    @property
    def n_labels(self):
        """Number of columns."""
        return self.values.n_classes

    @property
    def known(self):
        """Mask of the given cells (n_rows, n_labels)."""
        return ~np.isnan(self.values.values)

    def column(self, number):
        """Return a column as :class:`RowLabels` of the classes 0 and 1."""
        values, prior = self.values.values[:, number], self.prior
        if isinstance(prior, np.ndarray):
            prior = np.array([1 - prior[number], prior[number]])
        codes = np.where(np.isnan(values), -1, values).astype(np.intp)
        return RowLabels(codes, np.arange(2), prior)

    def of(self, columns):
        """Select some labels."""
        prior = self.prior[columns] if isinstance(self.prior, np.ndarray) else self.prior
        return LabelMatrix(self.values.of(columns), prior)

    def grown(self, n_new):
        """Return the labels with new rows, which have none."""
        return self._replace(values=self.values.grown(n_new))


def prior_values(class_prior, n_labels):
    """Return the prior of some labels for ``class_prior``; raise ValueError if it is invalid.

    >>> prior_values([0.25, 0.5], 2)
    array([0.25, 0.5 ])
    """
    if class_prior is None or isinstance(class_prior, str):
        return class_prior
    cure = f"pass one frequency for each of the {n_labels} columns of y, in their order"
    if hasattr(class_prior, "keys"):
        raise ValueError(f"class_prior names classes, but the labels of y have no names: {cure}.")
    prior = np.asarray(class_prior, dtype=np.float64)
    if prior.shape != (n_labels,):
        raise ValueError(f"class_prior has shape {prior.shape}: {cure}.")
    if not ((prior > 0) & (prior < 1)).all():
        raise ValueError(f"class_prior must lie between 0 and 1, got {prior}: {cure}.")
    return prior
