"""Sparse matrices as torch tensors."""

import warnings

import torch

__all__ = ["csr_matrix"]


def csr_matrix(row, column, value, shape):
    """A sparse CSR tensor of entries that are sorted by row; those of one place are added up."""
    ends = torch.bincount(row, minlength=shape[0]).cumsum(dim=0)
    starts = torch.cat([ends.new_zeros(1), ends])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts, column, value, shape, check_invariants=False)
