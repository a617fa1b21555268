"""Networks without their last layer: functions that return a module for features.

Your own module works too, if it takes a batch and returns a tensor of shape
``(batch, n_features)``.
"""

from ._mlp import mlp
from ._preact import preact_resnet18, preact_resnet34, preact_resnet50
from ._resnet import (
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet44,
    resnet50,
    resnet56,
    resnet110,
)
from ._vgg import vgg11, vgg13, vgg16, vgg19

__all__ = [
    "mlp",
    "preact_resnet18",
    "preact_resnet34",
    "preact_resnet50",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet110",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
]
