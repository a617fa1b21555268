"""The paper's network: backbone, buffer block, and a linear head beside the WNLL one."""

from contextlib import contextmanager, nullcontext
from copy import deepcopy
from inspect import signature

import numpy as np
import torch
from torch import nn

from ._inputs import as_tensor
from .backbones import mlp, resnet20

__all__ = [
    "BLOCK",
    "WNLLNetwork",
    "count_features",
    "in_blocks",
    "inference_network",
    "make_backbone",
    "with_classes",
]

BLOCK = 500  # samples that go through a network at a time on a CPU
_LARGE_BLOCK, _NUMBERS = 4000, 2**24  # on a GPU: samples, and numbers in all of them, at most


class WNLLNetwork(nn.Module):
    """Backbone, buffer block and linear head.

    The other head, the weighted nonlocal Laplacian, has no weights: it interpolates on the output
    of :meth:`features`.

    Parameters
    ----------
    backbone : torch.nn.Module
        Returns features of shape ``(n, n_features)``.
    sample : tensor of shape (n, ...)
        A few inputs, to find the widths of the layers.
    n_classes : int
        Number of classes.
    buffer : callable or torch.nn.Module, default=None
        Called with the width of the features, returns the buffer block; or the block itself, which
        is copied. If None, a fully connected layer of that width, and ReLU.
    mixed_precision : bool, default=False
        Whether backbone and buffer block compute in bfloat16 in training mode.

    Attributes
    ----------
    compiled : callable or None
        Replacement of :meth:`logits` in training mode. Copies and pickles do not have it.
    """

    compiled = None

    def __init__(self, backbone, sample, n_classes, buffer=None, *, mixed_precision=False):
        super().__init__()
        self.mixed_precision = mixed_precision
        n_features = count_features(backbone, sample)
        self.backbone = backbone
        make = _fully_connected if buffer is None else buffer
        self.buffer = deepcopy(make) if isinstance(make, nn.Module) else make(n_features)
        n_features = count_features(nn.Sequential(backbone, self.buffer), sample)
        self.linear = nn.Linear(n_features, n_classes)
        self.train()  # whatever the backbone's mode was

    def features(self, x, *, mixed=None):
        """Compute the buffer block's output, which both heads see (n, n_features), in float32.

        ``mixed``: whether to compute in bfloat16 if the network has mixed precision; None means
        in training mode only.
        """
        with self._precision(x, mixed):
            return self.buffer(self.backbone(x)).float()

    def through_backbone(self, x):
        """Compute the backbone's output, the buffer block's input (n, n_backbone_features)."""
        with self._precision(x):
            return self.backbone(x)

    def through_buffer(self, h):
        """Compute the buffer block's output from that of the backbone (n, n_features)."""
        with self._precision(h):
            return self.buffer(h).float()

    def _precision(self, x, mixed=None):
        enabled = self.mixed_precision and (self.buffer.training if mixed is None else mixed)
        return torch.autocast(x.device.type, torch.bfloat16, enabled=enabled)

    def forward(self, x):
        """Compute the linear head's logits (n, n_classes), by compiled code if there is any."""
        faster = self.training and self.compiled is not None
        return self.compiled(x) if faster else self.logits(x)

    def logits(self, x):
        """Compute the linear head's logits (n, n_classes)."""
        return self.linear(self.features(x))

    def __getstate__(self):
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "compiled"}

    def train_buffer_only(self):
        """Set all but the buffer block, and all batch normalization, to evaluation mode."""
        self.eval()
        self.buffer.train()
        for layer in self.buffer.modules():
            if isinstance(layer, nn.modules.batchnorm._NormBase):
                layer.eval()

    def learning(self, *, buffer_only):
        """Make a context in which all layers learn, or only the buffer block does."""
        return self._only_buffer_learns() if buffer_only else nullcontext()

    @contextmanager
    def _only_buffer_learns(self):
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
    """Make the paper's buffer block."""
    return nn.Sequential(nn.Linear(n_features, n_features), nn.ReLU())


def count_features(backbone, sample):
    """Find the width of a backbone's features by a forward pass; ValueError if there is none."""
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone(sample)
    except Exception as error:  # a network may raise anything
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


def make_backbone(module, module_params, X):
    """Make a backbone for samples ``X`` by ``module(**module_params)``, or copy a module.

    None is an MLP for rows and a ResNet-20 for images. ``in_features`` or ``in_channels`` is
    added if the callable takes it.
    """
    kind, name = ("rows of features", "in_features") if X.ndim == 2 else ("images", "in_channels")
    params = dict(module_params or {})
    if module is None:
        module = mlp if X.ndim == 2 else resnet20
    if isinstance(module, nn.Module):
        if params:
            raise ValueError(
                "module_params cannot be used with a module that is made already: pass its class "
                "or a function as module, or module_params=None."
            )
        return deepcopy(module)
    if name in signature(module).parameters:
        params.setdefault(name, X.shape[1])
    try:
        backbone = module(**params)
    except TypeError as error:
        raise ValueError(
            f"module cannot be made for X, which holds {kind}: {error}. Pass a module for {kind}, "
            "or its arguments in module_params."
        ) from error
    if not isinstance(backbone, nn.Module):
        raise ValueError(f"module must return a torch.nn.Module, got {type(backbone).__name__}.")
    return backbone


def with_classes(network, places):
    """Copy a network for other classes; the linear head keeps the weights of old ones.

    ``places`` (n_classes,) are the classes among those of the network, -1 for a new one.
    """
    network, places = deepcopy(network), torch.as_tensor(places)
    old, known = network.linear, places >= 0
    network.linear = nn.Linear(old.in_features, len(places))
    with torch.no_grad():
        network.linear.weight[known] = old.weight[places[known]]
        network.linear.bias[known] = old.bias[places[known]]
    return network


def inference_network(network, device):
    """Return the network, if it is ready to predict on a device, or else a copy that is."""
    tensors = *network.parameters(), *network.buffers()
    here = all(tensor.device.type == device.type for tensor in tensors)
    if here and not any(module.training for module in network.modules()):
        return network
    return deepcopy(network).eval().to(device)


def _block_size(X, device):
    """Return the number of samples that go through a network at a time: more on a GPU."""
    if device.type == "cpu":
        return BLOCK
    return max(1, min(_LARGE_BLOCK, _NUMBERS // max(1, X[:1].numel())))


@torch.no_grad()
def in_blocks(forward, X, prepare, device):
    """Apply ``forward`` to samples block by block; return the result on the CPU.

    Raises ValueError if the result is not finite.
    """
    X = X if isinstance(X, torch.Tensor) else as_tensor(np.asarray(X))
    blocks = (prepare(block.to(device)) for block in X.split(_block_size(X, device)))
    found = torch.cat([forward(block).cpu() for block in blocks])
    if not found.isfinite().all():
        raise ValueError(
            "The network returns NaN or infinity: its training has diverged. Lower the lr of its "
            "steps (linear_step__lr, pseudo_step__lr, wnll_step__lr), or keep standardize=True."
        )
    return found
