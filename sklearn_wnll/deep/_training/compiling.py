"""The network's forward pass in training, compiled."""

import warnings
from contextlib import contextmanager

import torch

from ..._warnings import warn_user
from ...exceptions import CompilationFailedWarning

__all__ = ["compiled"]


@contextmanager
def compiled(network, device):
    """Compile the forward pass of a network in training mode, within the context.

    The network itself, its state and its copies do not change.
    """
    network.compiled = _CompiledForward(network, device)
    try:
        yield
    finally:
        del network.compiled


class _CompiledForward:
    """The forward pass, compiled for each shape of inputs; not compiled once that has failed.

    Compiled as a whole, it has computed nothing when the compilation fails. On a GPU, it becomes a
    CUDA graph, whose result the next call overwrites.
    """

    def __init__(self, network, device):
        self._forward, self._on_gpu = network.logits, device.type == "cuda"
        self._shapes, self._failed = set(), False
        self._compiled = torch.compile(
            network.logits,
            fullgraph=True,
            dynamic=False,
            mode="reduce-overhead" if self._on_gpu else "default",
            isolate_recompiles=True,  # the limit of compilations is not one for all networks
        )

    def __call__(self, x):
        """Compute the linear head's logits (n, n_classes)."""
        if self._failed:
            return self._forward(x)
        try:
            return self._run(x)
        except Exception as error:  # a compiler may raise anything
            logits = self._forward(x)  # raises the error if it is the network's own
            self._failed = True
            warn_user(
                f"compile=True, but the network cannot be compiled: {_reason(error)} The training "
                "continues without.",
                CompilationFailedWarning,
                through=("torch", "skorch"),
            )
            return logits

    def _run(self, x):
        if self._on_gpu:
            torch.compiler.cudagraph_mark_step_begin()
            return self._compile(x).clone()
        return self._compile(x)

    def _compile(self, x):
        if x.shape in self._shapes:
            return self._compiled(x)
        with warnings.catch_warnings():  # torch's, about parts of its own
            warnings.simplefilter("ignore")
            logits = self._compiled(x)
        self._shapes.add(x.shape)
        return logits


def _reason(error):
    """Return the name of an error, and the first line of its message, or two if they belong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    count = 2 if lines and lines[0].endswith(":") else 1
    return f"{type(error).__name__}: {' '.join(lines[:count])}".rstrip(": .") + "."
