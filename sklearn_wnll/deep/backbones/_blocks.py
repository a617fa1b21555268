"""Building blocks of residual networks."""

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from torch import Tensor, nn

__all__ = ["Residual", "basic", "bottleneck", "conv", "four_groups", "initialize", "pooled"]

Branch: TypeAlias = Callable[[int, int, int], nn.Sequential]
_Module = TypeVar("_Module", bound=nn.Module)


def conv(n_in: int, n_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution that keeps the size, up to the stride.

    Parameters
    ----------
    n_in, n_out : int
        Numbers of channels.
    size : int
        Width of the kernel, odd.
    stride : int, default=1
        Step.

    Returns
    -------
    torch.nn.Conv2d
        The convolution, without a bias: batch normalization follows it.
    """
    return nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=False)


class Residual(nn.Module):
    """A branch beside a shortcut: ``last(branch(first(x)) + shortcut)``.

    Parameters
    ----------
    branch : torch.nn.Module
        The branch.
    shortcut : torch.nn.Module
        The shortcut.
    first : torch.nn.Module, default=None
        Layer before both, if any. A shortcut that is an identity takes ``x`` itself.
    last : torch.nn.Module, default=None
        Layer after the sum, if any.
    """

    def __init__(
        self,
        branch: nn.Module,
        shortcut: nn.Module,
        first: nn.Module | None = None,
        last: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut
        self.first, self.last = first or nn.Identity(), last or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Compute the block."""
        ready = self.first(x)
        # A plain shortcut carries x itself, a projection the normalized x.
        plain = isinstance(self.shortcut, nn.Identity)
        return self.last(self.branch(ready) + self.shortcut(x if plain else ready))


def basic(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    """Make a branch of two convolutions of width 3.

    Parameters
    ----------
    n_in, n_out : int
        Numbers of channels.
    stride : int
        Step of the first.

    Returns
    -------
    torch.nn.Sequential
        The branch; batch normalization is its last layer.
    """
    return nn.Sequential(
        conv(n_in, n_out, 3, stride), nn.BatchNorm2d(n_out), nn.ReLU(),
        conv(n_out, n_out, 3), nn.BatchNorm2d(n_out),
    )  # fmt: skip


def bottleneck(n_in: int, width: int, stride: int) -> nn.Sequential:
    """Make a branch of convolutions of width 1, 3 and 1.

    Parameters
    ----------
    n_in, width : int
        Numbers of input channels and inner channels; there are four times as many outputs.
    stride : int
        Step of the second.

    Returns
    -------
    torch.nn.Sequential
        The branch; batch normalization is its last layer.
    """
    return nn.Sequential(
        conv(n_in, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
        conv(width, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(),
        conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width),
    )  # fmt: skip


def four_groups(
    counts: Sequence[int], expansion: int, block: Callable[[int, int, int, int], nn.Module]
) -> list[nn.Module]:
    """Make the groups of the networks for ImageNet, whose widths are 64 to 512.

    Parameters
    ----------
    counts : sequence of int
        Blocks in each group.
    expansion : int
        Ratio of a block's output channels to its width.
    block : callable
        Called with the input channels, the width, the output channels and the stride; returns a
        block.

    Returns
    -------
    list of torch.nn.Module
        The blocks.
    """
    blocks: list[nn.Module] = []
    n_in = 64
    for group, count in enumerate(counts):
        width = 64 * 2**group
        for number in range(count):
            stride = 2 if group and not number else 1
            blocks.append(block(n_in, width, expansion * width, stride))
            n_in = expansion * width
    return blocks


def pooled(*layers: nn.Module) -> nn.Sequential:
    """Chain layers, and average over all places at the end.

    Parameters
    ----------
    *layers : torch.nn.Module
        Layers.

    Returns
    -------
    torch.nn.Sequential
        Module from images to features.
    """
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def initialize(module: _Module) -> _Module:
    """Initialize convolutions for ReLU, as He et al. (2015).

    Parameters
    ----------
    module : torch.nn.Module
        Module to initialize in place.

    Returns
    -------
    torch.nn.Module
        The module.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return module
