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
    """Coordinates of rows along some axes.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
        Subtracted from the rows.
    axes : ndarray of shape (n_features, n_components)
        Orthonormal columns.
    """

    def __init__(self, mean, axes):
        self.mean, self.axes = mean, axes

    def transform(self, X):
        """Give the coordinates of rows.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Rows.

        Returns
        -------
        ndarray of float32 of shape (n_rows, n_components)
            Their coordinates.
        """
        return (X - self.mean).astype(np.float32, copy=False) @ self.axes


def fit_reduction(points, sample, neighbors, n_candidates, recall, *, seed, n_jobs=None):
    """Find principal components that keep the nearest neighbours of a sample.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_features)
        The points.
    sample : ndarray of shape (n_sample,)
        Some of the points.
    neighbors : ndarray of shape (n_sample, n_neighbors)
        The true neighbours of the sample.
    n_candidates : int
        Number of nearest points by which a neighbour is found again.
    recall : float
        Part of the neighbours that must be found again.
    seed : int
        Seed of the random rows.
    n_jobs : int, default=None
        Number of threads.

    Returns
    -------
    reduction : Reduction or None
        The fewest components out of 64, 128, 256, ... that do; None if more than half as
        many as there are features would be needed.
    reduced : ndarray of float32 of shape (n_points, n_components) or None
        The points' coordinates.
    """
    pca = _principal_components(points, seed)
    axes = np.ascontiguousarray(pca.components_.T, dtype=np.float32)
    mean = pca.mean_.astype(points.dtype)
    end = _FIRST
    while end <= min(points.shape[1] // 2, axes.shape[1]):
        reduction = Reduction(mean, axes[:, :end])
        reduced = _transformed(reduction, points, n_jobs)
        if _kept(reduced, sample, neighbors, n_candidates, n_jobs) >= recall:
            return reduction, reduced
        end *= 2
    return None, None


def _principal_components(points, seed):
    """Fit the components to random rows; to all would take longer than it helps."""
    n, d = points.shape
    rows = np.sort(np.random.default_rng(seed).choice(n, min(n, _ROWS), replace=False))
    solver = "covariance_eigh" if d <= _WIDE else "randomized"
    pca = PCA(min(d // 2, len(rows), 512), svd_solver=solver, random_state=seed)
    (pca,) = in_threads(pca.fit, [points[rows]])
    return pca


def _transformed(reduction, points, n_jobs):
    """The points' coordinates along all axes of a reduction."""
    reduced = np.empty((len(points), reduction.axes.shape[1]), dtype=np.float32)

    def transform(block):
        reduced[block] = reduction.transform(points[block])

    in_threads(transform, equal_blocks(len(points), _BLOCK), n_jobs)
    return reduced


def _kept(reduced, sample, neighbors, n_candidates, n_jobs):
    """Part of the neighbours that are surely among the nearest points, after the sample's own."""
    left = reduced[sample]

    def nearest(block):
        right = reduced[block]
        D = half_squares(right) - left @ right.T
        return np.partition(D, min(n_candidates, D.shape[1] - 1), axis=1)[:, : n_candidates + 1]

    parts = in_threads(nearest, equal_blocks(len(reduced), _BLOCK), n_jobs)
    # Of points at equal distance, any may be missed.
    bound = np.partition(np.hstack(parts), n_candidates, axis=1)[:, n_candidates]
    found = reduced[neighbors]
    own = np.einsum("ijk,ijk->ij", found, found / 2 - left[:, None])
    return (own < bound[:, None]).mean()
