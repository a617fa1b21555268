"""Sparse matrices as torch tensors."""

import warnings

import torch

__all__ = ["SparseRows"]


class SparseRows:
    """A sparse matrix of entries that are sorted by row; those of one place are added up.

    ``row``, ``column`` and ``value`` are (n_entries,). Products with dense matrices are the same
    each time, on a GPU if PyTorch is told to use deterministic algorithms.
    """

    def __init__(self, row, column, value, shape):
        self.row, self.column, self.value, self.shape = row, column, value, shape
        ends = torch.bincount(row, minlength=shape[0]).cumsum(dim=0)
        starts = torch.cat([ends.new_zeros(1), ends])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            self._matrix = torch.sparse_csr_tensor(
                starts, column, value, shape, check_invariants=False
            )

    @property
    def T(self):
        """The transposed matrix."""
        order = self.column.argsort(stable=True)
        parts = (part[order] for part in (self.column, self.row, self.value))
        return SparseRows(*parts, self.shape[::-1])

    def __matmul__(self, X):
        if not _adds_entries(X):
            return self._matrix @ X
        terms = self.value[:, None] * X[self.column]
        return X.new_zeros((self.shape[0], X.shape[1])).index_add_(0, self.row, terms)


def _adds_entries(X):
    """Whether a product must be a sum that PyTorch can do in one order.

    On a GPU it multiplies by an algorithm of cuSPARSE that may add in any order, and does not
    refuse to when told to be deterministic.
    """
    return X.is_cuda and torch.are_deterministic_algorithms_enabled()
