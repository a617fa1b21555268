"""The order of the stages (Algorithm 1 of the paper)."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from skorch.callbacks import ProgressBar
from skorch.history import History

from .batches import Batches, TemplateQueryBatches
from .callbacks import EpochSeed, KeepRecord, StepHalving
from .checkpoint import Checkpoint
from .network import WNLLNetwork
from .steps import LinearStep, WNLLStep

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
            done, optimizer_state = state["step"], state["optimizer"]
        for number, (stage, kind) in enumerate(self.steps()):
            if number < done:
                continue
            past = [row for row in self.history if (row["stage"], row["step"]) == (stage, kind)]
            self._run_step(samples, number, past, optimizer_state)
            optimizer_state = None

    def _run_step(self, samples, number, past, optimizer_state):
        """Run the rest of a step, of which some epochs may be past."""
        _, kind = self.steps()[number]
        left = self.epochs[kind] - len(past)
        if left <= 0 or (kind == "wnll" and not list(self.network.buffer.parameters())):
            return
        net = self._make_net(samples, number)
        net.initialize()
        if optimizer_state is not None:
            net.optimizer_.load_state_dict(optimizer_state)
        net.history = History({**row, "batches": []} for row in past)
        net.run(samples, left)

    def _make_net(self, samples, number):
        stage, kind = self.steps()[number]

        def keep(net, numbers):
            self.history.append({"stage": stage, "step": kind, **numbers})
            self.checkpoint.save(
                network=self.network.state_dict(),
                optimizer=net.optimizer_.state_dict(),
                history=self.history,
                step=number,
                seed=self.seed,
            )

        callbacks = [EpochSeed(self.seed, number)]
        callbacks.append(StepHalving(self.halve_every if kind == "linear" else None))
        callbacks += [deepcopy(callback) for callback in self.callbacks]
        callbacks.append(KeepRecord(keep))
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
            n_batches = -(-int((samples.codes >= 0).sum()) // self.batch_size)
            make = LinearStep
            common |= {"iterator_train": Batches, "batch_size": self.batch_size}
        else:
            n_batches = self.batches["n_template_batches"] * self.batches["n_query_batches"]
            make = WNLLStep
            common |= {
                "iterator_train": TemplateQueryBatches,
                "interpolation": self.interpolation,
                **{f"iterator_train__{name}": value for name, value in self.batches.items()},
            }
        if self.verbose:
            callbacks.append(ProgressBar(batches_per_epoch=n_batches))
        return make(self.network, callbacks=callbacks, **common)
