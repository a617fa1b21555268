"""Groups of points weakly tied to the others; as in ``_extension/deflation.py``."""

import numpy as np
import torch

from .components import connected_components
from .sparse import SparseRows

__all__ = ["MAX_GROUPS", "Deflation", "deflation_by_groups"]

_WEAK = 1e-3  # an edge, or a group's tie, is weak below this part of all edges of its ends
_FEW_POINTS = 512  # up to here, each is a group: the system is solved at once
_SMALL = 128  # rows of a matrix that is inverted by numpy
MAX_GROUPS = 2048  # bounds the memory and time of the inverse of the system summed over groups


class Deflation:
    """Functions constant on groups of points, for which the system is solved directly.

    ``group`` (n,) numbers the groups from 0, and is ``n_groups`` at other points; the columns of
    ``P`` (n, n_groups) are 1 on a group. ``excess`` (n,) are the row sums of the matrix ``A``, and
    ``among`` (n, n) minus its off-diagonal entries. ``A P`` and ``P^T A P`` are computed without
    differences of larger numbers, which would leave only rounding errors for weakly tied groups.
    ``is_complete``: whether all weakly tied groups are included.
    """

    def __init__(self, among, excess, group, n_groups, is_complete):
        self._group, self.is_complete = group, is_complete
        row, column, n = among.row, among.column, len(group)
        cut = group[row] != group[column]
        row, column, value = row[cut], column[cut], among.value[cut]
        own = excess.index_add(0, row, value)
        members = (group < n_groups).nonzero().squeeze(1)
        members = members[group[members].argsort(stable=True)]
        self._sums = SparseRows(group[members], members, torch.ones_like(excess[members]),
                                (n_groups, n))  # fmt: skip
        # The image A P: from a point to its own group, and to the others.
        to_group = (group[column] < n_groups).nonzero().squeeze(1)
        point = torch.cat([members, row[to_group]])
        order = point.argsort(stable=True)
        self._image = SparseRows(
            point[order],
            torch.cat([group[members], group[column[to_group]]])[order],
            torch.cat([own[members], -value[to_group]])[order],
            (n, n_groups),
        )
        self._image_sizes = SparseRows(
            self._image.row, self._image.column, self._image.value.abs(), self._image.shape
        )
        self._image_transposed = self._image.T
        self._among, self._excess = self._sum_over_groups(row, column, value, excess, n_groups)
        self._inverse = _inverse(self._among, self._excess)

    def _sum_over_groups(self, row, column, value, excess, k):
        """Sum the weights among groups (k, k), and those to all other points (k,)."""
        group = self._group
        inside = (group[row] < k) & (group[column] < k)
        place = group[row[inside]] * k + group[column[inside]]
        W = value.new_zeros(k * k).index_add_(0, place, value[inside]).reshape(k, k)
        outside = (group[row] < k) & ~inside
        excess = excess.index_add(0, row[outside], value[outside])
        return W, (self._sums @ excess[:, None])[:, 0]

    def summed(self):
        """Return the system summed over groups (n_groups, n_groups)."""
        among = self._among - torch.diag(self._among.diagonal())
        return torch.diag(among.sum(dim=1) + self._excess) - among

    def without_means(self, x):
        """Subtract from ``x`` (n, c) its mean over each group, which :meth:`correction` finds.

        It may be so large that rounding would hide the rest.
        """
        members = x.new_ones((len(self._group), 1))
        means = (self._sums @ x) / (self._sums @ members)
        return x - torch.cat([means, means.new_zeros((1, x.shape[1]))])[self._group]

    def correction(self, right, z):
        """Find the function constant on groups that ``z`` (n, c) lacks, and its image under ``A``.

        Also returns the sizes of the image's summands.
        """
        y = self._inverse @ (self._sums @ right - self._image_transposed @ z)
        function = torch.cat([y, y.new_zeros((1, y.shape[1]))])[self._group]
        return function, self._image @ y, self._image_sizes @ y.abs()

    def project(self, Ap, p):
        """Remove from ``A p`` the part due to functions constant on groups."""
        return Ap - self._image @ (self._inverse @ (self._image_transposed @ p))


def deflation_by_groups(among, excess, used):
    """Make a :class:`Deflation` by groups that strong edges connect; None if it is of no use.

    It is of use if only weak edges tie a group to others, or if a group is weakly tied to known
    points. ``among`` (n, n) are the weights among points, ``excess`` (n,) those to known points.
    Points that are not ``used`` (n,) are left out.
    """
    row, column, value = among.row, among.column, among.value
    zeros = torch.zeros_like(excess)
    degree = zeros.index_add(0, row, value)
    strong = value > _WEAK * torch.maximum(degree[row], degree[column])
    label = connected_components(row[strong], column[strong], len(degree))
    cut_off = torch.zeros_like(used)
    cut_off[label[row[label[row] != label[column]]]] = True
    tie = zeros.index_add(0, label, excess)
    volume = zeros.index_add(0, label, degree)
    if not bool((used & (cut_off | (tie < _WEAK * volume))).any()):
        return None
    points = torch.arange(len(label), device=label.device)
    if len(label) <= _FEW_POINTS:
        label = points
    chosen = (used & (label == points)).nonzero().squeeze(1)
    n_groups = len(chosen)
    if n_groups > MAX_GROUPS:
        chosen = chosen[volume[chosen].topk(MAX_GROUPS).indices]
    number = torch.full_like(label, len(chosen))
    number[chosen] = torch.arange(len(chosen), device=label.device)
    return Deflation(among, excess, number[label], len(chosen), len(chosen) == n_groups)


def _inverse(W, excess):
    """Invert ``diag(W 1 + s) - W`` for nonnegative symmetric ``W`` (k, k) and ``s`` (k,).

    It recurses on halves, without a subtraction, so each entry has all digits, however small ``s``.
    The diagonal of ``W`` is ignored. Small matrices are inverted by numpy, whose calls take less
    time.
    """
    k = len(excess)
    if torch.is_tensor(W) and k <= _SMALL:
        return torch.from_numpy(_inverse(W.cpu().numpy(), excess.cpu().numpy())).to(W)
    if k == 1:
        return (1 / excess)[:, None]
    h = k // 2
    across = W[:h, h:]
    first = _inverse(W[:h, :h], excess[:h] + across.sum(1))
    reach = first @ across
    rest = W[h:, h:] + across.T @ reach
    second = _inverse(rest, excess[h:] + reach.T @ excess[:h])
    corner = reach @ second
    result = torch.empty_like(W) if torch.is_tensor(W) else np.empty_like(W)
    result[:h, :h] = first + corner @ reach.T
    result[:h, h:], result[h:, :h], result[h:, h:] = corner, corner.T, second
    return result
