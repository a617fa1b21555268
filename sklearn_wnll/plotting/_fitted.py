"""Data of displays from a fitted estimator and its labels."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import as_host
from .._base import check_whole
from .._labels import is_unlabeled
from .._typing import Labels, Mask

__all__ = ["find_labeled", "fitted_distributions"]


def fitted_distributions(estimator: Any) -> NDArray[Any]:
    """Return the distributions of the fitted rows (n_samples, n_classes)."""
    check_whole(estimator, "A display")
    u = getattr(estimator, "label_distributions_", None)
    if u is None:
        raise ValueError(
            f"estimator {type(estimator).__name__} has no label_distributions_. Pass a fitted "
            "WNLLClassifier or DeepWNLLClassifier, or the result of predict_proba to "
            "from_predictions."
        )
    if np.ndim(getattr(estimator, "classes_", 0)) == 2:
        raise ValueError(
            "A display shows one label per row, but the estimator was fitted with several. Pass "
            "one fitted to a single column of y."
        )
    return as_host(u)


def find_labeled(
    y: Labels | None, unlabeled: object, classes: ArrayLike | None, n: int
) -> Mask | None:
    """Mark the points that have a label; None if that is unknown."""
    if y is None:
        return None
    labeled = ~is_unlabeled(y, unlabeled, classes)
    if len(labeled) != n:
        raise ValueError(
            f"y has {len(labeled)} entries for {n} rows. Pass the y that was fitted, with an entry "
            "for each row."
        )
    return labeled
