"""Certainty of distributions over the classes."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from ._typing import Floats, Mask

__all__ = ["certainty", "uncertainty"]


def certainty(u: NDArray[np.floating], reached: Mask | None = None) -> Floats:
    """Compute one minus the entropy, relative to the uniform distribution's (n,).

    It is 1 if one-hot, 0 if uniform, and 0 where ``reached`` is False.

    >>> certainty(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([1., 0.])
    """
    found = np.clip(1 - entr(u).sum(axis=1) / np.log(max(u.shape[1], 2)), 0, 1)
    return found if reached is None else np.where(reached, found, 0)


def uncertainty(u: Floats, reached: Mask) -> Floats:
    """Compute one minus the certainty; 1 with at most one class, since others will come."""
    return 1 - certainty(u, reached) if u.shape[1] > 1 else np.ones(len(u))
