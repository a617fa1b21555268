"""The package's result for a case, compared with the dense reference."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.system import harmonic_extension

from ..reference import dense_values, dense_weights

__all__ = ["TIGHT", "Outcome", "compare_cloud", "compare_graph", "has_ties", "label_points"]

TIGHT = {"tol": 1e-12, "max_iter": 20_000}


class Outcome(NamedTuple):
    """The kind of a case, the largest error, the allowed one, and whether a warning was issued."""

    kind: str
    error: float
    allowed: float
    warned: bool

    @property
    def wrong(self):
        """Whether a wrong number was returned without a warning."""
        return not self.warned and not self.error <= self.allowed


def compare_graph(case, tol):
    """Compare the harmonic extension over a graph."""
    kind, W, labeled, g, mu = case
    fallback = np.full(g.shape[1], 1 / g.shape[1])
    found = harmonic_extension(sparse.csr_array(W), labeled, g, fallback, mu=mu, tol=tol)
    u, _ = dense_values(W, labeled, g, mu)
    u[~found.reached] = fallback
    allowed = {1e-6: 1e-3, 1e-12: 1e-6}[tol]
    return Outcome(kind, np.abs(found.u - u).max(), allowed, not found.converged)


def compare_cloud(case):
    """Compare a classifier on its own graph and, if no ties make that differ, the reference's."""
    kind, X, y, params = case
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = WNLLClassifier(unlabeled=-1, **params, **TIGHT).fit(X, y)
    warned = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    first, labeled, g = label_points(model.point_index_, y, model.classes_)
    graphs = [model.graph_.toarray()]
    if not has_ties(X[first], params["n_neighbors"]):
        graphs.append(dense_weights(X[first], params["n_neighbors"], params["scale_neighbor"]))
    error = 0.0
    for W in graphs:
        u, _ = dense_values(W, labeled, g, params["label_weight"])
        reached = model.reached_[first]
        difference = np.abs(model.label_distributions_[first] - u)[reached]
        error = max(error, difference.max(initial=0))
    return Outcome(kind, error, 1e-6, warned)


def label_points(index, y, classes):
    """The first row of each point, a mask of labelled points, and their mean labels."""
    first = np.unique(index, return_index=True)[1]
    votes = np.zeros((len(first), len(classes)))
    known = np.flatnonzero(y >= 0)
    np.add.at(votes, (index[known], np.searchsorted(classes, y[known])), 1)
    labeled = votes.any(axis=1)
    return first, labeled, votes[labeled] / votes[labeled].sum(axis=1, keepdims=True)


def has_ties(points, n_neighbors):
    """Whether distances equal up to rounding leave the neighbours undetermined."""
    distances = np.sort(cdist(points, points), axis=1)[:, 1:]
    if distances.shape[1] <= n_neighbors:
        return False
    last, next_one = distances[:, n_neighbors - 1], distances[:, n_neighbors]
    return bool((next_one - last <= 1e-9 * next_one).any())
