"""Tensors in files: they return to their device, or to the CPU of a machine without it."""

import torch

__all__ = ["moved", "pack", "unpack"]


def moved(array, device):
    """Copy an array to a device."""
    return torch.from_numpy(array).to(device)


def pack(tensor):
    """Return a tensor as an array of the host, and the name of its device."""
    return tensor.cpu().numpy(), str(tensor.device)


def unpack(packed):
    """Return the tensor of :func:`pack`."""
    array, device = packed
    here = device.startswith("cpu") or torch.cuda.is_available()
    return moved(array, device if here else "cpu")
