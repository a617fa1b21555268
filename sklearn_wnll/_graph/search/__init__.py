"""Nearest-neighbour searches: exact, approximate, or a user's own."""

from .base import NeighborSearch
from .choice import make_search
from .exact import ExactSearch, compared_features, exact_seconds

__all__ = ["ExactSearch", "NeighborSearch", "compared_features", "exact_seconds", "make_search"]
