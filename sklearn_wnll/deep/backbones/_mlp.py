"""A multilayer perceptron, for rows of features."""

from collections.abc import Sequence

from torch import nn

__all__ = ["mlp"]


def mlp(in_features: int, hidden: Sequence[int] = (128, 64)) -> nn.Sequential:
    """Make a multilayer perceptron.

    Read more in the :doc:`user guide </guide/backbones>`.

    Parameters
    ----------
    in_features : int
        Number of features.
    hidden : sequence of int, default=(128, 64)
        Widths of the layers, each followed by batch normalization and ReLU.

    Returns
    -------
    torch.nn.Sequential
        Module from ``(n, in_features)`` to ``(n, hidden[-1])``.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep.backbones import mlp
    >>> mlp(20).eval()(torch.zeros(3, 20)).shape
    torch.Size([3, 64])
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [
            nn.Linear(in_features, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        ]
        in_features = width
    return nn.Sequential(*layers)
