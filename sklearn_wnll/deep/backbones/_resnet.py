"""Residual networks for small images.

K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", CVPR 2016.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ._blocks import Branch, Residual, basic, bottleneck, conv, four_groups, initialize, pooled

__all__ = [
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet110",
]


def resnet20(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-20 for images of 32 x 32, of 16, 32 and 64 channels.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 64)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import resnet20
    >>> resnet20(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 64])
    """
    return _thin(20, in_channels)


def resnet32(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-32 for images of 32 x 32, of 16, 32 and 64 channels.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 64)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import resnet32
    >>> resnet32(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 64])
    """
    return _thin(32, in_channels)


def resnet44(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-44 for images of 32 x 32, of 16, 32 and 64 channels.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 64)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import resnet44
    >>> resnet44(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 64])
    """
    return _thin(44, in_channels)


def resnet56(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-56 for images of 32 x 32, of 16, 32 and 64 channels.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 64)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import resnet56
    >>> resnet56(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 64])
    """
    return _thin(56, in_channels)


def resnet110(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-110 for images of 32 x 32, of 16, 32 and 64 channels.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_channels : int, default=3
        Number of channels of the images.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_channels, height, width)`` to ``(n, 64)``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import resnet110
    >>> resnet110(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 64])
    """
    return _thin(110, in_channels)


def resnet18(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-18, with a first layer for small images.

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
    >>> from sklearn_wnll.deep.backbones import resnet18
    >>> resnet18(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _wide((2, 2, 2, 2), basic, 1, in_channels)


def resnet34(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-34, with a first layer for small images.

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
    >>> from sklearn_wnll.deep.backbones import resnet34
    >>> resnet34(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 512])
    """
    return _wide((3, 4, 6, 3), basic, 1, in_channels)


def resnet50(in_channels: int = 3) -> nn.Sequential:
    """Make a ResNet-50, with a first layer for small images.

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
    >>> from sklearn_wnll.deep.backbones import resnet50
    >>> resnet50(in_channels=1).eval()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 2048])
    """
    return _wide((3, 4, 6, 3), bottleneck, 4, in_channels)


def _thin(depth: int, in_channels: int) -> nn.Sequential:
    """Make a network of section 4.2: three groups of 16, 32 and 64 channels."""
    layers: list[nn.Module] = [conv(in_channels, 16, 3), nn.BatchNorm2d(16), nn.ReLU()]
    for n_in, n_out in pairwise((16, 16, 32, 64)):
        for number in range((depth - 2) // 6):
            if number or n_in == n_out:
                layers.append(Residual(basic(n_out, n_out, 1), nn.Identity(), last=nn.ReLU()))
            else:
                layers.append(Residual(basic(n_in, n_out, 2), _Padding(n_out), last=nn.ReLU()))
    return initialize(pooled(*layers))


def _wide(counts: Sequence[int], branch: Branch, expansion: int, in_channels: int) -> nn.Sequential:
    """Make a network for ImageNet: four groups of 64 to 512 channels."""

    def block(n_in: int, width: int, n_out: int, stride: int) -> nn.Module:
        shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            shortcut = nn.Sequential(conv(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out))
        return Residual(branch(n_in, width, stride), shortcut, last=nn.ReLU())

    first = conv(in_channels, 64, 3), nn.BatchNorm2d(64), nn.ReLU()
    return initialize(pooled(*first, *four_groups(counts, expansion, block)))


class _Padding(nn.Module):
    """Shortcut without parameters: every other place, and added channels of zeros."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.n_channels = n_channels

    def forward(self, x: Tensor) -> Tensor:
        """Compute the shortcut."""
        x = x[:, :, ::2, ::2]
        missing = self.n_channels - x.shape[1]
        return nn.functional.pad(x, (0, 0, 0, 0, missing // 2, missing - missing // 2))
