"""Nearest-neighbour searches: exact, approximate, or a user's own.

Each search is fitted to points and then gives the points' own lists, the lists of
queries among the points, and the lists of points and queries together.
"""

from sklearn.utils import check_random_state

from .approximate import ApproximateSearch
from .base import NeighborSearch
from .exact import ExactSearch, exact_seconds
from .transformer import TransformerSearch

__all__ = [
    "ApproximateSearch",
    "ExactSearch",
    "NeighborSearch",
    "TransformerSearch",
    "exact_seconds",
    "make_search",
]

_PATIENCE = 30  # seconds of exact search beyond which compiling pynndescent pays


def make_search(neighbors, shape, *, metric, random_state=None, n_jobs=None, verbose=0):
    """Make the search that ``neighbors`` asks for.

    Parameters
    ----------
    neighbors : {"auto", "exact", "approximate"} or transformer
        ``"auto"`` is the exact search where it is expected to take less than 30 s.
    shape : tuple of (n_points, n_features)
        Size of the data.
    metric : str
        Name of the distance; a transformer has its own.
    random_state : int, RandomState instance or None, default=None
        Seeds the approximate search.
    n_jobs : int, default=None
        Number of threads.
    verbose : int, default=0
        Whether to print progress.

    Returns
    -------
    NeighborSearch
        Not yet fitted.

    Examples
    --------
    >>> type(make_search("auto", (1_000, 50), metric="euclidean")).__name__
    'ExactSearch'
    >>> type(make_search("auto", (1_000_000, 50), metric="euclidean")).__name__
    'ApproximateSearch'
    """
    if not isinstance(neighbors, str):
        return TransformerSearch(neighbors)
    if neighbors == "auto":
        seconds = min(exact_seconds(shape[0], *shape, metric))
        neighbors = "exact" if seconds < _PATIENCE else "approximate"
    if neighbors == "exact":
        return ExactSearch(metric, n_jobs, verbose)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    return ApproximateSearch(metric, seed, n_jobs, verbose)
