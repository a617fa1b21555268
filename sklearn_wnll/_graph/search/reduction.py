"""Principal components in which most nearest neighbours stay near."""

import numpy as np
from sklearn.decomposition import PCA

from ..._parallel import equal_blocks, in_threads
from .partition import half_squares

__all__ = ["Reduction", "fit_reduction"]

_FIRST = 64  # components tried first, then twice as many, and so on
_ROWS = 2048  # random rows that the components are learned from
_WIDE = 1000  # features from which a full decomposition takes longer than a partial one
_BLOCK = 2048


class Reduction:
    """Coordinates of rows along orthonormal ``axes`` (n_features, n_components)."""

    def __init__(self, mean, axes):
        self.mean, self.axes = mean, axes

    def transform(self, X):
        """Compute the float32 coordinates of rows (n_rows, n_components)."""
        return (X - self.mean).astype(np.float32, copy=False) @ self.axes


def fit_reduction(points, sample, neighbors, n_candidates, recall, *, seed):
    """Find principal components that keep the nearest neighbours of a sample of the points.

    The ``n_candidates`` nearest points must hold a fraction ``recall`` of the true ``neighbors``
    (n_sample, n_neighbors). Returns the fewest components out of 64, 128, 256, ... that suffice,
    and the coordinates of the points; None and None if that takes more components than half
    the number of features.
    """
    pca = _principal_components(points, seed)
    axes = np.ascontiguousarray(pca.components_.T, dtype=np.float32)
    mean = pca.mean_.astype(points.dtype)
    n_components = _FIRST
    while n_components <= min(points.shape[1] // 2, axes.shape[1]):
        reduction = Reduction(mean, axes[:, :n_components])
        reduced = _transform_points(reduction, points)
        if _measured_recall(reduced, sample, neighbors, n_candidates) >= recall:
            return reduction, reduced
        n_components *= 2
    return None, None


def _principal_components(points, seed):
    """Fit the components to random rows: fitting them to all rows is not worth the time."""
    n, d = points.shape
    rows = np.sort(np.random.default_rng(seed).choice(n, min(n, _ROWS), replace=False))
    solver = "covariance_eigh" if d <= _WIDE else "randomized"
    pca = PCA(min(d // 2, len(rows), 512), svd_solver=solver, random_state=seed)
    (pca,) = in_threads(pca.fit, [points[rows]])
    return pca


def _transform_points(reduction, points):
    """Compute the points' coordinates block by block."""
    reduced = np.empty((len(points), reduction.axes.shape[1]), dtype=np.float32)

    def transform(block):
        reduced[block] = reduction.transform(points[block])

    in_threads(transform, equal_blocks(len(points), _BLOCK))
    return reduced


def _measured_recall(reduced, sample, neighbors, n_candidates):
    """Measure the fraction of neighbours surely among the nearest points besides the point."""
    left = reduced[sample]

    def nearest(block):
        right = reduced[block]
        D = half_squares(right) - left @ right.T
        return np.partition(D, min(n_candidates, D.shape[1] - 1), axis=1)[:, : n_candidates + 1]

    parts = in_threads(nearest, equal_blocks(len(reduced), _BLOCK))
    # Any of several points at equal distance may be missed.
    bound = np.partition(np.hstack(parts), n_candidates, axis=1)[:, n_candidates]
    found = reduced[neighbors]
    distance = np.einsum("ijk,ijk->ij", found, found / 2 - left[:, None])
    return (distance < bound[:, None]).mean()
