"""How certain distributions over the classes are."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from ._typing import Floats, Mask

__all__ = ["certainty", "uncertainty"]


def certainty(u: NDArray[np.floating], reached: Mask | None = None) -> Floats:
    """One minus the entropy in units of the uniform distribution's (n,).

    1 if one-hot, 0 if uniform, and 0 where ``reached`` says that no label reaches a point.

    >>> certainty(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([1., 0.])
    """
    found = np.clip(1 - entr(u).sum(axis=1) / np.log(max(u.shape[1], 2)), 0, 1)
    return found if reached is None else np.where(reached, found, 0)


def uncertainty(u: Floats, reached: Mask) -> Floats:
    """One minus the certainty; 1 while there is a single class or none, since others will come."""
    return 1 - certainty(u, reached) if u.shape[1] > 1 else np.ones(len(u))
