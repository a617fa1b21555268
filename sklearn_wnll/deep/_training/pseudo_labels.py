"""Labels for unlabelled samples, from the graph or the network itself."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from ..._certainty import certainty
from ..._extension.beside import Known
from ..._extension.class_prior import apply_class_factors, class_factors, labeled_frequencies
from ..._warnings import silenced
from ...exceptions import CollapsedClassesWarning, FewLabelsWarning, UnreachedPointsWarning
from .._devices import rows_for_graph
from .._features.graph_features import GraphFeatures
from .context import TrainingContext

__all__ = ["PseudoLabels", "extended_labels"]

_MAX_CLASS_WEIGHT = 3.0
_SMALLEST = 1e-12
_EXPECTED = CollapsedClassesWarning, ConvergenceWarning, FewLabelsWarning, UnreachedPointsWarning
_TOLERANCE = 1e-4  # of the solver; tighter than labels need when half of them are wrong


@dataclass(frozen=True)
class PseudoLabels:
    """Labels for unlabelled samples, and their weights.

    ``source`` is ``"wnll"``, which extends the labels over the context's graph, beside the linear
    head if that has a weight, or ``"linear"``, that head's distributions; both see ``features``.
    """

    context: TrainingContext
    features: GraphFeatures
    source: Literal["wnll", "linear"]

    def __call__(self):
        """Label the unlabelled samples: the class (n_unlabeled,) and the weight of each.

        The weight is the certainty of the class, relative to the most certain sample. With a
        prior, it is raised, up to 3 times, in classes with less certainty than their share in the
        prior, and lowered in others.
        """
        samples, prior = self.context.samples, self.context.class_prior
        X, codes = samples.stored, samples.codes.numpy()
        self.features.network.eval()
        device, wnll = self.features.device, self.context.wnll
        if self.source == "linear":
            u = self.features.distributions(X)
        elif (strength := self.context.linear_weight) > 0:
            points, p = self.features.with_distributions(X)
            u = extended_labels(wnll, points, codes, device, Known(p, strength))
        else:
            u = extended_labels(wnll, self.features(X), codes, device)
        u = u[codes < 0]
        if prior is not None:
            frequencies = labeled_frequencies(codes, u.shape[1])
            u = apply_class_factors(u, class_factors(u, prior, frequencies))
        weights, found = certainty(u), u.argmax(axis=1)
        weights /= max(weights.max(), _SMALLEST)
        if prior is not None:
            mass = np.bincount(found, weights, minlength=u.shape[1])
            factors = prior * mass.sum() / np.maximum(mass, _SMALLEST)
            weights *= np.minimum(factors, _MAX_CLASS_WEIGHT)[found]
        return found, weights


def extended_labels(wnll, features, codes, device, known=None):
    """Extend labels over one graph of all samples: distributions (n_samples, n_classes).

    The graph is built on the ``device`` if it can be.

    :class:`Known` distributions may pull at unlabelled ones.
    """
    graph = clone(wnll)
    graph.set_params(template_size=None, class_prior=None, verbose=0)
    graph.set_params(held_out=None, calibrate=False)  # neither is needed here
    graph.set_params(tol=max(graph.tol, _TOLERANCE))
    with silenced(*_EXPECTED):
        rows = rows_for_graph(features, graph, device)
        return graph._fit_beside(rows, codes, known).label_distributions_
