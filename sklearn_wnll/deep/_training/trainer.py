"""The training: the steps of a plan, each starting where the last one ended."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from skorch.callbacks import Callback, ProgressBar
from skorch.history import History

from ..._warnings import warn_user
from ...exceptions import TrainingInterruptedWarning
from .._devices import tuned_convolutions
from .._files import without_numpy
from .callbacks import EpochSeed, KeepRecord
from .checkpoint import Checkpoint
from .compiling import compiled
from .context import TrainingContext
from .interrupts import InterruptWatch
from .net import StepEnded, StepNet
from .plan import PlannedStep
from .schedules import ResumeRates, rates_state, start_anew
from .validation import RecordValidation, Validation

__all__ = ["Trainer", "forked_random_numbers", "train"]


@dataclass
class Trainer:
    """Train ``context.network`` in place by the steps of a plan.

    ``callbacks`` are the user's skorch callbacks, copied for each step. ``history`` holds the
    numbers of every epoch, ``n_epochs`` the epochs done in each step, and ``ended`` the steps that
    a callback has ended early. ``validation`` are samples to score after each epoch.
    """

    plan: list[PlannedStep]
    context: TrainingContext
    callbacks: list[Callback]
    checkpoint: Checkpoint
    validation: Validation | None = None
    history: list = field(default_factory=list)
    n_epochs: list = field(default_factory=list)
    ended: list = field(default_factory=list)

    def run(self, state=None):
        """Train, starting from the state of a checkpoint if there is one."""
        begun, resume, self._average, self._batches = 0, None, None, {}
        self.n_epochs = [0] * len(self.plan)
        network = self.context.network
        if state is not None:
            network.load_state_dict(state["network"])
            self.history, self.ended, begun = (state[x] for x in ("history", "ended", "step"))
            self.n_epochs = (state["n_epochs"] + self.n_epochs)[: len(self.plan)]
            resume = ResumeRates(state["optimizer"], state["rates"])
            self._batches = {begun: state["batches"]}
            if state["average"] is not None:
                self._average = deepcopy(network)
                self._average.load_state_dict(state["average"])
        device = self.context.device
        compiling = compiled(network, device) if self.context.compile else nullcontext()
        with InterruptWatch() as self._watch, tuned_convolutions(device), compiling:
            for number in range(begun, len(self.plan)):
                if number not in self.ended:
                    self._run_step(number, resume if number == begun else None)

    def _run_step(self, number, resume):
        """Run the remaining epochs of a step."""
        stage, step, _ = self.plan[number]
        network, done = self.context.network, self.n_epochs[number]
        left = step.epochs - done
        if left <= 0 or (step.trains_buffer_only and not list(network.buffer.parameters())):
            return
        if self.context.verbose:
            more = f"{left} epochs after {done}" if done else f"{left} epochs"
            print(f"[wnll] stage {stage}, {step.name} step: {more}", flush=True)
        if step.averages_weights and self._average is None:
            self._average = deepcopy(network)
        record = KeepRecord(partial(self._keep, number))
        net = self._make_net(number, [record] if resume is None else [record, resume])
        net.initialize()
        start_anew(net)
        past = self._past(number)
        net.history = History({**row, "batches": []} for row in past)
        losses = dict(net.callbacks_)["train_loss"]  # skorch's does not look back itself
        losses.best_score_ = min(
            (row.get("train_loss", torch.inf) for row in past), default=torch.inf
        )
        with network.learning(buffer_only=step.trains_buffer_only):
            try:
                net.run(left)
            except StepEnded:
                self.ended.append(number)
                record.on_epoch_end(net)  # it was not called in this epoch
            finally:
                self._take_average()
        self._save(number, net, None)  # callbacks may have loaded other weights at the end

    def _past(self, number):
        """Return the history of a step's past epochs."""
        first = sum(self.n_epochs[:number])
        return self.history[first : first + self.n_epochs[number]]

    def _take_average(self):
        """Replace the network by its average, if there is one, even if callbacks changed it."""
        if self._average is not None:
            self.context.network.load_state_dict(self._average.state_dict())
            self._average = None

    def _keep(self, number, net, numbers):
        """Keep the numbers of an epoch, and the state after it."""
        stage, step, _ = self.plan[number]
        self.history.append({"stage": stage, "step": step.name, **numbers})
        self.n_epochs[number] += 1
        average = None if self._average is None else self._average.state_dict()
        if average and (number in self.ended or self.n_epochs[number] == step.epochs):
            self.context.network.load_state_dict(average)
            average = None
        self._save(number, net, average)

    def _save(self, number, net, average):
        """Save the state after the last whole epoch of a step."""
        self.checkpoint.save(
            network=self.context.network.state_dict(),
            average=average,
            optimizer=without_numpy(net.optimizer_.state_dict()),
            rates=without_numpy(rates_state(net)),
            batches=net.batches.state() if hasattr(net.batches, "state") else None,
            history=self.history,
            n_epochs=self.n_epochs,
            step=number,
            ended=self.ended,
            seed=self.context.seed,
        )

    def _make_net(self, number, last_callbacks):
        """Make the net of a step, with its batches and callbacks."""
        _, step, repeat = self.plan[number]
        context = replace(self.context, average=self._average)
        batches = step.batches(context)
        if isinstance(batches, Iterator):
            raise ValueError(
                f"{type(step).__name__}.batches returned an iterator, which is empty after one "
                "epoch. Return a reusable iterable, such as a list or a DataLoader."
            )
        if self._batches.get(number) is not None:
            batches.load_state(self._batches.pop(number))
        callbacks = [EpochSeed(context.seed, number), *step.callbacks(context, batches)]
        if self.validation is not None:
            callbacks.append(RecordValidation(self.validation, self._average))
        callbacks += [*(deepcopy(callback) for callback in self.callbacks), *last_callbacks]
        if context.verbose:
            callbacks.append(ProgressBar(batches_per_epoch=len(batches)))
        return StepNet(
            context.network,
            step=step,
            batches=batches,
            context=context,
            watch=self._watch,
            optimizer=torch.optim.SGD,
            optimizer__momentum=step.momentum,
            optimizer__nesterov=step.momentum > 0,
            optimizer__weight_decay=step.weight_decay,
            optimizer__fused=context.device.type == "cuda" or None,
            lr=step.first_lr(context) * step.stage_lr_factor**repeat,
            callbacks=callbacks,
            device=str(context.device),
            verbose=context.verbose,
        )


def train(trainer, state):
    """Run a training; an interrupt ends it early."""
    try:
        trainer.run(state)
    except KeyboardInterrupt:
        warn_user(
            f"The training was interrupted after {len(trainer.history)} whole epochs. The "
            "estimator is fitted with the weights so far.",
            TrainingInterruptedWarning,
        )


@contextmanager
def forked_random_numbers(device, seed):
    """Seed torch's random numbers within the context; afterwards they continue as before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
