"""What an estimator's parameters stand for: a device, a backbone, a training."""

import platform
from copy import deepcopy
from inspect import signature
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .._classifier import WNLLClassifier
from .._warnings import warn_user
from ..exceptions import SlowPrecisionWarning
from ._augmentation import crop_and_flip, strong_augmentation
from ._features.inputs import as_tensor
from ._features.patches import SampleFeatures
from ._network import WNLLNetwork
from ._parameters import fingerprints
from ._training.batches import LARGE_BATCH, PSEUDO_BATCH, automatic_batch_size
from ._training.checkpoint import Checkpoint
from ._training.pseudo_labels import pseudo_graph
from ._training.training import Training
from .backbones import mlp, resnet20

__all__ = [
    "find_device",
    "make_backbone",
    "make_checkpoint",
    "make_head",
    "make_network",
    "make_sample_features",
    "make_training",
    "warn_of_slow_precision",
]


def find_device(name):
    """Find the device that is asked for.

    Parameters
    ----------
    name : str
        ``"auto"`` is CUDA where there is a device, or else the CPU.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If it cannot be used.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={name!r} cannot be used: {error}. Pass 'auto' or 'cpu', or install a torch "
            "that is built for the device."
        ) from error
    return device


def warn_of_slow_precision(device):
    """Warn where mixed precision is far slower than single precision: x86 without AVX-512.

    Parameters
    ----------
    device : torch.device
        Where the network trains.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if device.type == "cpu" and x86 and not capability.startswith("AVX512"):
        warn_user(
            "mixed_precision=True on a processor without AVX-512: torch computes bfloat16 many "
            "times slower than float32 there. Pass mixed_precision=False.",
            SlowPrecisionWarning,
        )


def make_backbone(module, module_params, X):
    """Make a backbone for samples.

    Parameters
    ----------
    module : callable, torch.nn.Module or None
        What makes it, or what it is a copy of. None is an MLP for rows and a ResNet-20 for images.
    module_params : dict or None
        Arguments. ``in_channels`` or ``in_features`` is added where the callable takes it.
    X : ndarray of shape (n, n_features) or (n, n_channels, height, width)
        Samples.

    Returns
    -------
    torch.nn.Module
        The backbone.

    Raises
    ------
    ValueError
        If it cannot be made.
    """
    kind, name = ("rows of features", "in_features") if X.ndim == 2 else ("images", "in_channels")
    params = dict(module_params or {})
    if module is None:
        module = mlp if X.ndim == 2 else resnet20
    if isinstance(module, nn.Module):
        if params:
            raise ValueError(
                "module_params cannot be used with a module that is made already: pass its class "
                "or a function as module, or module_params=None."
            )
        return deepcopy(module)
    if name in signature(module).parameters:
        params.setdefault(name, X.shape[1])
    try:
        backbone = module(**params)
    except TypeError as error:
        raise ValueError(
            f"module cannot be made for X, which holds {kind}: {error}. Pass a module for {kind}, "
            "or what it needs in module_params."
        ) from error
    if not isinstance(backbone, nn.Module):
        raise ValueError(f"module must return a torch.nn.Module, got {type(backbone).__name__}.")
    return backbone


def make_network(model, X):
    """Make an estimator's network, not trained.

    Parameters
    ----------
    model : DeepWNLLClassifier
        The estimator.
    X : ndarray of shape (n_samples, ...)
        Samples.

    Returns
    -------
    WNLLNetwork
        The network, on the CPU.
    """
    return WNLLNetwork(
        make_backbone(model.module, model.module_params, X),
        model._prepare(as_tensor(X[:2])),
        len(model.classes_),
        model.buffer,
        mixed_precision=model.mixed_precision,
    )


def make_head(model):
    """Make the WNLL that predicts on an estimator's features.

    Parameters
    ----------
    model : DeepWNLLClassifier
        The estimator.

    Returns
    -------
    WNLLClassifier
        The WNLL, not fitted.
    """
    graph = {"n_neighbors": model.n_neighbors, "scale_neighbor": model.scale_neighbor}
    if model._learns_from_unlabeled:
        graph = pseudo_graph(model.pseudo_neighbors)
    return WNLLClassifier(
        **graph,
        label_weight=model.label_weight,
        class_prior=model._prior,
        unlabeled=-1,
        template_size=model.template_size,
        random_state=model._seed,
        n_jobs=model.n_jobs,
        verbose=model.verbose,
    )


def make_checkpoint(model, X, codes):
    """Make the checkpoint that an estimator's training is kept in.

    Parameters
    ----------
    model : DeepWNLLClassifier
        The estimator.
    X : ndarray of shape (n_samples, ...)
        Samples.
    codes : ndarray of shape (n_samples,)
        Class of each, -1 where it is not known.

    Returns
    -------
    Checkpoint
        One that keeps nothing, without ``checkpoint_dir``.

    Raises
    ------
    ValueError
        If ``checkpoint_dir`` is a file.
    """
    if model.checkpoint_dir is None:
        return Checkpoint()
    if Path(model.checkpoint_dir).is_file():
        raise ValueError(
            f"checkpoint_dir={model.checkpoint_dir!r} is a file. Pass a folder, or what is to "
            "become one."
        )
    return Checkpoint(model.checkpoint_dir, fingerprints(model.get_params(deep=False), X, codes))


def make_sample_features(model, X, device):
    """Make the features of the samples themselves, for the graph that labels some of them.

    Parameters
    ----------
    model : DeepWNLLClassifier
        The estimator.
    X : ndarray of shape (n_samples, ...)
        Samples.
    device : torch.device
        Where to compute.

    Returns
    -------
    SampleFeatures
        The features, fitted.
    """
    weak, _ = _augmentations(model, X)
    features = SampleFeatures(
        mirrored=weak is crop_and_flip, seed=model._seed, standardize=model.standardize
    )
    return features.fit(X, device)


def make_training(model, X, codes, own, checkpoint, device):
    """Make what trains an estimator's network, with its parameters.

    Parameters
    ----------
    model : DeepWNLLClassifier
        The estimator, with a network that is not trained.
    X : ndarray of shape (n_samples, ...)
        Samples.
    codes : ndarray of shape (n_samples,)
        Class of each, -1 where it is not known.
    own : ndarray of shape (n_samples, n_own) or None
        The samples' own features, if the estimator learns from unlabelled samples.
    checkpoint : Checkpoint
        Where the state is kept.
    device : torch.device
        Where the network is.

    Returns
    -------
    Training
        The training, not begun.
    """
    weak, strong = _augmentations(model, X)
    pseudo_labels = None
    if model._learns_from_unlabeled:
        pseudo_labels = {
            "rule": model.pseudo_labels,
            "n_neighbors": model.pseudo_neighbors,
            "own": own,
            "mirrored": model._own_features.mirrored,
            "prior": model._prior,
            "n_jobs": model.n_jobs,
        }
    batch_size = dict.fromkeys(("linear", "pseudo"), model.batch_size)
    linear_lr = model.lr
    if model.batch_size == "auto":
        n_labeled = np.count_nonzero(codes >= 0)
        batch_size = {"linear": automatic_batch_size(n_labeled), "pseudo": PSEUDO_BATCH}
        linear_lr *= (batch_size["linear"] / LARGE_BATCH) ** 0.5
    return Training(
        model.network_,
        model._prepare,
        {"linear": weak, "pseudo": strong, "wnll": weak},
        model._seed,
        n_stages=model.n_stages,
        epochs={
            "linear": model.max_epochs,
            "pseudo": model.pseudo_epochs,
            "wnll": model.wnll_epochs,
        },
        lr={
            "linear": linear_lr,
            "pseudo": model.pseudo_lr,
            "wnll": model.wnll_lr,
        },
        stage_lr_factor=model.stage_lr_factor,
        halve_every=model.lr_halving,
        optimizer={
            "momentum": model.momentum,
            "nesterov": model.momentum > 0,
            "weight_decay": model.weight_decay,
        },
        batch_size=batch_size,
        batches={
            "template_fraction": model.template_fraction,
            "n_template_batches": model.n_template_batches,
            "n_query_batches": model.n_query_batches,
            "min_template": model.n_neighbors,
        },
        interpolation={
            "n_neighbors": model.n_neighbors,
            "scale_neighbor": model.scale_neighbor,
            "label_weight": model.label_weight,
            "gradient": model.gradient,
        },
        pseudo_labels=pseudo_labels,
        callbacks=_checked(model.callbacks or []),
        checkpoint=checkpoint,
        device=str(device),
        verbose=model.verbose,
    )


def _checked(callbacks):
    """Give callbacks, bare or with a name as skorch takes them, if they are ones."""
    for callback in callbacks:
        bare = callback[1] if isinstance(callback, tuple) and len(callback) == 2 else callback
        if not hasattr(bare, "on_epoch_end"):
            raise ValueError(
                f"callbacks holds {callback!r}, which is no callback. Pass objects of "
                "skorch.callbacks or of classes derived from skorch.callbacks.Callback."
            )
    return callbacks


def _augmentations(model, X):
    """What changes the batches of linear and WNLL steps, and those of pseudo-label steps."""
    if not isinstance(model.augment, str):
        return model.augment, model.augment
    return (crop_and_flip, strong_augmentation) if X.ndim == 4 else (None, None)
