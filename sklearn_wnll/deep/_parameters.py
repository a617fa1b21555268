"""The parameters of the estimator: what they may be, and how double underscores reach inside."""

import os
from numbers import Integral
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval, StrOptions

from .._classifier import WNLLClassifier
from .._graph.weights import scale_neighbor_value
from ._training.base import TrainingStep
from ._training.steps import LinearStep, PseudoLabelStep, WNLLStep

__all__ = ["CONSTRAINTS", "STEPS", "NestedParameters", "default_wnll"]

STEPS = "linear_step", "pseudo_step", "wnll_step"

CONSTRAINTS: dict[str, Any] = {
    "module": [None, callable],
    "module_params": [None, dict],
    "buffer": [None, callable],
    "n_stages": [Interval(Integral, 1, None, closed="left")],
    "linear_step": [None, TrainingStep],
    "pseudo_step": [None, TrainingStep],
    "wnll_step": [None, TrainingStep],
    "wnll": [None, WNLLClassifier],
    "augment": [StrOptions({"auto"}), callable, None],
    "standardize": ["boolean"],
    "mixed_precision": ["boolean"],
    "head": [StrOptions({"wnll", "linear"})],
    "callbacks": [None, list],
    "checkpoint_dir": [None, str, os.PathLike],
    "class_prior": [None, StrOptions({"labeled"}), dict, "array-like"],
    "unlabeled": "no_validation",
    "device": [str],
    "random_state": ["random_state"],
    "n_jobs": [None, Integral],
    "verbose": ["verbose"],
}

_SCALE = 8  # neighbour whose distance is the scale of the graph of unlabelled samples
# Owned by the estimator around it, which would have to ignore them.
_RESERVED = {"class_prior": None, "unlabeled": "auto"}


def default_wnll(learns_from_unlabeled: bool = True) -> WNLLClassifier:
    """The graph that ``wnll=None`` stands for."""
    batches: dict[str, Any] = {"template_size": 5000, "query_size": 1000}
    if learns_from_unlabeled:
        return WNLLClassifier(n_neighbors=30, scale_neighbor=_SCALE, metric="cosine", **batches)
    return WNLLClassifier(**batches)


def _is_short(n_neighbors: object) -> bool:
    """Whether lists of that length do not reach to the default graph's scale."""
    return isinstance(n_neighbors, int | Integral) and n_neighbors < _SCALE


class NestedParameters(BaseEstimator):
    """Parameters that are objects, of which None stands for a default object.

    Double underscores reach inside, also where the parameter is None: setting a parameter of the
    default object puts that object in its place. ``module__width`` is ``module_params["width"]``.
    """

    _DEFAULTS: ClassVar[dict[str, Any]] = {
        "linear_step": LinearStep,
        "pseudo_step": PseudoLabelStep,
        "wnll_step": WNLLStep,
        "wnll": default_wnll,
    }

    module_params: dict[str, Any] | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the parameters of the steps and of the graph, as ``linear_step__lr``,
            and those of the module, as ``module__width``.

        Returns
        -------
        dict
            Parameter names and their values.
        """
        params = super().get_params(deep=deep)
        if deep:
            for name, make in self._DEFAULTS.items():
                if params[name] is None:
                    inside = make().get_params(deep=True)
                    params |= {f"{name}__{key}": value for key, value in inside.items()}
            params |= {f"module__{key}": value for key, value in self._module_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator, or, by double underscores, of what it is made of.

        Parameters
        ----------
        **params : dict
            Parameters, such as ``head="linear"``, ``pseudo_step__lr=0.01``,
            ``wnll__n_neighbors=10`` or ``module__width=32``.

        Returns
        -------
        estimator instance
            The estimator.
        """
        nested: dict[str, dict[str, Any]] = {}
        plain: dict[str, Any] = {}
        for name, value in params.items():
            outer, delimiter, inner = name.partition("__")
            if delimiter:
                outer = "module" if outer == "module_params" else outer
                nested.setdefault(outer, {})[inner] = value
            else:
                plain[name] = value
        super().set_params(**plain)
        if "module" in nested:
            self.module_params = {**self._module_params(), **nested.pop("module")}
        for outer, inside in nested.items():
            if outer in self._DEFAULTS and getattr(self, outer) is None:
                made = self._DEFAULTS[outer]()
                if inside == made.get_params():  # what get_params returned: None as before
                    continue
                if outer == "wnll" and _is_short(inside.get("n_neighbors")):
                    made.set_params(scale_neighbor=None)
                setattr(self, outer, made)
            super().set_params(**{f"{outer}__{key}": value for key, value in inside.items()})
        return self

    def _module_params(self) -> dict[str, Any]:
        """The arguments of the module; what is no dict will be refused by fit."""
        return self.module_params if isinstance(self.module_params, dict) else {}

    def _step(self, name: str) -> TrainingStep:
        """The step of a name, its parameters checked."""
        given = getattr(self, name)
        step: TrainingStep = self._DEFAULTS[name]() if given is None else given
        if not isinstance(getattr(step, "name", None), str):
            raise ValueError(
                f"{name}={step!r} has no name, by which history_ would call it. Give its class an "
                'attribute name, such as name = "consistency".'
            )
        step._validate_params()
        if isinstance(step, WNLLStep):
            _check_scale_neighbor(name, step)
        return step

    def _fresh_wnll(self, learns_from_unlabeled: bool) -> WNLLClassifier:
        """A copy of the graph, not fitted; a ValueError if it has what is the estimator's."""
        given = self.wnll
        wnll: WNLLClassifier = default_wnll(learns_from_unlabeled) if given is None else given
        for name, default in _RESERVED.items():
            value = getattr(wnll, name)
            if not (value is default or (isinstance(value, str) and value == default)):
                raise ValueError(
                    f"wnll has {name}={value!r}, which would be ignored. Pass {name} to "
                    f"{type(self).__name__} itself."
                )
        if wnll.metric == "precomputed":
            raise ValueError(
                "wnll has metric='precomputed', but its graph is that of the network's features. "
                "Pass another metric."
            )
        wnll._validate_params()
        _check_scale_neighbor("wnll", wnll)
        return clone(wnll)


def _check_scale_neighbor(name: str, graph: WNLLStep | WNLLClassifier) -> None:
    """Say at once what would else be said by the first graph, maybe after hours of training."""
    try:
        scale_neighbor_value(graph.scale_neighbor, graph.n_neighbors)
    except ValueError as error:
        raise ValueError(f"In {name}, {error}") from error
