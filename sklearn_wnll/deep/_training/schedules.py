"""Schedules of the learning rate."""

import math

from skorch.callbacks import Callback

__all__ = ["CosineDecay", "StepHalving"]


class StepHalving(Callback):
    """Halve the learning rate after every so many epochs."""

    def __init__(self, every):
        self.every = every

    def on_epoch_begin(self, net, **kwargs):
        """Set the learning rate of the epoch that begins."""
        _set_rate(net, 0.5 ** ((len(net.history) - 1) // self.every))


class CosineDecay(Callback):
    """Lower the learning rate with each batch, along half a cosine, to 0 after ``n_epochs``."""

    def __init__(self, n_epochs, n_batches):
        self.n_epochs, self.n_batches = n_epochs, n_batches

    def on_epoch_begin(self, net, **kwargs):
        """Set the learning rate of the epoch that begins."""
        self._set(net, 0)

    def on_batch_begin(self, net, **kwargs):
        """Set the learning rate of the batch that begins."""
        self._set(net, len(net.history[-1]["batches"]) - 1)  # it is among them

    def _set(self, net, batches):
        done = (len(net.history) - 1 + batches / self.n_batches) / self.n_epochs
        _set_rate(net, (1 + math.cos(math.pi * done)) / 2)


def _set_rate(net, factor):
    """Set the learning rate to a part of the first one."""
    for group in net.optimizer_.param_groups:
        group["lr"] = net.lr * factor
