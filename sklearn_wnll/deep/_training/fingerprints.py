"""Fingerprints of a training's inputs, so a checkpoint is not continued by another training."""

from functools import partial
from numbers import Integral, Real

import joblib
import numpy as np
import torch
from torch import nn

__all__ = ["fingerprints", "plain"]

# Parameters that may change between a training and its resumption.
_FREE = {
    "callbacks",
    "checkpoint_dir",
    "compile",
    "device",
    "head",
    "n_jobs",
    "random_state",
    "unlabeled",
    "verbose",
    *(
        f"wnll__{name}"
        for name in (
            "calibrate",
            "held_out",
            "max_iter",
            "n_jobs",
            "predict_mode",
            "query_size",
            "random_state",
            "template_size",
            "tol",
            "unlabeled",
            "verbose",
        )
    ),
}


def fingerprints(params, parts, X, codes):
    """Hash each input that affects the result of a training: a dict of strings.

    ``params`` are the estimator's; ``parts`` its steps and its graph by name, whose parameters get
    names with double underscores. A callable is represented by its name, a module by its weights;
    ``random_state`` is only included if it is a number.
    """
    params = dict(params)
    for name, part in parts.items():
        params[name] = type(part).__qualname__
        params |= {f"{name}__{key}": value for key, value in part.get_params().items()}
    used = {name: plain(value) for name, value in params.items() if name not in _FREE}
    seed = params["random_state"]
    used["random_state"] = int(seed) if isinstance(seed, Integral) else None
    return {name: joblib.hash(value) for name, value in {**used, "X": X, "y": codes}.items()}


def plain(value):
    """Turn a value into one that can be hashed, equal for values that train in the same way."""
    if isinstance(value, nn.Module):
        return str(value), plain(dict(value.state_dict()))
    if isinstance(value, torch.Tensor):
        return np.asarray(value.detach().cpu())
    if isinstance(value, partial):
        return plain(value.func), [plain(item) for item in value.args], plain(value.keywords)
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    if isinstance(value, dict):
        return sorted((name, plain(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Integral | Real) else value
