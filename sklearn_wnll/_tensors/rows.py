"""Rows of torch tensors: the points that they are, and the space in which they are compared."""

import numpy as np
import torch

from .._graph.metrics import FAR, FeatureSpace, sampled_rows
from .._graph.points import FeaturePoints
from .._graph.rows import RowIndex, first_of_equal_rows, key_factors
from .devices import moved

__all__ = ["TensorPoints", "TensorSpace"]

_WORDS = 2**24  # 32-bit words hashed at a time


class TensorPoints(FeaturePoints):
    """The distinct rows of a tensor, with the keys of the same rows in an array."""

    def __init__(self, X):
        self._dtype = X.dtype
        keys = self._hashed(X)
        first, self.index = self._first_of_equal(X, keys)
        self.n_points, self._rows = len(first), RowIndex(keys[first])

    def distinct(self, X):
        """Return the distinct rows of the tensor of these points (n_points, n_features)."""
        return X if self.n_points == len(self.index) else X[moved(self.first_rows, X.device)]

    def are_of(self, X):
        """Return whether rows are the fitted ones, of the same type, by their keys."""
        if (len(self.index), self._dtype) != (len(X), X.dtype):
            return False
        return np.array_equal(self._hashed(X), self.keys[self.index])

    def _as_compared(self, X):
        return X

    def _cast(self, X):
        if X.dtype == self._dtype:
            return X
        if self._dtype == torch.float32:
            largest = torch.finfo(self._dtype).max
            X = X.clamp(-largest, largest)
        return X.to(self._dtype)

    def _differ(self, X, given, rows):
        rows = moved(rows, X.device)
        return (X[rows].to(given.dtype) != given[rows]).any(dim=1).cpu().numpy()

    def _select(self, X, rows):
        return X[moved(rows, X.device)]

    def _hashed(self, X):
        """Compute the keys of rows, as :func:`row_keys` does."""
        words = torch.finfo(self._dtype).bits // 32
        factors = key_factors(X.shape[1] * words).view(np.int64)
        factors = torch.from_numpy(factors).to(X.device)
        keys = torch.empty((len(X), 2), dtype=torch.long, device=X.device)
        for part in torch.arange(len(X), device=X.device).split(max(1, _WORDS // len(factors))):
            block = X[part].contiguous() + 0  # -0.0 becomes 0.0
            block = block.view(torch.int32).long() & 0xFFFFFFFF
            for column in range(2):
                keys[part, column] = (block * factors[:, column]).sum(dim=1)
        return keys.cpu().numpy().view(np.uint64)

    def _first_of_equal(self, X, keys):
        return first_of_equal_rows(_FetchedRows(X, keys), keys)


class _FetchedRows:
    """Copies of rows in the host's memory, of those that may be equal to others."""

    def __init__(self, X, keys):
        _, group, counts = np.unique(keys[:, 0], return_inverse=True, return_counts=True)
        rows = np.flatnonzero(counts[group] > 1)
        self.shape, self._rows = X.shape, rows
        self._copies = X[moved(rows, X.device)].cpu().numpy()
        self.dtype = self._copies.dtype

    def __getitem__(self, row):
        return self._copies[np.searchsorted(self._rows, row)]


class TensorSpace(FeatureSpace):
    """The space of a Euclidean or angular metric, for rows on a device."""

    def fit(self, X):
        """Learn the shift and the scale of the rows ``X`` (n_samples, n_features)."""
        self._learn(sampled_rows(X).cpu().numpy(), float(X.abs().max()) if X.numel() else 0.0)
        return self

    def check_fits(self, points):
        """Refuse points so far from the fitted rows that their distances lose digits."""
        if points.numel():
            super().check_fits(points[points.abs().amax(dim=1).argmax()].cpu().numpy())

    def transform(self, X):
        """Compute the points of rows: (n_samples, n_features), unit vectors with one more."""
        if self.metric not in ("cosine", "correlation"):
            points = X / self.unit_
            if self.shift_ is not None:
                points = points - torch.from_numpy(self.shift_).to(points)
            return (points / self.scale_).clamp_(-FAR, FAR)
        body = X.double()
        largest = body.abs().amax(dim=1, keepdim=True)
        body = body / torch.where(largest == 0, 1, largest)
        if self.metric == "correlation":
            body = body - body.mean(dim=1, keepdim=True)
            body[body.abs().amax(dim=1) < self._rounding] = 0
        length = body.norm(dim=1, keepdim=True)
        zero = length == 0
        return torch.cat([body / torch.where(zero, 1, length), zero.double()], dim=1)
