"""Warnings about doubtful results of a fit or a prediction."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ._extension.collapse import swallowing_class
from ._label_types import label_text
from ._typing import Floats, Indices, Mask
from ._warnings import warn_user
from .exceptions import CollapsedClassesWarning, SingleLabelWarning, UnreachedPointsWarning

__all__ = ["warn_if_alone", "warn_if_collapsed", "warn_if_not_converged", "warn_if_unreached"]


def warn_if_not_converged(
    result: Any, tol: float, max_iter: int, what: str = "distributions"
) -> None:
    """Warn if the solver has stopped before its tolerance."""
    if result.converged:
        return
    if result.n_iter >= max_iter:
        stop, cure = f"after max_iter={max_iter} iterations", "Raise max_iter or tol."
    else:
        stop = "where rounding hides the edges of tiny weight that alone tie rows to a label"
        cure = "Label rows among them, raise n_neighbors, or raise tol."
    warn_user(
        f"The solver stopped {stop}, at a residual of {result.residual:.1e}; {what} may be off by "
        f"more than {min(1000 * tol, 0.1):g}. {cure}",
        ConvergenceWarning,
    )


_PRIOR = (
    "distribution is class_prior or, if that is None, the class frequencies of the labelled rows"
)
_MEAN = "value is the mean of the given ones"


def warn_if_unreached(reached: Mask, what: str, *, numbers: bool = False) -> None:
    """Warn if there are rows that no label reaches."""
    count, given = int(np.count_nonzero(~reached)), "value" if numbers else "label"
    if count:
        warn_user(
            f"No {given} reaches {count} {what}: their parts of the graph hold none. Their "
            f"{_MEAN if numbers else _PRIOR}. Label rows near them, or raise n_neighbors.",
            UnreachedPointsWarning,
        )


def warn_if_collapsed(classes: NDArray[Any], u: Floats, rows: Indices) -> None:
    """Warn if, by ``u`` at some rows, one of the ``classes`` may have swallowed others."""
    swallowing = swallowing_class(u, rows)
    if swallowing is not None:
        part = (u[rows].argmax(axis=1) == swallowing).mean()
        warn_user(
            f"{part:.0%} of the unlabelled rows are predicted to be "
            f"{label_text(classes, swallowing)}, with hardly more probability than other classes: "
            "this class may have swallowed others. Pass the class frequencies as class_prior, use "
            'another label_weight ("wnll", "poisson"), or label more rows.',
            CollapsedClassesWarning,
        )


def warn_if_alone(known: Mask) -> None:
    """Warn about labelled rows whose class is not ``known`` when their fold is held out."""
    count = int(np.count_nonzero(~known))
    if count:
        warn_user(
            f"Labelled rows that are the only ones of their class: {count}. They count as wrong "
            "in held_out_score_, and calibrate leaves them out. Label another row of each class.",
            SingleLabelWarning,
        )
