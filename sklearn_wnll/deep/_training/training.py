"""The order of the stages (Algorithm 1 of the paper)."""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

import torch
from skorch.callbacks import ProgressBar
from skorch.history import History

from .._features.graph_features import GraphFeatures
from .._network import WNLLNetwork
from .batches import Batches, PseudoLabeledBatches, TemplateQueryBatches
from .callbacks import CosineDecay, EpochSeed, KeepRecord, MovingAverage, StepHalving
from .checkpoint import Checkpoint, without_numpy
from .interrupts import InterruptWatch
from .pseudo_labels import PseudoLabels
from .steps import LinearStep, PseudoLabelStep, StepEnded, WNLLStep

__all__ = ["Training"]

_NAMES = {"linear": "linear", "pseudo": "pseudo-label", "wnll": "WNLL"}
_DECAY = 0.99  # of the average of the network in a pseudo-label step


@dataclass
class Training:
    """Stages of a linear and a WNLL step, each begun where the one before ended.

    In later stages, a pseudo-label step takes the place of the linear one if that is asked for. Its
    labels are found by the moving average of the network, which is also what it ends with.

    Parameters
    ----------
    network : WNLLNetwork
        What is trained, in place.
    prepare : callable
        As for the steps.
    augment : dict
        What changes the batches of each kind of step, a callable or None.
    seed : int
        An epoch depends on the state before it and on this number, that of the checkpoint if
        there is one.
    n_stages : int
        Number of stages.
    epochs : dict
        Epochs of each ``"linear"``, ``"pseudo"`` and ``"wnll"`` step.
    lr : dict
        Learning rate of each kind of step the first time.
    stage_lr_factor : float
        The rates of a stage are those of the stage before times this.
    halve_every : int or None
        Epochs after which the rate of a linear step is halved.
    optimizer : dict
        Parameters of :class:`torch.optim.SGD`.
    batch_size : dict
        Samples in a batch of each ``"linear"`` and ``"pseudo"`` step.
    batches : dict
        Parameters of :class:`TemplateQueryBatches`.
    interpolation : dict
        Parameters of :func:`~sklearn_wnll.deep.wnll_interpolate`.
    pseudo_labels : dict or None
        Parameters of :class:`GraphFeatures` and :class:`PseudoLabels`; None trains on labelled
        samples alone.
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
    augment: dict
    seed: int
    n_stages: int
    epochs: dict
    lr: dict
    stage_lr_factor: float
    halve_every: int | None
    optimizer: dict
    batch_size: dict
    batches: dict
    interpolation: dict
    pseudo_labels: dict | None
    callbacks: list
    checkpoint: Checkpoint
    device: str
    verbose: int
    history: list = field(default_factory=list)
    ended: list = field(default_factory=list)

    def steps(self):
        """Give the stage and the kind of each step, in their order."""
        later = "linear" if self.pseudo_labels is None else "pseudo"
        kinds = [("linear", "wnll")] + (self.n_stages - 1) * [(later, "wnll")]
        return [(stage, kind) for stage, pair in enumerate(kinds, 1) for kind in pair]

    def run(self, samples, state=None):
        """Train, from the state of a checkpoint on if there is one.

        Parameters
        ----------
        samples : Samples
            The training samples.
        state : dict, default=None
            What the checkpoint gave.
        """
        done, optimizer_state, self._average = 0, None, None
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.history, self.ended, optimizer_state = (
                state[name] for name in ("history", "ended", "optimizer")
            )
            done = state["step"]
            if state["average"] is not None:
                self._average = deepcopy(self.network)
                self._average.load_state_dict(state["average"])
        with InterruptWatch() as self._watch:
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
            more = f"{left} epochs after {len(past)}" if past else f"{left} epochs"
            print(f"[wnll] stage {stage}, {_NAMES[kind]} step: {more}", flush=True)
        if kind == "pseudo" and self._average is None:
            self._average = deepcopy(self.network)
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
            finally:
                self._take_average()

    def _take_average(self):
        """Make the network what its average is, if there is one, whatever callbacks made it."""
        if self._average is not None:
            self.network.load_state_dict(self._average.state_dict())
            self._average = None

    def _keep(self, number, net, numbers):
        """Keep the numbers of an epoch, and the state after it."""
        stage, kind = self.steps()[number]
        self.history.append({"stage": stage, "step": kind, **numbers})
        average = None if self._average is None else self._average.state_dict()
        if average and (number in self.ended or len(net.history) == self.epochs[kind]):
            self.network.load_state_dict(average)
            average = None
        self.checkpoint.save(
            network=self.network.state_dict(),
            average=average,
            optimizer=without_numpy(net.optimizer_.state_dict()),
            history=self.history,
            step=number,
            ended=self.ended,
            seed=self.seed,
        )

    def _make_net(self, samples, number, record):
        stage, kind = self.steps()[number]
        make = {"linear": LinearStep, "pseudo": PseudoLabelStep, "wnll": WNLLStep}[kind]
        batches = self._make_batches(samples, kind)
        first = 2 if kind == "pseudo" else 1
        callbacks = [EpochSeed(self.seed, number), *self._make_schedule(kind, len(batches))]
        callbacks += [*(deepcopy(callback) for callback in self.callbacks), record]
        if self.verbose:
            callbacks.append(ProgressBar(batches_per_epoch=len(batches)))
        special = {
            "linear": {},
            "pseudo": {"criterion__reduction": "none"},
            "wnll": {"interpolation": self.interpolation},
        }
        return make(
            self.network,
            batches=batches,
            prepare=self.prepare,
            watch=self._watch,
            augment=self.augment[kind],
            optimizer=torch.optim.SGD,
            lr=self.lr[kind] * self.stage_lr_factor ** (stage - first),
            callbacks=callbacks,
            device=self.device,
            verbose=self.verbose,
            **special[kind],
            **{f"optimizer__{name}": value for name, value in self.optimizer.items()},
        )

    def _make_schedule(self, kind, n_batches):
        """Make what changes the learning rate, and what follows the weights."""
        if kind == "pseudo":
            return [
                CosineDecay(self.epochs[kind], n_batches),
                MovingAverage(self._average, _DECAY, n_batches),
            ]
        return [StepHalving(self.halve_every)] if kind == "linear" and self.halve_every else []

    def _make_batches(self, samples, kind):
        """Make what a step iterates over in each epoch."""
        if kind == "linear":
            return Batches(samples, self.batch_size[kind])
        if kind == "wnll":
            return TemplateQueryBatches(samples, **self.batches)
        options = dict(self.pseudo_labels)
        features = GraphFeatures(
            self._average,
            self.prepare,
            torch.device(self.device),
            options.pop("own"),
            options.pop("mirrored"),
            mixed=True,
        )
        label = PseudoLabels(samples, features, seed=self.seed, **options)
        return PseudoLabeledBatches(samples, self.batch_size[kind], label)
