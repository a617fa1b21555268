"""A step of a stage as a skorch net, for callbacks."""

import math
from functools import partial

import torch
from skorch import NeuralNet
from skorch.dataset import get_len
from skorch.exceptions import SkorchException
from skorch.utils import to_device
from torch import nn

from .._devices import runs_ahead
from .batch_rows import BatchRow
from .monitors import explain_missing

__all__ = ["StepEnded", "StepNet"]


class StepEnded(Exception):
    """A callback has ended a step."""


class StepNet(NeuralNet):
    """Train a :class:`WNLLNetwork` in place, by a step.

    Parameters
    ----------
    module : WNLLNetwork
        The network.
    step : TrainingStep
        Its ``loss`` computes the loss of a batch; its ``epoch`` makes the batches of an epoch.
    batches : iterable
        The step's batches.
    context : TrainingContext
        Objects that all steps of the training share.
    watch : InterruptWatch
        Knows whether the user has interrupted.
    **kwargs
        As for :class:`skorch.NeuralNet`.
    """

    def __init__(self, module, *, step, batches, context, watch, criterion=nn.NLLLoss, **kwargs):
        self.step, self.batches, self.context, self.watch = step, batches, context, watch
        super().__init__(
            module,
            criterion,
            train_split=None,
            predict_nonlinearity=partial(torch.softmax, dim=1),
            iterator_valid__generator=torch.Generator(),  # a prediction draws no numbers
            **kwargs,
        )

    def get_iterator(self, dataset, training=False):
        """Return the batches of an epoch, with their own sizes, or those of a prediction."""
        return self.batches if training else super().get_iterator(dataset)

    def on_batch_begin(self, net, **kwargs):
        """Begin the batch's row of the history; skorch's would be a dict."""
        self._row = BatchRow()
        self.history[-1]["batches"].append(self._row)

    def run_single_epoch(self, iterator, step_fn, **kwargs):
        """Run an epoch on the step's batches; None is an epoch without any.

        On the CPU, the losses are checked at once. Another device would have to be waited for, so
        they are read together at the end, or when a callback needs one.
        """
        if iterator is None:
            return
        self._unread = []
        try:
            for batch in self.step.epoch(self, iterator):
                self._run_batch(batch, step_fn)
        except ValueError:
            self._read_losses()  # a loss that is not a number may be the cause
            raise
        self._read_losses()
        self.history.record("train_batch_count", len(self.history[-1]["batches"]))

    def _run_batch(self, batch, step_fn):
        self.notify("on_batch_begin", batch=batch, training=True)
        step = step_fn(batch)
        self._row["train_loss"] = step["loss"].detach().to(self.device)
        size = get_len(batch[0] if isinstance(batch, tuple | list) else batch)
        self._row["train_batch_size"] = size
        self._unread.append(self._row)
        self.notify("on_batch_end", batch=batch, training=True, **step)
        if not runs_ahead(self.context.device):
            self._read_losses()

    def _read_losses(self):
        """Read the losses of batches; a NaN or infinite one ends the training."""
        rows, self._unread = self._unread, []
        for loss in BatchRow.read(rows):
            if not math.isfinite(loss):
                raise ValueError(
                    f"The loss is {loss} in epoch {len(self.history)} of the {self.step.name} "
                    "step: the training has diverged. Lower the lr of its steps (linear_step__lr, "
                    "pseudo_step__lr, wnll_step__lr), or keep standardize=True; if the step or the "
                    "network is your own, see whether its loss can be NaN."
                )

    def train_step_single(self, batch, **fit_params):
        """Run a batch forward and backward."""
        loss, prediction = self.step.loss(self, batch)
        loss.backward()
        return {"loss": loss, "y_pred": prediction}

    def infer(self, x, **fit_params):
        """Compute the linear head's logits (n, n_classes), for callbacks that predict."""
        return self.module_(self.prepare(x))

    def prepare(self, samples):
        """Prepare samples for the network: on the device, in units of their spread."""
        return self.context.prepare(to_device(samples, self.device))

    def inputs(self, samples):
        """Prepare samples, and augment them at random."""
        batch = self.prepare(samples)
        augment = self.step.augment(self.context)
        return batch if augment is None else augment(batch)

    def run(self, epochs):
        """Train for some epochs; unlike skorch's ``fit``, an interrupt is not swallowed."""
        samples = self.context.samples
        self.notify("on_train_begin", X=samples, y=None)
        try:
            self.fit_loop(samples, epochs=epochs)
        finally:
            self.notify("on_train_end", X=samples, y=None)

    def notify(self, method_name, **kwargs):
        """Call the callbacks; one that stops after an epoch, as skorch's do, ends the step.

        If one misses a number in the history, the error explains where the number may come from.
        """
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            if method_name == "on_epoch_end" and not self.watch.seen:
                raise StepEnded from None
            raise
        except (KeyError, ValueError, SkorchException) as error:
            better = explain_missing(self, error) if method_name == "on_epoch_end" else None
            if better is None:
                raise
            raise better from error
