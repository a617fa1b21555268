"""How far predicted numbers may be off, by held-out values and by the lengths of walks."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t

from .layers import Layers
from .row_values import RowValues
from .values import Units

__all__ = ["Spread", "find_spread"]

_FOLDS = 10  # by default
_TOLERANCE = 1e-4  # of the solver, as a part of a usual length
_ROUNDS, _PRIOR = 300, 40  # of the fit of a scale; values that the prior on it is worth
_FREEDOM = 4  # degrees of freedom of the errors in that fit, which outliers hardly affect
_LEAST = 1e-12  # keeps squared errors, in units of their mean, above 0


class _WalkLengths(RowValues):
    """Lengths of walks to given values, 0 at these: a column to extend like any other."""

    @property
    def units(self):
        """Make each step add the fraction of rows with a value: usual lengths are about 1."""
        step = np.full(1, np.count_nonzero(self.known) / len(self.values))
        return Units(np.zeros(1), np.full(1, np.inf), step)


class Spread(NamedTuple):
    """The scale of errors, from the lengths of walks, and scaled errors of held-out values.

    The variance of an error is proportional to ``a + b h`` with the expected length ``h`` of walks
    to given values, extended over ``walks``; ``scale`` (2, n_targets) holds ``a`` and ``b``.
    ``errors`` holds the sorted scaled errors of each target. Rows that no value reaches differ as
    the given values do: ``far`` holds the sorted distances of these from their mean. Other values
    of a point with a clamped value differ as those of equal rows do: ``repeats`` holds the sorted
    distances of these from the mean of their point, and is empty without equal rows.
    """

    walks: Layers
    scale: np.ndarray
    errors: list
    far: list
    repeats: list

    def std(self, lengths, reached):
        """Return the standard deviation of rows (n, n_targets)."""
        return self._scaled(lengths, reached, _root_mean_square)

    def half_width(self, lengths, reached, coverage):
        """Return half the width of an interval that holds a part ``coverage`` of the values."""
        return self._scaled(lengths, reached, lambda errors: _quantile(errors, coverage))

    def compact(self):
        """Keep only the parts that an inductive prediction needs."""
        return self._replace(walks=self.walks.compact())

    def _scaled(self, lengths, reached, summary):
        near, far, given = (
            np.array([summary(each) if len(each) else 0.0 for each in part])
            for part in (self.errors, self.far, self.repeats)
        )
        near = np.where(lengths == 0, given, near * _scale(self.scale, lengths))
        return np.where(reached, near, far)


def find_spread(layers, n_folds=None, n_jobs=None, companion=None):
    """Find the :class:`Spread` of the targets of layers, by values held out in folds."""
    n_folds = _FOLDS if n_folds is None else n_folds
    walks = layers.followed(_walk_lengths, tol=_TOLERANCE, n_jobs=n_jobs)
    found = layers.hold_out(n_folds, n_jobs, companion)
    lengths = walks.hold_out(n_folds, n_jobs)
    scales, errors, far, repeats = [], [], [], []
    for target, given in enumerate(layers.given.T):
        known = ~np.isnan(given)
        far.append(np.sort(np.abs(given[known] - given[known].mean())))
        repeats.append(np.sort(_differences(layers.points.index[known], given[known])))
        known &= found.reached[:, target]
        error = np.abs(found.u[known, target] - given[known])
        h = lengths.u[known, target]
        scales.append(_fit_scale(h, error**2))
        errors.append(np.sort(error / _scale(scales[-1], h)) if len(h) else far[-1])
    return Spread(walks, np.transpose(scales), errors, far, repeats)


def _differences(point, values):
    """Compute how far values of equal rows are from their mean, by the ``point`` of each (n,).

    They are enlarged to have the variance of single values. Points with one value are left out.
    """
    count = np.bincount(point)
    mean = np.bincount(point, values) / np.maximum(count, 1)
    several = count[point] > 1
    point, values = point[several], values[several]
    return np.abs(values - mean[point]) * np.sqrt(count[point] / (count[point] - 1))


def _walk_lengths(labels):
    """Make the lengths of walks to given values (n_rows, 1)."""
    return _WalkLengths(np.where(labels.known, 0.0, np.nan)[:, None])


def _scale(scale, lengths):
    """Compute the scale of errors, ``sqrt(a + b h)``."""
    return np.sqrt(scale[0] + scale[1] * lengths)


def _fit_scale(lengths, squares):
    """Fit ``a`` and ``b`` to squared errors (n,), by the likelihood of Student's distribution.

    They are drawn towards equal shares of both terms, the more the fewer values there are. All
    factors of an update are positive, so ``a`` and ``b`` are too.
    """
    mean = squares.mean() if len(squares) else 0.0
    if mean == 0:
        return np.array([1.0, 0.0])
    terms = np.column_stack([np.ones(len(lengths)), lengths])
    size = np.maximum(terms.mean(axis=0), _LEAST)
    terms, squares = terms / size, squares / mean
    shares = np.full(2, 0.5)
    for _ in range(_ROUNDS):
        variance = terms @ shares
        weights = (_FREEDOM + 1) / (_FREEDOM + squares / variance)
        wanted, found = terms.T @ (weights * squares / variance**2), terms.T @ (1 / variance)
        # Without a bound, they would vanish where nearly all errors are 0.
        shares = np.maximum(shares * np.sqrt((wanted + _LEAST) / (found + _LEAST)), _LEAST)
    n, equal = len(squares), (terms @ shares).mean() / 2
    return mean * (n * shares + _PRIOR * equal) / (n + _PRIOR) / size


def _root_mean_square(errors):
    return np.sqrt(np.mean(errors**2))


def _quantile(errors, coverage):
    """Return the error that one more value stays below with probability ``coverage``.

    ``errors`` (n,) are sorted. If there are too few, the largest is extrapolated by the quantiles
    of Student's distribution.
    """
    n = len(errors)
    rank = int(np.ceil((n + 1) * coverage))
    if rank <= n or errors[-1] == 0:
        return errors[min(rank, n) - 1]
    asked, largest = student_t.ppf([(1 + coverage) / 2, (1 + n / (n + 1)) / 2], max(1, n - 1))
    return errors[-1] * asked / largest
