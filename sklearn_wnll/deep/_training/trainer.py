"""The training: the steps of a plan, one after the other, each begun where the last one ended."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from skorch.callbacks import Callback, ProgressBar
from skorch.history import History

from .callbacks import EpochSeed, KeepRecord
from .checkpoint import Checkpoint, without_numpy
from .context import TrainingContext
from .interrupts import InterruptWatch
from .net import StepEnded, StepNet
from .plan import PlannedStep

__all__ = ["Trainer", "check_callbacks"]


@dataclass
class Trainer:
    """Train ``context.network`` in place by the steps of a plan.

    ``callbacks`` are the user's skorch callbacks, copied for each step. ``history`` holds the
    numbers of every epoch; ``n_epochs`` how many epochs each step has had; ``ended`` the steps
    that a callback has ended early.
    """

    plan: list[PlannedStep]
    context: TrainingContext
    callbacks: list[Callback]
    checkpoint: Checkpoint
    history: list = field(default_factory=list)
    n_epochs: list = field(default_factory=list)
    ended: list = field(default_factory=list)

    def run(self, state=None):
        """Train, from the state of a checkpoint on if there is one."""
        begun, optimizer_state, self._average = 0, None, None
        self.n_epochs = [0] * len(self.plan)
        network = self.context.network
        if state is not None:
            network.load_state_dict(state["network"])
            self.history, self.ended, self.n_epochs, begun, optimizer_state = (
                state[name] for name in ("history", "ended", "n_epochs", "step", "optimizer")
            )
            if state["average"] is not None:
                self._average = deepcopy(network)
                self._average.load_state_dict(state["average"])
        with InterruptWatch() as self._watch:
            for number in range(begun, len(self.plan)):
                if number not in self.ended:
                    self._run_step(number, optimizer_state if number == begun else None)

    def _run_step(self, number, optimizer_state):
        """Run the rest of a step, of which some epochs may be past."""
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
        net = self._make_net(number, record)
        net.initialize()
        if optimizer_state is not None:
            net.optimizer_.load_state_dict(optimizer_state)
        past = self._past(number)
        net.history = History({**row, "batches": []} for row in past)
        losses = dict(net.callbacks_)["train_loss"]  # skorch's, which does not look back itself
        losses.best_score_ = min(
            (row.get("train_loss", torch.inf) for row in past), default=torch.inf
        )
        with network.learning(buffer_only=step.trains_buffer_only):
            try:
                net.run(left)
            except StepEnded:
                self.ended.append(number)
                record.on_epoch_end(net)  # which did not have its turn
            finally:
                self._take_average()

    def _past(self, number):
        """The history of a step's past epochs."""
        first = sum(self.n_epochs[:number])
        return self.history[first : first + self.n_epochs[number]]

    def _take_average(self):
        """Make the network what its average is, if there is one, whatever callbacks made it."""
        if self._average is not None:
            self.context.network.load_state_dict(self._average.state_dict())
            self._average = None

    def _keep(self, number, net, numbers):
        """Keep the numbers of an epoch, and the state after it."""
        stage, step, _ = self.plan[number]
        self.history.append({"stage": stage, "step": step.name, **numbers})
        self.n_epochs[number] += 1
        network = self.context.network
        average = None if self._average is None else self._average.state_dict()
        if average and (number in self.ended or self.n_epochs[number] == step.epochs):
            network.load_state_dict(average)
            average = None
        self.checkpoint.save(
            network=network.state_dict(),
            average=average,
            optimizer=without_numpy(net.optimizer_.state_dict()),
            history=self.history,
            n_epochs=self.n_epochs,
            step=number,
            ended=self.ended,
            seed=self.context.seed,
        )

    def _make_net(self, number, record):
        """The net of a step, with its batches and callbacks."""
        _, step, repeat = self.plan[number]
        context = replace(self.context, average=self._average)
        batches = step.batches(context)
        if isinstance(batches, Iterator):
            raise ValueError(
                f"{type(step).__name__}.batches returned an iterator, which is empty after one "
                "epoch. Return what can be iterated over again, such as a list or a DataLoader."
            )
        callbacks = [EpochSeed(context.seed, number), *step.callbacks(context, batches)]
        callbacks += [*(deepcopy(callback) for callback in self.callbacks), record]
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
            lr=step.first_lr(context) * step.stage_lr_factor**repeat,
            callbacks=callbacks,
            device=str(context.device),
            verbose=context.verbose,
        )


def check_callbacks(callbacks):
    """Refuse what is no callback; one may be bare, or have a name as skorch takes it."""
    for callback in callbacks:
        bare = callback[1] if isinstance(callback, tuple) and len(callback) == 2 else callback
        if not hasattr(bare, "on_epoch_end"):
            raise ValueError(
                f"callbacks holds {callback!r}, which is no callback. Pass objects of "
                "skorch.callbacks or of classes derived from skorch.callbacks.Callback."
            )
    return callbacks
