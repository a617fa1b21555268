"""What a graph that labels unlabelled samples sees: the buffer's features and an early layer's."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, normalize

from .inputs import as_tensor
from .network import BLOCK, WNLLNetwork, check_finite

__all__ = ["GraphFeatures", "early_layer"]

_GRID = 8  # an early layer's maps are pooled to this height and width,
_MOST_FEATURES = 4096  # or less, so that a sample has no more numbers than this
# What belongs to the convolution before it, by the module of torch that defines it.
_FOLLOWING = "activation", "batchnorm", "instancenorm", "normalization"


@dataclass
class GraphFeatures:
    """Features of samples for a nearest-neighbour graph, and the linear head's distributions.

    The buffer's features have learned to tell the classes apart, and know no more than the linear
    head. An early layer's maps, pooled to 8 x 8 places, know of shapes and colours that it has
    forgotten; for rows, the rows themselves. Both are scaled to unit length, one
    beside the other.

    Parameters
    ----------
    network : WNLLNetwork
        The network, on the device.
    prepare : callable
        Turns samples into what the network takes.
    device : torch.device
        Where to compute.
    mirrored : bool
        Whether to take the mean of an image and its mirror image.
    mixed : bool, default=True
        Whether to compute in bfloat16, if the network has mixed precision.
    center, spread : tensor, default=None
        Mean and standard deviation of each channel of the early features, as a call with ``fit``
        finds them. Not of each place, as many of them, at the border, may hardly ever differ.
    """

    network: WNLLNetwork
    prepare: Callable
    device: torch.device
    mirrored: bool
    mixed: bool = True
    center: torch.Tensor | None = None
    spread: torch.Tensor | None = None

    @torch.no_grad()
    def __call__(self, X, *, fit=False):
        """Compute the features.

        Parameters
        ----------
        X : tensor or ndarray of shape (n, ...)
            Samples.
        fit : bool, default=False
            Whether to find the mean and the standard deviation of the early features first.

        Returns
        -------
        features : ndarray of float32 of shape (n, n_features)
            Two parts of unit length each.
        distributions : ndarray of shape (n, n_classes)
            The linear head's softmax.
        """
        self.network.eval()
        layer = early_layer(self.network.backbone)
        parts = [self._block(X[i : i + BLOCK], layer) for i in range(0, len(X), BLOCK)]
        early, late, distributions = (torch.cat(part) for part in zip(*parts, strict=True))
        if fit:
            along = [0, *range(2, early.ndim)]
            self.center = early.mean(dim=along, keepdim=True)
            spread = early.std(dim=along, correction=0, keepdim=True)
            self.spread = torch.where(spread > 0, spread, 1)
        early = early.sub_(self.center).div_(self.spread).flatten(1)
        features = torch.cat([normalize(early), normalize(late)], dim=1)
        check_finite(features)
        return features.numpy(), distributions.double().numpy()

    def _block(self, samples, layer):
        """Early and late features and distributions of a block, on the CPU."""
        x = self.prepare(as_tensor(np.asarray(samples)).to(self.device))
        views = [x, x.flip(-1)] if self.mirrored else [x]
        found = [self._view(view, layer) for view in views]
        return [sum(part).cpu() / len(views) for part in zip(*found, strict=True)]

    def _view(self, x, layer):
        seen = [x]
        hook = layer and layer.register_forward_hook(lambda module, given, out: seen.append(out))
        late = self.network.features(x, mixed=self.mixed)
        if hook:
            hook.remove()
        early = seen[min(1, len(seen) - 1)]  # the first call of the layer
        if early.ndim == 4:
            grid = min(_GRID, max(1, int((_MOST_FEATURES / early.shape[1]) ** 0.5)))
            early = adaptive_avg_pool2d(early, grid)
        return early.float(), late, self.network.linear(late).softmax(dim=1)


def early_layer(backbone):
    """Find a layer a quarter of the way through a network of convolutions.

    Parameters
    ----------
    backbone : torch.nn.Module
        The backbone.

    Returns
    -------
    torch.nn.Module or None
        A child of the backbone that gives feature maps; in a flat list of layers, with the
        normalization and the activation that follow. None if there is no such child.
    """
    children = list(backbone.children())
    while len(children) == 1:
        backbone = children[0]
        children = list(backbone.children())
    maps = [i for i, child in enumerate(children) if any(map(_is_convolution, child.modules()))]
    if not maps:
        return None
    place = maps[(len(maps) - 1) // 4]
    if isinstance(backbone, nn.Sequential):  # only there, children are called in their order
        while place + 1 < len(children) and _follows(children[place + 1]):
            place += 1
    return children[place]


def _follows(module):
    return type(module).__module__.rpartition(".")[2] in _FOLLOWING


def _is_convolution(module):
    return isinstance(module, nn.Conv2d)
