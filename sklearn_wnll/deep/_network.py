"""The paper's network: backbone, buffer block, and a linear head beside the WNLL one."""

from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch
from torch import nn

from ._features.inputs import as_tensor

__all__ = ["BLOCK", "WNLLNetwork", "count_features", "features_of", "in_blocks", "on_device"]

BLOCK = 500  # samples that go through a network at a time


class WNLLNetwork(nn.Module):
    """Backbone, buffer block and linear head.

    The other head, the weighted nonlocal Laplacian, has no weights: it interpolates on what
    :meth:`features` gives.

    Parameters
    ----------
    backbone : torch.nn.Module
        Gives features of shape ``(n, n_features)``.
    sample : tensor of shape (n, ...)
        A few inputs, from which the widths of the layers are found.
    n_classes : int
        Number of classes.
    buffer : callable or torch.nn.Module, default=None
        Called with the width of the features, gives the buffer block; or that block, which is
        copied. None is a fully connected layer of that width and ReLU.
    mixed_precision : bool, default=False
        Whether backbone and buffer block compute in bfloat16 in training mode.
    """

    def __init__(self, backbone, sample, n_classes, buffer=None, *, mixed_precision=False):
        super().__init__()
        self.mixed_precision = mixed_precision
        n_features = count_features(backbone, sample)
        self.backbone = backbone
        make = _fully_connected if buffer is None else buffer
        self.buffer = deepcopy(make) if isinstance(make, nn.Module) else make(n_features)
        n_features = count_features(nn.Sequential(backbone, self.buffer), sample)
        self.linear = nn.Linear(n_features, n_classes)
        self.train()  # in whatever mode the backbone has come

    def features(self, x, *, mixed=None):
        """Give the buffer block's output.

        Parameters
        ----------
        x : tensor of shape (n, ...)
            Inputs.
        mixed : bool, default=None
            Whether to compute in bfloat16, if the network has mixed precision; None is in
            training mode.

        Returns
        -------
        tensor of float32 of shape (n, n_features)
            What both heads see.
        """
        with self._precision(x, mixed):
            return self.buffer(self.backbone(x)).float()

    def through_backbone(self, x):
        """Give the backbone's output.

        Parameters
        ----------
        x : tensor of shape (n, ...)
            Inputs.

        Returns
        -------
        tensor of shape (n, n_backbone_features)
            What the buffer block sees.
        """
        with self._precision(x):
            return self.backbone(x)

    def through_buffer(self, h):
        """Give the buffer block's output for what :meth:`through_backbone` gives.

        Parameters
        ----------
        h : tensor of shape (n, n_backbone_features)
            The backbone's output.

        Returns
        -------
        tensor of float32 of shape (n, n_features)
            What both heads see.
        """
        with self._precision(h):
            return self.buffer(h).float()

    def _precision(self, x, mixed=None):
        enabled = self.mixed_precision and (self.buffer.training if mixed is None else mixed)
        return torch.autocast(x.device.type, torch.bfloat16, enabled=enabled)

    def forward(self, x):
        """Give the linear head's logits.

        Parameters
        ----------
        x : tensor of shape (n, ...)
            Inputs.

        Returns
        -------
        tensor of shape (n, n_classes)
            Logits.
        """
        return self.linear(self.features(x))

    def train_buffer_only(self):
        """Put all but the buffer block in evaluation mode, and all batch normalization."""
        self.eval()
        self.buffer.train()
        for layer in self.buffer.modules():
            if isinstance(layer, nn.modules.batchnorm._NormBase):
                layer.eval()

    @contextmanager
    def only_buffer_learns(self):
        """Freeze all but the buffer block, for a while."""
        buffer = set(self.buffer.parameters())
        frozen = [p for p in self.parameters() if p.requires_grad and p not in buffer]
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)


def _fully_connected(n_features):
    """The paper's buffer block."""
    return nn.Sequential(nn.Linear(n_features, n_features), nn.ReLU())


def count_features(backbone, sample):
    """Find the width of a backbone's features, by one dry forward pass.

    Parameters
    ----------
    backbone : torch.nn.Module
        The backbone.
    sample : tensor of shape (n, ...)
        A few inputs.

    Returns
    -------
    int
        The width.

    Raises
    ------
    ValueError
        If the module fails on the inputs, or does not give one row of features for each.
    """
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone(sample)
    except RuntimeError as error:
        raise ValueError(
            f"module fails on inputs of shape {tuple(sample.shape)}: {error}. Pass inputs of the "
            "shape that it takes, or another module or module_params."
        ) from error
    if not isinstance(features, torch.Tensor) or features.ndim != 2 or len(features) != len(sample):
        got = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features)
        raise ValueError(
            f"module must return features of shape (n, n_features), got {got} for inputs of shape "
            f"{tuple(sample.shape)}. Leave out its last layer, and end it with pooling and "
            "torch.nn.Flatten()."
        )
    return features.shape[1]


@contextmanager
def on_device(network, device):
    """Put a network on a device in evaluation mode, and on the CPU again afterwards.

    Parameters
    ----------
    network : WNLLNetwork
        The network.
    device : torch.device
        Where to compute.
    """
    network.eval().to(device)
    try:
        with torch.no_grad():
            yield
    finally:
        network.cpu()


def features_of(network, X, prepare, device, *, linear=False):
    """Give the buffer's features of samples, or the linear head's logits.

    Parameters
    ----------
    network : WNLLNetwork
        A trained network; it is on the CPU afterwards.
    X : ndarray of shape (n, ...)
        Samples.
    prepare : callable
        Turns samples into what the network takes.
    device : torch.device
        Where to compute.
    linear : bool, default=False
        Whether to give the logits.

    Returns
    -------
    tensor of float32 of shape (n, n_features) or (n, n_classes)
        Features or logits, on the CPU.

    Raises
    ------
    ValueError
        If they are not finite.
    """
    with on_device(network, device):
        return in_blocks(network if linear else network.features, X, prepare, device)


def in_blocks(forward, X, prepare, device):
    """Give what a network finds for samples that go through it block by block.

    Parameters
    ----------
    forward : callable
        Called with a batch of what the network takes.
    X : ndarray or tensor of shape (n, ...)
        Samples.
    prepare : callable
        Turns samples into what the network takes.
    device : torch.device
        Where the network is.

    Returns
    -------
    tensor of float32 of shape (n, n_numbers)
        What was found, on the CPU.

    Raises
    ------
    ValueError
        If it is not finite.
    """
    X = as_tensor(np.asarray(X))
    blocks = (prepare(block.to(device)) for block in X.split(BLOCK))
    found = torch.cat([forward(block).cpu() for block in blocks])
    if not found.isfinite().all():
        raise ValueError(
            "The network gives NaN or infinity: its training has diverged. Lower lr, pseudo_lr or "
            "wnll_lr, or keep standardize=True."
        )
    return found
