"""Places of points in the plane, and their edges."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.utils import check_array

from .._arrays import as_host
from .._typing import Indices, Rows

__all__ = ["check_embedding", "embed", "graph_edges"]


def check_embedding(embedding: ArrayLike, n: int) -> NDArray[Any]:
    """Check places in the plane.

    Parameters
    ----------
    embedding : array-like of shape (n, 2)
        The places.
    n : int
        Number of points.

    Returns
    -------
    ndarray of shape (n, 2)
        The places.

    Raises
    ------
    ValueError
        If it is of another shape, or not finite.
    """
    places: NDArray[Any] = check_array(embedding, input_name="embedding")
    if places.shape != (n, 2):
        raise ValueError(
            f"embedding has shape {places.shape}, but the points need ({n}, 2): two coordinates "
            "for each row."
        )
    return places


def embed(X: Rows) -> tuple[NDArray[Any], list[str]]:
    """Compute places of rows or images in the plane, and names of the axes.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, ...)
        Rows or images.

    Returns
    -------
    embedding : ndarray of shape (n_samples, 2)
        ``X`` itself if it has two features, otherwise its first two principal components.
    names : list of two str
        Names of the coordinates.

    Raises
    ------
    ValueError
        If there are no two principal components.
    """
    names = [str(name) for name in getattr(X, "columns", ("feature 0", "feature 1"))]
    rows: Any = X if sparse.issparse(X) else np.asarray(X)
    if rows.ndim > 2:
        rows = rows.reshape(len(rows), -1)
    rows = check_array(rows, accept_sparse="csr", input_name="X")
    n, d = rows.shape
    if d == 2:
        return rows.toarray() if sparse.issparse(rows) else rows, names
    if min(n, d) < 2:
        raise ValueError(
            f"embedding must be given for X of shape {rows.shape}, which has no two principal "
            "components. Pass coordinates of shape (n_samples, 2)."
        )
    # For large X, the components are found with random numbers, so these are seeded.
    embedding = PCA(2, random_state=0).fit_transform(rows)
    return embedding, ["principal component 1", "principal component 2"]


def graph_edges(estimator: Any) -> Indices:
    """Return the edges of a fitted graph, each pair of points once.

    Parameters
    ----------
    estimator : object
        A fitted estimator with ``graph_`` and ``point_index_``.

    Returns
    -------
    ndarray of int of shape (n_edges, 2)
        Pairs of rows. The first of several equal rows stands for all.

    Raises
    ------
    ValueError
        If there is no graph, or more than one.
    """
    if not hasattr(estimator, "graph_"):
        raise ValueError(
            f"edges=True needs the attribute graph_, which {type(estimator).__name__} does not "
            "have. Pass edges=False, or fit a WNLLClassifier to features of your own."
        )
    if estimator.graph_ is None:
        raise ValueError(
            f"edges=True needs one graph, but there are {len(estimator.templates_)} templates. "
            "Pass edges=False, or fit with template_size=None."
        )
    graph = sparse.coo_array(estimator.graph_)
    a, b = graph.row.astype(np.int64), graph.col.astype(np.int64)
    low, high = np.minimum(a, b), np.maximum(a, b)
    keys = np.unique(low * graph.shape[0] + high)  # no point has an edge to itself
    pairs = np.column_stack(np.divmod(keys, graph.shape[0]))
    _, first = np.unique(as_host(estimator.point_index_), return_index=True)
    return first[pairs]
