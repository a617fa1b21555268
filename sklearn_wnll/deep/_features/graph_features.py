"""Features of the samples and of the buffer, for a graph that labels unlabelled samples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from .._network import WNLLNetwork, in_blocks

__all__ = ["GraphFeatures", "beside", "both_heads", "split_heads"]


@dataclass(frozen=True)
class GraphFeatures:
    """Features of samples for a nearest-neighbour graph, and the linear head's distributions.

    The buffer's features have learned to separate the classes, and know no more than the linear
    head. ``input_features`` (n, n_input_features), those of the samples themselves, still hold
    shapes and colours that it has forgotten. Both have unit length, and are concatenated.

    The network is on the device, in evaluation mode. If ``mixed``, it computes in bfloat16, if it
    has mixed precision.
    """

    network: WNLLNetwork
    prepare: Callable
    device: torch.device
    input_features: np.ndarray
    mixed: bool = False

    def __call__(self, X):
        """Compute the concatenated features of samples (n, n_features), as float32."""
        return beside(self.input_features, self._of_network(X, self._late))

    def with_distributions(self, X):
        """Compute the features, and the linear head's softmax (n, n_classes), in one pass."""
        found = self._of_network(X, lambda x: both_heads(self.network, self._late(x)))
        buffer, p = split_heads(self.network, found)
        return beside(self.input_features, buffer), p

    def distributions(self, X):
        """Compute the linear head's softmax (n, n_classes)."""
        found = self._of_network(X, lambda x: self.network.linear(self._late(x)).softmax(dim=1))
        return found.double().numpy()

    def _late(self, x):
        return self.network.features(x, mixed=self.mixed)

    def _of_network(self, X, forward):
        """Apply the network to samples; the result is on the CPU."""
        return in_blocks(forward, X, self.prepare, self.device)


def both_heads(network, buffer):
    """Concatenate the buffer's features and the linear head's softmax."""
    return torch.cat([buffer, network.linear(buffer).softmax(dim=1)], dim=1)


def split_heads(network, found):
    """Split the result of :func:`both_heads`: features (n, n_buffer), softmax (n, n_classes)."""
    n_classes = network.linear.out_features
    return found[:, :-n_classes], found[:, -n_classes:].double().numpy()


def beside(input_features, buffer):
    """Concatenate features of the samples and the buffer's (n, n_buffer) at unit length."""
    return np.concatenate([input_features, normalize(buffer).numpy()], axis=1)
