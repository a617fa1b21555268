"""One graph with labels on it: the labels extended to its points, and to new ones."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._graph.base import PointGraph
from .._progress import Progress
from .label_weights import reweighted
from .system import HarmonicExtension, components, harmonic_extension, weighted_mean

__all__ = ["Extender", "PointLabels", "Transduction"]


class PointLabels(NamedTuple):
    """Which points have labels, ``labeled`` (n_points,), and theirs, ``g`` (n_labeled, n_classes).

    A point has a distribution: of rows that are one point, each has a vote.
    """

    labeled: np.ndarray
    g: sparse.csr_array

    def of(self, part):
        """The labels of some of the points."""
        inside = self.labeled[part]
        row = np.cumsum(self.labeled) - 1
        return PointLabels(inside, self.g[row[part[inside]]])

    def without(self, away):
        """The labels that are left when some points (n_points,) lose theirs."""
        return PointLabels(self.labeled & ~away, self.g[~away[self.labeled]])


class Extender(NamedTuple):
    """How labels are extended: the estimator's ``label_weight``, and when the solver ends.

    Points that no label reaches get the distribution ``fallback`` (n_classes,).
    """

    label_weight: str | float
    fallback: np.ndarray
    tol: float
    max_iter: int

    def extend(self, W, labels, start=None, component=None):
        """Extend labels over a graph: a :class:`HarmonicExtension`, and the points' weights.

        The graph's :func:`components` may be known.
        """
        with self._solver_options("weights") as options:
            weighted = reweighted(W, labels.labeled, self.label_weight, **options)
        with self._solver_options("solver") as options:
            result = harmonic_extension(
                weighted.W,
                *labels,
                self.fallback,
                mu=weighted.mu,
                start=start,
                component=component,
                **options,
            )
        result = result._replace(
            n_iter=max(result.n_iter, weighted.n_iter),
            residual=max(result.residual, weighted.residual),
            converged=result.converged and weighted.converged,
        )
        return result, weighted.point_weights

    @contextmanager
    def _solver_options(self, name):
        """The solver's options, with a callback that shows how far it has come."""
        progress, reports = Progress(name), []

        def report(ratio):
            reports.append(max(ratio, 1))
            done = 1 - np.log(reports[-1]) / np.log(max(reports[0], 2))
            progress.update(done, f"residual {ratio * self.tol:.1e}")

        yield {"tol": self.tol, "max_iter": self.max_iter, "callback": report}
        if reports:
            progress.finish(f"{len(reports)} iterations")


@dataclass(frozen=True)
class Transduction:
    """Labels extended over the graph of some points."""

    graph: PointGraph
    component: np.ndarray
    labels: PointLabels
    extension: HarmonicExtension
    point_weights: np.ndarray

    @classmethod
    def fit(cls, builder, points, labels, extender):
        """Build the graph of points, and extend their labels."""
        graph = builder.build(points)
        component = components(graph.weights)
        return cls(
            graph, component, labels, *extender.extend(graph.weights, labels, component=component)
        )

    def without(self, away, extender):
        """The extension over the same graph when some points (n_points,) lose their labels."""
        labels = self.labels.without(away)
        if not labels.labeled.any():
            n = self.graph.n_points
            u = np.tile(extender.fallback, (n, 1))
            return HarmonicExtension(u, np.zeros(n, dtype=bool), 0, 0.0, True)
        start = self.extension.u.copy()
        return extender.extend(self.graph.weights, labels, start, self.component)[0]

    def averaged(self, new, extender):
        """Inductive answer: each new point alone takes the mean of its fitted neighbours."""
        u, reached = self._mean_of_neighbors(self.graph.query_weights(new), extender)
        return HarmonicExtension(u, reached, 0, 0.0, True)

    def joined(self, new, extender):
        """Transductive answer: new points join the graph, and labels are extended again."""
        n, n_new = self.graph.n_points, new.shape[0]
        W = self.graph.add_queries(new)
        start = np.vstack([self.extension.u, self._mean_of_neighbors(W[n:, :n], extender)[0]])
        labeled = np.append(self.labels.labeled, np.zeros(n_new, dtype=bool))
        result, _ = extender.extend(W, PointLabels(labeled, self.labels.g), start)
        return result._replace(u=result.u[n:], reached=result.reached[n:])

    def _mean_of_neighbors(self, W, extender):
        known = self.extension.reached, self.extension.u, extender.fallback
        return weighted_mean(W, self.point_weights, *known)
