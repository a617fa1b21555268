"""One graph with labels, extended to its points and to new ones."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._graph.base import PointGraph
from .._graph.matrices import components
from .._graph.weights import SMALLEST_WEIGHT
from .._progress import Progress
from .balance import adaptive_weight
from .folds import deal_folds, fair, has_others, held_out_tolerance
from .label_weights import Reweighted, reweighted
from .noise import find_trust
from .number_noise import FIDELITIES, NumberTrust, find_number_trust
from .point_labels import PointLabels
from .system import HarmonicExtension, Unary, harmonic_extension, weighted_mean
from .values import Units, value_extension

__all__ = ["Extender", "Transduction"]

_FOLDS = 5  # of labels, to find wrong ones


class Extender(NamedTuple):
    """Extends labels by the estimator's parameters, up to the solver's tolerance.

    Points that no label reaches get ``fallback`` (n_columns,). ``seed`` deals labels to folds.
    Labels are distributions over classes or, with ``units``, numbers.
    """

    label_weight: str | float
    label_noise: str | float
    fallback: np.ndarray
    tol: float
    max_iter: int
    seed: int
    units: Units | None = None

    @property
    def held_out_tol(self):
        """The solver's tolerance for held-out labels."""
        return held_out_tolerance(self.tol, numbers=self.units is not None)

    def extend(self, W, labels, start=None, component=None, *, walks=None, order=None, n_new=0):
        """Extend labels over a graph: a :class:`HarmonicExtension`, and the points' weights.

        Pass the graph's :func:`components` and ``order`` if known; the solver starts at ``start``
        and ``walks`` as in :func:`harmonic_extension`. The last ``n_new`` points have joined a
        graph that was fitted without them. If there are none, and weights adapt to the labels, the
        masses of the labels are found too.
        """
        labeled, g, trust, unary = labels
        adapts, weight, fidelity = self.label_weight == "auto", self.label_weight, None
        numbers = self.units is not None
        if adapts and numbers:
            weight = "wnll"  # by measurement: about the best at any number of values
        elif adapts:
            n_free = len(labeled) - n_new - np.count_nonzero(labeled)
            weight = adaptive_weight(g.sum(axis=0), W.shape[0], n_free)
        with self._solver_options("weights") as options:
            noisy = trust is not None and not numbers
            noise = trust.noise if noisy else 0.0
            weighted = reweighted(W, labeled, weight, noise=noise, **options)
        if trust is not None:
            fidelity = trust.fidelity(weighted.mu)
        extend = partial(value_extension, units=self.units) if numbers else harmonic_extension
        with self._solver_options("solver") as options:
            result = extend(
                weighted.W,
                labeled,
                g,
                self.fallback,
                mu=weighted.mu,
                fidelity=fidelity,
                unary=unary,
                start=start,
                walks=walks,
                order=order,
                component=component,
                masses=adapts and not numbers and n_new == 0 and unary is None,
                **options,
            )
        result = result._replace(
            n_iter=max(result.n_iter, weighted.n_iter),
            residual=max(result.residual, weighted.residual),
            converged=result.converged and weighted.converged,
        )
        return result, weighted._replace(W=None)

    @contextmanager
    def _solver_options(self, name):
        """Make the solver's options, with a callback that shows its progress."""
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
    weighted: Reweighted

    @classmethod
    def fit(cls, builder, points, labels, extender):
        """Build the graph of points, and extend their labels."""
        graph = builder.build(points)
        return cls._of(graph, components(graph.weights), labels, extender).trusting(extender)

    @classmethod
    def _of(cls, graph, component, labels, extender, start=None, walks=None):
        """Extend labels over a graph; without labels, all points get the fallback."""
        if labels.labeled.any():
            found = extender.extend(
                graph.weights, labels, start, component, walks=walks, order=graph.order
            )
            return cls(graph, component, labels, *found)
        n = graph.n_points
        u = np.tile(extender.fallback, (n, 1))
        nothing = HarmonicExtension(u, np.zeros(n, dtype=bool), 0, 0.0, True)
        return cls(graph, component, labels, nothing, Reweighted(None, 1.0, np.ones(n)))

    def relabeled(self, labels, extender, start=None):
        """Extend other labels over the same graph, starting at its current values.

        If the classes differ, pass the values as ``start`` (n_points, n_classes).
        """
        start = self.extension.u.copy() if start is None else start
        walks = self.extension.walks
        return self._of(self.graph, self.component, labels, extender, start, walks)

    def trusting(self, extender):
        """Extend the labels again, each trusted as far as the others support it."""
        known = extender.label_noise == 0 or self.labels.trust is not None
        if known or not self.labels.labeled.any():
            return self
        trust = self._find_trust(extender)
        if trust is None:
            return self
        return self.relabeled(self.labels._replace(trust=trust), extender)

    def _find_trust(self, extender):
        if extender.units is not None:
            return self._find_number_trust(extender)
        points, codes = np.flatnonzero(self.labels.labeled), self.labels.codes
        fold = deal_folds(codes, _FOLDS, np.random.RandomState(extender.seed))
        u, reached = np.empty(self.labels.g.shape), np.empty(len(codes), dtype=bool)
        looser = extender._replace(tol=extender.held_out_tol, label_noise=0.0)
        for number in range(fold.max() + 1):
            away = points[fold == number]
            found = self.without(away, looser).extension
            u[fold == number], reached[fold == number] = found.u[away], found.reached[away]
        known = reached & has_others(codes, fold)
        return find_trust(fair(u, codes, fold), codes, known, extender.label_noise)

    def _find_number_trust(self, extender):
        points, g = np.flatnonzero(self.labels.labeled), self.labels.g.toarray()
        if len(points) < 2:
            return None
        nothing = np.zeros(len(points), dtype=np.intp)
        fold = deal_folds(nothing, _FOLDS, np.random.RandomState(extender.seed))
        looser = extender._replace(tol=extender.held_out_tol)
        errors = np.empty((len(FIDELITIES), len(points)))
        for number in range(fold.max() + 1):
            mine, left = fold == number, self.labels.without(points[fold == number])
            for row, strength in enumerate(FIDELITIES):
                trust = NumberTrust.equal(0.0, strength, np.count_nonzero(~mine))
                found = self.relabeled(left._replace(trust=trust), looser).extension.u
                errors[row, mine] = ((found[points[mine]] - g[mine]) ** 2).sum(axis=1)
        return find_number_trust(errors, g.var(axis=0).sum(), extender.label_noise)

    def without(self, away, extender):
        """Extend the labels over the same graph without those of some points.

        Numbers stay trusted as far as they are. The trust in labels is found again.
        """
        left = self.labels.without(away)
        if extender.units is None:
            return self.relabeled(left, extender).trusting(extender)
        if self.labels.trust is not None:
            left = left._replace(trust=self.labels.trust.of(np.count_nonzero(left.labeled)))
        return self.relabeled(left, extender)

    def grown(self, new, extender):
        """Return the graph with new points, which start at the mean of their neighbours."""
        n, n_new, graph = self.graph.n_points, new.shape[0], self.graph.grown(new)
        W, known = graph.weights[n:, :n], self.extension
        u, reached = np.tile(extender.fallback, (n_new, 1)), np.zeros(n_new, dtype=bool)
        walks = known.walks
        if self.labels.labeled.any():
            u, reached = self._mean_of_neighbors(W, extender, None)
            total = np.maximum(W.sum(axis=1)[:, None], SMALLEST_WEIGHT)
            walks = np.vstack([walks, W @ walks / total])
        extension = known._replace(
            u=np.vstack([known.u, u]), reached=np.append(known.reached, reached), walks=walks
        )
        labeled = np.append(self.labels.labeled, np.zeros(n_new, dtype=bool))
        labels = self.labels._replace(labeled=labeled, unary=None)
        return replace(
            self,
            graph=graph,
            component=components(graph.weights),
            labels=labels,
            extension=extension,
        )

    def compact(self, graph):
        """Keep only the parts that :meth:`averaged` needs, with a compact ``graph``."""
        extension = self.extension._replace(masses=None, walks=None)
        labels = PointLabels(self.labels.labeled, sparse.csr_array((0, self.labels.g.shape[1])))
        return Transduction(graph, None, labels, extension, self.weighted)

    def averaged(self, W, extender, unary=None):
        """Answer inductively: each new point alone takes the mean of its fitted neighbours.

        ``W`` (n_new, n_points) are the graph's :meth:`~.PointGraph.query_weights`.
        """
        u, reached = self._mean_of_neighbors(W, extender, unary)
        return HarmonicExtension(u, reached, 0, 0.0, True)

    def joined(self, W, extender, unary=None):
        """Answer transductively: new points join the graph, and labels are extended again.

        ``W`` (n_points + n_new, n_points + n_new) is that of :meth:`~.PointGraph.add_queries`.
        """
        n = self.graph.n_points
        n_new = W.shape[0] - n
        if not self.labels.labeled.any():  # other templates may have labels
            return self.averaged(W[n:, :n], extender, unary)
        mean, _ = self._mean_of_neighbors(W[n:, :n], extender, unary)
        labels = self.labels._replace(
            labeled=np.append(self.labels.labeled, np.zeros(n_new, dtype=bool)),
            unary=Unary.joined(self.labels.unary, n, unary, n_new),
        )
        start = np.vstack([self.extension.u, mean])
        result, _ = extender.extend(W, labels, start, order=self.graph.order, n_new=n_new)
        return result._replace(u=result.u[n:], reached=result.reached[n:])

    def _mean_of_neighbors(self, W, extender, unary):
        point_weights, degrees = self.weighted.point_weights, None
        if unary is not None:  # the degree must not depend on which points have labels
            degrees = W @ (point_weights / np.where(self.labels.labeled, self.weighted.mu, 1))
            degrees[degrees == 0] = 1
        known = self.extension.reached, self.extension.u, extender.fallback
        mean, reached = weighted_mean(W, point_weights, *known, unary, degrees)
        if extender.units is not None:
            mean[reached] = extender.units.clipped(mean[reached] + extender.units.sources)
        return mean, reached
