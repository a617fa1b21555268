"""What a graph that labels unlabelled samples sees: the samples themselves, and the buffer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from .._network import WNLLNetwork, in_blocks

__all__ = ["GraphFeatures"]


@dataclass
class GraphFeatures:
    """Features of samples for a nearest-neighbour graph, and the linear head's distributions.

    The buffer's features have learned to tell the classes apart, and know no more than the linear
    head. The samples' own features know of shapes and colours that it has forgotten. Both have
    unit length, and stand side by side.

    Parameters
    ----------
    network : WNLLNetwork
        The network, on the device.
    prepare : callable
        Turns samples into what the network takes.
    device : torch.device
        Where to compute.
    own : ndarray of shape (n, n_own)
        The own features of the samples that are asked for, of unit length.
    mirrored : bool, default=False
        Whether the network sees an image and its mirror image, of which the mean is taken.
    mixed : bool, default=False
        Whether to compute in bfloat16, if the network has mixed precision.
    """

    network: WNLLNetwork
    prepare: Callable
    device: torch.device
    own: np.ndarray
    mirrored: bool = False
    mixed: bool = False

    def __call__(self, X):
        """Compute the features.

        Parameters
        ----------
        X : tensor or ndarray of shape (n, ...)
            Samples.

        Returns
        -------
        ndarray of float32 of shape (n, n_features)
            The samples' own features and the buffer's.
        """
        buffer = normalize(self._of_network(X, self._late)).numpy()
        return np.concatenate([self.own, buffer], axis=1)

    def distributions(self, X):
        """Give the linear head's softmax.

        Parameters
        ----------
        X : tensor or ndarray of shape (n, ...)
            Samples.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Distributions.
        """
        found = self._of_network(X, lambda x: self.network.linear(self._late(x)).softmax(dim=1))
        return found.double().numpy()

    def _late(self, x):
        return self.network.features(x, mixed=self.mixed)

    @torch.no_grad()
    def _of_network(self, X, forward):
        """What the network gives for samples, as a mean over their views, on the CPU."""

        def mean(x):
            return (forward(x) + forward(x.flip(-1))) / 2 if self.mirrored else forward(x)

        self.network.eval()
        return in_blocks(mean, X, self.prepare, self.device)
