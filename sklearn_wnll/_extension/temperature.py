"""One temperature that makes distributions as sure as they are right."""

import numpy as np
from scipy.optimize import minimize_scalar

__all__ = ["apply_temperature", "find_temperature"]

_SHARPNESS = np.log(0.01), np.log(1e4)  # the range of log(1 / temperature)
_SMALLEST = 1e-300
_BELOW = 1 - 1e-15  # what is less than the largest number of a row stays so


def find_temperature(u, codes):
    """The temperature at which distributions (n, n_classes) have the least log loss.

    ``codes`` (n,) are the true classes. Rows whose class has probability 0 are left out: no
    temperature changes that. Without rows it is 1.

    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017, section 4.2.

    >>> u = np.tile([0.6, 0.4], (10, 1))  # of which 9 in 10 are of the first class
    >>> round(find_temperature(u, np.arange(10) // 9), 2)
    0.18
    """
    given = u[np.arange(len(u)), codes]
    known = given > 0
    if not known.any():
        return 1.0
    logs, true = np.log(np.maximum(u[known], _SMALLEST)), np.log(given[known])

    def log_loss(log_sharpness):
        sharpness = np.exp(log_sharpness)
        scaled = sharpness * logs
        top = scaled.max(axis=1)
        return np.mean(np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - sharpness * true)

    found = minimize_scalar(log_loss, bounds=_SHARPNESS, method="bounded")
    return float(np.exp(-found.x))


def apply_temperature(u, temperature):
    """Sharpen distributions (n, n_classes), or flatten them: ``p_c ~ u_c^(1 / temperature)``.

    The most probable class stays so, ties included; one-hot rows stay as they are.

    >>> apply_temperature(np.array([[0.75, 0.25], [1.0, 0.0]]), 0.5)
    array([[0.9, 0.1],
           [1. , 0. ]])
    """
    if temperature == 1:
        return u
    ratio = u / u.max(axis=1, keepdims=True)
    powers = np.where(ratio < 1, np.minimum(ratio ** (1 / temperature), _BELOW), 1.0)
    return powers / powers.sum(axis=1, keepdims=True)
