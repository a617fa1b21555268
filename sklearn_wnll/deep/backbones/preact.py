"""Residual networks with normalization before the convolutions, for small images.

K. He, X. Zhang, S. Ren and J. Sun, "Identity mappings in deep residual networks", ECCV 2016.
"""

from torch import nn

from .blocks import Residual, conv, initialize, pooled

__all__ = ["preact_resnet18", "preact_resnet34", "preact_resnet50"]


def preact_resnet18(in_channels=3):
    """Make a ResNet-18 whose normalization comes before the convolutions.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 512)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import preact_resnet18
    >>> preact_resnet18(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _preact((2, 2, 2, 2), _basic, 1, in_channels)


def preact_resnet34(in_channels=3):
    """Make a ResNet-34 whose normalization comes before the convolutions.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 512)``.
    """
    return _preact((3, 4, 6, 3), _basic, 1, in_channels)


def preact_resnet50(in_channels=3):
    """Make a ResNet-50 whose normalization comes before the convolutions.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 2048)``.
    """
    return _preact((3, 4, 6, 3), _bottleneck, 4, in_channels)


def _preact(counts, branch, expansion, in_channels):
    """Four groups of 64 to 512 channels; the blocks of a group share a width."""
    layers = [conv(in_channels, 64, 3)]
    n_in = 64
    for group, count in enumerate(counts):
        width = 64 * 2**group
        n_out = expansion * width
        for number in range(count):
            stride = 2 if group and not number else 1
            shortcut = nn.Identity()
            if stride > 1 or n_in != n_out:
                shortcut = conv(n_in, n_out, 1, stride)
            first = nn.Sequential(nn.BatchNorm2d(n_in), nn.ReLU())
            layers.append(Residual(branch(n_in, width, stride), shortcut, first=first))
            n_in = n_out
    return initialize(pooled(*layers, nn.BatchNorm2d(n_in), nn.ReLU()))


def _basic(n_in, n_out, stride):
    """Two convolutions of width 3."""
    return nn.Sequential(
        conv(n_in, n_out, 3, stride), nn.BatchNorm2d(n_out), nn.ReLU(), conv(n_out, n_out, 3)
    )


def _bottleneck(n_in, width, stride):
    """Convolutions of width 1, 3 and 1."""
    return nn.Sequential(
        conv(n_in, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
        conv(width, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(),
        conv(width, 4 * width, 1),
    )  # fmt: skip
