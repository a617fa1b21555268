"""How certain distributions over the classes are."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from ._typing import Floats, Mask

__all__ = ["certainty"]


def certainty(u: NDArray[np.floating], reached: Mask | None = None) -> Floats:
    """Tell how certain distributions are.

    Parameters
    ----------
    u : ndarray of shape (n, n_classes)
        Distributions.
    reached : ndarray of bool of shape (n,), default=None
        Whether a label reaches the point. None is True for all.

    Returns
    -------
    ndarray of shape (n,)
        One minus the entropy in units of that of the uniform distribution: 1 for a single
        class, 0 for all classes alike and where no label reaches a point.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wnll._certainty import certainty
    >>> certainty(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([1., 0.])
    """
    found = np.clip(1 - entr(u).sum(axis=1) / np.log(max(u.shape[1], 2)), 0, 1)
    return found if reached is None else np.where(reached, found, 0)
