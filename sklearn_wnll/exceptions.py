"""Warnings of sklearn_wnll, so that each can be silenced or turned into an error by name."""

__all__ = [
    "AmbiguousLabelsWarning",
    "FewLabelsWarning",
    "InputRangeWarning",
    "ShortNeighborListsWarning",
    "SimilaritiesWarning",
    "SlowPrecisionWarning",
    "TrainingInterruptedWarning",
    "UnportableModelWarning",
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


class SimilaritiesWarning(UserWarning):
    """A precomputed matrix is read as distances, and looks like similarities or weights."""


class InputRangeWarning(UserWarning):
    """New images have a far smaller or larger spread than the fitted ones."""


class SlowPrecisionWarning(UserWarning):
    """Mixed precision on an x86 processor without AVX-512, where it is many times slower."""


class TrainingInterruptedWarning(UserWarning):
    """A training was interrupted; what it had reached is kept."""


class UnportableModelWarning(UserWarning):
    """A model that is saved refers to a class or function that only ``__main__`` defines."""
