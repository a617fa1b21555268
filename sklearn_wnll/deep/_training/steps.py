"""The steps of a stage (Algorithm 1 of the paper, and pseudo-labels), as skorch nets."""

from functools import partial

import torch
from skorch import NeuralNet
from skorch.utils import to_device
from torch import nn

from .._layer.interpolation import wnll_interpolate

__all__ = ["LinearStep", "PseudoLabelStep", "StepEnded", "WNLLStep"]

# Part of the uniform distribution that is mixed to WNLL's before the logarithm: a query
# whose class no template near it has would else have an infinite loss.
_UNIFORM = 0.01


class StepEnded(Exception):
    """A callback has ended a step."""


class _Step(NeuralNet):
    """A step of a stage: a skorch net that trains a part of a :class:`WNLLNetwork`.

    Parameters
    ----------
    module : WNLLNetwork
        The network, which is trained in place.
    batches : iterable, or TemplateQueryBatches
        What is iterated over in each epoch; what deals the batches of a WNLL step.
    prepare : callable
        Turns a batch of samples into what the network takes.
    watch : InterruptWatch
        Tells whether the user has interrupted.
    augment : callable or None
        Changes a prepared batch at random.
    **kwargs
        As for :class:`skorch.NeuralNet`.
    """

    def __init__(
        self, module, *, batches, prepare, watch, augment=None, criterion=nn.NLLLoss, **kwargs
    ):
        self.batches, self.prepare, self.watch, self.augment = batches, prepare, watch, augment
        super().__init__(
            module,
            criterion,
            train_split=None,
            predict_nonlinearity=partial(torch.softmax, dim=1),
            iterator_valid__generator=torch.Generator(),  # a prediction draws no numbers
            **kwargs,
        )

    def get_iterator(self, dataset, training=False):
        """Give the batches of an epoch, whose size is their own; or those of a prediction."""
        return self.batches if training else super().get_iterator(dataset)

    def infer(self, x, **fit_params):
        """Give the linear head's logits, for skorch's ways to predict that callbacks use.

        Parameters
        ----------
        x : tensor of shape (n, ...)
            Samples.
        **fit_params
            Not used.

        Returns
        -------
        tensor of shape (n, n_classes)
            Logits.
        """
        return self.module_(self.prepare(to_device(x, self.device)))

    def inputs(self, samples):
        """Give a batch of samples to the network.

        Parameters
        ----------
        samples : tensor of shape (n, ...)
            Samples.

        Returns
        -------
        tensor of float32 of shape (n, ...)
            Prepared, on the device, and changed at random if that is asked for.
        """
        batch = self.prepare(to_device(samples, self.device))
        return batch if self.augment is None else self.augment(batch)

    def run(self, samples, epochs):
        """Train for some epochs; unlike skorch's ``fit``, an interrupt is not swallowed.

        Parameters
        ----------
        samples : Samples
            The training samples.
        epochs : int
            Number of epochs.
        """
        self.notify("on_train_begin", X=samples, y=None)
        try:
            self.fit_loop(samples, epochs=epochs)
        finally:
            self.notify("on_train_end", X=samples, y=None)

    def notify(self, method_name, **kwargs):
        """Call the callbacks; one that stops after an epoch, as skorch's do, ends the step."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            if method_name == "on_epoch_end" and not self.watch.seen:
                raise StepEnded from None
            raise


class LinearStep(_Step):
    """Linear step: every layer learns, by back-propagation from the linear head."""

    def train_step_single(self, batch, **fit_params):
        """Go forward and backward with a batch of labelled samples.

        Parameters
        ----------
        batch : tuple of (X, codes)
            Samples and their classes.
        **fit_params
            Not used.

        Returns
        -------
        dict
            The loss and the prediction.
        """
        logits, loss = self.logits_and_loss(*batch)
        loss.backward()
        return {"loss": loss, "y_pred": logits}

    def logits_and_loss(self, X, codes):
        """Go forward with labelled samples.

        Parameters
        ----------
        X : tensor of shape (n, ...)
            Samples.
        codes : tensor of int64 of shape (n,)
            Their classes.

        Returns
        -------
        logits : tensor of shape (n, n_classes)
            The linear head's.
        loss : tensor
            Their cross entropy, as the criterion reduces it.
        """
        if not self.module_.training:  # the first batch, or one after a callback's prediction
            self.module_.train()
        logits = self.module_(self.inputs(X))
        return logits, self.get_loss(logits.log_softmax(dim=1), to_device(codes, self.device))


class PseudoLabelStep(LinearStep):
    """Linear step on labelled and pseudo-labelled samples, each by its weight."""

    def on_epoch_end(self, net, **kwargs):
        """Record how much the unlabelled samples weighed."""
        super().on_epoch_end(net, **kwargs)
        self.history.record("pseudo_weight", self.batches.mean_weight)

    def train_step_single(self, batch, **fit_params):
        """Go forward and backward with a batch of samples.

        Parameters
        ----------
        batch : tuple of (X, codes, weights)
            Samples, their classes, and their weights in the loss.
        **fit_params
            Not used.

        Returns
        -------
        dict
            The loss and the prediction.
        """
        X, codes, weights = batch
        logits, losses = self.logits_and_loss(X, codes)
        loss = (losses * to_device(weights, self.device)).mean()
        loss.backward()
        return {"loss": loss, "y_pred": logits}


class WNLLStep(_Step):
    """WNLL step: the buffer block learns, the backbone and the linear head are frozen.

    As the backbone is frozen, a batch goes through it once in an epoch, changed at random once,
    and what it gives is kept for all batches that it meets. A callback sees it as the batch.

    Parameters
    ----------
    module : WNLLNetwork
        The network, which is trained in place.
    interpolation : dict
        Parameters of :func:`~sklearn_wnll.deep.wnll_interpolate`, ``gradient`` among them.
    **kwargs
        As for :class:`LinearStep`.
    """

    def __init__(self, module, *, interpolation, **kwargs):
        self.interpolation = interpolation
        super().__init__(module, **kwargs)

    def run_single_epoch(self, iterator, **kwargs):
        """Run an epoch on all pairs of batches.

        Parameters
        ----------
        iterator : TemplateQueryBatches or None
            Deals the batches. None, for the validation phase, is an epoch without any.
        **kwargs
            As for :meth:`skorch.NeuralNet.run_single_epoch`.
        """
        if iterator is not None:
            super().run_single_epoch(iterator.pairs(self._through_backbone), **kwargs)

    @torch.no_grad()
    def _through_backbone(self, samples):
        self.module_.train_buffer_only()
        return self.module_.through_backbone(self.inputs(samples))

    def train_step_single(self, batch, **fit_params):
        """Interpolate a template batch's labels to a query batch; go backward from the loss.

        Parameters
        ----------
        batch : tuple of (query, template), each a tuple of (h, codes)
            The backbone's output for two batches, and their classes. A query may have no label,
            -1: it joins the graph, not the loss.
        **fit_params
            Not used.

        Returns
        -------
        dict
            The loss and the prediction.
        """
        (query, query_codes), (template, template_codes) = batch
        self.module_.train_buffer_only()
        # Copies, since a buffer block may work in place, and the batches meet others.
        z_template = self.module_.through_buffer(template.clone())
        z_query = self.module_.through_buffer(query.clone())
        u = self._interpolate(z_template, to_device(template_codes, self.device), z_query)
        codes = to_device(query_codes, self.device)
        labeled = codes >= 0
        mixed = (1 - _UNIFORM) * u[labeled] + _UNIFORM / u.shape[1]
        loss = self.get_loss(mixed.log(), codes[labeled])
        loss.backward()
        return {"loss": loss, "y_pred": u}

    def _interpolate(self, z_template, codes, z_query):
        stand_in = None
        if self.interpolation["gradient"] == "surrogate":
            stand_in = self.module_.linear(z_query)
        n_classes = self.module_.linear.out_features
        return wnll_interpolate(
            z_template,
            codes,
            z_query,
            surrogate=stand_in,
            n_classes=n_classes,
            **self.interpolation,
        )
