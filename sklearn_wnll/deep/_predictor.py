"""Prediction by a trained network and the WNLL on its features (Algorithm 2 of the paper)."""

from copy import copy
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._arrays import OnDevice
from .._classifier import WNLLClassifier
from .._extension.beside import Known
from .._graph.metrics import FeatureSpace
from .._graph.points import FeaturePoints
from .._graph.rows import row_keys
from .._warnings import silenced
from ..exceptions import AmbiguousLabelsWarning, FewLabelsWarning
from ._devices import rows_for_graph
from ._features.graph_features import GraphFeatures, both_heads, split_heads
from ._features.input_features import InputFeatures
from ._inputs import Standardizer
from ._network import WNLLNetwork, in_blocks, inference_network

__all__ = ["NetworkFeatures", "Predictor"]

_AS_IS = FeatureSpace(None).rows  # compares samples by all their numbers


@dataclass(frozen=True)
class NetworkFeatures:
    """Features of samples by a trained network and, if any, by :class:`InputFeatures`."""

    network: WNLLNetwork
    prepare: Standardizer
    input_features: InputFeatures | None

    def logits(self, X, device):
        """Compute the linear head's logits (n, n_classes)."""
        network = inference_network(self.network, device)
        return in_blocks(network, X, self.prepare, device)

    def __call__(self, X, device, known=None):
        """Compute the features of the WNLL's graph; ``known`` are input features, if computed."""
        network = inference_network(self.network, device)
        if self.input_features is None:
            return in_blocks(network.features, X, self.prepare, device).numpy()
        if known is None:
            known = self.input_features(X, device)
        return GraphFeatures(network, self.prepare, device, known)(X)

    def with_distributions(self, X, device, known=None):
        """Compute these features and the linear head's softmax (n, n_classes) in one pass."""
        network = inference_network(self.network, device)
        if self.input_features is None:

            def heads(x):
                return both_heads(network, network.features(x))

            buffer, p = split_heads(network, in_blocks(heads, X, self.prepare, device))
            return buffer.numpy(), p
        if known is None:
            known = self.input_features(X, device)
        return GraphFeatures(network, self.prepare, device, known).with_distributions(X)

    def beside_linear_head(self, X, device, strength, known=None):
        """Compute features and the linear head's :class:`Known` softmax; None if strength is 0."""
        if strength == 0:
            return self(X, device, known), None
        Z, p = self.with_distributions(X, device, known)
        return Z, Known(p, strength)


@dataclass(frozen=True)
class Predictor:
    """The WNLL, fitted to the features ``Z`` (n_points, n_features) of the training samples.

    A query that is a training sample, by its bytes as float32, keeps that sample's value, and
    does not go through the network. If ``known`` holds the linear head's distributions of the
    points, they pull beside the graph.
    """

    features: NetworkFeatures
    samples: FeaturePoints
    Z: np.ndarray
    codes: np.ndarray
    wnll: WNLLClassifier
    label_distributions: np.ndarray
    reached: np.ndarray
    device: torch.device
    known: Known | None = None

    @classmethod
    def fit(cls, features, Z, X, codes, wnll, device, known=None):
        """Fit the WNLL to the features ``Z`` (n, n_features) of samples ``X``, on a device."""
        samples = FeaturePoints(_flat(X), _AS_IS)
        first = samples.first_rows
        if known is not None:
            known = known._replace(p=known.p[first])
        return cls.of_points(features, samples, Z[first], codes, wnll, device, known)

    @classmethod
    def restore(cls, features, keys, index, Z, codes, wnll, device, known):
        """Fit again to features of points (n_points, ...), by the keys and index of samples."""
        samples = FeaturePoints.from_keys(keys, index, _AS_IS)
        return cls.of_points(features, samples, Z, codes, wnll, device, known)

    @classmethod
    def of_points(cls, features, samples, Z, codes, wnll, device, known):
        """Fit the WNLL to the features ``Z`` (n_points, n_features) of distinct samples."""
        if not isinstance(wnll.random_state, Integral):  # another fit draws the same
            drawn = check_random_state(wnll.random_state).randint(2**31 - 1)
            wnll.set_params(random_state=int(drawn))
        first = samples.first_rows
        cls._fit_wnll(wnll, samples, Z, codes, device, known)
        u, reached = wnll.label_distributions_, wnll.reached_
        return cls(features, samples, Z, codes, wnll, u[first], reached[first], device, known)

    @staticmethod
    def _fit_wnll(wnll, samples, Z, codes, device, known):
        """Fit the WNLL to all samples: equal ones have equal features, bit for bit."""
        rows = None if known is None else known._replace(p=known.p[samples.index])
        with silenced(AmbiguousLabelsWarning, FewLabelsWarning):  # already issued for the samples
            return wnll._fit_beside(rows_for_graph(Z[samples.index], wnll, device), codes, rows)

    def knows(self, X):
        """Return whether samples are the training samples, in their order."""
        mine = self.samples.keys[self.samples.index]
        return np.array_equal(row_keys(_flat(X), np.dtype(np.float32)), mine)

    def known_input_features(self, away):
        """Return input features of the training samples without some rows; None if not used."""
        if self.features.input_features is None:
            return None
        n_buffer = self.features.network.linear.in_features
        return self.Z[np.delete(self.samples.index, away), :-n_buffer]

    def on_one_graph(self, **options):
        """Return the WNLL on one graph of all samples, refitted if it has several templates."""
        if len(self.wnll.templates_) == 1:
            return copy(self.wnll).set_params(**options)
        wnll = clone(self.wnll).set_params(**options)
        wnll.set_params(template_size=None, held_out=None, calibrate=False)
        return self._fit_wnll(wnll, self.samples, self.Z, self.codes, self.device, self.known)

    @property
    def linear_weight(self):
        """Strength of the pull of the linear head's distributions."""
        return 0.0 if self.known is None else self.known.strength

    def fitted(self):
        """Return distributions of the training samples (n, n_classes), and the reached mask."""
        return self.label_distributions[self.samples.index], self.reached[self.samples.index]

    def held_out(self):
        """Return the fitted attributes on held-out labels: a dict, empty if there are none."""
        names = "held_out_distributions_", "held_out_score_", "temperature_", "label_noise_"
        return {name: getattr(self.wnll, name) for name in names if hasattr(self.wnll, name)}

    def transform(self, X, device):
        """Compute features (n, n_features); those of training samples are taken from the graph."""
        point, new, rank = self._match(X)
        Z = self.Z[point.clip(max=self.samples.n_points - 1)]
        if len(new):
            Z[point >= self.samples.n_points] = self.features(X[new], device)[rank]
        return Z

    def predict(self, X, device, **options):
        """Predict distributions of samples (n, n_classes), and mark those reached (n,).

        ``options`` are parameters of the :class:`WNLLClassifier` that may change after fitting.
        """
        point, new, rank = self._match(X)
        fitted = point.clip(max=self.samples.n_points - 1)
        u, reached = self.label_distributions[fitted], self.reached[fitted]
        if len(new):
            others = point >= self.samples.n_points
            wnll = copy(self.wnll).set_params(**options)
            Z, known = self.features.beside_linear_head(X[new], device, self.linear_weight)
            Z = OnDevice(Z, device) if wnll._on_device else Z
            found = wnll._distributions(Z, None if known is None else known.p)
            u[others], reached[others] = (part[rank] for part in found)
        return u, reached

    def _match(self, X):
        """Match samples to points (n,), and find the distinct ``new`` ones (n_new,).

        The order of the new ones depends on their values, not on the order of samples. ``rank``
        (n_others,) is the place among them of each sample that is not fitted.
        """
        rows = _flat(X)
        keys = row_keys(rows, np.dtype(np.float32))
        point = self.samples.match(rows, keys).point
        others = np.flatnonzero(point >= self.samples.n_points)
        _, first, inverse = np.unique(point[others], return_index=True, return_inverse=True)
        order = np.lexsort(keys[others[first]].T)
        return point, others[first[order]], np.argsort(order)[inverse]


def _flat(X):
    return X.reshape(len(X), -1)
