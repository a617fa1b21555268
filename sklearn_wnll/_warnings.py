"""Warnings at the caller's line, and their silencing."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["silenced", "warn_user"]


def warn_user(message: str, category: type[Warning], through: tuple[str, ...] = ()) -> None:
    """Warn at the line outside this package and scikit-learn that called in.

    Parameters
    ----------
    message : str
        Text of the warning.
    category : type
        Class of the warning.
    through : tuple of str, default=()
        Other packages through which the call came.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_library(frame, through):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def silenced(*categories: type[Warning]) -> Iterator[None]:
    """Silence some warnings: they were issued before, or are not the user's mistake.

    Parameters
    ----------
    *categories : type
        Their classes.
    """
    with warnings.catch_warnings():
        for category in categories:
            warnings.simplefilter("ignore", category)
        yield


def _is_library(frame: FrameType, through: tuple[str, ...]) -> bool:
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return package in ("sklearn_wnll", "sklearn", *through)
