"""Parts of a fit, made from the estimator's parameters."""

from copy import deepcopy
from numbers import Integral
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from ._arrays import is_tensor
from ._extension.beside import Classifier, Companion, Known
from ._extension.row_labels import RowLabels
from ._extension.solution import Recipe
from ._extension.transduction import Extender
from ._graph.builder import make_graph_builder
from ._graph_rows import as_given

__all__ = ["Kept", "check_combination", "check_has_features", "graph_builder", "place_of",
           "plan_extension"]  # fmt: skip

_OF_GRAPH = "n_neighbors", "scale_neighbor", "metric", "neighbors", "template_size", "random_state"
_PARTITIONS = "partitions"  # the place of rows


def place_of(rows: Any) -> str:
    """Return the kind of validated rows: the type of arrays, or the device of tensors."""
    return str(rows.device) if is_tensor(rows) else type(rows).__name__


class Kept(NamedTuple):
    """The parts of a fit that stay while labels change.

    ``given`` are the rows as the estimator's classifier takes them, None without a classifier;
    ``place`` tells where they are, ``n_features`` is their number of features, ``seed`` the seed of
    later draws, and ``parameters`` are those that the graph depends on.
    """

    given: Any
    place: Any
    n_features: int
    seed: int
    parameters: dict[str, Any]

    @classmethod
    def of(cls, model: Any, X: Any, rows: Any) -> "Kept":
        """Keep the parts that a later fit to ``rows``, the validated ``X``, will need."""
        # A copy, since the caller may overwrite X before labels are held out.
        given = None if model.estimator is None else deepcopy(as_given(X, rows))
        seed = int(check_random_state(model.random_state).randint(2**31 - 1))
        parameters = {name: getattr(model, name) for name in _OF_GRAPH}
        parameters["neighbors"] = clone(model.neighbors, safe=False)  # it may be set later
        return cls(given, place_of(rows), rows.shape[1], seed, parameters)

    @classmethod
    def in_partitions(cls, n_features: int) -> "Kept":
        """Keep nothing: the rows are partitions of a dask collection."""
        return cls(None, _PARTITIONS, n_features, 0, {})

    @property
    def is_partitioned(self) -> bool:
        """Return whether the rows are partitions of a dask collection."""
        return bool(self.place == _PARTITIONS)

    def changed(self, model: Any) -> list[str]:
        """List the graph's parameters that have changed since the fit."""
        return [
            name for name, old in self.parameters.items() if not _same(old, getattr(model, name))
        ]


def _same(a: Any, b: Any) -> bool:
    """Return whether two values of a parameter are the same, even if they are objects."""
    if isinstance(a, (Integral, str)) and isinstance(b, (Integral, str)):
        return a == b
    if isinstance(a, np.random.RandomState) or callable(a):
        return a is b
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if hasattr(a, "get_params") and type(a) is type(b):
        ours, theirs = a.get_params(deep=False), b.get_params(deep=False)
        return ours.keys() == theirs.keys() and all(_same(ours[k], theirs[k]) for k in ours)
    return type(a) is type(b) and joblib.hash(a) == joblib.hash(b)


def check_has_features(model: Any) -> None:
    """Refuse an estimator beside a graph of given distances."""
    if model.estimator is not None and model.metric == "precomputed":
        raise ValueError(
            "estimator needs features, but with metric='precomputed' X holds distances. Pass "
            "estimator=None, or the features with another metric."
        )


def check_combination(model: Any, classes: NDArray[Any]) -> None:
    """Refuse parameters that do not fit together, or do not fit the classes."""
    if model.volume_constraint and model.class_prior is None:
        raise ValueError(
            "volume_constraint=True needs the sizes of the classes, but class_prior is None. "
            "Pass class_prior='labeled' if the labelled rows were drawn at random, 'estimated' "
            "if not, or the frequencies themselves; or volume_constraint=False."
        )
    check_has_features(model)
    if model.estimator is not None and len(classes) == 1:
        raise ValueError(
            "estimator needs two classes, but y has one class only. Label rows of another, or "
            "pass estimator=None."
        )


def plan_extension(
    model: Any, kept: Kept, labels: RowLabels, companion: Known | None
) -> tuple[Recipe, Extender]:
    """Plan the extension of labels, and the steps that follow."""
    extender = Extender(
        label_weight=model.label_weight,
        label_noise=model.label_noise,
        fallback=labels.fallback,
        tol=model.tol,
        max_iter=model.max_iter,
        seed=kept.seed,
    )
    return _make_recipe(model, kept, labels.classes, companion), extender


def _make_recipe(model: Any, kept: Kept, classes: NDArray[Any], companion: Known | None) -> Recipe:
    """Make the steps after the extension: a ``companion`` joins, or the estimator."""
    if model.estimator is None:
        return Recipe(companion, model.volume_constraint, model._jobs)
    learner = Companion(
        Classifier(model.estimator, classes),
        kept.given,
        given=model.estimator_labels == "given",
        strength=model.estimator_weight,
        n_stages=model.n_stages,
        seed=kept.seed,
    )
    return Recipe(learner, model.volume_constraint, model._jobs)


def graph_builder(model: Any, X: Any, template_size: int | None) -> Any:
    """Make the builder of the graphs of validated rows."""
    if is_tensor(X):
        from ._tensors.graph import make_tensor_builder

        return make_tensor_builder(model, X, template_size)
    return make_graph_builder(
        X,
        metric=model.metric,
        neighbors=model.neighbors,
        n_neighbors=model.n_neighbors,
        scale_neighbor=model.scale_neighbor,
        template_size=template_size,
        random_state=model.random_state,
    )
