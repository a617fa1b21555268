"""One graph with labels on it: the labels extended to its points, and to new ones."""

from contextlib import contextmanager

import numpy as np
from scipy import sparse

from .._progress import Progress
from .label_weights import reweighted
from .system import HarmonicExtension, harmonic_extension, weighted_mean

__all__ = ["Transduction"]


class Transduction:
    """Labels extended over the graph of some rows.

    Parameters
    ----------
    graph : FeatureGraph or PrecomputedGraph
        How rows become a graph; not yet fitted.
    label_weight : {"wnll", "laplace", "poisson"} or float
        How labelled points weigh.
    tol : float
        Relative residual at which the solver ends.
    max_iter : int
        Largest number of iterations.
    n_jobs : int or None
        Number of threads of the solver.
    verbose : int
        Whether to print progress.

    Attributes
    ----------
    graph : FeatureGraph or PrecomputedGraph
        The fitted graph.
    labeled : ndarray of bool of shape (n_points,)
        Which points of the graph have a label.
    extension : HarmonicExtension
        Distribution of each point of the graph, and how it was found.
    """

    def __init__(self, graph, *, label_weight, tol, max_iter, n_jobs, verbose):
        self.graph, self.label_weight = graph, label_weight
        self.tol, self.max_iter, self.n_jobs, self.verbose = tol, max_iter, n_jobs, verbose

    def fit(self, X, codes, frequencies):
        """Build the graph of rows and extend their labels.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features)
            Rows, or distances.
        codes : ndarray of shape (n_samples,)
            Class of each row, -1 where it is not known.
        frequencies : ndarray of shape (n_classes,)
            Distribution of points that no label reaches.

        Returns
        -------
        Transduction
            Itself.
        """
        self.graph.fit(X)
        self._frequencies = frequencies
        known = np.flatnonzero(codes >= 0)
        # Equal rows are one point, which has the mean of their labels.
        votes = sparse.coo_array(
            (np.ones(len(known)), (self.graph.point_index_[known], codes[known])),
            shape=(self.graph.n_points_, len(frequencies)),
        ).toarray()
        self.labeled = votes.any(axis=1)
        g = votes[self.labeled]
        g /= g.sum(axis=1, keepdims=True)
        self.extension, self._point_weights = self._extend(self.graph.weights_, self.labeled, g)
        return self

    def at(self, point):
        """Give the distribution of fitted points, and whether a label reaches them.

        Parameters
        ----------
        point : ndarray of shape (n,)
            Points of the graph.

        Returns
        -------
        u : ndarray of shape (n, n_classes)
            Distributions.
        reached : ndarray of bool of shape (n,)
            Whether a label reaches the point.
        """
        return self.extension.u[point], self.extension.reached[point]

    def predict(self, X, *, inductive):
        """Extend the labels to other rows.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_queries, n_features)
            Rows, or distances to the fitted rows. What is a fitted row has its value.
        inductive : bool
            Whether each row takes the mean of its fitted neighbours; else all join the
            graph, and the extension is computed anew.

        Returns
        -------
        HarmonicExtension
            Distribution of each query, and how it was found.
        """
        point, joining = self.graph.place(X)
        if not joining.shape[0]:
            return HarmonicExtension(*self.at(point), 0, 0.0, True)
        found = (self._averaged if inductive else self._joined)(joining)
        fitted, n = point < self.graph.n_points_, self.graph.n_points_
        u, reached = np.empty((len(point), found.u.shape[1])), np.empty(len(point), dtype=bool)
        u[fitted], reached[fitted] = self.at(point[fitted])
        u[~fitted], reached[~fitted] = (
            found.u[point[~fitted] - n],
            found.reached[point[~fitted] - n],
        )
        return found._replace(u=u, reached=reached)

    def _averaged(self, new):
        """The inductive answer for points that are not in the graph."""
        values, reached = self._mean_of_neighbors(self.graph.cross(new))
        return HarmonicExtension(values, reached, 0, 0.0, True)

    def _joined(self, new):
        """The transductive answer for points that are not in the graph."""
        n, n_new = self.graph.n_points_, new.shape[0]
        W = self.graph.extend(new)
        start = np.vstack([self.extension.u, self._mean_of_neighbors(W[n:, :n])[0]])
        labeled = np.append(self.labeled, np.zeros(n_new, dtype=bool))
        result, _ = self._extend(W, labeled, self.extension.u[self.labeled], start)
        return result._replace(u=result.u[n:], reached=result.reached[n:])

    def _mean_of_neighbors(self, W):
        known = self.extension.reached, self.extension.u, self._frequencies
        return weighted_mean(W, self._point_weights, *known)

    def _extend(self, W, labeled, g, start=None):
        """Extend values over a graph; give what was found, and the weights of the points."""
        with self._solver_options("weights") as options:
            weighted = reweighted(W, labeled, self.label_weight, **options)
        with self._solver_options("solver") as options:
            result = harmonic_extension(
                weighted.W,
                labeled,
                g,
                self._frequencies,
                mu=weighted.mu,
                start=start,
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
        """Give the solver's options, and show how far it has come."""
        progress, reports = Progress(name, self.verbose), []

        def report(residual):
            reports.append(residual)
            progress.update(_decades(residual, self.tol), f"residual {residual:.1e}")

        yield {
            "tol": self.tol,
            "max_iter": self.max_iter,
            "n_jobs": self.n_jobs,
            "callback": report,
        }
        if reports:
            progress.finish(f"{len(reports)} iterations, residual {reports[-1]:.1e}")


def _decades(residual, tol):
    """The part of the way to the tolerance, in powers of ten, that a residual has come."""
    return np.clip(np.log(max(residual, tol)) / np.log(tol), 0, 1) if 0 < tol < 1 else 0.0
