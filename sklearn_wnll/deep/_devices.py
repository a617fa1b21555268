"""Device and precision of a network's computations."""

import platform
from contextlib import contextmanager

import torch

from .._arrays import OnDevice, available_device
from .._tensors.graph import computes_on_device
from .._warnings import warn_user
from ..exceptions import SlowPrecisionWarning

__all__ = [
    "find_device",
    "rows_for_graph",
    "runs_ahead",
    "tuned_convolutions",
    "warn_of_slow_precision",
]


def find_device(name):
    """Return the torch device of a name; ``"auto"`` is CUDA if available, otherwise the CPU."""
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


def rows_for_graph(Z, wnll, device):
    """Return features (n, n_features) for a graph, which is built on the device if it can be."""
    there = available_device(str(device)) == str(device)
    return OnDevice(Z, device) if there and computes_on_device(wnll, device) else Z


def runs_ahead(device):
    """Return whether Python runs ahead of a device until it needs a number from there."""
    return device.type != "cpu"


@contextmanager
def tuned_convolutions(device):
    """Let cuDNN choose the fastest algorithms within the context, unless they must be fixed."""
    cudnn = torch.backends.cudnn
    fixed = torch.are_deterministic_algorithms_enabled() or cudnn.deterministic
    before = cudnn.benchmark
    if device.type == "cuda" and not fixed:
        cudnn.benchmark = True
    try:
        yield
    finally:
        cudnn.benchmark = before


def warn_of_slow_precision(device):
    """Warn if mixed precision is far slower than single precision: on x86 without AVX-512."""
    capability = torch.backends.cpu.get_cpu_capability()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if device.type == "cpu" and x86 and not capability.startswith("AVX512"):
        warn_user(
            "mixed_precision=True on a processor without AVX-512: torch computes bfloat16 many "
            "times slower than float32 there. Pass mixed_precision=False.",
            SlowPrecisionWarning,
        )
