"""The order of the stages (Algorithm 1 of the paper)."""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

import torch
from skorch.callbacks import ProgressBar
from skorch.history import History

from .batches import Batches, TemplateQueryBatches
from .callbacks import EpochSeed, KeepRecord, StepHalving
from .checkpoint import Checkpoint
from .network import WNLLNetwork
from .steps import LinearStep, StepEnded, WNLLStep

__all__ = ["Training"]


@dataclass
class Training:
    """Stages of a linear and a WNLL step, each begun where the one before ended.

    Parameters
    ----------
    network : WNLLNetwork
        What is trained, in place.
    prepare, augment : callable
        As for the steps.
    seed : int
        An epoch depends on the state before it and on this number.
    n_stages : int
        Number of stages.
    epochs : dict
        Epochs of each ``"linear"`` and ``"wnll"`` step.
    lr : dict
        Learning rate of each kind of step in the first stage.
    stage_lr_factor : float
        The rates of a stage are those of the stage before times this.
    halve_every : int or None
        Epochs after which the rate of a linear step is halved.
    optimizer : dict
        Parameters of :class:`torch.optim.SGD`.
    batch_size : int
        Samples in a batch of a linear step.
    batches : dict
        Parameters of :class:`TemplateQueryBatches`.
    interpolation : dict
        Parameters of :func:`~sklearn_wnll.deep.wnll_interpolate`.
    callbacks : list
        The user's skorch callbacks, copied for each step.
    checkpoint : Checkpoint
        Where the state is kept.
    device : str
        Device.
    verbose : int
        Whether to print skorch's table and a progress bar.

    Attributes
    ----------
    history : list of dict
        The numbers of every epoch: its ``stage``, ``step``, ``epoch``, ``train_loss``, ``lr``, ...
    ended : list of int
        Steps that a callback has ended early.
    """

    network: WNLLNetwork
    prepare: Callable
    augment: Callable | None
    seed: int
    n_stages: int
    epochs: dict
    lr: dict
    stage_lr_factor: float
    halve_every: int | None
    optimizer: dict
    batch_size: int
    batches: dict
    interpolation: dict
    callbacks: list
    checkpoint: Checkpoint
    device: str
    verbose: int
    history: list = field(default_factory=list)
    ended: list = field(default_factory=list)

    def steps(self):
        """Give the stage and the kind of each step, in their order."""
        return [
            (stage, kind) for stage in range(1, self.n_stages + 1) for kind in ("linear", "wnll")
        ]

    def run(self, samples):
        """Train, from the checkpoint on if there is one.

        Parameters
        ----------
        samples : Samples
            The training samples.
        """
        done, optimizer_state = 0, None
        state = self.checkpoint.load()
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.history, self.seed = state["history"], state["seed"]
            self.ended, optimizer_state = state["ended"], state["optimizer"]
            done = state["step"]
        for number, (stage, kind) in enumerate(self.steps()):
            if number < done or number in self.ended:
                continue
            past = [row for row in self.history if (row["stage"], row["step"]) == (stage, kind)]
            self._run_step(samples, number, past, optimizer_state)
            optimizer_state = None

    def _run_step(self, samples, number, past, optimizer_state):
        """Run the rest of a step, of which some epochs may be past."""
        stage, kind = self.steps()[number]
        left = self.epochs[kind] - len(past)
        if left <= 0 or (kind == "wnll" and not list(self.network.buffer.parameters())):
            return
        if self.verbose:
            name = {"linear": "linear", "wnll": "WNLL"}[kind]
            print(f"[wnll] stage {stage}, {name} step: {left} epochs", flush=True)
        record = KeepRecord(partial(self._keep, number))
        net = self._make_net(samples, number, record)
        net.initialize()
        if optimizer_state is not None:
            net.optimizer_.load_state_dict(optimizer_state)
        net.history = History({**row, "batches": []} for row in past)
        with self.network.only_buffer_learns() if kind == "wnll" else nullcontext():
            try:
                net.run(samples, left)
            except StepEnded:
                self.ended.append(number)
                record.on_epoch_end(net)  # which did not have its turn

    def _keep(self, number, net, numbers):
        """Keep the numbers of an epoch, and the state after it."""
        stage, kind = self.steps()[number]
        self.history.append({"stage": stage, "step": kind, **numbers})
        self.checkpoint.save(
            network=self.network.state_dict(),
            optimizer=net.optimizer_.state_dict(),
            history=self.history,
            step=number,
            ended=self.ended,
            seed=self.seed,
        )

    def _make_net(self, samples, number, record):
        stage, kind = self.steps()[number]
        callbacks = [EpochSeed(self.seed, number)]
        if kind == "linear" and self.halve_every is not None:
            callbacks.append(StepHalving(self.halve_every))
        callbacks += [*(deepcopy(callback) for callback in self.callbacks), record]
        common = {
            "prepare": self.prepare,
            "augment": self.augment,
            "optimizer": torch.optim.SGD,
            "lr": self.lr[kind] * self.stage_lr_factor ** (stage - 1),
            "device": self.device,
            "verbose": self.verbose,
            **{f"optimizer__{name}": value for name, value in self.optimizer.items()},
        }
        if kind == "linear":
            make, batches = LinearStep, partial(Batches, batch_size=self.batch_size)
        else:
            make, batches = WNLLStep, partial(TemplateQueryBatches, **self.batches)
            common["interpolation"] = self.interpolation
        if self.verbose:
            callbacks.append(ProgressBar(batches_per_epoch=len(batches(samples))))
        return make(self.network, callbacks=callbacks, batches=batches, **common)
