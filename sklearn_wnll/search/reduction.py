"""Principal components in which most nearest neighbours stay near."""

import numpy as np
from sklearn.decomposition import PCA

from .._parallel import equal_blocks, in_threads
from .partition import half_squares

__all__ = ["Reduction", "fit_reduction"]

_FIRST = 64  # components tried first, then half as many again, and so on
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
        The fewest components out of 64, 96, 144, ... that do; None if more than half as
        many as there are features would be needed.
    reduced : ndarray of float32 of shape (n_points, n_components) or None
        The points' coordinates.
    """
    n, d = points.shape
    pca = _principal_components(points, seed)
    axes = np.ascontiguousarray(pca.components_.T, dtype=np.float32)
    mean = pca.mean_.astype(points.dtype)
    squares = np.zeros((len(sample), n), dtype=np.float32)
    parts, start, end = [], 0, _FIRST
    while end <= min(d // 2, axes.shape[1]):
        part = Reduction(mean, axes[:, start:end])
        parts.append(np.vstack(in_threads(
            lambda block, part=part: part.transform(points[block]), equal_blocks(n, _BLOCK), n_jobs
        )))  # fmt: skip
        _add_squares(squares, parts[-1], sample, n_jobs)
        if _kept(squares, neighbors, n_candidates, n_jobs) >= recall:
            return Reduction(mean, axes[:, :end]), np.hstack(parts)
        start, end = end, end + end // 2
    return None, None


def _principal_components(points, seed):
    """Fit the components to random rows; to all would take longer than it helps."""
    n, d = points.shape
    rows = np.sort(np.random.default_rng(seed).choice(n, min(n, _ROWS), replace=False))
    solver = "covariance_eigh" if d <= _WIDE else "randomized"
    pca = PCA(min(d // 2, len(rows), 512), svd_solver=solver, random_state=seed)
    (pca,) = in_threads(pca.fit, [points[rows]])
    return pca


def _add_squares(squares, coordinates, sample, n_jobs):
    """Add half the squared distances, along some axes, between the sample and all points."""
    left = coordinates[sample]

    def add(block):
        right = coordinates[block]
        products = half_squares(right) - left @ right.T
        products += half_squares(left)[:, None]
        squares[:, block] += products

    in_threads(add, equal_blocks(len(coordinates), _BLOCK), n_jobs)


def _kept(squares, neighbors, n_candidates, n_jobs):
    """Part of the neighbours that are surely among the nearest points, after the sample's own."""

    def kept(row):
        largest = np.partition(squares[row], n_candidates)[n_candidates]
        # Of points at equal distance, any may be missed.
        return (squares[row, neighbors[row]] < largest).mean()

    return np.mean(in_threads(kept, range(len(neighbors)), n_jobs))
