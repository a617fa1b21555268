"""Labels for the samples that have none, by the graph or by the network itself."""

from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..._certainty import certainty
from ..._classifier import WNLLClassifier
from ..._extension.class_prior import balanced, class_factors, labeled_frequencies
from ..._warnings import silenced
from ...exceptions import FewLabelsWarning, UnreachedPointsWarning
from .._features.graph_features import GraphFeatures
from .batches import Samples

__all__ = ["PseudoLabels", "pseudo_graph"]

_MAX_CLASS_WEIGHT = 3.0
_SMALLEST = 1e-12
_TOLERANCE = 1e-4  # of the solver: far below what labels of half that are wrong can feel


@dataclass
class PseudoLabels:
    """Labels for unlabelled samples, and how much each is to weigh.

    Parameters
    ----------
    samples : Samples
        The training samples.
    features : GraphFeatures
        Features for a graph, and the linear head's distributions.
    rule : {"wnll", "linear"}
        Whether the labels are extended over a graph of the features, or the linear head's are
        taken.
    n_neighbors : int
        Neighbours of a point of the graph.
    prior : ndarray of shape (n_classes,) or None
        Frequencies of the classes, towards which the labels are corrected.
    seed : int
        Seed of the search of neighbours.
    n_jobs : int or None
        Number of threads of the search and of the solver.
    """

    samples: Samples
    features: GraphFeatures
    rule: str
    n_neighbors: int
    prior: np.ndarray | None
    seed: int
    n_jobs: int | None

    def __call__(self):
        """Label the unlabelled samples.

        Returns
        -------
        codes : ndarray of int of shape (n_unlabeled,)
            The most likely class of each, in the order of the samples.
        weights : ndarray of shape (n_unlabeled,)
            In [0, 3]: the certainty of the class, relative to the most certain sample; with a
            prior, more in classes of which less is certain than it says, less in others.
        """
        codes = self.samples.codes.numpy()
        free = codes < 0
        X = self.samples.X
        by_graph = self.rule == "wnll"
        u = self._extended(self.features(X), codes) if by_graph else self.features.distributions(X)
        u = u[free]
        if self.prior is not None:
            frequencies = labeled_frequencies(codes, u.shape[1])
            u = balanced(u, class_factors(u, self.prior, frequencies))
        weights, found = certainty(u), u.argmax(axis=1)
        weights /= max(weights.max(), _SMALLEST)
        if self.prior is not None:
            mass = np.bincount(found, weights, minlength=u.shape[1])
            factors = self.prior * mass.sum() / np.maximum(mass, _SMALLEST)
            weights *= np.minimum(factors, _MAX_CLASS_WEIGHT)[found]
        return found, weights

    def _extended(self, features, codes):
        """Extend the labels over the graph."""
        model = WNLLClassifier(
            **pseudo_graph(self.n_neighbors),
            unlabeled=-1,
            tol=_TOLERANCE,
            random_state=self.seed,
            n_jobs=self.n_jobs,
        )
        with silenced(FewLabelsWarning, UnreachedPointsWarning, ConvergenceWarning):
            return model.fit(features, codes).label_distributions_


def pseudo_graph(n_neighbors):
    """Give the parameters of a graph of :class:`GraphFeatures`.

    Parameters
    ----------
    n_neighbors : int
        Number of neighbours of each point.

    Returns
    -------
    dict
        Parameters of :class:`~sklearn_wnll.WNLLClassifier`.
    """
    return {
        "n_neighbors": n_neighbors,
        "scale_neighbor": min(8, n_neighbors),
        "metric": "cosine",
    }
