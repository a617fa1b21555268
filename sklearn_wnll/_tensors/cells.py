"""Points of a torch tensor in cells: neighbours are searched in the cells near a point's own.

An inverted file, as in H. Jegou, M. Douze and C. Schmid, "Product quantization for nearest
neighbor search", IEEE TPAMI 33 (2011), without the quantization. All points of a cell are compared
with the same others, in one product of matrices.
"""

import numpy as np
import torch

from .neighbors import block_entries, center, nearest_neighbors

__all__ = ["TensorCells"]

_CELL_SIZE = 300  # points in a cell, on average
_SAMPLED, _ROUNDS = 64, 6  # points per cell that place the centers, by rounds of k-means
_RECALL = 0.98  # fraction of a sample's neighbours that the compared cells should hold
_SAMPLE = 100  # points whose neighbours are searched exactly, to choose the number of cells
_MAX_PROBES = 64  # cells compared with a point, at most
_TOGETHER = 256  # queries of a cell compared at a time
_MORE = 4  # candidates in addition to the neighbours; the distances of all are computed exactly


class TensorCells:
    """Points (n_points, n_features) divided by k-means into cells.

    ``are_few`` if all pairs may as well be compared. The number of cells compared with a point is
    the smallest that holds 98 % of the true ``k`` nearest neighbours of 100 random points, at most
    64.
    """

    def __init__(self, points, seed, k):
        n = len(points)
        n_cells = n // max(_CELL_SIZE, 3 * k)
        self._points, self.are_few = points, n_cells <= 2
        if self.are_few:
            return
        rng = np.random.default_rng(seed)
        self._shift = center(points).double()
        self._near = self._compared(points)
        drawn = rng.choice(n, min(n, _SAMPLED * n_cells), replace=False)
        self._centers = _k_means(self._near[torch.from_numpy(drawn).to(points.device)], n_cells)
        self._cell = self._assign(self._near)
        self._order, self._start, self._size = _sorted_by_cell(self._cell, n_cells)
        few = torch.from_numpy(rng.choice(n, min(n, _SAMPLE), replace=False)).to(points.device)
        distances = torch.cdist(self._centers, self._centers)
        distances.fill_diagonal_(-1)  # the own cell comes first, whatever the rounding
        n_probes = self._count_probes(few, k, distances)
        self._nearby = distances.topk(n_probes, dim=1, largest=False).indices

    def nearest(self, k, queries=None, report=None):
        """Find about the k nearest others of each point, or points nearest to each query.

        Returns lists and squared distances (n, k), infinite where the cells hold too few points.
        ``report`` is called with the number of lists found so far.
        """
        if queries is None:
            sources, near, cell = self._points, self._near, self._cell
        else:
            sources, near = queries, self._compared(queries)
            cell = self._assign(near)
        neighbors = torch.full((len(sources), k), -1, device=cell.device)
        squares = torch.full(neighbors.shape, torch.inf, dtype=torch.double, device=cell.device)
        done = 0
        for rows, of_cells in self._batches(cell):
            found = self._compare(near, rows, of_cells, k, queries is None)
            rows, found = rows[rows >= 0], found[rows >= 0]
            neighbors[rows], squares[rows] = self._measure(sources, rows, found, k)
            done += len(rows)
            if report is not None:
                report(done)
        return neighbors, squares

    def _compared(self, rows):
        """Return rows near the origin, in single precision."""
        return (rows - self._shift.to(rows)).float()

    def _assign(self, near):
        """Find the cell of each row (n,)."""
        return _nearest_center(near, self._centers)

    def _count_probes(self, few, k, distances):
        """Count the cells to compare with a point, from some points' true neighbours."""
        points = self._points.double()
        neighbors, _ = nearest_neighbors(
            points, k + 1, self._points.dtype, self._shift, queries=points[few]
        )
        rank = distances[self._cell[few]].argsort(dim=1).argsort(dim=1)
        ranks = rank.gather(1, self._cell[neighbors])[neighbors != few[:, None]]
        needed = np.quantile(ranks.cpu().numpy(), _RECALL, method="higher")
        return min(1 + int(needed), _MAX_PROBES, len(distances))

    def _batches(self, cell):
        """Deal rows to batches of up to 256 rows of each of some cells.

        Yields ``rows`` (n_cells, 256), -1 where there is none, and the cells (n_cells,).
        """
        order, start, size = _sorted_by_cell(cell, len(self._size))
        pieces = -(-size // _TOGETHER)
        of_cell = torch.arange(len(size), device=cell.device).repeat_interleave(pieces)
        number = torch.arange(len(of_cell), device=cell.device)
        number -= (pieces.cumsum(dim=0) - pieces)[of_cell]
        width = self._size[self._nearby].sum(dim=1)[of_cell]
        # Cells with similar numbers of candidates are compared together.
        width, place = width.sort(stable=True)
        of_cell, number, width = of_cell[place], number[place], width.cpu().numpy()
        entries = block_entries(cell.device) // (_TOGETHER + self._near.shape[1])
        begin = 0
        while begin < len(width):
            end = min(len(width), begin + max(1, entries // max(1, width[begin])))
            end = min(end, begin + max(1, entries // max(1, width[end - 1])))
            cells, first = of_cell[begin:end], number[begin:end, None] * _TOGETHER
            inside = first + torch.arange(_TOGETHER, device=cell.device)
            rows = order[(start[cells, None] + inside).clamp_(max=len(order) - 1)]
            yield rows.where(inside < size[cells, None], -1), cells
            begin = end

    def _compare(self, near, rows, cells, k, among_points):
        """Find candidates for the k nearest points of rows: (n_cells, 256, k + 4) at most."""
        others = self._points_near(cells)
        center = self._centers[cells, None]
        left, right = near[rows.clamp(min=0)] - center, self._near[others.clamp(min=0)] - center
        half = (right.square().sum(dim=2) / 2).masked_fill_(others < 0, torch.inf)
        D = torch.baddbmm(half[:, None], left, right.transpose(1, 2), alpha=-1)
        if among_points:
            D.masked_fill_(rows[:, :, None] == others[:, None], torch.inf)
        best, place = D.topk(min(k + _MORE, D.shape[2]), dim=2, largest=False, sorted=False)
        found = others[:, None].expand(-1, D.shape[1], -1).gather(2, place)
        return found.masked_fill_(best.isinf(), -1)

    def _points_near(self, cells):
        """List the points of the cells near some cells (n_cells, width), filled up with -1."""
        nearby = self._nearby[cells]
        size = self._size[nearby]
        end = size.cumsum(dim=1)
        place = torch.arange(int(end[:, -1].max()), device=cells.device).expand(len(cells), -1)
        probe = torch.searchsorted(end, place.contiguous(), right=True)
        missing = probe >= nearby.shape[1]
        probe = probe.clamp_(max=nearby.shape[1] - 1)
        first = (self._start[nearby] - end + size).gather(1, probe)
        return self._order[(first + place).masked_fill_(missing, 0)].masked_fill_(missing, -1)

    def _measure(self, sources, rows, found, k):
        """Compute the squared distances of candidates (n, count), and keep the k nearest."""
        lists, squares = [], []
        entries = max(1, found.shape[1] * sources.shape[1])
        step = max(1, block_entries(rows.device) // entries)
        for row, candidate in zip(rows.split(step), found.split(step), strict=True):
            difference = self._points[candidate.clamp(min=0)].double()
            difference -= sources[row, None].double()
            square = difference.square_().sum(dim=2).masked_fill_(candidate < 0, torch.inf)
            square, order = square.sort(dim=1, stable=True)
            lists.append(candidate.gather(1, order)[:, :k])
            squares.append(square[:, :k])
        lists, squares = torch.cat(lists), torch.cat(squares)
        missing = (0, k - lists.shape[1])  # columns of fillers
        pad = torch.nn.functional.pad
        return pad(lists, missing, value=-1), pad(squares, missing, value=torch.inf)


def _k_means(rows, n_cells):
    """Find centers (n_cells, n_features) for rows in random order."""
    centers = rows[:n_cells].clone()
    for _ in range(_ROUNDS):
        cell = _nearest_center(rows, centers)
        count = torch.bincount(cell, minlength=n_cells)
        total = torch.zeros_like(centers).index_add_(0, cell, rows)
        centers = torch.where(count[:, None] > 0, total / count.clamp(min=1)[:, None], centers)
    return centers


def _nearest_center(rows, centers):
    """Find the nearest center of each row (n,)."""
    half = centers.square().sum(dim=1) / 2
    parts = rows.split(max(1, block_entries(rows.device) // len(centers)))
    return torch.cat([torch.addmm(half, part, centers.T, alpha=-1).argmin(dim=1) for part in parts])


def _sorted_by_cell(cell, n_cells):
    """Return the order of rows cell by cell, the first place of each cell, and its size."""
    size = torch.bincount(cell, minlength=n_cells)
    return cell.argsort(stable=True), size.cumsum(dim=0) - size, size
