"""The estimator: checks its input, trains the network, and runs the WNLL on its features."""

import os
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback
from torch import Tensor, nn

from .._base import checks_parameters
from .._classifier import WNLLClassifier
from .._progress import show_progress
from .._typing import Floats, Labels, Mask, NetworkClassPrior, RandomState, Rows
from ._devices import find_device
from ._head import WNLLHead
from ._inputs import validate_samples
from ._labeling import TakesMoreLabels
from ._network import WNLLNetwork
from ._parameters import CONSTRAINTS
from ._saving import SavesWeights
from ._training.base import TrainingStep
from ._transform import ComputesFeatures

__all__ = ["DeepWNLLClassifier"]


class DeepWNLLClassifier(TakesMoreLabels, ComputesFeatures, SavesWeights):
    """Neural network with the weighted nonlocal Laplacian (WNLL) as its output layer.

    The network consists of a backbone, a buffer block and two heads: a linear one, and the WNLL,
    which interpolates the labels of the training samples on the nearest-neighbour graph of the
    buffer's features. It is trained in stages. In each, a *linear step* trains all layers on the
    cross entropy of the linear head. Then a *WNLL step* trains the buffer block on the cross
    entropy of the interpolation, with the rest frozen. If there are unlabelled samples,
    *pseudo-label steps* replace the linear steps from the second stage on, and learn from
    unlabelled samples too.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    module : callable or torch.nn.Module, default=None
        Backbone. A callable is called with ``module_params``, and with ``in_channels`` (images) or
        ``in_features`` (rows) if it takes that, and returns a module that computes features of
        shape ``(n, n_features)``. A module is copied with its weights. If None,
        :func:`~sklearn_wnll.deep.backbones.mlp` is used for rows and
        :func:`~sklearn_wnll.deep.backbones.resnet20` for images.
    module_params : dict, default=None
        Arguments of ``module``; ``set_params(module__width=32)`` sets one of them.
    buffer : callable, torch.nn.Module or None, default=None
        Buffer block. A callable is called with the number of features, and returns the block. A
        module is copied. If None, a fully connected layer that keeps the number of features, with
        ReLU.
    n_stages : int, default=2
        Number of stages.
    linear_step : TrainingStep, default=None
        First step of the first stage, and of the later ones if no sample is unlabelled. If None,
        :class:`~sklearn_wnll.deep.LinearStep`.
    pseudo_step : TrainingStep, default=None
        First step of the later stages, if there are unlabelled samples. If None,
        :class:`~sklearn_wnll.deep.PseudoLabelStep`. With ``PseudoLabelStep(epochs=0)``, linear
        steps take its place, as in the paper, and unlabelled samples are only used in the graphs.
    wnll_step : TrainingStep, default=None
        Last step of each stage. If None, :class:`~sklearn_wnll.deep.WNLLStep`.
    wnll : WNLLHead or WNLLClassifier, default=None
        Graph that computes pseudo-labels and predictions; a copy of it is fitted to the network's
        features. If None, :class:`~sklearn_wnll.deep.WNLLHead`.
    augment : {"auto"}, callable or None, default="auto"
        Random augmentation of a batch of network inputs in training; only torch's random numbers
        are seeded. For images, ``"auto"`` is :func:`~sklearn_wnll.deep.crop_and_flip`, and
        :func:`~sklearn_wnll.deep.strong_augmentation` in pseudo-label steps; the graph of
        unlabelled images then uses the mean of each image and its mirror image. For rows,
        ``"auto"`` changes nothing. If mirroring can change the class (digits, letters), pass None
        or a function of your own.
    standardize : bool, default=True
        Whether to scale each channel, or feature, to mean 0 and variance 1 over the fitted samples.
        If False, uint8 images are divided by 255. The graph of unlabelled rows uses the scaled
        rows too.
    mixed_precision : bool, default=False
        Whether to train backbone and buffer block in bfloat16. This takes about half the time on
        processors and GPUs that support it, and is many times slower on x86 processors without
        AVX-512, where a warning is issued. Weights, heads and predictions remain float32.
    compile : bool, default=False
        Whether to compile the network for linear and pseudo-label steps by ``torch.compile``,
        on a GPU as CUDA graphs. This takes up to some minutes for each size of batches, and pays
        off in long trainings. Where it fails, a warning is issued and the training continues
        without it. Results differ by rounding from those without it.
    head : {"wnll", "linear"}, default="wnll"
        Head that predicts. ``"linear"`` is the network's softmax, also on fitted samples.
    callbacks : list of skorch.callbacks.Callback, default=None
        Callbacks, copied for each step. Once one of them sets the learning rate, as ``LRScheduler``
        does, the step's own schedule ends. A checkpoint keeps the state of ``LRScheduler``, but
        not that of other callbacks.
    validation : float, tuple (X, y) or None, default=None
        Held-out samples to score after each epoch, for ``history_`` and for callbacks that monitor
        ``valid_loss``: a fraction of the labelled samples, drawn stratified by ``random_state``, or
        labelled samples of your own. The training does not see them. Samples drawn as a fraction
        join the graph, with their labels, after the training.
    checkpoint_dir : str or path, default=None
        Folder to which the training is saved after each epoch. After an interruption, the same
        call continues from there. On the CPU with the same number of threads, and on a GPU with
        deterministic algorithms, it ends with the weights of an uninterrupted training. Each
        training needs a folder of its own, so leave it unset in cross-validation.
    class_prior : {"labeled"}, dict, Series, array-like or None, default="labeled"
        Frequencies of the classes, as in :class:`~sklearn_wnll.WNLLClassifier`. Pseudo-labels, and
        then the WNLL's distributions, are corrected towards them. ``"labeled"`` takes the
        frequencies among the labelled samples; if these are not representative, pass None or the
        frequencies.
    unlabeled : object, default="auto"
        Marker of the unlabelled samples in ``y``, as in :class:`~sklearn_wnll.WNLLClassifier`:
        ``"auto"`` is a missing value or -1, any other value is the marker itself, and None says
        that every sample is labelled.
    device : str, default="auto"
        Device for training and prediction, such as ``"cpu"`` or ``"cuda"``. ``"auto"`` is CUDA if
        a device is available.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, batches, augmentation, and image patches for the graph. Pass an int
        for reproducible results across calls on the same kind of device.
    n_jobs : int, default=None
        Number of jobs for the predictions of the WNLL, as in
        :class:`~sklearn_wnll.WNLLClassifier`. torch uses threads of its own.
    verbose : int, default=0
        If positive, print skorch's table and progress bars.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The distinct labels, sorted, of the type that they have in ``y``.
    network_ : WNLLNetwork
        The trained network, on the CPU.
    history_ : list of dict
        One dict for each epoch of each step, those of :meth:`relabel` included: its ``stage``,
        ``step`` ("linear", "pseudo", "wnll", or the name of your own step), ``epoch``,
        ``train_loss``, ``lr`` (rate of the first batch), ``dur`` (seconds), in pseudo-label steps
        ``pseudo_weight`` (mean weight of the unlabelled samples), and numbers that callbacks
        record. With ``validation``, also ``valid_loss`` and ``valid_linear_accuracy`` of the linear
        head, ``valid_wnll_accuracy`` of the WNLL on a graph of labelled and held-out samples, and
        for each of them ``valid_..._best``: whether it is the best of the step so far.
    transduction_ : ndarray of shape (n_samples,)
        Label of each fitted sample, labelled or not, as predicted by the WNLL.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        Distribution over the classes of each fitted sample, as predicted by the WNLL.
    reached_ : ndarray of bool of shape (n_samples,)
        False for samples that no label reaches.
    temperature_ : float
        Temperature of the WNLL's distributions; 1 without ``wnll__calibrate=True``.
    label_noise_ : float
        Fraction of the labels that are assumed to be wrong; 0 without ``wnll__label_noise``.
    held_out_distributions_ : ndarray of shape (n_samples, n_classes)
        Distribution of each labelled sample, predicted by the WNLL without the labels of its fold;
        NaN for unlabelled samples. Only available with ``wnll__held_out`` or ``wnll__calibrate``.
    held_out_score_ : float
        Accuracy of ``held_out_distributions_`` on the labelled samples. It is near 1 once the
        network has memorized their labels, and does not estimate the accuracy on other samples
        (see Notes). Only available with ``wnll__held_out`` or ``wnll__calibrate``.
    n_features_in_ : int
        Number of features, or of channels times height times width.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if ``X`` has string names for all of them.

    Warns
    -----
    AmbiguousLabelsWarning
        If a class in ``y`` may be a marker of unlabelled samples.
    FewLabelsWarning
        If fewer samples are labelled than it takes on average to see every class once.
    MemorizedLabelsWarning
        If the network has memorized its labels, so ``held_out_score_`` may be too high.
    InputRangeWarning
        If new images have less than a tenth or more than ten times the spread of the fitted ones.
    SlowPrecisionWarning
        If ``mixed_precision=True`` on an x86 processor without AVX-512.
    CompilationFailedWarning
        If ``compile=True``, and the network cannot be compiled.
    TrainingInterruptedWarning
        If the training was interrupted: the estimator is fitted with the weights so far.
    UnportableModelWarning
        If a model that refers to names of ``__main__`` is pickled.
    UnreachedPointsWarning, ConvergenceWarning
        As in :class:`~sklearn_wnll.WNLLClassifier`, for the graph of the network's features.

    See Also
    --------
    sklearn_wnll.WNLLClassifier : The WNLL on given features.
    sklearn_wnll.deep.TrainingStep : Base class for steps of your own.
    sklearn_wnll.model_selection.LabeledFold : Folds of the labelled samples, for cross-validation.

    Notes
    -----
    ``predict(X)`` on the fitted samples equals ``transduction_``. The score on fitted labelled
    samples is therefore 1 by construction: score on held-out samples instead. With
    ``head="linear"``, it is an ordinary score on training samples.

    ``held_out_score_``, ``suspect_labels`` and ``wnll__label_noise`` concern the graph alone. The
    network has been trained with all labels, and confirms them, right or wrong, once it has
    memorized them. Score on samples that the training does not see, such as those of
    ``validation``, and look for wrong labels with :class:`~sklearn_wnll.WNLLClassifier` before the
    training.

    The fitted samples stay in memory for :meth:`relabel`, as float32 or uint8; an array of that
    type is not copied. Files do not hold them.

    References
    ----------
    B. Wang, X. Luo, Z. Li, W. Zhu, Z. Shi and S. J. Osher, "Deep Learning with Data Dependent
    Implicit Activation Function", arXiv 1802.00168 (2018): algorithms 1 and 2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep
    >>> X, y = load_digits(return_X_y=True)
    >>> model = DeepWNLLClassifier(linear_step=LinearStep(epochs=10), n_stages=1, random_state=0)
    >>> score = model.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:])
    >>> f"{score:.2f}"
    '0.9...'
    """

    classes_: NDArray[Any]
    network_: WNLLNetwork
    history_: list[dict[str, Any]]
    transduction_: NDArray[Any]
    label_distributions_: Floats
    reached_: Mask
    temperature_: float
    label_noise_: float
    held_out_distributions_: Floats
    held_out_score_: float
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
        linear_step: TrainingStep | None = None,
        pseudo_step: TrainingStep | None = None,
        wnll_step: TrainingStep | None = None,
        wnll: WNLLHead | WNLLClassifier | None = None,
        augment: Literal["auto"] | Callable[[Tensor], Tensor] | None = "auto",
        standardize: bool = True,
        mixed_precision: bool = False,
        compile: bool = False,
        head: Literal["wnll", "linear"] = "wnll",
        callbacks: list[Callback] | None = None,
        validation: float | tuple[Any, Labels] | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        class_prior: NetworkClassPrior | None = "labeled",
        unlabeled: object = "auto",
        device: str = "auto",
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.module = module
        self.module_params = module_params
        self.buffer = buffer
        self.n_stages = n_stages
        self.linear_step = linear_step
        self.pseudo_step = pseudo_step
        self.wnll_step = wnll_step
        self.wnll = wnll
        self.augment = augment
        self.standardize = standardize
        self.mixed_precision = mixed_precision
        self.compile = compile
        self.head = head
        self.callbacks = callbacks
        self.validation = validation
        self.checkpoint_dir = checkpoint_dir
        self.class_prior = class_prior
        self.unlabeled = unlabeled
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
            Rows of features, or images, of any numeric type; types other than uint8 are converted
            to float32. The last axis holds the channels of images if it has 1, 3 or 4 entries,
            fewer than the two before it. A list, a Series or a torch Dataset of single images,
            including Pillow images, is stacked. Pass a Dataset of pairs as
            ``skorch.helper.SliceDataset(X)``, and its labels as ``y``.
        y : array-like of shape (n_samples,)
            Labels, with the marker ``unlabeled`` for samples without a label. At least two
            samples must be labelled.

        Returns
        -------
        DeepWNLLClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument is invalid; the message names it and the cure.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll.datasets import hide_labels
        >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep
        >>> X, y = load_digits(return_X_y=True)
        >>> few = hide_labels(y[:500], 5, random_state=0)  # 5 labels per class, -1 elsewhere
        >>> model = DeepWNLLClassifier(n_stages=1, linear_step=LinearStep(epochs=10))
        >>> model = model.set_params(wnll_step=WNLLStep(epochs=0), random_state=0)
        >>> model.fit(X[:500], few).transduction_.shape
        (500,)
        """
        return self._fit_whole(X, y)

    def _distributions(self, X: Rows) -> tuple[Floats, Mask]:
        """Return the distribution of each sample, and a mask of those that a label reaches."""
        check_is_fitted(self)
        self._validate_params()
        X = validate_samples(self, X, reset=False)
        device = find_device(self.device)
        if self.head == "linear":
            logits = self._predictor.features.logits(X, device)
            return logits.double().softmax(dim=1).numpy(), np.ones(len(X), dtype=bool)
        wnll = self._given_wnll()
        names = "predict_mode", "query_size", "tol", "max_iter"
        options = {name: getattr(wnll, name) for name in names} | self._execution(wnll)
        with show_progress(self.verbose):
            return self._predictor.predict(X, device, **options)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_predictor")
