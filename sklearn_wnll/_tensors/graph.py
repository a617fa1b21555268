"""The nearest-neighbour graph of the rows of a torch tensor, where they are."""

from dataclasses import dataclass
from typing import Any

import torch

from .._arrays import as_host
from .._graph.features import FeatureGraph, FeatureGraphBuilder
from .._graph.metrics import SMOOTH_METRICS
from .._graph.weights import scale_neighbor_value
from .matrix import TensorMatrix
from .rows import TensorPoints, TensorSpace
from .search import make_tensor_search

__all__ = ["TensorGraph", "TensorGraphBuilder", "checked_tensor", "computes_on_device",
           "make_tensor_builder"]  # fmt: skip

# On a CPU, a tensor's memory is as good as an array's, for which there are faster algorithms.
_DEVICES = {"cuda"}


def computes_on_device(model, device):
    """Return whether the graph of an estimator's rows on a torch device is built there."""
    searches = isinstance(model.neighbors, str) and model.metric in SMOOTH_METRICS
    return device.type in _DEVICES and searches


def checked_tensor(X, check):
    """Check rows like :func:`check`, which takes arrays; other types become float64."""
    X = X.detach().resolve_neg()
    check(as_host(X[:1] if X.ndim else X))
    if X.dtype not in (torch.float32, torch.float64):
        X = (X.dequantize() if X.is_quantized else X).double()
    wrong = ~torch.isfinite(X).all(dim=1)
    if bool(wrong.any()):
        check(as_host(X[wrong][:1]))
    return X


def make_tensor_builder(model, X, template_size):
    """Make the builder for rows such as the tensor ``X``, by the estimator's parameters."""
    part = X[:template_size]
    return TensorGraphBuilder(
        model.metric,
        make_tensor_search(model.neighbors, part, model.random_state),
        model.n_neighbors,
        scale_neighbor_value(model.scale_neighbor, model.n_neighbors),
    )


class TensorGraph(FeatureGraph):
    """Graph of the distinct rows of a tensor; its weights are on the device."""

    @property
    def device(self):
        """The device of the rows."""
        return self._search.points.device

    def _weights(self, lists, n_columns):
        return TensorMatrix.of(super()._weights(lists, n_columns), self.device)

    def compact(self):
        """Return the graph without its lists and edges."""
        compact = super().compact()
        compact.weights = TensorMatrix.of(compact.weights, self.device)
        return compact


@dataclass(frozen=True)
class TensorGraphBuilder(FeatureGraphBuilder):
    """Builder for rows of features on a device."""

    def space(self) -> Any:
        """Make the space of the metric, not yet fitted."""
        return TensorSpace(self.metric)

    def points(self, X: torch.Tensor) -> Any:
        """Find the points of rows, and the distinct rows (n_points, n_features)."""
        points = TensorPoints(X)
        return points, points.distinct(X)

    def build(self, points: torch.Tensor) -> TensorGraph:
        """Build the graph of distinct rows."""
        return TensorGraph(points, self)
