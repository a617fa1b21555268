"""Sparse matrices as torch tensors."""

import warnings

import torch

__all__ = ["SparseRows"]


with warnings.catch_warnings():  # which is not thread-safe; torch warns once in a process
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    torch.eye(1).to_sparse_csr()


class SparseRows:
    """A sparse matrix of entries sorted by row; entries at the same place are added.

    ``row``, ``column`` and ``value`` are (n_entries,). Products with dense matrices are
    reproducible, on a GPU only if PyTorch is set to use deterministic algorithms.
    """

    def __init__(self, row, column, value, shape):
        self.row, self.column, self.value, self.shape = row, column, value, shape
        ends = torch.bincount(row, minlength=shape[0]).cumsum(dim=0)
        starts = torch.cat([ends.new_zeros(1), ends])
        self._matrix = torch.sparse_csr_tensor(
            starts, column, value, shape, device=value.device, check_invariants=False
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
    """Return whether a product must be a sum of entries, which PyTorch can do in a fixed order.

    On a GPU, PyTorch multiplies by an algorithm of cuSPARSE that may add in any order, and does
    not refuse to when set to be deterministic.
    """
    return X.is_cuda and torch.are_deterministic_algorithms_enabled()
