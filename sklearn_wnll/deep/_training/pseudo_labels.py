"""Labels for the samples that have none, by the graph or by the network itself."""

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
from .._features.graph_features import GraphFeatures
from .context import TrainingContext

__all__ = ["PseudoLabels", "extended_labels"]

_MAX_CLASS_WEIGHT = 3.0
_SMALLEST = 1e-12
_EXPECTED = CollapsedClassesWarning, ConvergenceWarning, FewLabelsWarning, UnreachedPointsWarning
_TOLERANCE = 1e-4  # of the solver: tighter than labels need of which half are wrong


@dataclass(frozen=True)
class PseudoLabels:
    """Labels for unlabelled samples, and how much each is to weigh.

    ``source`` is ``"wnll"``, which extends the labels over the context's graph, beside the linear
    head if that has a weight, or ``"linear"``, that head's distributions; both see ``features``.
    """

    context: TrainingContext
    features: GraphFeatures
    source: Literal["wnll", "linear"]

    def __call__(self):
        """Label the unlabelled samples: the class (n_unlabeled,) and the weight of each.

        The weight is the certainty of the class, relative to the most certain sample. With a
        prior, it is more in classes of which less is certain than the prior says, up to 3 times,
        and less in others.
        """
        samples, prior = self.context.samples, self.context.class_prior
        codes = samples.codes.numpy()
        self.features.network.eval()
        if self.source == "linear":
            u = self.features.distributions(samples.X)
        elif (strength := self.context.linear_weight) > 0:
            points, p = self.features.with_distributions(samples.X)
            u = extended_labels(self.context.wnll, points, codes, Known(p, strength))
        else:
            u = extended_labels(self.context.wnll, self.features(samples.X), codes)
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


def extended_labels(wnll, features, codes, known=None):
    """Extend labels over one graph of all samples: distributions (n_samples, n_classes).

    :class:`Known` distributions may pull at those without a label.
    """
    graph = clone(wnll)
    graph.set_params(template_size=None, class_prior=None, verbose=0)
    graph.set_params(held_out=None, calibrate=False)  # ranks need neither
    graph.set_params(tol=max(graph.tol, _TOLERANCE))
    with silenced(*_EXPECTED):
        return graph._fit_beside(features, codes, known).label_distributions_
