"""The linear system of the weighted nonlocal Laplacian, as torch tensors."""

import torch
from sklearn.exceptions import ConvergenceWarning

from ..._tensors.components import connected_components
from ..._tensors.conjugate_gradient import conjugate_gradient
from ..._tensors.deflation import deflation_by_groups
from ..._tensors.sparse import SparseRows
from ..._warnings import warn_user

__all__ = ["HarmonicSystem"]


class HarmonicSystem:
    """The system ``A u = B g`` for the query points of a graph.

    Template points come first; ``neighbors`` and ``weights`` (n_points, k) are the lists. An edge
    ``w(s, t)`` out of a template point counts ``mu`` times; so for a query ``x``,
    ``sum_y (w(x, y) + w(y, x)) (u(x) - u(y)) + (mu - 1) sum_{y in S} w(y, x) (u(x) - u(y)) = 0``.
    ``reached`` (n_query,) marks queries that a path of edges joins with a template point.
    """

    def __init__(self, neighbors, weights, n_template, mu, tol, max_iter):
        self.n_template, self._mu, self._tol, self._max_iter = n_template, mu, tol, max_iter
        n, k = neighbors.shape
        points = torch.arange(n, device=neighbors.device)
        self._neighbors = neighbors
        source, target = points.repeat_interleave(k), neighbors.reshape(-1)
        row, column = torch.cat([source, target]), torch.cat([target, source])
        value = torch.where(points[:, None] < n_template, mu * weights, weights)
        value = value.reshape(-1).repeat(2)
        used = torch.nonzero((row >= n_template) & (value > 0)).squeeze(1)
        used = used[row[used].argsort(stable=True)]
        row, column, value = row[used] - n_template, column[used], value[used]
        n_query = n - n_template
        self._diagonal = value.new_zeros(n_query).index_add_(0, row, value)
        labeled = column < n_template
        # Places instead of masks, whose every use waits for the device.
        given, others = (torch.nonzero(mask).squeeze(1) for mask in (labeled, ~labeled))
        self._to_template = SparseRows(
            row[given], column[given], value[given], (n_query, n_template)
        )
        excess = value.new_zeros(n_query).index_add_(0, row[given], value[given])
        row, column, value = row[others], column[others] - n_template, value[others]
        self._among = SparseRows(row, column, value, (n_query, n_query))
        component = connected_components(row, column, n_query)
        self.reached = torch.zeros_like(excess).index_add_(0, component, excess)[component] > 0
        self._deflation = deflation_by_groups(self._among, excess, self.reached)

    def extend(self, targets):
        """Find the values of the queries (n_query, n_classes) from targets (n_template, n_classes).

        Where no label reaches, they are the mean of the targets.
        """
        # A residual divided by the diagonal estimates the error of a value.
        importance = torch.where(self.reached, 1 / self._diagonal, 0)
        u = self._solve(self._to_template @ targets, importance, targets.abs().amax(dim=0))
        return torch.where(self.reached[:, None], u, targets.mean(dim=0))

    def adjoint(self, gradient):
        """Solve ``A lambda = dL/du`` for derivatives by the queries (n_query, n_classes).

        The solution (n_points, n_classes) is zero on template points and where no label reaches.
        """
        # Here the residual itself counts: derivatives by weights multiply a value by its diagonal.
        right = torch.where(self.reached[:, None], gradient, 0)
        importance = torch.ones_like(self._diagonal)
        solution = self._solve(right, importance, right.abs().amax(dim=0))
        return torch.cat([solution.new_zeros((self.n_template, solution.shape[1])), solution])

    def edges_gradient(self, adjoint, values):
        """Compute derivatives by the weights (n_points, k), from adjoint and values of all points.

        For an edge ``(s, t)`` it is ``(lambda_s - lambda_t) . (u_t - u_s)``, times ``mu`` if ``s``
        is a template point: ``dL = lambda . (dB g - dA u)``.
        """
        change = adjoint[:, None] - adjoint[self._neighbors]
        change *= values[self._neighbors] - values[:, None]
        by_weights = change.sum(dim=2)
        by_weights[: self.n_template] *= self._mu
        return by_weights

    def targets_gradient(self, adjoint, gradient):
        """Compute derivatives by targets (n_template, n_classes), from adjoint and ``dL/du``."""
        total = self._to_template.T @ adjoint[self.n_template :]
        missed = torch.where(self.reached[:, None], 0, gradient).sum(dim=0)
        return total + missed / self.n_template

    def _solve(self, right, importance, size):
        """Solve for ``right`` (n_query, c), up to ``tol`` of a size (c,)."""
        solved = conjugate_gradient(
            self._among,
            self._diagonal,
            right,
            importance=importance,
            limit=self._tol * size,
            max_iter=self._max_iter,
            deflation=self._deflation,
        )
        complete = self._deflation is None or self._deflation.is_complete
        converged = bool(solved.converged.all())
        if not converged and solved.n_iter >= self._max_iter:
            warn_user(
                f"The solver stopped after max_iter={self._max_iter} iterations, above tol="
                f"{self._tol:g}. Raise max_iter or tol.",
                ConvergenceWarning,
            )
        elif not (complete and converged):
            warn_user(
                "Some weights are tiny compared to others, so the solver has rounding errors above "
                f"tol={self._tol:g}. Raise scale_neighbor or n_neighbors.",
                ConvergenceWarning,
            )
        return solved.x
