"""What the parameters of DeepWNLLClassifier may be, and which a checkpoint depends on."""

import os
from functools import partial
from numbers import Integral, Real

import joblib
import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

__all__ = ["CONSTRAINTS", "fingerprints"]

CONSTRAINTS = {
    "module": [None, callable],
    "module_params": [None, dict],
    "buffer": [None, callable],
    "n_stages": [Interval(Integral, 1, None, closed="left")],
    "max_epochs": [Interval(Integral, 0, None, closed="left")],
    "pseudo_epochs": [Interval(Integral, 0, None, closed="left")],
    "wnll_epochs": [Interval(Integral, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "pseudo_lr": [Interval(Real, 0, None, closed="neither")],
    "wnll_lr": [Interval(Real, 0, None, closed="neither")],
    "lr_halving": [None, Interval(Integral, 1, None, closed="left")],
    "stage_lr_factor": [Interval(Real, 0, None, closed="neither")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "augment": [StrOptions({"auto"}), callable, None],
    "standardize": ["boolean"],
    "mixed_precision": ["boolean"],
    "template_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_template_batches": [Interval(Integral, 1, None, closed="left")],
    "n_query_batches": [Interval(Integral, 1, None, closed="left")],
    "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    "scale_neighbor": [Interval(Integral, 1, None, closed="left")],
    "label_weight": [
        StrOptions({"wnll", "laplace"}),
        Interval(Real, 0, None, closed="neither"),
    ],
    "gradient": [StrOptions({"surrogate", "exact"})],
    "pseudo_labels": [None, StrOptions({"wnll", "linear"})],
    "class_prior": [None, StrOptions({"labeled"}), dict, "array-like"],
    "pseudo_neighbors": [Interval(Integral, 1, None, closed="left")],
    "head": [StrOptions({"wnll", "linear"})],
    "predict_mode": [StrOptions({"transductive", "inductive"})],
    "template_size": [None, Interval(Integral, 2, None, closed="left")],
    "query_size": [None, Interval(Integral, 1, None, closed="left")],
    "unlabeled": "no_validation",
    "callbacks": [None, list],
    "checkpoint_dir": [None, str, os.PathLike],
    "device": [str],
    "random_state": ["random_state"],
    "n_jobs": [None, Integral],
    "verbose": ["verbose"],
}

# What may change between a training and its resumption.
_FREE = {
    "callbacks",
    "checkpoint_dir",
    "device",
    "head",
    "n_jobs",
    "predict_mode",
    "query_size",
    "random_state",
    "template_size",
    "unlabeled",
    "verbose",
}


def fingerprints(params, X, codes):
    """Hash what the result of a training depends on, each thing by itself.

    Parameters
    ----------
    params : dict
        The estimator's parameters.
    X : ndarray of shape (n_samples, ...)
        Samples.
    codes : ndarray of shape (n_samples,)
        Class of each, -1 where it is not known.

    Returns
    -------
    dict of str to str
        The hash of each parameter that counts, of ``"X"`` and of ``"y"``. A callable goes in by
        its name, a module by its weights, ``random_state`` if it is a number.
    """
    used = {name: _plain(value) for name, value in params.items() if name not in _FREE}
    seed = params["random_state"]
    used["random_state"] = int(seed) if isinstance(seed, Integral) else None
    return {name: joblib.hash(value) for name, value in {**used, "X": X, "y": codes}.items()}


def _plain(value):
    """Give a value that can be hashed."""
    if isinstance(value, nn.Module):
        weights = value.state_dict().items()
        return str(value), [(name, np.asarray(tensor.cpu())) for name, tensor in weights]
    if isinstance(value, partial):
        return _plain(value.func), [_plain(item) for item in value.args], _plain(value.keywords)
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    if isinstance(value, dict):
        return sorted((name, _plain(item)) for name, item in value.items())
    return str(value) if isinstance(value, Integral | Real) else value
