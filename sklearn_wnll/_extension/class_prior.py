"""Known class frequencies: distributions corrected towards them."""

from collections.abc import Mapping

import numpy as np

__all__ = ["apply_class_factors", "class_factors", "class_prior_values", "labeled_frequencies"]

_ROWS_PER_CLASS = 10  # so many rows without features are taken for known beside the others


def labeled_frequencies(codes, n_classes):
    """Give the frequencies of the classes among the labelled rows.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Class of each row, -1 where it is not known. At least one is.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of shape (n_classes,)
        Frequencies, with sum 1.

    Examples
    --------
    >>> import numpy as np
    >>> labeled_frequencies(np.array([0, -1, 1, 0, 0, -1]), 2)
    array([0.75, 0.25])
    """
    known = codes[codes >= 0]
    return np.bincount(known, minlength=n_classes) / len(known)


def class_prior_values(class_prior, classes, frequencies):
    """Give the prior that a parameter ``class_prior`` stands for.

    Parameters
    ----------
    class_prior : {"labeled"}, dict, Series or array-like of shape (n_classes,)
        ``"labeled"`` is the frequencies among the labelled rows.
    classes : ndarray of shape (n_classes,)
        The classes, sorted.
    frequencies : ndarray of shape (n_classes,)
        Their frequencies among the labelled rows.

    Returns
    -------
    ndarray of shape (n_classes,)
        Positive, with sum 1.

    Raises
    ------
    ValueError
        If it is not one positive number for each class, with sum 1.

    Examples
    --------
    >>> import numpy as np
    >>> class_prior_values({"b": 0.7, "a": 0.3}, np.array(["a", "b"]), np.array([0.5, 0.5]))
    array([0.3, 0.7])
    """
    if isinstance(class_prior, str):
        return frequencies
    if hasattr(class_prior, "index") and hasattr(class_prior, "to_dict"):  # a Series
        class_prior = class_prior.to_dict()
    if isinstance(class_prior, Mapping):
        names = classes.tolist()
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
    """Find factors on the classes that take the mean of distributions towards the prior.

    ``s_c = prior_c / mean_x u_c(x)``: class mass normalization. The mean is taken over the rows
    and ten more for each class that have no features and so the labelled frequencies: of a
    handful of rows the classes need not be as frequent as of all.

    Parameters
    ----------
    u : ndarray of shape (n, n_classes)
        Distributions of rows that are not labelled.
    prior : ndarray of shape (n_classes,)
        What their mean shall be.
    frequencies : ndarray of shape (n_classes,)
        Frequencies of the classes among the labelled rows.

    Returns
    -------
    ndarray of shape (n_classes,)
        Positive factors; ``prior / frequencies`` where there are no rows.

    References
    ----------
    X. Zhu, Z. Ghahramani and J. Lafferty, "Semi-supervised learning using Gaussian fields and
    harmonic functions", ICML 2003, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> u = np.tile([[0.8, 0.2], [0.6, 0.4]], (500, 1))
    >>> class_factors(u, np.array([0.5, 0.5]), np.array([0.5, 0.5])).round(2)
    array([0.72, 1.65])
    """
    rows = _ROWS_PER_CLASS * len(prior)
    return prior * (len(u) + rows) / (u.sum(axis=0) + rows * frequencies)


def apply_class_factors(u, factors):
    """Multiply distributions by factors on the classes.

    Parameters
    ----------
    u : ndarray of shape (n, n_classes)
        Distributions.
    factors : ndarray of shape (n_classes,)
        Positive factors.

    Returns
    -------
    ndarray of shape (n, n_classes)
        Distributions. What is certain remains so.
    """
    scaled = u * factors
    return scaled / scaled.sum(axis=1, keepdims=True)
