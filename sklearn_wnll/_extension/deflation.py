"""Linear systems on graphs: conjugate gradients deflated by clusters of points."""

from functools import partial

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from .._graph.rows import with_narrow_indices
from .._parallel import equal_blocks
from .conjugate_gradient import ConjugateGradient, Deflation, SolverResult

__all__ = ["WEAK", "ClusteredIteration", "GraphSolver", "count_seeds"]

WEAK = 1e-3  # an edge is weak below this part of all edges of each of its ends
_CLUSTER_SIZE = 256
# A seed for so many points: 512 of them bound the cost of the system summed over clusters, unless
# there are so many points that an iteration costs much more.
_MAX_SEEDS, _LARGE_CLUSTER_SIZE = 512, 4096
_FEW_POINTS = 4096  # up to here, clusters cost more than the iterations they save
_ERROR = 1000  # the largest error, in units of the tolerance of residuals
_ROUGH = 0.5  # the residual at which the number of a walk's steps is known well enough
_ROWS = 8192  # copied at a time
_UNKNOWN = 1e300  # stands for a number of steps not yet bounded
_ROUNDING = 4e-16  # no iteration gets a residual below this
# Solutions for the remaining residual, each to this part of it: the first shows the size of the
# error, the second corrects it, and the third is in reserve.
_REFINEMENTS = 1e-3, 1e-3, 1e-3


class GraphSolver:
    """Solver of ``A X = B`` where the off-diagonal entries of ``A`` (n, n) are minus weights.

    ``A`` is a symmetric M-matrix. ``row_sums`` (n,) are the sums of its rows, free of the rounding
    of a difference. If all are 0, ``A`` is singular, and right-hand sides must sum to 0 on each
    connected component.

    If walks on the graph take long to end, the error can be large although the residual is small.
    With ``w`` such that ``A w >= diag(A) / 2``, an error is nowhere larger than ``2 max w`` times
    the residual: by the maximum principle, ``w`` bounds the solution for any right-hand side
    within ``diag(A) / 2``. The first solution finds such a ``w``, the expected number of
    steps of the walks, as one more column, which needs half as many iterations as the others.

    If weak edges tie clusters to the labels, that bound is far too large: residuals that sum to 0
    on each cluster make no error that is constant on one. Then the variation of ``w`` on a cluster
    bounds the error there, plus the errors of all clusters on the way to a label.

    The search for ``w`` starts at ``steps`` (n,), or at 0, and leaves its result there.
    """

    def __init__(self, A, row_sums, steps=None):
        self.steps = np.zeros(len(row_sums)) if steps is None else steps
        make = ClusteredIteration if sparse.issparse(A) else type(A).iteration
        self._iteration = make(A, row_sums)
        self._order = self._iteration.order
        self._amplification = None if row_sums.any() else 1.0

    def solve(self, B, start, at=None, *, tol=1e-6, max_iter=1000, callback=None):
        """Solve for ``B`` (n, c), starting at ``start`` (n, c): a :class:`SolverResult`.

        ``B`` may be a sparse array, and ``start`` the rows ``at`` (n,) of a longer one.

        A column has converged when its residual is at most ``tol`` and its error provably at most
        1000 ``tol``. ``callback`` is that of :meth:`ConjugateGradient.solve`.
        """
        result = self._solve(B, start, at, tol, max_iter, callback)
        x = np.empty(B.shape)
        x[self._order] = result.x
        return result._replace(x=x)

    def _solve(self, B, start, at, tol, max_iter, callback):
        every = np.arange(B.shape[1])
        aims, n_columns = np.full(len(every), tol), len(every)
        with_steps = self._amplification is None
        run = partial(self._iteration.solve, callback=callback)
        result = run(
            self._sorted(B, every, last=self._iteration.diagonal if with_steps else None),
            self._sorted(
                start, every, at, self.steps[self._order] if with_steps else None, _has_entries(B)
            ),
            tol=np.append(aims, _ROUGH) if with_steps else aims,
            max_iter=max_iter,
        )
        if with_steps:
            known, out_of_time = result.converged[-1], result.n_iter[-1] == max_iter
            self.steps = np.empty(B.shape[0])
            self.steps[self._order] = result.x[:, -1]
            self._amplification = self._bound(result.x[:, -1]) if known else _UNKNOWN
            if out_of_time and not known:
                result.n_iter[:] = max_iter  # that many would not be enough to know the error
        x, n_iter, residual, _ = (part[..., :n_columns] for part in result)
        aim = tol * min(1, _ERROR / self._amplification)
        settled = residual <= aim
        for reduction in (0.0, *_REFINEMENTS):
            more = np.flatnonzero(~settled)
            left = max_iter - n_iter[more].max(initial=0)
            if not len(more) or left <= 0:
                break
            # The iteration's residual can be smaller than the true one of its result.
            again = run(
                self._sorted(B, more),
                x[:, more],
                tol=0 if reduction else max(aim, _ROUNDING),
                reduction=reduction,
                max_iter=left,
            )
            error = self._amplification * again.residual
            if reduction:
                change = np.abs(again.x - x[:, more]).max(axis=0)
                error = np.where(again.converged, np.minimum(change, error), error)
            stopped = again.converged | (again.n_iter < left)
            settled[more] = (again.residual <= aim) | stopped & (error <= _ERROR * tol)
            x[:, more], residual[more] = again.x, again.residual
            n_iter[more] += again.n_iter
        return SolverResult(x, n_iter, residual, settled)

    def _sorted(self, values, columns, at=None, last=None, used=True):
        """Copy some columns of values (n, c) in the order of the iteration, and a last one.

        ``at`` (n,) are the rows of longer ``values``. Columns not ``used`` (c,) become 0.
        """
        n = len(self.steps)
        copy = np.empty((n, len(columns) + (last is not None)))
        for rows in equal_blocks(n, _ROWS):
            order = self._order[rows]
            part = values[order if at is None else at[order]]
            part = part.toarray() if sparse.issparse(part) else part
            copy[rows, : len(columns)] = part[:, columns] * used
        if last is not None:
            copy[:, -1] = last
        return copy

    def _bound(self, steps):
        """Bound the error for a residual of 1, by the number of steps of walks (n,)."""
        longest, groups = steps.max(), self._iteration.groups
        if groups is not None:
            inside = groups >= 0
            most, least = np.full((2, self._iteration.coarse.shape[0]), [[-np.inf], [np.inf]])
            np.maximum.at(most, groups[inside], steps[inside])
            np.minimum.at(least, groups[inside], steps[inside])
            longest = min(longest, (most - least).max() * (1 + self._depth()))
        return max(1, longest) / (1 - _ROUGH)

    def _depth(self):
        """Count the groups on the way from the farthest group to a label."""
        coarse = self._iteration.coarse
        # Only the rows of groups next to a label, or to a point held by one, do not sum to 0.
        reached = coarse.sum(axis=1) > 1e-9 * coarse.diagonal()
        depth = 1
        while reached.any() and not reached.all():
            more = reached | (coarse @ reached.astype(float) != 0)
            if (more == reached).all():
                break
            reached, depth = more, depth + 1
        return depth


def _has_entries(B):
    """Return whether each column has an entry that is not 0 (c,)."""
    return (abs(B).max(axis=0).toarray() if sparse.issparse(B) else B.any(axis=0)) > 0


class ClusteredIteration:
    """Conjugate gradients for a csr_array, whose rows are sorted by cluster.

    ``order`` (n,) sorts them: a product then reads contiguous memory. The ``diagonal`` (n,), the
    vectors of ``solve``, and the deflated group of each row (n,), -1 without one, are in this
    order. ``groups`` are None without deflation, ``coarse`` is the system summed over them.
    """

    def __init__(self, A, row_sums):
        cluster = _grow_clusters(A)
        self.order = np.argsort(cluster, kind="stable")
        A, row_sums = _permuted(A, self.order), row_sums[self.order]
        deflation = _cluster_deflation(A, row_sums, cluster[self.order])
        solver, self.diagonal = ConjugateGradient(A, deflation), A.diagonal()
        self.solve, self.groups = solver.solve, None
        if deflation is not None:
            self.groups, self.coarse = deflation.find_groups(), solver.coarse


def _cluster_deflation(A, row_sums, cluster):
    """Return the functions constant on clusters, for the solver; None if they are of no use.

    If the clusters are regions of the graph, such functions approximate the slowly varying ones,
    which take many iterations. If only weak edges tie a cluster to the rest, they add so little to
    the residual that the solver could stop before it has seen them. A single point held by labels
    has neither problem.
    """
    held = (np.bincount(cluster) == 1)[cluster] & (row_sums > WEAK * A.diagonal())
    numbers, group = np.unique(cluster[~held], return_inverse=True)
    if not len(numbers) or (len(numbers) == 1 and row_sums.sum() > WEAK * A.diagonal().sum()):
        return None
    indptr = np.append(0, np.cumsum(~held))
    shape = (len(cluster), len(numbers))
    basis = with_narrow_indices(sparse.csr_array((np.ones(len(group)), group, indptr), shape=shape))
    return Deflation(basis, row_sums, partial(_factorize, singular=not row_sums.any()))


def _factorize(summed, singular):
    """Factorize the system summed over clusters.

    If it is singular, one cluster of each connected component gets the value 0.
    """
    free = np.arange(summed.shape[0])
    if singular:
        _, component = connected_components(summed, directed=False)
        free = np.delete(free, np.unique(component, return_index=True)[1])
    factors = None
    if len(free):
        # Diagonal pivots: another would turn a weakly tied cluster into a difference of others.
        factors = splu(
            summed[free][:, free].tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def solve(y):
        solution = np.zeros_like(y)
        if factors is not None:
            # Column by column: for a block, BLAS would start threads that wait for one another.
            for j, column in enumerate(y[free].T):
                solution[free, j] = factors.solve(column)
        return solution

    return solve


def count_seeds(n_points):
    """Return from how many random points clusters grow.

    >>> [count_seeds(n) for n in (4096, 100_000, 1_000_000, 10_000_000)]
    [0, 390, 512, 2441]
    """
    if n_points <= _FEW_POINTS:
        return 0
    return min(n_points // _CLUSTER_SIZE, max(_MAX_SEEDS, n_points // _LARGE_CLUSTER_SIZE))


def _grow_clusters(A):
    """Grow clusters over strong edges, from random points if there are many points.

    Points not reached from these form their own clusters, connected by strong edges.
    """
    n_points = A.shape[0]
    n_seeds = count_seeds(n_points)
    # Ascending: where nearby points are next to each other, so are clusters.
    front = np.sort(np.random.default_rng(0).choice(n_points, n_seeds, replace=False))
    cluster, claim = np.full(n_points, -1), np.empty(n_points, dtype=np.intp)
    cluster[front] = np.arange(n_seeds)
    degree = A.diagonal()
    while front.size:
        source, target = _strong_edges(A, degree, front, cluster < 0)
        edge = np.arange(len(target))
        claim[target] = edge
        first = claim[target] == edge  # one edge to each new point
        front = target[first]
        cluster[front] = cluster[source[first]]
    rest = cluster < 0
    source, target = _strong_edges(A, degree, np.flatnonzero(rest), rest)
    place = np.cumsum(rest) - 1
    n_rest = np.count_nonzero(rest)
    edges = sparse.coo_array(
        (np.ones(len(source)), (place[source], place[target])), shape=(n_rest, n_rest)
    )
    _, cluster[rest] = connected_components(edges, directed=False)
    cluster[rest] += n_seeds
    return cluster


def _strong_edges(A, degree, points, allowed):
    """Find the ends of the edges from ``points`` to ``allowed`` ones that are not weak."""
    rows = A[points]
    edges = np.flatnonzero(allowed[rows.indices])
    source, target = np.repeat(points, np.diff(rows.indptr))[edges], rows.indices[edges]
    strong = rows.data[edges] < -WEAK * np.minimum(degree[source], degree[target])
    return source[strong], target[strong]


def _permuted(A, order):
    """Permute the rows and columns of a symmetric matrix."""
    place = np.empty(len(order), dtype=A.indices.dtype)
    place[order] = np.arange(len(order))
    rows = A[order]
    return sparse.csr_array((rows.data, place[rows.indices], rows.indptr), shape=A.shape)
