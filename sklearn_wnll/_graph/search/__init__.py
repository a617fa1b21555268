"""Nearest-neighbour searches: exact, approximate, or a user's own.

Each search is fitted to points and then gives the points' own lists, the lists of
queries among the points, and the lists of points and queries together.
"""

from sklearn.utils import check_random_state

from .base import NeighborSearch
from .exact import ExactSearch, compared_features, exact_seconds

__all__ = ["ExactSearch", "NeighborSearch", "compared_features", "exact_seconds", "make_search"]

_PATIENCE = 3  # seconds of exact search from which an approximate one is worth it
_LONG_PATIENCE = 30  # where pynndescent would have to be compiled first


def make_search(
    neighbors, shape, *, metric, is_sparse=False, random_state=None, n_jobs=None, verbose=0
):
    """Make the search that ``neighbors`` asks for.

    Parameters
    ----------
    neighbors : {"auto", "exact", "approximate"} or transformer
        ``"approximate"`` is ``CellSearch`` for Euclidean distances of dense rows, else
        ``DescentSearch``. ``"auto"`` is the exact search where it is expected to take less
        than 3 s, or less than 30 s where only ``DescentSearch`` could replace it.
    shape : tuple of (n_points, n_features)
        Size of the data, the features as of :func:`compared_features`.
    metric : str
        Name of the distance; a transformer has its own.
    is_sparse : bool, default=False
        Whether the points are sparse rows.
    random_state : int, RandomState instance or None, default=None
        Seeds the approximate search.
    n_jobs : int, default=None
        Number of threads. It does not change the lists: with a ``random_state``,
        ``DescentSearch``, whose lists would depend on it, takes one thread.
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
    'CellSearch'
    """
    # The searches that small data does not need are imported where they are made.
    if not isinstance(neighbors, str):
        from .transformer import TransformerSearch

        return TransformerSearch(neighbors)
    in_cells = metric == "euclidean" and not is_sparse
    if neighbors == "auto":
        seconds = min(exact_seconds(shape[0], *shape, metric, is_sparse=is_sparse))
        quick = seconds < (_PATIENCE if in_cells else _LONG_PATIENCE)
        neighbors = "exact" if quick else "approximate"
    if neighbors == "exact":
        return ExactSearch(metric, n_jobs, verbose)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    if in_cells:
        from .cell_search import CellSearch

        return CellSearch(seed, n_jobs, verbose)
    from .descent import DescentSearch

    return DescentSearch(metric, seed, n_jobs, verbose, repeatable=random_state is not None)
