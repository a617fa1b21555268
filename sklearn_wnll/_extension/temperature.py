"""A temperature that calibrates distributions."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

__all__ = ["apply_temperature", "find_temperature", "log_prior", "sharpened_logs"]

_RANGE = np.log(0.01), np.log(10)  # of the logarithm of a temperature
_USUAL = np.log(0.5)  # roughly right for harmonic extensions
_SMALLEST = 1e-6  # a less probable label could not have been foreseen
_BELOW = 1 - 1e-15  # keeps smaller numbers below the largest of a row


def sharpened_logs(u, temperature):
    """Compute logarithms of distributions (n, n_classes) at a temperature."""
    logs = np.log(np.maximum(u, _SMALLEST)) / temperature
    return logs - logsumexp(logs, axis=1, keepdims=True)


def log_prior(temperature):
    """Log prior of a temperature: without it, few labels that are all right would yield 0."""
    return -((np.log(temperature) - _USUAL) ** 2)


def find_temperature(u, codes, noise=0.0):
    """Find the temperature at which distributions (n, n_classes) have the least log loss.

    ``codes`` (n,) are the classes, of which a fraction ``noise`` is wrong. The logarithm of the
    temperature has a normal prior, as strong as one or two labels. Without rows, return 1.

    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017, section 4.2; the prior is ours.

    >>> u = np.tile([0.6, 0.4], (100, 1))  # of which 9 in 10 are of the first class
    >>> round(find_temperature(u, np.arange(100) // 90), 2)
    0.19
    """
    if not len(u) or u.shape[1] < 2:
        return 1.0
    others, given = noise / (u.shape[1] - 1), (np.arange(len(u)), codes)

    def log_loss(log_temperature):
        logs = sharpened_logs(u, np.exp(log_temperature))[given]
        if others:
            logs = np.log((1 - noise - others) * np.exp(logs) + others)
        return -logs.sum() - log_prior(np.exp(log_temperature))

    return float(np.exp(minimize_scalar(log_loss, bounds=_RANGE, method="bounded").x))


def apply_temperature(u, temperature):
    """Sharpen distributions (n, n_classes), or flatten them: ``p_c ~ u_c^(1 / temperature)``.

    The most probable class does not change, even in ties; one-hot rows are unchanged.

    >>> apply_temperature(np.array([[0.75, 0.25], [1.0, 0.0]]), 0.5)
    array([[0.9, 0.1],
           [1. , 0. ]])
    """
    if temperature == 1:
        return u
    ratio = u / u.max(axis=1, keepdims=True)
    powers = np.where(ratio < 1, np.minimum(ratio ** (1 / temperature), _BELOW), 1.0)
    return powers / powers.sum(axis=1, keepdims=True)
