"""Warnings that a class may be the marker of unlabelled rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._label_types import is_auto, label_text
from ._typing import Indices
from ._warnings import warn_user
from .exceptions import AmbiguousLabelsWarning

__all__ = ["warn_of_doubts"]

_MARKER_LIKE = ("", "?", "-1.0", "nan", "nat", "none", "na", "n/a", "#n/a", "<na>", "null",
                "missing", "undefined", "unknown", "unlabeled", "unlabelled", "not labeled",
                "not labelled", "no label")  # fmt: skip
# From here on, one class is as frequent as unlabelled rows, and the others as rare as few labels.
_LEAST_ROWS, _LEAST_SHARE, _LEAST_RATIO, _MOST_LABELS = 50, 0.8, 20, 20


def warn_of_doubts(classes: NDArray[Any], codes: Indices, unlabeled: object, marker: str) -> None:
    """Warn about each class that may be a marker other than ``unlabeled``.

    ``codes`` (n,) is -1 where ``marker`` marks a row as unlabelled. If ``unlabeled`` is not
    ``"auto"`` and occurs in ``y``, there is no doubt.
    """
    automatic = is_auto(unlabeled)
    marked = bool((codes < 0).any())
    if marked and not automatic:
        return
    suspects = [i for i in range(len(classes)) if _is_marker_like(i, classes, automatic)]
    for i in suspects:
        label = label_text(classes, i)
        if marked:
            warn_user(
                f"y holds {label}, which is read as a class, beside rows that are unlabelled by "
                f"unlabeled={unlabeled!r}. Write one marker for all of them if {label} marks "
                f"unlabelled rows too, or pass unlabeled={marker} to silence this warning.",
                AmbiguousLabelsWarning,
            )
        else:
            warn_user(
                f"No row of y is unlabelled by unlabeled={unlabeled!r}, and {label} is read as a "
                f"class. Pass unlabeled={label} if it marks unlabelled rows, or unlabeled=None to "
                "silence this warning.",
                AmbiguousLabelsWarning,
            )
    if not marked and not suspects:
        _warn_of_one_frequent_class(classes, np.bincount(codes), unlabeled)


def _is_marker_like(i: int, classes: NDArray[Any], automatic: bool) -> bool:
    """Return whether a class looks like a common marker of missing labels."""
    label = classes[i]
    if isinstance(label, str):
        given = not automatic and len(classes) > 2 and label == "-1"
        return given or label.strip().lower() in _MARKER_LIKE
    if not automatic:
        return bool(label == -1) and len(classes) > 2
    if classes.dtype.kind != "u":
        return False
    # In unsigned types, -1 becomes the largest number.
    largest = np.iinfo(classes.dtype).max
    return bool(label == largest) and len(classes) > 2 and largest - 1 not in classes


def _warn_of_one_frequent_class(classes: NDArray[Any], counts: Indices, unlabeled: object) -> None:
    """Warn if one class is as frequent as unlabelled rows, and the others are as rare as labels.

    With a single other class there is no warning: it would leave nothing to learn, and rare events
    are not few labels.
    """
    if len(counts) < 3 or counts.sum() < _LEAST_ROWS:
        return
    next_largest, largest = np.sort(counts)[-2:]
    if (
        largest < _LEAST_SHARE * counts.sum()
        or largest < _LEAST_RATIO * next_largest
        or next_largest > _MOST_LABELS
    ):
        return
    label = label_text(classes, int(counts.argmax()))
    warn_user(
        f"No row of y is unlabelled by unlabeled={unlabeled!r}, but the class {label} holds "
        f"{largest} of {counts.sum()} rows, and none of the {len(counts) - 1} others more than "
        f"{next_largest}. It may be the marker of unlabelled rows, which an encoder has made a "
        f"class. Pass unlabeled={label} if it is, or unlabeled=None to silence this warning.",
        AmbiguousLabelsWarning,
    )
