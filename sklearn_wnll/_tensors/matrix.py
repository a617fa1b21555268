"""Sparse matrices on a device, with the interface of scipy's that the extension of labels uses."""

import numpy as np
import torch
from scipy import sparse

from .._extension.deflation import ClusteredIteration
from .components import connected_components
from .devices import pack, unpack
from .solver import TensorIteration, TooManyGroupsError
from .sparse import SparseRows

__all__ = ["TensorMatrix"]


class TensorMatrix:
    """A sparse matrix of a torch device; dense vectors come and go as arrays of the host.

    ``rows`` are its :class:`SparseRows`, sorted by row and column, no two at the same place.
    """

    __array_ufunc__ = None  # a number of numpy's lets the matrix multiply

    def __init__(self, rows):
        self.rows, self.shape = rows, rows.shape

    def __getstate__(self):
        rows = self.rows
        return self.shape, [pack(part) for part in (rows.row, rows.column, rows.value)]

    def __setstate__(self, state):
        shape, parts = state
        self.__init__(SparseRows(*map(unpack, parts), shape))

    @classmethod
    def of(cls, W, device):
        """Copy a csr_array to a device."""
        W = sparse.csr_array(W)
        W.sum_duplicates()
        row = np.repeat(np.arange(W.shape[0]), np.diff(W.indptr))
        parts = (torch.from_numpy(part).to(device) for part in (row, W.indices, W.data))
        row, column, value = parts
        return cls(SparseRows(row, column.long(), value, W.shape))

    def to_scipy(self):
        """Copy the matrix to a csr_array."""
        rows = self.rows
        row, column, value = (part.cpu().numpy() for part in (rows.row, rows.column, rows.value))
        indptr = np.concatenate([[0], np.bincount(row, minlength=self.shape[0]).cumsum()])
        indices = column.astype(np.int32 if max(self.shape) < 2**31 else np.int64)
        return sparse.csr_array((value, indices, indptr.astype(indices.dtype)), shape=self.shape)

    @property
    def nnz(self):
        """Number of entries."""
        return len(self.rows.value)

    @property
    def T(self):
        """The transposed matrix."""
        return TensorMatrix(self.rows.T)

    def tocsr(self):
        """Return the matrix itself, whose rows are sorted."""
        return self

    def astype(self, dtype):
        """Convert the entries to a numpy type."""
        kind = torch.from_numpy(np.empty(0, dtype)).dtype
        return self._with(self.rows.value.to(kind))

    def __add__(self, other):
        mine, theirs = self.rows, other.rows
        parts = zip(
            (mine.row, mine.column, mine.value),
            (theirs.row, theirs.column, theirs.value),
            strict=True,
        )
        return _summed(*map(torch.cat, parts), self.shape)

    def __rmul__(self, factor):
        return self._with(factor * self.rows.value)

    def __matmul__(self, X):
        """Multiply by an array of the host (n,) or (n, c), or a sparse one of it."""
        if sparse.issparse(X):
            X = X.toarray()
        dense = torch.from_numpy(np.ascontiguousarray(X)).to(self.rows.value)
        found = self.rows @ (dense if dense.ndim == 2 else dense[:, None])
        return (found if dense.ndim == 2 else found[:, 0]).cpu().numpy()

    def __getitem__(self, places):
        """Select rows, or rows and columns, by slices or ascending arrays."""
        of_rows, of_columns = places if isinstance(places, tuple) else (places, slice(None))
        rows = self.rows
        to_row, n_rows = _renumbering(of_rows, self.shape[0], rows.row.device)
        to_column, n_columns = _renumbering(of_columns, self.shape[1], rows.row.device)
        row, column = rows.row, rows.column
        if to_row is not None:
            row = to_row[row]
        if to_column is not None:
            column = to_column[column]
        kept = torch.nonzero((row >= 0) & (column >= 0)).squeeze(1)
        return TensorMatrix(
            SparseRows(row[kept], column[kept], rows.value[kept], (n_rows, n_columns))
        )

    def sum(self, axis):
        """Sum over the rows (axis 0) or over the columns (axis 1)."""
        place = self.rows.column if axis == 0 else self.rows.row
        return self._sums(place, self.rows.value, self.shape[1 - axis]).cpu().numpy()

    def diagonal(self):
        """Return the diagonal (n,)."""
        rows = self.rows
        own = torch.nonzero(rows.row == rows.column).squeeze(1)
        return self._sums(rows.row[own], rows.value[own], self.shape[0]).cpu().numpy()

    def scaled(self, by_row=None, by_column=None):
        """Multiply rows and columns by factors of the host."""
        value = self.rows.value
        for factors, place in ((by_row, self.rows.row), (by_column, self.rows.column)):
            if factors is not None:
                value = torch.from_numpy(factors).to(value)[place] * value
        return self._with(value)

    def plus_diagonal(self, diagonal):
        """Add a diagonal (n,) of the host."""
        points = torch.arange(self.shape[0], device=self.rows.row.device)
        rows = self.rows
        return _summed(
            torch.cat([rows.row, points]),
            torch.cat([rows.column, points]),
            torch.cat([rows.value, torch.from_numpy(diagonal).to(rows.value)]),
            self.shape,
        )

    def components(self):
        """Find the connected component of each point (n,), numbered from 0; edges go both ways."""
        rows = self.rows
        ends = torch.cat([rows.row, rows.column]), torch.cat([rows.column, rows.row])
        smallest = connected_components(*ends, self.shape[0])
        return torch.unique(smallest, return_inverse=True)[1].cpu().numpy()

    def between(self, codes):
        """Sum the entries whose row and column differ in their code (n,)."""
        rows, codes = self.rows, torch.from_numpy(codes).to(self.rows.row.device)
        return float(rows.value[codes[rows.row] != codes[rows.column]].double().sum())

    def iteration(self, row_sums):
        """Prepare conjugate gradients for a system: see :class:`TensorIteration`.

        A system with too many weakly tied groups is solved on the host, which can invert more.
        """
        try:
            return TensorIteration(self.rows, self.diagonal(), row_sums)
        except TooManyGroupsError:
            return ClusteredIteration(self.to_scipy(), row_sums)

    def _with(self, value):
        rows = self.rows
        return TensorMatrix(SparseRows(rows.row, rows.column, value, self.shape))

    @staticmethod
    def _sums(place, value, n):
        return value.new_zeros(n).index_add_(0, place, value)


def _renumbering(places, n, device):
    """Return the new number of each place (n,), -1 if left out, and the count; None if all stay."""
    if isinstance(places, slice):
        if places == slice(None):
            return None, n
        chosen = torch.arange(n, device=device)[places]
    else:
        chosen = torch.from_numpy(np.asarray(places)).to(device)
        chosen = chosen.nonzero().squeeze(1) if chosen.dtype == torch.bool else chosen
    number = torch.full((n,), -1, device=device)
    number[chosen] = torch.arange(len(chosen), device=device)
    return number, len(chosen)


def _summed(row, column, value, shape):
    """Make a matrix of entries in any order; those at the same place are added."""
    key, order = (row * shape[1] + column).sort(stable=True)
    key, place = torch.unique_consecutive(key, return_inverse=True)
    total = value.new_zeros(len(key)).index_add_(0, place, value[order])
    return TensorMatrix(SparseRows(key // shape[1], key % shape[1], total, shape))
