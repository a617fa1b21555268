"""Known class frequencies: distributions corrected so that their mean is the prior."""

import numpy as np

__all__ = ["balanced", "class_factors", "class_prior_values"]

_MAX_ITER = 200
_TOLERANCE = 1e-3


def class_prior_values(class_prior, frequencies):
    """Give the prior that a parameter ``class_prior`` stands for.

    Parameters
    ----------
    class_prior : {"labeled"} or array-like of shape (n_classes,)
        ``"labeled"`` is the frequencies among the labelled rows.
    frequencies : ndarray of shape (n_classes,)
        Frequencies of the classes among the labelled rows.

    Returns
    -------
    ndarray of shape (n_classes,)
        Positive, with sum 1.

    Raises
    ------
    ValueError
        If it is not one positive number for each class, with sum 1.
    """
    if isinstance(class_prior, str):
        return frequencies
    prior = np.asarray(class_prior, dtype=np.float64)
    if prior.shape != frequencies.shape:
        raise ValueError(
            f"class_prior has shape {prior.shape}, but y holds {len(frequencies)} classes. Pass "
            "one frequency for each, in the order of their sorted labels."
        )
    if not (prior > 0).all() or abs(prior.sum() - 1) > 1e-3:
        raise ValueError(
            "class_prior must hold positive numbers that sum to 1, got "
            f"{np.array2string(prior, threshold=10)}. Divide them by their sum; a class that does "
            "not occur has no place in y."
        )
    return prior / prior.sum()


def class_factors(u, prior, frequencies):
    """Find factors on the classes by which the mean of distributions becomes the prior.

    The factors ``s`` solve ``mean_x u_c(x) s_c / sum_k u_k(x) s_k = prior_c``. A first
    step alone, ``s_c = prior_c / mean_x u_c(x)``, is class mass normalization.

    Parameters
    ----------
    u : ndarray of shape (n, n_classes)
        Distributions.
    prior : ndarray of shape (n_classes,)
        What their mean shall be.
    frequencies : ndarray of shape (n_classes,)
        Frequencies of the classes among the labelled rows: what the prior is compared with
        where there is no distribution.

    Returns
    -------
    ndarray of shape (n_classes,)
        Positive factors. Where distributions are so certain that no factors of a moderate size
        give the prior, those that come near.

    References
    ----------
    X. Zhu, Z. Ghahramani and J. Lafferty, "Semi-supervised learning using Gaussian fields and
    harmonic functions", ICML 2003, section 4 (the first step). M. Saerens, P. Latinne and C.
    Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", Neural
    Computation 14 (2002).

    Examples
    --------
    >>> import numpy as np
    >>> u, half = np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([0.5, 0.5])
    >>> balanced(u, class_factors(u, half, half)).mean(axis=0).round(2)
    array([0.5, 0.5])
    """
    if not len(u):
        return prior / frequencies
    factors = np.ones(len(prior))
    for _ in range(_MAX_ITER):
        ratio = balanced(u, factors).mean(axis=0) / prior
        present = ratio > 0
        if not present.any() or np.abs(ratio[present] - 1).max() <= _TOLERANCE:
            break
        factors[present] /= ratio[present]
        factors /= np.exp(np.log(factors).mean())
    return factors


def balanced(u, factors):
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
