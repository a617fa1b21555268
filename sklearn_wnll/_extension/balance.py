"""Defaults for the weight of labels and the masses of classes."""

import numpy as np

from .class_prior import class_factors_of_sum

__all__ = ["adaptive_weight", "balancing_factors", "dispersion", "evening_power"]

_TENTH = 10  # divides the paper's weight, by measurement on four data sets
_MANY_ROWS = 10  # unlabelled rows per class, enough to even out masses
_MANY_LABELS = 4  # per class; so many reach further than the paper's weight lets them
_NOISE_RATIO = 2.0  # up to here, labels of one class differ as much as classes do
_CHANCE_RATIO = 30.0  # up to here, labels may have been drawn at random: by measurement, it is 12


def adaptive_weight(counts, n_points, n_free):
    """Return the factor on the energy of labelled points for ``label_weight="auto"``.

    It is ``n / (10 m)`` for ``n`` points with ``m`` labels, at least 1. It moves towards the
    paper's ``n / m`` as the numbers of labels per class, ``counts`` (n_classes,), become uneven.

    The smaller weight needs class masses that are evened out, over ``n_free`` points. If there are
    fewer than 10 of these per class, as when all rows are labelled until queries join, the weight
    is ``n / m`` up to 4 labels per class, and falls to the smaller one at 40.

    >>> adaptive_weight(np.array([5, 5]), 1000, 990), adaptive_weight(np.array([4, 4]), 1000, 0)
    (10.0, 125.0)
    >>> round(adaptive_weight(np.array([40, 10]), 1000, 950), 1)
    17.6
    """
    ratio = n_points / counts.sum()
    even, _ = _evenness(counts)
    balanced = min(1.0, n_free / (_MANY_ROWS * len(counts)))
    alone = np.clip(counts.sum() / (_MANY_LABELS * len(counts)), 1.0, _TENTH)
    reach = _TENTH**balanced * alone ** (1 - balanced)
    return float(max(1.0, ratio / reach) ** even * ratio ** (1 - even))


def balancing_factors(total, n_rows, masses, codes, counts):
    """Compute factors on the classes (n_classes,) that even out accidental class masses.

    A class gets more than its share of the rows if it really is larger, or if one of its labels
    happens to lie at a hub. In the latter case labels of the same class differ as much. So the
    factors are the :func:`class_factors` to the power of ``(2 / F)^2``, at most 1, where ``F`` is
    the ratio of variances between and within classes of ``log(1 + mass)``. With one label per
    class ``F`` is unknown, and the power is 1. The numbers of labels, which show the class sizes
    if labels were drawn at random, are the prior, shrunk towards equal numbers as far as chance
    explains their differences (James and Stein). If chance does not explain them, the power is 1,
    too; but ``(30 / F)^2`` where ``F`` is larger, because then labels of some classes stand for
    more rows than those of others, and were not drawn at random.

    ``total`` (n_classes,) is the sum of the distributions of ``n_rows`` unlabelled rows,
    ``masses`` (n_labeled,) the share in it of each labelled point, of class ``codes``
    (n_labeled,), and ``counts`` (n_classes,) the number of labels.
    """
    even, spread = _evenness(counts)
    frequencies = counts / counts.sum()
    prior = even / len(counts) + (1 - even) * frequencies
    ratio = _variance_ratio(np.log1p(masses), codes, len(counts))
    random, noisy = (
        min(1.0, limit / max(ratio, 1e-9)) ** 2 for limit in (_CHANCE_RATIO, _NOISE_RATIO)
    )
    power = max(min(1.0, spread) * random, noisy)
    return class_factors_of_sum(total, n_rows, prior, frequencies) ** power


def dispersion(counts):
    """Measure the differences between numbers of labels (n_classes,).

    The result is 0 if they are equal, and 1 on average if labels are drawn from equal classes.
    """
    n_classes = len(counts)
    expected = counts.sum() / n_classes
    return ((counts - expected) ** 2).sum() / expected / max(n_classes - 1, 1)


def evening_power(counts):
    """Return the power, in [0, 1], by which to even out the weights of a classifier's classes.

    It is 1 if the numbers of labels (n_classes,) differ, or with one label per class, because the
    graph then leans towards some classes. If they are equal, the class sizes of the graph come
    closer to the true ones the more labels there are.

    >>> evening_power(np.array([1, 1])), evening_power(np.array([4, 4]))
    (1.0, 0.5)
    """
    per_class = counts.sum() / np.count_nonzero(counts)
    return float(max(min(1.0, dispersion(counts)), per_class**-0.5))


def _evenness(counts):
    """Return how well chance explains the numbers of labels, in [0, 1], and their dispersion."""
    found = dispersion(counts)
    return 1 / max(1.0, found), found


def _variance_ratio(values, codes, n_classes):
    """Compute the ``F`` of an analysis of variance; 0 if no class has two values."""
    counts = np.bincount(codes, minlength=n_classes)
    mean = np.bincount(codes, values, n_classes) / np.maximum(counts, 1)
    n_present = np.count_nonzero(counts)
    freedom = len(values) - n_present
    if freedom < 1 or n_present < 2:
        return 0.0
    between = (counts * (mean - values.mean()) ** 2).sum() / (n_present - 1)
    within = ((values - mean[codes]) ** 2).sum() / freedom
    return between / max(within, 1e-300)
