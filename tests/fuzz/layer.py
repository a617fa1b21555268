"""The torch layer's result for a cloud, compared with the dense reference."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_wnll.deep._layer.interpolation import Interpolation

from ..reference import dense_extension, dense_weights
from .compare import Outcome, has_ties

__all__ = ["compare_layer"]

# A residual in single precision is relative to numbers that were rounded to 6e-8.
_ALLOWED = {torch.float64: 1e-6, torch.float32: 1e-4}


def compare_layer(case):
    """Compare an interpolation in both precisions, on its own graph and, without ties, another."""
    kind, X, y, params = case
    labeled = y >= 0
    if labeled.all():
        labeled[1:] = False
    order = np.argsort(~labeled, kind="stable")
    return [_compare(kind, X[order], y[order], labeled[order], params, dtype) for dtype in _ALLOWED]


def _compare(kind, X, y, labeled, params, dtype):
    n_template, points = labeled.sum(), torch.tensor(X, dtype=dtype)
    classes, codes = np.unique(y[labeled], return_inverse=True)
    g = np.eye(len(classes))[codes]
    label_weight = params["label_weight"]
    label_weight = "laplace" if label_weight == "poisson" else label_weight
    mu = {"wnll": len(X) / n_template, "laplace": 1.0}.get(label_weight, label_weight)
    graph = params["n_neighbors"], params["scale_neighbor"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = Interpolation(
            points[:n_template],
            torch.tensor(g),
            points[n_template:],
            n_neighbors=graph[0],
            scale_neighbor=graph[1],
            label_weight=label_weight,
            tol=1e-12 if dtype == torch.float64 else 1e-8,
            max_iter=20_000,
        )
    warned = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    exact = points.double().numpy()
    graphs = [_own_weights(found)]
    distinct = len(np.unique(exact, axis=0)) == len(exact)
    if distinct and not has_ties(exact, graph[0]):
        graphs.append(dense_weights(exact, *graph))
    reached = found.system.reached.numpy()
    error = 0.0
    for W in graphs:
        u = dense_extension(W, labeled, g, mu)[n_template:]
        difference = np.abs(found.values[n_template:].numpy() - u)[reached]
        error = max(error, difference.max(initial=0))
    return Outcome(kind, error, _ALLOWED[dtype], warned)


def _own_weights(found):
    """The weights of the graph on which the layer found its values."""
    n = len(found.values)
    W = np.zeros((n, n))
    np.put_along_axis(W, found.cloud.neighbors.numpy(), found.weights.numpy(), axis=1)
    return W
