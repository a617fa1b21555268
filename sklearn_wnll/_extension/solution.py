"""What is done once labels are extended: towards class sizes that are known."""

from typing import NamedTuple

import numpy as np

from .system import HarmonicExtension
from .templates import Templates

__all__ = ["Recipe", "Solution"]


class Solution(NamedTuple):
    """Labels extended over ``templates``, the ``extension`` to all rows, and factors on classes.

    ``class_factors`` (n_classes,) are None without a prior.
    """

    templates: Templates
    extension: HarmonicExtension
    class_factors: np.ndarray | None


class Recipe(NamedTuple):
    """What is done once labels are extended."""

    def __call__(self, templates, labels):
        """Go on from ``labels`` that are extended over ``templates``: a :class:`Solution`."""
        extension, factors = templates.fitted(), None
        if labels.prior is not None:
            free = (labels.codes < 0) & extension.reached
            factors = labels.class_factors(free @ extension.u, np.count_nonzero(free))
        return Solution(templates, extension, factors)
