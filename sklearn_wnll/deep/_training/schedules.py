"""Schedules of the learning rate: a step's own, which give way to the user's."""

import math

import joblib
import numpy as np
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import ReduceLROnPlateau

from .fingerprints import plain

__all__ = ["CosineDecay", "ResumeRates", "Schedule", "StepHalving", "rates_state", "start_anew"]


class Schedule(Callback):
    """A step's own schedule, which stops for the rest of the step once another sets a rate.

    It is called before the user's callbacks, so those have the last word.
    """

    stepped_back = False
    _own = None

    def on_train_begin(self, net, **kwargs):
        """Stop at once if there is a scheduler, which may change nothing for some epochs."""
        self.stepped_back = any(isinstance(callback, LRScheduler) for _, callback in net.callbacks_)
        self.note_rates(net)

    def note_rates(self, net):
        """Remember the current rates, to notice later if another sets them."""
        self._own = [group["lr"] for group in net.optimizer_.param_groups]

    def set_rate(self, net, factor):
        """Set the learning rate to a fraction of the first one."""
        groups = net.optimizer_.param_groups
        # Compare objects, not numbers: another may set the rate to its present value.
        if self._own is not None and list(map(id, self._own)) != [id(g["lr"]) for g in groups]:
            self.stepped_back = True
        if not self.stepped_back:
            for group in groups:
                group["lr"] = net.lr * factor
            self.note_rates(net)


class StepHalving(Schedule):
    """Halve the learning rate after every ``every`` epochs."""

    def __init__(self, every):
        self.every = every

    def on_epoch_begin(self, net, **kwargs):
        """Set the learning rate of the epoch that begins."""
        self.set_rate(net, 0.5 ** ((len(net.history) - 1) // self.every))


class CosineDecay(Schedule):
    """Lower the learning rate with each batch, along half a cosine, to 0 after ``n_epochs``."""

    def __init__(self, n_epochs, n_batches):
        self.n_epochs, self.n_batches = n_epochs, n_batches

    def on_epoch_begin(self, net, **kwargs):
        """Set the learning rate of the epoch that begins."""
        self._set(net, 0)

    def on_batch_begin(self, net, **kwargs):
        """Set the learning rate of the batch that begins."""
        self._set(net, len(net.history[-1]["batches"]) - 1)  # which include this one

    def _set(self, net, batches):
        done = (len(net.history) - 1 + batches / self.n_batches) / self.n_epochs
        self.set_rate(net, (1 + math.cos(math.pi * done)) / 2)


class ResumeRates(Callback):
    """Restore optimizer and rates from a checkpoint; the last of the callbacks.

    Schedulers other than those of the checkpoint start again, from the step's first rate.
    """

    def __init__(self, optimizer, rates):
        self.optimizer, self.rates = optimizer, rates

    def on_train_begin(self, net, **kwargs):
        """Load the states, which schedulers have just reset to the start of a step."""
        schedulers, kept = _schedulers(net), self.rates["schedulers"]
        same = schedulers.keys() == kept.keys()
        state = self.optimizer
        if not same:
            state = {**state, "param_groups": net.optimizer_.state_dict()["param_groups"]}
        net.optimizer_.load_state_dict(state)
        for group in net.optimizer_.param_groups:  # the state may be that of another device
            group["fused"] = net.optimizer_.defaults["fused"]
        if same:
            for name, scheduler in schedulers.items():
                scheduler.load_state_dict({**scheduler.state_dict(), **kept[name]})
        for schedule in _own_schedules(net):
            schedule.stepped_back |= same and self.rates["stepped_back"]
            schedule.note_rates(net)


def rates_state(net):
    """Return the state of a net's schedules for a checkpoint: numbers in dicts and lists."""
    return {
        "stepped_back": any(schedule.stepped_back for schedule in _own_schedules(net)),
        "schedulers": {
            name: {key: value for key, value in scheduler.state_dict().items() if _is_plain(value)}
            for name, scheduler in _schedulers(net).items()
        },
    }


def start_anew(net):
    """Let schedulers start at a step's first rate; only a checkpoint sets another start."""
    for _, callback in net.callbacks_:
        if isinstance(callback, LRScheduler) and callback.policy_ is not ReduceLROnPlateau:
            # An argument of torch's schedulers; skorch would otherwise take it from the history.
            vars(callback).setdefault("last_epoch", -1)


def _own_schedules(net):
    return [callback for _, callback in net.callbacks_ if isinstance(callback, Schedule)]


def _schedulers(net):
    """Map hashes of the user's settings to torch's schedulers."""
    return {
        joblib.hash([name, _settings(callback)]): callback.lr_scheduler_
        for name, callback in net.callbacks_
        if isinstance(callback, LRScheduler)
    }


def _settings(callback):
    return plain({key: value for key, value in vars(callback).items() if not key.endswith("_")})


def _is_plain(value):
    """Return whether a value is made of numbers and strings, and so is state to be saved."""
    if type(value) is dict:
        return all(map(_is_plain, value.values()))
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | np.generic)
