"""Choice of a search by the parameter ``neighbors``."""

from sklearn.utils import check_random_state

from .exact import ExactSearch, exact_seconds

__all__ = ["make_search"]

_PATIENCE = 3  # seconds; if an exact search takes longer, an approximate one is worth it
_LONG_PATIENCE = 30  # the same, if pynndescent must be compiled first


def make_search(neighbors, shape, *, metric, is_sparse=False, random_state=None):
    """Make the search for ``neighbors``, not yet fitted.

    ``"approximate"`` is :class:`CellSearch` for Euclidean distances of dense rows, otherwise
    :class:`DescentSearch`. ``"auto"`` is the exact search if that takes less than
    3 s, or less than 30 s if only :class:`DescentSearch` could replace it. Beyond, its
    :class:`CellSearch` compares all pairs where its sample says that this is faster. ``shape`` is
    (n_points, n_features), with the features as :func:`compared_features` counts them.

    >>> type(make_search("auto", (1_000, 50), metric="euclidean")).__name__
    'ExactSearch'
    >>> type(make_search("auto", (1_000_000, 50), metric="euclidean")).__name__
    'CellSearch'
    """
    # Small data does not need the other searches, so they are imported only here.
    if not isinstance(neighbors, str):
        from .transformer import TransformerSearch

        return TransformerSearch(neighbors)
    in_cells = metric == "euclidean" and not is_sparse
    is_free = neighbors == "auto"
    if is_free:
        seconds = min(exact_seconds(shape[0], *shape, metric, is_sparse=is_sparse))
        quick = seconds < (_PATIENCE if in_cells else _LONG_PATIENCE)
        neighbors = "exact" if quick else "approximate"
    if neighbors == "exact":
        return ExactSearch(metric)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    if in_cells:
        from .cell_search import CellSearch

        return CellSearch(seed, may_compare_all=is_free)
    from .descent import DescentSearch

    return DescentSearch(metric, seed, repeatable=random_state is not None)
