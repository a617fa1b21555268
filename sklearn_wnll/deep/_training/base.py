"""Base class of the steps of a stage."""

from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from skorch.callbacks import Callback
from torch import Tensor

from .context import TrainingContext
from .net import StepNet

__all__ = ["POSITIVE", "TrainingStep"]

POSITIVE = Interval(Real, 0, None, closed="neither")


class TrainingStep(BaseEstimator):
    """Base class for the steps of a training.

    To define your own step, derive a class with the parameters ``epochs`` and ``lr``, a ``name``,
    :meth:`batches` and :meth:`loss`; the other methods have defaults. Pass it to
    :class:`~sklearn_wnll.DeepWNLLClassifier` in place of one of its steps.

    Read more in the :doc:`user guide </guide/deep>`.

    Attributes
    ----------
    name : str
        Name of the step in ``history_``.
    momentum, weight_decay : float
        Nesterov momentum and weight decay of the stochastic gradient descent.
    stage_lr_factor : float
        Factor on the learning rate each time the step is repeated.
    trains_buffer_only : bool
        Whether backbone and linear head are frozen.
    averages_weights : bool
        Whether the step ends with the moving average of the network's weights,
        ``context.average``, which its callbacks update.
    extensible : bool
        Whether a finished training may continue with more epochs of this step. Its learning rates
        and batches must then not depend on ``epochs``.
    needs_unlabeled : bool
        Whether the step needs unlabelled samples, and ``context.input_features``.

    See Also
    --------
    LinearStep, PseudoLabelStep, WNLLStep : The steps of the package.

    Notes
    -----
    Methods receive a ``context`` with the objects that all steps share: ``network``,
    ``samples`` (with the tensors ``X`` and ``codes`` in main memory; a code is the position in
    ``classes_``, or -1 if unlabelled), ``prepare``, ``augment``, ``augment_strongly``, ``wnll``,
    ``input_features``, ``class_prior``, ``device``, ``seed``, ``verbose`` and
    ``average``. Torch's random numbers are seeded before each epoch.

    Examples
    --------
    Label smoothing is a linear step with another loss:

    >>> from torch.nn.functional import cross_entropy
    >>> from sklearn_wnll.deep import LinearStep
    >>> class SmoothedStep(LinearStep):
    ...     name = "smoothed"
    ...     def loss(self, net, batch):
    ...         X, codes = batch
    ...         logits = net.module_.train()(net.inputs(X))
    ...         codes = codes.to(logits.device)
    ...         return cross_entropy(logits, codes, label_smoothing=0.1), logits
    >>> SmoothedStep(epochs=10).name
    'smoothed'
    """

    name: ClassVar[str]
    trains_buffer_only: ClassVar[bool] = False
    averages_weights: ClassVar[bool] = False
    extensible: ClassVar[bool] = False
    needs_unlabeled: ClassVar[bool] = False

    epochs: int
    lr: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    stage_lr_factor: float = 0.2

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "epochs": [Interval(Integral, 0, None, closed="left")],
        "lr": [POSITIVE],
        "stage_lr_factor": [POSITIVE],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    def batches(self, context: TrainingContext) -> Any:
        """Make the batches, which each epoch iterates over.

        Parameters
        ----------
        context : TrainingContext
            Objects that all steps of the training share.

        Returns
        -------
        iterable
            The batches; its length is the number of batches in an epoch.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method batches(context).")

    def loss(self, net: StepNet, batch: Any) -> tuple[Tensor, Tensor]:
        """Compute the loss of a batch.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net that trains: ``net.module_`` is the network, ``net.inputs(X)`` moves samples
            to its device, and prepares and augments them.
        batch : object
            A batch that :meth:`epoch` yields.

        Returns
        -------
        loss : tensor
            Loss of the batch, a scalar.
        prediction : tensor of shape (n, n_classes)
            Prediction that callbacks see.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method loss(net, batch).")

    def epoch(self, net: StepNet, batches: Any) -> Iterable[Any]:
        """Return the batches of an epoch; by default, those of :meth:`batches`.

        Parameters
        ----------
        net : skorch.NeuralNet
            The net that trains.
        batches : iterable
            Return value of :meth:`batches`.

        Returns
        -------
        iterable
            Batches, as :meth:`loss` takes them.
        """
        return batches

    def augment(self, context: TrainingContext) -> Callable[[Tensor], Tensor] | None:
        """Return the random augmentation of a batch of network inputs.

        Parameters
        ----------
        context : TrainingContext
            Objects that all steps of the training share.

        Returns
        -------
        callable or None
            The augmentation; by default, the weaker one of the estimator.
        """
        return context.augment

    def first_lr(self, context: TrainingContext) -> float:
        """Compute the learning rate of the step's first stage; by default, ``lr``.

        Parameters
        ----------
        context : TrainingContext
            Objects that all steps of the training share.

        Returns
        -------
        float
            Learning rate.
        """
        return self.lr

    def callbacks(self, context: TrainingContext, batches: Any) -> list[Callback]:
        """Make the step's own callbacks, such as a learning rate schedule; by default, none.

        Parameters
        ----------
        context : TrainingContext
            Objects that all steps of the training share.
        batches : iterable
            Return value of :meth:`batches`.

        Returns
        -------
        list of skorch.callbacks.Callback
            The callbacks, which are called before the estimator's ``callbacks``.
        """
        return []
