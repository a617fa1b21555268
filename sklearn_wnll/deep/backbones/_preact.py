"""Residual networks with normalization before the convolutions, for small images.

K. He, X. Zhang, S. Ren and J. Sun, "Identity mappings in deep residual networks", ECCV 2016.
"""

from collections.abc import Sequence

from torch import nn

from ._blocks import Branch, Residual, basic, bottleneck, conv, four_groups, initialize, pooled

__all__ = ["preact_resnet18", "preact_resnet34", "preact_resnet50"]


def preact_resnet18(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-18 whose normalization comes before the convolutions.

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
    >>> from sklearn_wnll.deep.backbones import preact_resnet18
    >>> preact_resnet18(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _preact((2, 2, 2, 2), basic, 1, in_channels)


def preact_resnet34(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-34 whose normalization comes before the convolutions.

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
    >>> from sklearn_wnll.deep.backbones import preact_resnet34
    >>> preact_resnet34(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _preact((3, 4, 6, 3), basic, 1, in_channels)


def preact_resnet50(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-50 whose normalization comes before the convolutions.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 2048)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import preact_resnet50
    >>> preact_resnet50(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 2048])
    """
    return _preact((3, 4, 6, 3), bottleneck, 4, in_channels)


def _preact(
    counts: Sequence[int], branch: Branch, expansion: int, in_channels: int
) -> nn.Sequential:
    """Make four groups of blocks with a final normalization."""

    def block(n_in: int, width: int, n_out: int, stride: int) -> nn.Module:
        shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            shortcut = conv(n_in, n_out, 1, stride)
        first = nn.Sequential(nn.BatchNorm2d(n_in), nn.ReLU())
        # The next block begins with the normalization that would end this branch.
        return Residual(branch(n_in, width, stride)[:-1], shortcut, first=first)

    blocks = four_groups(counts, expansion, block)
    last = nn.BatchNorm2d(512 * expansion), nn.ReLU()
    return initialize(pooled(conv(in_channels, 64, 3), *blocks, *last))
