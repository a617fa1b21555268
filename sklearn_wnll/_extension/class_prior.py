"""Correction of distributions towards known class frequencies."""

from collections.abc import Mapping

import numpy as np

from .._parallel import equal_blocks

__all__ = ["apply_class_factors", "class_factors", "class_factors_of_sum", "class_prior_values",
           "corrected", "labeled_frequencies", "sharp_class_factors", "sharp_factors_of_sums",
           "sharp_sum"]  # fmt: skip

_SHARPNESS, _SHARP_STEPS, _BLOCK_ROWS = 4, 3, 4096
_ROWS_PER_CLASS = 10  # rows without features that are added to the others
_ROWS = 4096  # corrected at a time


def labeled_frequencies(codes, n_classes):
    """Compute the frequencies of the classes (n_classes,) among rows of known code, not -1.

    >>> labeled_frequencies(np.array([0, -1, 1, 0, 0, -1]), 2)
    array([0.75, 0.25])
    """
    known = codes[codes >= 0]
    return np.bincount(known, minlength=n_classes) / len(known)


def class_prior_values(class_prior, classes, frequencies):
    """Return the prior (n_classes,) for ``class_prior``; raise ValueError if it is invalid.

    ``"labeled"`` stands for the ``frequencies`` of the sorted ``classes`` of the labelled rows.

    >>> class_prior_values({"b": 0.7, "a": 0.3}, np.array(["a", "b"]), np.array([0.5, 0.5]))
    array([0.3, 0.7])
    """
    if isinstance(class_prior, str):
        return frequencies
    if hasattr(class_prior, "index") and hasattr(class_prior, "to_dict"):  # a Series
        class_prior = class_prior.to_dict()
    if isinstance(class_prior, Mapping):
        # tolist would turn dates in nanoseconds into numbers.
        names = list(classes) if classes.dtype.kind in "mM" else classes.tolist()
        if set(class_prior) != set(names):
            raise ValueError(
                f"class_prior has the classes {sorted(class_prior, key=str)}, but y has {names}. "
                "Give one frequency for each class in y."
            )
        class_prior = [class_prior[name] for name in names]
    prior = np.asarray(class_prior, dtype=np.float64)
    if prior.shape != frequencies.shape:
        raise ValueError(
            f"class_prior has shape {prior.shape}, but y holds {len(frequencies)} classes. Pass "
            "one frequency for each, in the order of their sorted labels, or a dict."
        )
    if not (prior > 0).all() or abs(prior.sum() - 1) > 1e-3:
        raise ValueError(
            "class_prior must hold positive numbers that sum to 1, got "
            f"{np.array2string(prior, threshold=10)}. Divide them by their sum."
        )
    return prior / prior.sum()


def class_factors(u, prior, frequencies):
    """Compute factors on classes (n_classes,) that move mean distributions towards the prior.

    ``s_c = prior_c / mean_x u_c(x)``: class mass normalization. The mean is taken over the
    unlabelled rows of ``u`` (n, n_classes), and over ten more rows per class without features, of
    the labelled ``frequencies``: class frequencies in a small sample can differ from the
    population's. Without rows the factors are ``prior / frequencies``.

    X. Zhu, Z. Ghahramani and J. Lafferty, "Semi-supervised learning using Gaussian fields and
    harmonic functions", ICML 2003, section 4.

    >>> u = np.tile([[0.8, 0.2], [0.6, 0.4]], (500, 1))
    >>> class_factors(u, np.array([0.5, 0.5]), np.array([0.5, 0.5])).round(2)
    array([0.72, 1.65])
    """
    return class_factors_of_sum(u.sum(axis=0), len(u), prior, frequencies)


def class_factors_of_sum(total, n_rows, prior, frequencies):
    """Compute the :func:`class_factors` from the sum ``total`` of ``n_rows`` distributions.

    A class without labels has the factor 1.
    """
    rows = _ROWS_PER_CLASS * len(prior)
    mass = total + rows * frequencies
    return np.divide(prior * (n_rows + rows), mass, out=np.ones(len(prior)), where=mass > 0)


def sharp_class_factors(u, rows, prior, frequencies):
    """Compute factors on classes that move the sizes of predicted classes towards the prior.

    Like :func:`class_factors`, but for the normalized mean of ``u^4``: rows far from labels have
    distributions much flatter than their predictions, so the mean distribution says little about
    the sizes of predicted classes. Three steps ``w <- w prior / mean(w u^4)`` are better than one,
    and better than many if the prior is wrong. The factors are ``w^(1/4)``, and
    ``prior / frequencies`` if none of the ``rows`` (a mask of n) is unlabelled.

    >>> u = np.tile([[0.8, 0.2], [0.6, 0.4]], (500, 1))
    >>> half = np.array([0.5, 0.5])
    >>> sharp_class_factors(u, np.ones(1000, bool), half, half).round(2)
    array([0.78, 1.74])
    """
    n_rows = np.count_nonzero(rows)
    return sharp_factors_of_sums(lambda w: sharp_sum(u, rows, w), n_rows, prior, frequencies)


def sharp_factors_of_sums(find_sum, n_rows, prior, frequencies):
    """Compute the :func:`sharp_class_factors` of ``n_rows``, of which ``find_sum(w)`` is the sum.

    It is that of :func:`sharp_sum`.
    """
    w = np.ones(len(prior))
    for _ in range(_SHARP_STEPS):
        w = w * class_factors_of_sum(find_sum(w), n_rows, prior, frequencies)
    share = n_rows / (n_rows + _ROWS_PER_CLASS * len(prior))
    return w ** (share / _SHARPNESS + (1 - share) / _SHARP_STEPS)


def sharp_sum(u, rows, w):
    """Sum the normalized ``w u^4`` (n_classes,) of some ``rows`` (a mask of n)."""
    total = np.zeros(len(w))
    for part in equal_blocks(len(u), _BLOCK_ROWS) if rows.any() else ():
        v = w * u[part][rows[part]] ** _SHARPNESS
        total += (v / v.sum(axis=1, keepdims=True)).sum(axis=0)
    return total


def apply_class_factors(u, factors):
    """Multiply distributions (n, n_classes) by factors on the classes; one-hot rows stay so."""
    scaled = u * factors
    return scaled / scaled.sum(axis=1, keepdims=True)


def corrected(extension, factors):
    """Multiply an extension's distributions by factors, if any, where a label reaches them."""
    if factors is None:
        return extension.u
    u = extension.u.copy()
    reached = np.flatnonzero(extension.reached)
    for part in equal_blocks(len(reached), _ROWS):  # avoids another copy of all rows
        u[reached[part]] = apply_class_factors(u[reached[part]], factors)
    return u
