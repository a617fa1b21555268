"""Labels for the samples that have none, by the graph or by the network itself."""

from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from ..classifier import WNLLClassifier
from ..exceptions import FewLabelsWarning, UnreachedPointsWarning, silenced
from ..prior import balanced, class_factors
from .batches import Samples
from .graph_features import GraphFeatures

__all__ = ["PseudoLabels", "certainty", "pseudo_graph"]

_MAX_CLASS_WEIGHT = 3.0
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
    seed : int
        Seed of the search of neighbours.
    n_jobs : int or None
        Number of threads of the search and of the solver.
    """

    samples: Samples
    features: GraphFeatures
    rule: str
    n_neighbors: int
    seed: int
    n_jobs: int | None

    def __call__(self):
        """Label the unlabelled samples.

        Returns
        -------
        codes : ndarray of int of shape (n_unlabeled,)
            The most likely class of each, in the order of the samples.
        weights : ndarray of shape (n_unlabeled,)
            In [0, 3]: the certainty of the class, relative to the most certain sample; more in
            classes of which little is certain, less in others.
        """
        codes = self.samples.codes.numpy()
        free = codes < 0
        features, distributions = self.features(self.samples.X, fit=True)
        frequencies = np.bincount(codes[~free], minlength=distributions.shape[1]) / (~free).sum()
        if self.rule == "wnll":
            u = self._extended(features, codes)[free]
        else:
            u = distributions[free]
            u = balanced(u, class_factors(u, frequencies, frequencies))
        weights, found = certainty(u), u.argmax(axis=1)
        weights /= max(weights.max(), np.finfo(float).tiny)
        mass = np.bincount(found, weights, minlength=len(frequencies))
        factors = frequencies * mass.sum() / np.maximum(mass, np.finfo(float).tiny)
        return found, weights * np.minimum(factors, _MAX_CLASS_WEIGHT)[found]

    def _extended(self, features, codes):
        """Extend the labels over the graph."""
        model = WNLLClassifier(
            **pseudo_graph(self.n_neighbors),
            class_prior="labeled",
            unlabeled=-1,
            tol=_TOLERANCE,
            random_state=self.seed,
            n_jobs=self.n_jobs,
        )
        with silenced(FewLabelsWarning, UnreachedPointsWarning):
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


def certainty(u):
    """Tell how certain distributions are.

    Parameters
    ----------
    u : ndarray of shape (n, n_classes)
        Distributions.

    Returns
    -------
    ndarray of shape (n,)
        One minus the entropy in units of that of the uniform distribution.

    Examples
    --------
    >>> import numpy as np
    >>> certainty(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([1., 0.])
    """
    return 1 - entr(u).sum(axis=1) / np.log(max(u.shape[1], 2))
