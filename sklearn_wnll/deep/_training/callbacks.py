"""Callbacks around an epoch: its seed, the average of the weights, and its record."""

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.optim.swa_utils import get_ema_multi_avg_fn

__all__ = ["EpochSeed", "KeepRecord", "MovingAverage", "RecordPseudoWeight"]


class EpochSeed(Callback):
    """Seed torch before each epoch, which then depends only on the state before it.

    ``step`` is the number of the step in the plan.
    """

    def __init__(self, seed, step):
        self.seed, self.step = seed, step

    def on_epoch_begin(self, net, **kwargs):
        """Seed the epoch that begins."""
        epoch = len(net.history)
        torch.manual_seed((self.seed * 1_000_003 + self.step * 100_003 + epoch) % 2**63)


class MovingAverage(Callback):
    """Keep the exponential moving average of a network in training.

    ``average``, a copy of the network, holds it. ``decay`` is the weight of the past after a
    batch; it is smaller for the first batches, to forget the start.
    """

    def __init__(self, average, decay, n_batches):
        self.average, self.decay, self.n_batches = average, decay, n_batches

    def on_train_begin(self, net, **kwargs):
        """Pair the tensors of the two networks, once for all batches."""
        both = [
            (*network.parameters(), *network.buffers()) for network in (self.average, net.module_)
        ]
        self._numbers = [[x for x in tensors if x.is_floating_point()] for tensors in both]
        self._counts = [[x for x in tensors if not x.is_floating_point()] for tensors in both]

    @torch.no_grad()
    def on_batch_end(self, net, **kwargs):
        """Update the average with the network after a batch."""
        step = (len(net.history) - 1) * self.n_batches + len(net.history[-1]["batches"])
        get_ema_multi_avg_fn(min(self.decay, 1 - 1 / (1 + step)))(*self._numbers, step)
        if self._counts[0]:
            torch._foreach_copy_(*self._counts)


class RecordPseudoWeight(Callback):
    """Record the mean weight of the unlabelled samples in an epoch."""

    def __init__(self, batches):
        self.batches = batches

    def on_epoch_end(self, net, **kwargs):
        """Record the number of the epoch that ends."""
        net.history.record("pseudo_weight", self.batches.mean_weight)


class KeepRecord(Callback):
    """Record the learning rate; call ``keep`` after each epoch with the net and its numbers."""

    def __init__(self, keep):
        self.keep = keep

    def on_epoch_begin(self, net, **kwargs):
        """Record the rate of the epoch that begins."""
        net.history.record("lr", float(net.optimizer_.param_groups[0]["lr"]))  # also of a tensor

    def on_batch_begin(self, net, **kwargs):
        """Record it again if it has been set for the first batch."""
        if len(net.history[-1]["batches"]) == 1:
            self.on_epoch_begin(net)

    def on_epoch_end(self, net, **kwargs):
        """Pass on the epoch that ends."""
        row = {key: _plain(value) for key, value in net.history[-1].items()}
        self.keep(net, {key: value for key, value in row.items() if value is not None})


def _plain(value):
    """Convert a number to a Python type; return None for other values."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float) else None
