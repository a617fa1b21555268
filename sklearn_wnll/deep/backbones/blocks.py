"""What residual networks are made of."""

from torch import nn

__all__ = ["Residual", "conv", "initialize", "pooled"]


def conv(n_in, n_out, size, stride=1):
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
        What comes before both, if any; an identity for the shortcut, which takes ``x`` then.
    last : torch.nn.Module, default=None
        What comes after the sum, if any.
    """

    def __init__(self, branch, shortcut, first=None, last=None):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut
        self.first, self.last = first or nn.Identity(), last or nn.Identity()

    def forward(self, x):
        """Compute the block."""
        ready = self.first(x)
        # A plain shortcut carries x itself, a projection what has been normalized.
        plain = isinstance(self.shortcut, nn.Identity)
        return self.last(self.branch(ready) + self.shortcut(x if plain else ready))


def pooled(*layers):
    """Put layers one after the other, and the mean over all places at the end.

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


def initialize(module):
    """Initialize convolutions for ReLU, as He et al. (2015).

    Parameters
    ----------
    module : torch.nn.Module
        What to initialize, in place.

    Returns
    -------
    torch.nn.Module
        The module.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return module
