"""Conjugate gradients on a device for the solver of graphs; as ``_extension/deflation.py`` asks."""

import numpy as np
import torch
from scipy import sparse

from .._extension.conjugate_gradient import SolverResult
from .._extension.deflation import WEAK, count_seeds
from .components import connected_components
from .conjugate_gradient import conjugate_gradient
from .deflation import MAX_GROUPS, Deflation
from .sparse import SparseRows

__all__ = ["TensorIteration", "TooManyGroupsError"]

_MAX_SEEDS = 512  # the system summed over clusters is inverted as a dense matrix


class TooManyGroupsError(Exception):
    """A system has more weakly tied groups than can be inverted at once."""


class TensorIteration:
    """The iteration of :class:`~sklearn_wnll._extension.deflation.GraphSolver` on a device.

    Right-hand sides and solutions are arrays of the host. ``diagonal`` (n,) is that of ``A``,
    ``groups`` (n,) the deflated group of each point, -1 without one, or None, and ``coarse`` the
    system summed over groups. Raises :class:`TooManyGroupsError` for more than can be inverted.
    """

    def __init__(self, rows, diagonal, row_sums):
        self.diagonal, device = diagonal, rows.row.device
        self.order = np.arange(len(diagonal))
        other = torch.nonzero(rows.row != rows.column).squeeze(1)
        self._among = SparseRows(
            rows.row[other], rows.column[other], -rows.value[other], rows.shape
        )
        self._diagonal = torch.from_numpy(diagonal).to(device)
        excess = torch.from_numpy(row_sums).to(self._diagonal)
        cluster = _grow_clusters(self._among, self._diagonal)
        group, n_groups = self._choose_groups(cluster, excess)
        self.groups = self.coarse = self._deflation = None
        if n_groups:
            self._deflation = Deflation(self._among, excess, group, n_groups, True)
            self.groups = group.where(group < n_groups, -1).cpu().numpy()
            self.coarse = sparse.csr_array(self._deflation.summed().cpu().numpy())

    def _choose_groups(self, cluster, excess):
        """Number the clusters that are deflated: (n,), the count elsewhere, and the count."""
        n = len(cluster)
        size = torch.bincount(cluster, minlength=n)
        held = (size[cluster] == 1) & (excess > WEAK * self._diagonal)
        usable = torch.zeros_like(held)
        usable[cluster[~held]] = True
        singular = not bool(excess.any())
        if singular:  # one cluster of each component stays out, which makes the system regular
            component = connected_components(self._among.row, self._among.column, n)
            first = torch.full_like(component, n).scatter_reduce(0, component, cluster, "amin")
            usable[first[first < n]] = False
        chosen = usable.nonzero().squeeze(1)
        whole = not singular and len(chosen) == 1
        if whole and bool(excess.sum() > WEAK * self._diagonal.sum()):
            chosen = chosen[:0]
        if len(chosen) > MAX_GROUPS:
            raise TooManyGroupsError
        number = torch.full_like(cluster, len(chosen))
        number[chosen] = torch.arange(len(chosen), device=cluster.device)
        return number[cluster], len(chosen)

    def solve(self, B, x0, *, tol, reduction=0.0, max_iter=1000, callback=None):
        """Solve ``A X = B`` (n, c), starting at ``x0`` (n, c): a :class:`SolverResult`.

        The arguments are those of :meth:`ConjugateGradient.solve`.
        """
        right, start = (torch.from_numpy(np.ascontiguousarray(part)).to(self._diagonal)
                        for part in (B, x0))  # fmt: skip
        limit = torch.from_numpy(np.broadcast_to(np.float64(tol), B.shape[1]).copy())
        found = conjugate_gradient(
            self._among,
            self._diagonal,
            right,
            importance=torch.where(self._diagonal > 0, 1 / self._diagonal, 0),
            limit=limit.to(self._diagonal),
            reduction=reduction,
            max_iter=max_iter,
            deflation=self._deflation,
            start=start if self._deflation is None else self._deflation.without_means(start),
            callback=callback,
        )
        x, residual, converged = (
            part.cpu().numpy() for part in (found.x, found.residual, found.converged)
        )
        return SolverResult(x, np.full(B.shape[1], found.n_iter), residual, converged)


def _grow_clusters(among, degree):
    """Grow clusters over strong edges, from random points if there are many points.

    Each point gets the number of a point of its cluster (n,). Points not reached from the random
    ones form clusters of their own.
    """
    n = len(degree)
    row, column, value = among.row, among.column, among.value
    strong = torch.nonzero(value > WEAK * torch.minimum(degree[row], degree[column])).squeeze(1)
    row, column = row[strong], column[strong]
    n_seeds = min(count_seeds(n), _MAX_SEEDS)
    seeds = torch.from_numpy(np.random.default_rng(0).choice(n, n_seeds, replace=False))
    cluster = torch.full((n,), n, device=row.device)
    seeds = seeds.to(row.device)
    cluster[seeds] = seeds
    while n_seeds:
        reached = torch.full_like(cluster, n).scatter_reduce(0, row, cluster[column], "amin")
        grown = torch.where(cluster == n, reached, cluster)
        if torch.equal(grown, cluster):
            break
        cluster = grown
    rest = cluster == n
    among_rest = torch.nonzero(rest[row] & rest[column]).squeeze(1)
    label = connected_components(row[among_rest], column[among_rest], n)
    return torch.where(rest, label, cluster)
