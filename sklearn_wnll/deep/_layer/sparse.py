"""Sparse matrices as torch tensors."""

import warnings

import torch

__all__ = ["csr_matrix"]


def csr_matrix(row, column, value, shape):
    """Make a sparse matrix of entries that are sorted by row.

    Parameters
    ----------
    row, column : tensor of int64 of shape (n_entries,)
        Places of the entries; those of one place are added up.
    value : tensor of shape (n_entries,)
        The entries.
    shape : tuple of int
        Shape of the matrix.

    Returns
    -------
    sparse CSR tensor
        The matrix.
    """
    ends = torch.bincount(row, minlength=shape[0]).cumsum(dim=0)
    starts = torch.cat([ends.new_zeros(1), ends])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts, column, value, shape, check_invariants=False)
