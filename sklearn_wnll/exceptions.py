"""Warnings of sklearn_wnll, so that each can be silenced or turned into an error by name."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = [
    "AmbiguousLabelsWarning",
    "FewLabelsWarning",
    "OtherRangeWarning",
    "ShortNeighborListsWarning",
    "SlowPrecisionWarning",
    "TrainingInterruptedWarning",
    "UnreachedPointsWarning",
]


class FewLabelsWarning(UserWarning):
    """Fewer labels than it takes, on average, to see every class once."""


class UnreachedPointsWarning(UserWarning):
    """Some points lie in parts of the graph that hold no label."""


class AmbiguousLabelsWarning(UserWarning):
    """A value in ``y`` may be a class or the marker of unlabelled rows."""


class ShortNeighborListsWarning(UserWarning):
    """A given neighbour graph holds fewer neighbours than ``n_neighbors`` asks for."""


class OtherRangeWarning(UserWarning):
    """New images have a far smaller or larger spread than the fitted ones."""


class SlowPrecisionWarning(UserWarning):
    """Mixed precision on an x86 processor without AVX-512, where it is many times slower."""


class TrainingInterruptedWarning(UserWarning):
    """A training was interrupted; what it had reached is kept."""


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the line outside this package and scikit-learn that called in.

    Parameters
    ----------
    message : str
        What to say.
    category : type
        Class of the warning.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_library(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def silenced(*categories: type[Warning]) -> Iterator[None]:
    """Say nothing of some kinds of warning: they have been said, or are nobody's mistake.

    Parameters
    ----------
    *categories : type
        The kinds.
    """
    with warnings.catch_warnings():
        for category in categories:
            warnings.simplefilter("ignore", category)
        yield


def _is_library(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] in ("sklearn_wnll", "sklearn")
