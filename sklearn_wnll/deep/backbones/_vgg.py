"""VGG networks for small images.

K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015.
"""

from collections.abc import Sequence

from torch import nn

from ._blocks import initialize, pooled

__all__ = ["vgg11", "vgg13", "vgg16", "vgg19"]

_WIDTHS = 64, 128, 256, 512, 512
# Convolutions in each group; the image is halved after each group.
_GROUPS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg11(in_channels: int = 3) -> nn.Sequential:
    """Make a VGG-11 with batch normalization for images of 32 x 32 or more.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 512)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import vgg11
    >>> vgg11(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _vgg(_GROUPS[11], in_channels)


def vgg13(in_channels: int = 3) -> nn.Sequential:
    """Make a VGG-13 with batch normalization for images of 32 x 32 or more.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 512)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import vgg13
    >>> vgg13(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _vgg(_GROUPS[13], in_channels)


def vgg16(in_channels: int = 3) -> nn.Sequential:
    """Make a VGG-16 with batch normalization for images of 32 x 32 or more.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 512)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import vgg16
    >>> vgg16(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _vgg(_GROUPS[16], in_channels)


def vgg19(in_channels: int = 3) -> nn.Sequential:
    """Make a VGG-19 with batch normalization for images of 32 x 32 or more.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 512)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import vgg19
    >>> vgg19(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _vgg(_GROUPS[19], in_channels)


def _vgg(groups: Sequence[int], in_channels: int) -> nn.Sequential:
    """Make groups of convolutions of width 3, with doubling channels."""
    layers: list[nn.Module] = []
    for count, width in zip(groups, _WIDTHS, strict=True):
        for _ in range(count):
            layers += [
                nn.Conv2d(in_channels, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            in_channels = width
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return initialize(pooled(*layers))
