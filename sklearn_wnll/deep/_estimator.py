"""The estimator: checks its input, trains the network, asks the WNLL on its features."""

import os
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch.callbacks import Callback
from torch import Tensor, nn

from .._base import PartlyLabeledClassifierMixin, checks_parameters
from .._extension.class_prior import class_prior_values, labeled_frequencies
from .._typing import (
    ClassPrior,
    Floats,
    Gradient,
    Indices,
    Labels,
    Mask,
    NetworkLabelWeight,
    PredictMode,
    RandomState,
    Rows,
)
from .._warnings import warn_user
from ..exceptions import TrainingInterruptedWarning
from ._features.graph_features import GraphFeatures
from ._features.inputs import Standardizer, as_samples, memory_format, spread, warn_of_range
from ._head import WNLLHead
from ._making import (
    find_device,
    make_checkpoint,
    make_head,
    make_network,
    make_sample_features,
    make_training,
    warn_of_slow_precision,
)
from ._network import WNLLNetwork, features_of, on_device
from ._parameters import CONSTRAINTS
from ._training.batches import Samples

__all__ = ["DeepWNLLClassifier"]


class DeepWNLLClassifier(PartlyLabeledClassifierMixin, BaseEstimator):
    """Neural network with the weighted nonlocal Laplacian (WNLL) as its output layer.

    A backbone, a buffer block and two heads: a linear one, and the WNLL, which interpolates the
    labels of the training samples on the nearest-neighbour graph of the buffer's features.
    They are trained in stages. In each, a *linear step* trains all layers by the linear
    head's cross entropy; then a *WNLL step* trains the buffer block by that of the interpolation,
    with the rest frozen. Where there are unlabelled samples, *pseudo-label steps* take the place
    of the linear steps from the second stage on, and learn from them too.

    Parameters
    ----------
    module : callable or torch.nn.Module, default=None
        Backbone: called with ``module_params``, and ``in_channels`` (images) or
        ``in_features`` (rows) if it takes that, it returns a module that gives features of shape
        ``(n, n_features)``. None is :func:`~sklearn_wnll.deep.backbones._mlp` for rows and
        :func:`~sklearn_wnll.deep.backbones.resnet20` for images. A module that is given is
        copied, with its weights.
    module_params : dict, default=None
        Arguments of ``module``.
    buffer : callable, torch.nn.Module or None, default=None
        Called with the width of the features, returns the buffer block; or that block itself,
        which is copied. None is a fully connected layer of the same width and ReLU.
    n_stages : int, default=2
        Number of stages.
    max_epochs : int, default=100
        Epochs of each linear step.
    pseudo_epochs : int, default=40
        Epochs of each pseudo-label step: passes over all samples.
    wnll_epochs : int, default=5
        Epochs of each WNLL step.
    batch_size : int or {"auto"}, default="auto"
        Samples in a batch of a linear or pseudo-label step. ``"auto"`` is 64 in
        a pseudo-label step. In a linear one it is 128, as in the paper, or where there are fewer
        than 4,096 labelled samples, ``n / 32`` but at least 16. A number is taken as it is, and
        leaves ``lr`` alone.
    lr : float, default=0.05
        Learning rate of the linear step in the first stage; for smaller automatic batches,
        this times ``sqrt(batch_size / 128)``.
    pseudo_lr : float, default=0.03
        Learning rate with which the first pseudo-label step begins; it goes down to 0 by half a
        cosine.
    wnll_lr : float, default=0.01
        Learning rate of the WNLL step in the first stage.
    lr_halving : int or None, default=50
        Epochs after which the rate of a linear step is halved; None is never.
    stage_lr_factor : float, default=0.2
        What the rates are multiplied with from stage to stage.
    momentum : float, default=0.9
        Nesterov momentum.
    weight_decay : float, default=5e-4
        Weight decay.
    augment : {"auto"}, callable or None, default="auto"
        Changes a batch of network inputs at random in training; only torch's random numbers are
        seeded. ``"auto"`` is :func:`~sklearn_wnll.deep.crop_and_flip` for images, in pseudo-label
        steps :func:`~sklearn_wnll.deep.strong_augmentation`, and nothing for rows; the graph of
        unlabelled images then takes the mean of each and its mirror image. Where a mirrored image
        is another one, as of digits and letters, pass None or a function of your own.
    standardize : bool, default=True
        Whether to scale each channel, or feature, to mean 0 and variance 1 over the fitted samples.
        If not, images of uint8 are divided by 255. The graph of unlabelled rows sees them alike.
    mixed_precision : bool, default=False
        Whether backbone and buffer block compute in bfloat16 while they train: on processors and
        GPUs that have it, in about half the time; on x86 processors without AVX-512 many times
        slower, of which a warning tells. Weights, heads and prediction stay float32.
    template_fraction : float, default=0.2
        Part of the labelled samples that are templates in an epoch of a WNLL step; the others
        are its queries.
    n_template_batches : int, default=5
        Batches that the templates are cut into; fewer, where they would hold less than
        ``n_neighbors`` samples.
    n_query_batches : int, default=10
        Batches that the queries are cut into.
    n_neighbors : int, default=15
        Number of nearest other points that each point is joined with.
    scale_neighbor : int, default=8
        Which neighbour's distance is the length scale of a point's weights.
    label_weight : {"wnll", "laplace"} or float, default="wnll"
        Factor on the energy of labelled points, as in :class:`~sklearn_wnll.WNLLClassifier`.
    gradient : {"exact", "surrogate"}, default="exact"
        How the WNLL step goes backward: ``"exact"`` differentiates the interpolation;
        ``"surrogate"`` is the paper's rule, through the linear head, which wants a smaller
        ``wnll_lr``, such as 0.0005: it need not lower the loss, and can harm the linear head.
    pseudo_labels : {"wnll", "linear"} or None, default="wnll"
        Who labels the unlabelled samples for the later stages, whose linear steps then learn from
        them too, each by the certainty of its label: ``"wnll"`` extends the labels over a graph of
        the buffer's features and the samples' own (of images whitened random patches, of rows
        their numbers), ``"linear"`` takes the network's own softmax.
        They are labelled anew in each epoch, by a moving average of the network, which is also
        what the step ends with. None: they serve the graphs of the WNLL alone, as in the paper.
    pseudo_neighbors : int, default=30
        Number of nearest other points that each point is joined with in the graph of the
        pseudo-labels. If there are any, the WNLL also predicts on that graph, of cosine distances,
        and ``n_neighbors`` and ``scale_neighbor`` are those of the WNLL step alone. Some 15 are
        better where near samples mostly are of one class, such as digits; 60 where they are not.
    class_prior : {"labeled"}, dict, Series, array-like or None, default="labeled"
        Frequencies of the classes, as in :class:`~sklearn_wnll.WNLLClassifier`, towards which
        pseudo-labels, and then the WNLL's distributions, are corrected. ``"labeled"`` takes the
        labelled samples for a fair sample of all; pass None, or the frequencies, if they
        are not.
    head : {"wnll", "linear"}, default="wnll"
        Which head predicts. ``"linear"`` is the network's softmax, also on fitted samples.
    predict_mode : {"transductive", "inductive"}, default="transductive"
        How the WNLL predicts new samples, as in :class:`~sklearn_wnll.WNLLClassifier`: joined
        to the graph, or each alone. In both, a sample that equals a fitted one takes
        that one's fitted value.
    template_size : int or None, default=5000
        Number of fitted samples in one graph when predicting, at most; more are dealt to several
        templates, whose distributions are averaged. None is one graph of all.
    query_size : int or None, default=1000
        Number of new samples that join a graph together, at most; None is all. Which come
        together depends on the samples and on ``random_state``, not on their order.
    unlabeled : object, default="auto"
        What marks the unlabelled samples in ``y``, as in :class:`~sklearn_wnll.WNLLClassifier`.
    callbacks : list of skorch.callbacks.Callback, default=None
        Copied for each step. What a callback remembers is not part of a checkpoint.
    checkpoint_dir : str or path, default=None
        Folder to which the training is saved after each epoch. The same call goes on from there,
        and on the CPU, with as many threads, ends with the weights of an unbroken training.
        Each training needs a folder of its own; so it is not for cross-validation.
    device : str, default="auto"
        Where to train and predict, such as ``"cpu"`` or ``"cuda"``. ``"auto"`` is CUDA where
        there is a device.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, batches, augmentation, and the patches that a graph sees of images.
    n_jobs : int, default=None
        Number of jobs of the WNLL when it predicts, as in :class:`~sklearn_wnll.WNLLClassifier`.
        torch has its own threads.
    verbose : int, default=0
        If positive, print skorch's table and progress bars.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The distinct labels, sorted.
    network_ : WNLLNetwork
        The trained network, on the CPU.
    history_ : list of dict
        The numbers of every epoch of every step: its ``stage``, ``step`` ("linear", "pseudo" or
        "wnll"), ``epoch``, ``train_loss``, ``lr``, ``dur`` (seconds), in pseudo-label steps
        ``pseudo_weight`` (mean weight of the unlabelled samples), and what callbacks record.
    transduction_ : ndarray of shape (n_samples,)
        WNLL's label of each fitted sample, labelled and unlabelled ones.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        Its distribution over the classes.
    reached_ : ndarray of bool of shape (n_samples,)
        False where no label reaches a sample.
    n_features_in_ : int
        Number of features, or of channels times height times width.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if ``X`` has string names for all of them.

    Warns
    -----
    FewLabelsWarning
        If fewer samples are labelled than it takes on average to see every class once.
    OtherRangeWarning
        If new images have less than a tenth, or more than ten times the spread of the fitted ones.
    SlowPrecisionWarning
        If ``mixed_precision`` is asked for on an x86 processor without AVX-512.
    TrainingInterruptedWarning
        If the training was interrupted: the estimator is fitted with the weights so far.

    See Also
    --------
    sklearn_wnll.WNLLClassifier : The WNLL on any features.

    Notes
    -----
    ``predict(X)`` on the fitted samples equals ``transduction_``; so the score on fitted
    labelled samples is 1 by construction and says nothing: score on held-out samples, or with
    ``head="linear"``.

    References
    ----------
    B. Wang, X. Luo, Z. Li, W. Zhu, Z. Shi and S. J. Osher, "Deep Learning with Data Dependent
    Implicit Activation Function", arXiv 1802.00168 (2018): algorithms 1 and 2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_wnll.deep import DeepWNLLClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = DeepWNLLClassifier(max_epochs=10, n_stages=1, random_state=0)
    >>> model.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.9
    True
    """

    classes_: NDArray[Any]
    network_: WNLLNetwork
    history_: list[dict[str, Any]]
    transduction_: NDArray[Any]
    label_distributions_: Floats
    reached_: Mask
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    def __init__(
        self,
        module: Callable[..., nn.Module] | nn.Module | None = None,
        *,
        module_params: dict[str, Any] | None = None,
        buffer: Callable[[int], nn.Module] | nn.Module | None = None,
        n_stages: int = 2,
        max_epochs: int = 100,
        pseudo_epochs: int = 40,
        wnll_epochs: int = 5,
        batch_size: int | Literal["auto"] = "auto",
        lr: float = 0.05,
        pseudo_lr: float = 0.03,
        wnll_lr: float = 0.01,
        lr_halving: int | None = 50,
        stage_lr_factor: float = 0.2,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        augment: Literal["auto"] | Callable[[Tensor], Tensor] | None = "auto",
        standardize: bool = True,
        mixed_precision: bool = False,
        template_fraction: float = 0.2,
        n_template_batches: int = 5,
        n_query_batches: int = 10,
        n_neighbors: int = 15,
        scale_neighbor: int = 8,
        label_weight: NetworkLabelWeight = "wnll",
        gradient: Gradient = "exact",
        pseudo_labels: Literal["wnll", "linear"] | None = "wnll",
        pseudo_neighbors: int = 30,
        class_prior: ClassPrior | None = "labeled",
        head: Literal["wnll", "linear"] = "wnll",
        predict_mode: PredictMode = "transductive",
        template_size: int | None = 5000,
        query_size: int | None = 1000,
        unlabeled: object = "auto",
        callbacks: list[Callback] | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        device: str = "auto",
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.module = module
        self.module_params = module_params
        self.buffer = buffer
        self.n_stages = n_stages
        self.max_epochs = max_epochs
        self.pseudo_epochs = pseudo_epochs
        self.wnll_epochs = wnll_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.pseudo_lr = pseudo_lr
        self.wnll_lr = wnll_lr
        self.lr_halving = lr_halving
        self.stage_lr_factor = stage_lr_factor
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.augment = augment
        self.standardize = standardize
        self.mixed_precision = mixed_precision
        self.template_fraction = template_fraction
        self.n_template_batches = n_template_batches
        self.n_query_batches = n_query_batches
        self.n_neighbors = n_neighbors
        self.scale_neighbor = scale_neighbor
        self.label_weight = label_weight
        self.gradient = gradient
        self.pseudo_labels = pseudo_labels
        self.pseudo_neighbors = pseudo_neighbors
        self.class_prior = class_prior
        self.head = head
        self.predict_mode = predict_mode
        self.template_size = template_size
        self.query_size = query_size
        self.unlabeled = unlabeled
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @checks_parameters
    def fit(self, X: ArrayLike | Tensor, y: Labels) -> Self:
        """Train the network, and fit the WNLL to its features.

        Parameters
        ----------
        X : array-like or tensor of shape (n_samples, n_features), (n_samples, c, h, w) or \
                (n_samples, h, w, c)
            Rows of features or images, of any type of number; what is not uint8 becomes float32.
            The last axis holds the channels of images if it has 1, 3 or 4 entries, fewer than the
            two before it.
        y : array-like of shape (n_samples,)
            Labels, with the marker ``unlabeled`` where a sample has none. At least two
            samples are labelled.

        Returns
        -------
        DeepWNLLClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument is invalid: the message names it and the cure.
        """
        self.__dict__.pop("_head", None)  # of an earlier fit, should this one fail
        X = self._validate_X(X, reset=True)
        self.classes_, codes = self._encode(X, y)
        self._learns_from_unlabeled = (
            self.pseudo_labels is not None
            and self.n_stages > 1
            and self.pseudo_epochs > 0
            and bool((codes < 0).any())
        )
        self._prior = self._find_prior(codes)
        n_labeled = np.count_nonzero(codes >= 0)
        if n_labeled < 2:
            raise ValueError(
                f"y labels {n_labeled} sample of n_samples={len(codes)}, too few for a template "
                "batch and a query batch: training needs at least 2 labelled samples, better "
                "several of each class. Label more, or use WNLLClassifier, which does not train."
            )
        device = find_device(self.device)
        if self.mixed_precision:
            warn_of_slow_precision(device)
        checkpoint = make_checkpoint(self, X, codes)
        kept = checkpoint.load()
        drawn = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._seed = drawn if kept is None else kept["seed"]
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(self._seed)
            self._prepare = Standardizer(X, self.standardize)
            self.network_ = make_network(self, X).to(device, memory_format=memory_format(X.ndim))
            own = None
            self._own_features: Any = None
            if self._learns_from_unlabeled:
                self._own_features = make_sample_features(self, X, device)
                own = self._own_features(X, device, self.verbose)
            training = make_training(self, X, codes, own, checkpoint, device)
            try:
                training.run(Samples(X, codes), kept)
            except KeyboardInterrupt:
                warn_user(
                    f"The training was interrupted after {len(training.history)} whole epochs. The "
                    "estimator is fitted with the weights so far.",
                    TrainingInterruptedWarning,
                )
        self.history_ = training.history
        self._head = WNLLHead(make_head(self)).fit(X, codes, self._features(X, own))
        self.label_distributions_ = self._head.label_distributions
        self.reached_ = self._head.reached
        self.transduction_ = self.classes_[self.label_distributions_.argmax(axis=1)]
        return self

    def _distributions(self, X: Rows) -> tuple[Floats, Mask]:
        """Give the distribution of each sample, and whether a label reaches it."""
        check_is_fitted(self)
        self._validate_params()
        X = self._validate_X(X, reset=False)
        if self.head == "linear":
            logits = features_of(
                self.network_, X, self._prepare, find_device(self.device), linear=True
            )
            return logits.double().softmax(dim=1).numpy(), np.ones(len(X), dtype=bool)
        self._head.classifier.set_params(
            predict_mode=self.predict_mode,
            query_size=self.query_size,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        return self._head.predict(X, self._features)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_head")

    def _validate_X(self, X: Any, *, reset: bool) -> NDArray[Any]:
        """Check X: images become (n, c, h, w), all but uint8 becomes float32."""
        X = as_samples(X)
        shape = X.shape[1:] if getattr(X, "ndim", 2) == 4 else None
        if reset:
            self._image_shape = shape
            self._check_scale_neighbor()
        elif shape != self._image_shape:
            raise ValueError(
                f"X holds {_shape_name(shape)}, but the estimator was fitted to "
                f"{_shape_name(self._image_shape)}. Pass samples of that shape."
            )
        rows = X if shape is None else X.reshape(len(X), -1)
        rows = validate_data(self, rows, reset=reset, dtype=[np.float32, np.uint8])
        X = np.ascontiguousarray(rows).reshape(len(rows), *(shape or rows.shape[1:]))
        if reset:
            self._spread = spread(X)
        elif shape is not None:
            warn_of_range(X, self._spread)
        return X

    def _find_prior(self, codes: Indices) -> Floats | None:
        """Find the class frequencies to correct by; None where there is nothing to correct."""
        fair = isinstance(self.class_prior, str) and not self._learns_from_unlabeled
        if self.class_prior is None or fair:
            return None
        frequencies = labeled_frequencies(codes, len(self.classes_))
        return class_prior_values(self.class_prior, self.classes_, frequencies)

    def _features(self, X: NDArray[Any], own: NDArray[Any] | None = None) -> NDArray[Any]:
        """The features of samples on whose graph the WNLL predicts; some may be known."""
        device = find_device(self.device)
        if not self._learns_from_unlabeled:
            return features_of(self.network_, X, self._prepare, device).numpy()
        if own is None:
            own = self._own_features(X, device, self.verbose)
        with on_device(self.network_, device):
            return GraphFeatures(self.network_, self._prepare, device, own)(X)


def _shape_name(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return "rows of features"
    return "images of {} channels, height {} and width {}".format(*shape)
