"""The steps of the package, each with its batches, loss and schedule."""

from collections.abc import Callable, Iterable
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback
from skorch.utils import to_device
from torch import Tensor
from torch.nn.functional import nll_loss, one_hot

from ..._typing import Gradient, NetworkLabelWeight
from .._augmentation import exchange_squares, strong_augmentation
from .._features.graph_features import GraphFeatures
from .._layer.interpolation import wnll_interpolate
from .base import POSITIVE, TrainingStep
from .batches import (
    Batches,
    PseudoLabeledBatches,
    TemplateQueryBatches,
    automatic_batch_size,
    automatic_rate,
)
from .callbacks import MovingAverage, RecordPseudoWeight
from .context import TrainingContext
from .net import StepNet
from .pseudo_labels import PseudoLabels
from .schedules import CosineDecay, StepHalving

__all__ = ["LinearStep", "PseudoLabelStep", "WNLLStep"]

_DECAY = 0.99  # of the average of the network in a pseudo-label step
# Weight of the uniform distribution, mixed into the WNLL's before the logarithm. Without it, a
# query would have an infinite loss if no template near it has its class.
_UNIFORM = 0.01

_COUNT = Interval(Integral, 1, None, closed="left")


class LinearStep(TrainingStep):
    """Step that trains all layers on the labelled samples.

    The loss is the cross entropy of the linear head.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    epochs : int, default=100
        Passes over the labelled samples.
    lr : float, default=0.05
        Learning rate in the first stage. With ``batch_size="auto"``, it is multiplied by
        ``sqrt(batch_size / 128)`` for batches of fewer than 128 samples.
    batch_size : int or {"auto"}, default="auto"
        Number of samples per batch. ``"auto"`` is 128, as in the paper; if ``n`` samples are
        labelled and ``n`` is below 4,096, it is ``n / 32``, at least 16. It is the same on every
        device.
    lr_halving_epochs : int or None, default=50
        Number of epochs after which the learning rate is halved each time. If None, never.
    stage_lr_factor : float, default=0.2
        Factor on the learning rate each time the step is repeated.
    momentum : float, default=0.9
        Nesterov momentum.
    weight_decay : float, default=5e-4
        Weight decay.

    References
    ----------
    Wang et al., arXiv 1802.00168 (2018), Algorithm 1.

    Examples
    --------
    >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep
    >>> model = DeepWNLLClassifier(linear_step=LinearStep(epochs=20))
    >>> model.set_params(linear_step__lr=0.1).linear_step.lr
    0.1
    """

    name = "linear"
    extensible = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainingStep._parameter_constraints,
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "lr_halving_epochs": [None, _COUNT],
    }

    def __init__(
        self,
        epochs: int = 100,
        *,
        lr: float = 0.05,
        batch_size: int | Literal["auto"] = "auto",
        lr_halving_epochs: int | None = 50,
        stage_lr_factor: float = 0.2,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
    ) -> None:
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.lr_halving_epochs = lr_halving_epochs
        self.stage_lr_factor = stage_lr_factor
        self.momentum = momentum
        self.weight_decay = weight_decay

    def batches(self, context: TrainingContext) -> Batches:
        """Make shuffled batches of the labelled samples."""
        return Batches(context.samples, self._batch_size(context))

    def loss(self, net: StepNet, batch: Any) -> tuple[Tensor, Tensor]:
        """Compute the cross entropy of the linear head."""
        X, codes = batch
        logits = net.module_(_training_inputs(net, X))
        return nll_loss(logits.log_softmax(dim=1), to_device(codes, net.device)), logits

    def first_lr(self, context: TrainingContext) -> float:
        """Lower the rate for smaller automatic batches."""
        if self.batch_size == "auto":
            return automatic_rate("linear", self.lr, self._batch_size(context))
        return self.lr

    def callbacks(self, context: TrainingContext, batches: Any) -> list[Callback]:
        """Halve the rate every ``lr_halving_epochs`` epochs."""
        return [StepHalving(self.lr_halving_epochs)] if self.lr_halving_epochs else []

    def _batch_size(self, context: TrainingContext) -> int:
        if self.batch_size == "auto":
            n_labeled = int((context.samples.codes >= 0).sum())
            return automatic_batch_size("linear", n_labeled, context.device)
        return self.batch_size


class PseudoLabelStep(TrainingStep):
    """Step that trains all layers on labelled and pseudo-labelled samples.

    The loss is the cross entropy of the linear head. Before each epoch, or every few epochs, a
    moving average of the network labels the unlabelled samples again; they are weighted by the
    certainty of these labels. The step ends with that average. The learning rate falls to 0 along
    half a cosine.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    epochs : int, default=40
        Passes over all samples. With 0, a linear step takes the place of this step.
    lr : float, default=0.03
        Initial learning rate of the first such step. With ``batch_size="auto"``, it is multiplied
        by ``sqrt(batch_size / 32)`` for batches of more than 32 samples.
    batch_size : int or {"auto"}, default="auto"
        Number of samples per batch. ``"auto"`` is 32 on the CPU; on a GPU, which takes as long for
        a small batch, it is ``n / 32`` for ``n`` samples, at least 64 and at most 256. The share of
        unlabelled samples is that in the data, at most seven eighths.
    labels : {"wnll", "linear"}, default="wnll"
        Source of the pseudo-labels. ``"wnll"`` extends the given labels over a graph of the buffer
        block's features together with features of the samples themselves: for images, responses to
        whitened random patches; for rows, the raw values. The estimator's ``wnll`` sets its
        neighbours and weights. ``"linear"`` takes the network's own softmax.
    label_epochs : int, default=1
        Number of epochs between two labellings of the unlabelled samples. A labelling takes
        about a third of the time of an epoch on a CPU.
    cutmix : bool or {"auto"}, default="auto"
        Whether to fill a square of each image by that of another image of the batch, whose label
        then counts by its share of the area (CutMix). The network then memorizes fewer of its wrong
        labels. ``"auto"``: yes, if the step's augmentation is
        :func:`~sklearn_wnll.deep.strong_augmentation`, which then cuts out no square.
    stage_lr_factor : float, default=0.2
        Factor on the learning rate each time the step is repeated.
    momentum : float, default=0.9
        Nesterov momentum.
    weight_decay : float, default=1e-3
        Weight decay.

    References
    ----------
    S. Yun et al., "CutMix: Regularization strategy to train strong classifiers with localizable
    features", ICCV 2019.

    Examples
    --------
    >>> from sklearn_wnll.deep import DeepWNLLClassifier, PseudoLabelStep
    >>> model = DeepWNLLClassifier(pseudo_step=PseudoLabelStep(labels="linear"))
    >>> model.get_params()["pseudo_step__labels"]
    'linear'
    """

    name = "pseudo"
    averages_weights = True
    needs_unlabeled = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainingStep._parameter_constraints,
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "labels": [StrOptions({"wnll", "linear"})],
        "label_epochs": [_COUNT],
        "cutmix": [StrOptions({"auto"}), "boolean"],
    }

    def __init__(
        self,
        epochs: int = 40,
        *,
        lr: float = 0.03,
        batch_size: int | Literal["auto"] = "auto",
        labels: Literal["wnll", "linear"] = "wnll",
        label_epochs: int = 1,
        cutmix: bool | Literal["auto"] = "auto",
        stage_lr_factor: float = 0.2,
        momentum: float = 0.9,
        weight_decay: float = 1e-3,
    ) -> None:
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.labels = labels
        self.label_epochs = label_epochs
        self.cutmix = cutmix
        self.stage_lr_factor = stage_lr_factor
        self.momentum = momentum
        self.weight_decay = weight_decay

    def batches(self, context: TrainingContext) -> PseudoLabeledBatches:
        """Make batches of labelled and pseudo-labelled samples."""
        if context.average is None or context.input_features is None:
            raise ValueError(
                f"{type(self).__name__} needs the features of unlabelled samples that a fit "
                "computes for its pseudo_step, and the averages_weights and needs_unlabeled of "
                "PseudoLabelStep."
            )
        if self.cutmix is True and context.samples.X.ndim != 4:
            raise ValueError(
                "cutmix=True of the pseudo_step needs images (n, n_channels, height, width), but X "
                f"has shape {tuple(context.samples.X.shape)}. Pass cutmix='auto' or False."
            )
        features = GraphFeatures(
            context.average,
            context.prepare,
            context.device,
            context.input_features,
            mixed=True,
        )
        label = PseudoLabels(context, features, self.labels)
        size = self._batch_size(context)
        return PseudoLabeledBatches(context.samples, size, label, self.label_epochs)

    def loss(self, net: StepNet, batch: Any) -> tuple[Tensor, Tensor]:
        """Compute the weighted cross entropy of the linear head."""
        x, mixed = _training_inputs(net, batch[0]), self._mixes(net.context)
        codes, weights = (to_device(part, net.device) for part in batch[1:])
        if mixed:
            x, other, share = exchange_squares(x)
        logits = net.module_(x)
        log_p = logits.log_softmax(dim=1)
        losses = weights * nll_loss(log_p, codes, reduction="none")
        if mixed:
            of_other = weights[other] * nll_loss(log_p, codes[other], reduction="none")
            losses = share * losses + (1 - share) * of_other
        return losses.mean(), logits

    def first_lr(self, context: TrainingContext) -> float:
        """Raise the rate for larger automatic batches."""
        if self.batch_size == "auto":
            return automatic_rate("pseudo", self.lr, self._batch_size(context))
        return self.lr

    def augment(self, context: TrainingContext) -> Callable[[Tensor], Tensor] | None:
        """Choose the stronger augmentation."""
        strong = context.augment_strongly
        if strong is strong_augmentation and self._mixes(context):
            return partial(strong_augmentation, cut=False)
        return strong

    def callbacks(self, context: TrainingContext, batches: Any) -> list[Callback]:
        """Lower the rate along half a cosine, and average the weights."""
        return [
            CosineDecay(self.epochs, len(batches)),
            MovingAverage(context.average, _DECAY, len(batches)),
            RecordPseudoWeight(batches),
        ]

    def _mixes(self, context: TrainingContext) -> bool:
        if self.cutmix == "auto":
            return context.augment_strongly is strong_augmentation
        return self.cutmix

    def _batch_size(self, context: TrainingContext) -> int:
        if self.batch_size == "auto":
            return automatic_batch_size("pseudo", len(context.samples), context.device)
        return self.batch_size


class WNLLStep(TrainingStep):
    """Step that trains the buffer block on the labelled samples, by the WNLL.

    The loss is the cross entropy of the interpolation. In each epoch, the labelled samples are
    divided into template batches and query batches. For each pair, the WNLL interpolates the
    templates' labels to the queries. Backbone and linear head are frozen; a batch goes through the
    backbone once per epoch. Unlabelled samples join the query batches as points of the graph,
    without a loss.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    epochs : int, default=5
        Passes over all pairs of batches. With 0, the step is left out.
    lr : float, default=0.01
        Learning rate in the first stage.
    template_fraction : float, default=0.2
        Fraction of the labelled samples that are templates in an epoch; the others are queries.
    n_template_batches : int, default=5
        Number of template batches; fewer if they would hold fewer than ``n_neighbors`` samples.
    n_query_batches : int, default=10
        Number of query batches.
    n_neighbors : int, default=15
        Number of neighbours of each point in the graph.
    scale_neighbor : int, default=None
        Rank of the neighbour whose distance is the length scale of a point's weights. If None,
        half of ``n_neighbors``, rounded up.
    label_weight : {"wnll", "laplace"} or float, default="wnll"
        Factor on the energy of labelled points, as in :class:`~sklearn_wnll.WNLLClassifier`.
    gradient : {"exact", "surrogate"}, default="exact"
        Rule for the backward pass. ``"exact"`` differentiates the interpolation. ``"surrogate"`` is
        the paper's rule, through the linear head; it needs a smaller ``lr``, such as 0.0005, may
        fail to lower the loss, and can harm the linear head.
    stage_lr_factor : float, default=0.2
        Factor on the learning rate each time the step is repeated.
    momentum : float, default=0.9
        Nesterov momentum.
    weight_decay : float, default=5e-4
        Weight decay.

    See Also
    --------
    wnll_interpolate : The interpolation.

    References
    ----------
    Wang et al., arXiv 1802.00168 (2018), Algorithm 1.

    Examples
    --------
    >>> from sklearn_wnll.deep import DeepWNLLClassifier, WNLLStep
    >>> model = DeepWNLLClassifier(wnll_step=WNLLStep(gradient="surrogate", lr=0.0005))
    >>> model.wnll_step.epochs
    5
    """

    name = "wnll"
    trains_buffer_only = True
    extensible = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainingStep._parameter_constraints,
        "template_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_template_batches": [_COUNT],
        "n_query_batches": [_COUNT],
        "n_neighbors": [_COUNT],
        "scale_neighbor": [None, _COUNT],
        "label_weight": [StrOptions({"wnll", "laplace"}), POSITIVE],
        "gradient": [StrOptions({"surrogate", "exact"})],
    }

    def __init__(
        self,
        epochs: int = 5,
        *,
        lr: float = 0.01,
        template_fraction: float = 0.2,
        n_template_batches: int = 5,
        n_query_batches: int = 10,
        n_neighbors: int = 15,
        scale_neighbor: int | None = None,
        label_weight: NetworkLabelWeight = "wnll",
        gradient: Gradient = "exact",
        stage_lr_factor: float = 0.2,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
    ) -> None:
        self.epochs = epochs
        self.lr = lr
        self.template_fraction = template_fraction
        self.n_template_batches = n_template_batches
        self.n_query_batches = n_query_batches
        self.n_neighbors = n_neighbors
        self.scale_neighbor = scale_neighbor
        self.label_weight = label_weight
        self.gradient = gradient
        self.stage_lr_factor = stage_lr_factor
        self.momentum = momentum
        self.weight_decay = weight_decay

    def batches(self, context: TrainingContext) -> TemplateQueryBatches:
        """Make all pairs of a query batch and a template batch."""
        return TemplateQueryBatches(
            context.samples,
            template_fraction=self.template_fraction,
            n_template_batches=self.n_template_batches,
            n_query_batches=self.n_query_batches,
            min_template=self.n_neighbors,
        )

    def epoch(self, net: StepNet, batches: Any) -> Iterable[Any]:
        """Send each batch through the frozen backbone once."""

        @torch.no_grad()
        def through_backbone(samples: Tensor) -> Tensor:
            net.module_.train_buffer_only()
            return net.module_.through_backbone(net.inputs(samples))

        return batches.pairs(through_backbone)

    def loss(self, net: StepNet, batch: Any) -> tuple[Tensor, Tensor]:
        """Compute the cross entropy of the interpolation from templates to queries."""
        (query, query_codes), (template, template_codes) = batch
        net.module_.train_buffer_only()
        # Copies, because a buffer block may work in place, and each batch is used again.
        z_template = net.module_.through_buffer(template.clone())
        z_query = net.module_.through_buffer(query.clone())
        linear = net.module_.linear
        u = wnll_interpolate(
            z_template,
            one_hot(to_device(template_codes, net.device), linear.out_features),
            z_query,
            n_neighbors=self.n_neighbors,
            scale_neighbor=self.scale_neighbor,
            label_weight=self.label_weight,
            gradient=self.gradient,
            surrogate=linear(z_query) if self.gradient == "surrogate" else None,
        )
        mixed = (1 - _UNIFORM) * u + _UNIFORM / u.shape[1]
        # Without a loss for unlabelled samples.
        return nll_loss(mixed.log(), to_device(query_codes, net.device), ignore_index=-1), u


def _training_inputs(net: StepNet, X: Tensor) -> Tensor:
    """Prepare and augment samples for a network in training mode."""
    if not net.module_.training:  # the first batch, or one after a callback's prediction
        net.module_.train()
    return net.inputs(X)
