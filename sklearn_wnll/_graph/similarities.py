"""Detect similarities or weights passed as distances, where possible."""

import numpy as np
from scipy import sparse

from .._parallel import equal_blocks
from .._warnings import warn_user
from ..exceptions import SimilaritiesWarning

__all__ = ["check_no_similarities", "check_no_weights"]

# The weight of the scale neighbour in every row of a fitted graph, in double and single precision.
_SCALE_WEIGHTS = np.exp(-1), float(np.float32(np.exp(-1))), float(np.exp(np.float32(-1)))
_ROWS = 1000  # rows checked, and rows compared at a time
_FEW = 10  # fewer rows than this show too little
_BROKEN = 20  # times the way round; powers of distances, or rounding, stay below that
_CURE = (
    "Turn them into distances, as numpy.sqrt(-numpy.log(X)) does for similarities in (0, 1], or "
    "pass kneighbors_graph(..., mode='distance')."
)


def check_no_weights(X):
    """Refuse a matrix (n_rows, n_samples) of weights, such as an estimator's ``graph_``."""
    if sparse.issparse(X):
        row = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        found = np.isin(X.data, _SCALE_WEIGHTS)
        n_found, n_rows = len(np.unique(row[found])), len(np.unique(row))
    else:
        n_found, n_rows = np.isin(X, _SCALE_WEIGHTS).any(axis=1).sum(), X.any(axis=1).sum()
    if n_found and 2 * n_found >= n_rows:
        raise ValueError(
            f"With metric='precomputed', X must hold distances, but {n_found} of {n_rows} rows "
            "hold exp(-1), the weight of the scale neighbor in graph_: X seems to hold weights. "
            + _CURE
        )


def check_no_similarities(X, group):
    """Refuse a square matrix of similarities, or warn if it may still hold distances.

    ``group`` (n_samples,) is the point of each sample: samples at distance 0 are one.
    """
    check_no_weights(X)
    n = X.shape[0]
    if n > 1 and _is_nearest_to_itself(X):
        raise ValueError(
            "With metric='precomputed', X must hold distances, but every sample is farthest from "
            "itself: X seems to hold similarities. " + _CURE
        )
    if not sparse.issparse(X) and _holds_missing_edges(X, group):
        raise ValueError(
            "With metric='precomputed', a full X must hold distances, but more than half of them "
            "are 0, between samples that others keep apart: X seems to hold weights, with 0 where "
            "there is no edge. " + _CURE
        )
    reason = _reason_to_doubt(X)
    if reason:
        warn_user(
            f"With metric='precomputed', X is read as distances, but {reason}, as if it held "
            "similarities or weights. " + _CURE,
            SimilaritiesWarning,
        )


def _is_nearest_to_itself(X):
    """Check the diagonal: the largest of each row, or large by the Cauchy-Schwarz inequality.

    A sparse matrix must store the whole diagonal.
    """
    diagonal = X.diagonal()
    if diagonal.min() <= 0:
        return False
    largest = X.max(axis=1).toarray().ravel() if sparse.issparse(X) else X.max(axis=1)
    if (diagonal >= largest).mean() > 0.9:
        return True
    root = np.sqrt(diagonal) * (1 + 1e-9)
    if sparse.issparse(X):
        stored = X.tocoo()
        return bool((stored.data <= root[stored.row] * root[stored.col]).all())
    blocks = equal_blocks(len(X), _ROWS)
    return all((X[rows] <= root[rows, None] * root).all() for rows in blocks)


def _holds_missing_edges(X, group):
    """Check if most entries are 0, and chains of zeros join samples that are far apart."""
    size = np.bincount(group)
    n_zeros = X.size - np.count_nonzero(X)
    if 2 * n_zeros <= X.size or n_zeros > 0.9 * (size.astype(float) ** 2).sum():
        return False
    members = np.flatnonzero(group == size.argmax())
    return X[np.ix_(members, members)].max() > 1e-3 * X.max()


def _reason_to_doubt(X):
    """Describe a feature of ``X`` that distances hardly have, for a message, or return None."""
    values, total = X.data if sparse.issparse(X) else X, X.sum(axis=1)
    n_largest = np.count_nonzero(values == values.max(initial=0))
    if np.count_nonzero(total) < _FEW or n_largest == np.count_nonzero(values):
        return None
    if np.abs(total[total > 0] - 1).max() < 1e-6:
        return "each row sums to 1"
    known, broken = _broken_triangles(X)
    # If many entries equal the largest, it stands for unknown distances.
    if known >= _FEW and 2 * broken >= known and n_largest <= 2 * X.shape[0]:
        return "the two samples nearest to a third are mostly far from each other"
    return None


def _broken_triangles(X):
    """Count triangles of a row and its two nearest, and those with the two far apart."""
    known = broken = 0
    least = 1e-6 * X.max()  # smaller distances may be rounding
    for row in range(0, X.shape[0], max(1, X.shape[0] // _ROWS)):
        values, columns = _positive_entries(X, row)
        if len(values) < 2:
            continue
        two = np.argpartition(values, 1)[:2]
        y, z = columns[two]
        between = max(X[y, z], X[z, y])
        known += between > 0
        broken += between > max(_BROKEN * values[two].sum(), least)
    return known, broken


def _positive_entries(X, row):
    """Find the positive entries of a row besides the diagonal, and their columns."""
    if sparse.issparse(X):
        part = slice(X.indptr[row], X.indptr[row + 1])
        values, columns = X.data[part], X.indices[part]
    else:
        values, columns = X[row], np.arange(X.shape[1])
    other = (values > 0) & (columns != row)
    return values[other], columns[other]
