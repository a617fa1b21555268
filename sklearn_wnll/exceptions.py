"""Warnings of sklearn_wnll, so that each can be silenced or turned into an error by name."""

__all__ = [
    "AmbiguousLabelsWarning",
    "FewLabelsWarning",
    "ShortNeighborListsWarning",
    "UnreachedPointsWarning",
]


class FewLabelsWarning(UserWarning):
    """Fewer labels than it takes, on average, to see every class once."""


class UnreachedPointsWarning(UserWarning):
    """Some points lie in parts of the graph that hold no label."""


class AmbiguousLabelsWarning(UserWarning):
    """``y`` holds exactly -1 and 1: two classes, or one class and a marker."""


class ShortNeighborListsWarning(UserWarning):
    """A given neighbour graph holds fewer neighbours than ``n_neighbors`` asks for."""
