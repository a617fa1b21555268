"""The parameters of the estimator: their checks, and access inside by double underscores."""

import os
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions

from .._classifier import WNLLClassifier
from .._graph.weights import scale_neighbor_value
from .._typing import Indices
from ._head import WNLLHead
from ._training.base import TrainingStep
from ._training.steps import LinearStep, PseudoLabelStep, WNLLStep

__all__ = ["CONSTRAINTS", "STEPS", "NestedParameters"]

STEPS = "linear_step", "pseudo_step", "wnll_step"

CONSTRAINTS: dict[str, Any] = {
    "module": [None, callable],
    "module_params": [None, dict],
    "buffer": [None, callable],
    "n_stages": [Interval(Integral, 1, None, closed="left")],
    "linear_step": "no_validation",
    "pseudo_step": "no_validation",
    "wnll_step": "no_validation",
    "wnll": "no_validation",
    "augment": [StrOptions({"auto"}), callable, None],
    "standardize": ["boolean"],
    "mixed_precision": ["boolean"],
    "compile": ["boolean"],
    "head": [StrOptions({"wnll", "linear"})],
    "callbacks": [None, list],
    "validation": [None, Interval(Real, 0, 1, closed="neither"), tuple],
    "checkpoint_dir": [None, str, os.PathLike],
    "class_prior": [None, StrOptions({"labeled"}), dict, "array-like"],
    "unlabeled": "no_validation",
    "device": [str],
    "random_state": ["random_state"],
    "n_jobs": [None, Integral],
    "verbose": ["verbose"],
}

# scikit-learn's message would name these classes by their private modules.
_OBJECTS: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(STEPS, ((TrainingStep,), "a TrainingStep, such as LinearStep()")),
    "wnll": ((WNLLHead, WNLLClassifier), "a WNLLHead or a WNLLClassifier"),
}

# Set on the estimator around the graph, which would have to ignore these.
_RESERVED = {"class_prior": None, "unlabeled": "auto"}
# Parameters that a network's graph does not take, and their replacements.
_REFUSED = {
    "estimator": "Use the network's linear head instead: WNLLHead(linear_weight=...).",
    "volume_constraint": "Pass class_prior to correct distributions by the sizes of the classes.",
}


class NestedParameters(BaseEstimator):
    """Parameters that are objects, where None stands for a default object.

    Double underscores reach inside, even if the parameter is None: setting a parameter of the
    default object replaces None by that object. ``module__width`` is ``module_params["width"]``.
    """

    _DEFAULTS: ClassVar[dict[str, Any]] = {
        "linear_step": LinearStep,
        "pseudo_step": PseudoLabelStep,
        "wnll_step": WNLLStep,
        "wnll": WNLLHead,
    }

    module_params: dict[str, Any] | None
    n_stages: int
    n_jobs: int | None
    verbose: int

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
        """Set parameters of this estimator or, by double underscores, of its parts.

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
        for outer in nested:
            if outer in self._DEFAULTS and getattr(self, outer) is None:
                setattr(self, outer, self._DEFAULTS[outer]())
        super().set_params(
            **{
                f"{outer}__{key}": value
                for outer, inside in nested.items()
                for key, value in inside.items()
            }
        )
        return self

    def _validate_params(self) -> None:
        """Check the parameters, also those that are objects of this package."""
        super()._validate_params()
        for name, (kinds, wanted) in _OBJECTS.items():
            value = getattr(self, name)
            if not (value is None or isinstance(value, kinds)):
                got = f"the class {value.__name__}" if isinstance(value, type) else repr(value)
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be {wanted}, or None. "
                    f"Got {got} instead."
                )

    def _module_params(self) -> dict[str, Any]:
        """Return the arguments of the module; fit will refuse anything but a dict."""
        return self.module_params if isinstance(self.module_params, dict) else {}

    def _step(self, name: str) -> TrainingStep:
        """Copy the step of a name, and check its parameters."""
        given = getattr(self, name)
        step: TrainingStep = self._DEFAULTS[name]() if given is None else clone(given)
        for attribute in ("name", "epochs", "lr"):
            if not hasattr(step, attribute):
                raise ValueError(
                    f"{name}={step!r} has no {attribute}. A step needs an attribute name, for "
                    "history_, and parameters epochs and lr, which its __init__ sets."
                )
        step._validate_params()
        if isinstance(step, WNLLStep):
            _check_scale_neighbor(name, step)
        return step

    def _stages(
        self, steps: dict[str, TrainingStep], codes: Indices
    ) -> tuple[list[tuple[TrainingStep, TrainingStep]], bool]:
        """Return the steps of each stage, and whether later ones use unlabelled samples."""
        linear, pseudo, wnll = (steps[name] for name in STEPS)
        learns_from_unlabeled = self.n_stages > 1 and pseudo.epochs > 0 and bool((codes < 0).any())
        _check_slots({"linear_step": linear, "wnll_step": wnll}, learns_from_unlabeled)
        later = (pseudo if learns_from_unlabeled else linear), wnll
        return [(linear, wnll)] + (self.n_stages - 1) * [later], learns_from_unlabeled

    def _given_wnll(self) -> WNLLHead | WNLLClassifier:
        """Return the graph, checked; raise ValueError for parameters that it may not set."""
        wnll: WNLLHead | WNLLClassifier = WNLLHead() if self.wnll is None else self.wnll
        for name, default in _RESERVED.items():
            value = getattr(wnll, name, default)
            if not (value is default or (isinstance(value, str) and value == default)):
                raise ValueError(
                    f"wnll has {name}={value!r}, which would be ignored. Pass {name} to "
                    f"{type(self).__name__} itself."
                )
        for name, cure in _REFUSED.items():
            value = getattr(wnll, name, None)
            if value not in (None, False):
                raise ValueError(
                    f"wnll has {name}={value!r}, which the graph of a network does not take. {cure}"
                )
        if wnll.metric == "precomputed":
            raise ValueError(
                "wnll has metric='precomputed', but its graph is that of the network's features. "
                "Pass another metric."
            )
        wnll._validate_params()
        return wnll

    def _fresh_wnll(self, learns_from_unlabeled: bool) -> WNLLClassifier:
        """Make the graph's classifier, not fitted."""
        given = self._given_wnll()
        made = given._make(learns_from_unlabeled) if isinstance(given, WNLLHead) else given
        _check_scale_neighbor("wnll", made)
        return clone(made)

    def _linear_weight(self) -> float:
        """Return the strength of the linear head's pull on the graph; 0 by default."""
        return float(getattr(self._given_wnll(), "linear_weight", 0.0))

    def _execution(self, wnll: WNLLHead | WNLLClassifier) -> dict[str, Any]:
        """Return jobs and verbosity of a graph: its own, or those of this estimator."""
        n_jobs = getattr(wnll, "n_jobs", None)
        return {
            "n_jobs": self.n_jobs if n_jobs is None else n_jobs,
            "verbose": max(self.verbose, getattr(wnll, "verbose", 0)),
        }


def _check_scale_neighbor(name: str, graph: WNLLStep | WNLLClassifier) -> None:
    """Refuse a ``scale_neighbor`` now that a graph would refuse after hours of training."""
    try:
        scale_neighbor_value(graph.scale_neighbor, graph.n_neighbors)
    except ValueError as error:
        raise ValueError(f"In {name}, {error}") from error


def _check_slots(steps: dict[str, TrainingStep], learns_from_unlabeled: bool) -> None:
    """Refuse a step that needs unlabelled samples in a slot without any."""
    for name, step in steps.items():
        if step.needs_unlabeled and step.epochs and not learns_from_unlabeled:
            raise ValueError(
                f"{name} is a {type(step).__name__}, which needs features of unlabelled samples. A "
                "fit computes them if some samples are unlabelled, n_stages is 2 or more and the "
                "pseudo_step has epochs. Pass it as pseudo_step."
            )
