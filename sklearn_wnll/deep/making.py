"""What an estimator's parameters stand for: a device, a backbone."""

from copy import deepcopy
from inspect import signature

import torch
from torch import nn

from .backbones import mlp, resnet20

__all__ = ["find_device", "make_backbone"]


def find_device(name):
    """Find the device that is asked for.

    Parameters
    ----------
    name : str
        ``"auto"`` is CUDA where there is a device, or else the CPU.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If it cannot be used.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={name!r} cannot be used: {error}. Pass 'auto' or 'cpu', or install a torch "
            "that is built for the device."
        ) from error
    return device


def make_backbone(module, module_params, X):
    """Make a backbone for samples.

    Parameters
    ----------
    module : callable, torch.nn.Module or None
        What makes it, or what it is a copy of. None is an MLP for rows and a ResNet-20 for images.
    module_params : dict or None
        Arguments. ``in_channels`` or ``in_features`` is added where the callable takes it.
    X : ndarray of shape (n, n_features) or (n, n_channels, height, width)
        Samples.

    Returns
    -------
    torch.nn.Module
        The backbone.

    Raises
    ------
    ValueError
        If it cannot be made.
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
            "or what it needs in module_params."
        ) from error
    if not isinstance(backbone, nn.Module):
        raise ValueError(f"module must return a torch.nn.Module, got {type(backbone).__name__}.")
    return backbone
