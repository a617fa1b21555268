"""Tensors in files: they return to their device, or to the CPU of a machine without it."""

import numpy as np
import torch

from .._arrays import available_device

__all__ = ["moved", "pack", "unpack"]


def moved(array, device):
    """Copy an array to a device."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, copy=True)


def pack(tensor):
    """Return a tensor as an array of the host, and the name of its device."""
    return tensor.cpu().numpy(), str(tensor.device)


def unpack(packed):
    """Return the tensor of :func:`pack`."""
    array, device = packed
    return moved(array, available_device(device))
