"""Saving a fitted estimator as tensors and plain values, without any code."""

import os
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from .. import __version__
from .._extension.beside import Known
from .._warnings import silenced
from ..exceptions import (
    CollapsedClassesWarning,
    FewLabelsWarning,
    ShortNeighborListsWarning,
    SingleLabelWarning,
    UnreachedPointsWarning,
)
from ._devices import find_device
from ._features.input_features import InputFeatures
from ._files import read_state, without_numpy, write_state
from ._inputs import KeptSamples, Standardizer, as_tensor, memory_format
from ._network import WNLLNetwork, inference_network, make_backbone
from ._parameters import NestedParameters
from ._predictor import NetworkFeatures, Predictor

__all__ = ["SavesWeights"]

_KIND = "weights of DeepWNLLClassifier 1"
# Parameters of the graph used by a fit, and those used by a prediction.
_FITTED = ("n_neighbors", "scale_neighbor", "metric", "label_weight", "label_noise", "neighbors",
           "held_out", "calibrate", "template_size")  # fmt: skip
_PREDICTING = "predict_mode", "query_size", "tol", "max_iter"
_OUTPUT = ("_sklearn_output_config",)  # set by set_output
# Absent from files of older versions.
_LINEAR, _HELD_OUT = "wnll__linear_weight", "held_out_rows"
_SAID = (CollapsedClassesWarning, ConvergenceWarning, FewLabelsWarning, ShortNeighborListsWarning,
         SingleLabelWarning, UnreachedPointsWarning)  # fmt: skip
_RTOL = 1e-3  # between the features of one network on different processors
_MOST_CHANGE = 0.01  # of the distributions on average, from ties between equally near neighbours


class SavesWeights(NestedParameters):
    """An estimator that saves its fitted state to a file, and loads it."""

    _predictor: Predictor
    classes_: NDArray[Any]

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted state as tensors and plain values, without any code.

        Read more in the :doc:`user guide </guide/saving>`.

        Parameters
        ----------
        path : str or path
            File to write. An existing file is replaced only when the new one is complete.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a class is not a string, a number, a boolean or a NumPy date; or if ``history_`` or
            the network's extra state holds anything but such values.

        See Also
        --------
        load_weights : Load the file.

        Notes
        -----
        The file holds the network's weights, the classes, the history, and the features, label
        and distribution of each fitted sample, but not the sample itself. It does not hold the
        parameters of the estimator, because they may be code.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep
        >>> X, y = load_digits(return_X_y=True)
        >>> model = DeepWNLLClassifier(n_stages=1, linear_step=LinearStep(epochs=1))
        >>> model = model.set_params(wnll_step=WNLLStep(epochs=0)).fit(X[:200], y[:200])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save_weights(f"{folder}/digits.weights")
        ...     print([path.name for path in Path(folder).iterdir()])
        ['digits.weights']
        """
        check_is_fitted(self)
        path = Path(path)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder. Pass the name of a file in it.")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {path.parent}. Make it first.")
        write_state(path, _state(copy(self)), _KIND)

    def load_weights(self, path: str | os.PathLike[str]) -> Self:
        """Load a file written by :meth:`save_weights` instead of fitting.

        The network is built from ``module``, ``module_params`` and ``buffer``, which must be those
        of the saved estimator. Their classes may be defined elsewhere, for example in another
        ``__main__``. No code in the file is run.

        Read more in the :doc:`user guide </guide/saving>`.

        Parameters
        ----------
        path : str or path
            File to read.

        Returns
        -------
        DeepWNLLClassifier
            The fitted estimator.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, or of another version or kind; if the parameters describe
            another network; or if ``head``, ``unlabeled`` or a parameter of ``wnll`` that affects
            predictions differs.

        Notes
        -----
        Predictions equal those of the saved estimator, bit for bit on the same machine with the
        same versions. The WNLL is fitted again to the features in the file, which takes as long as
        at the end of a training.

        Examples
        --------
        >>> import tempfile
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep
        >>> X, y = load_digits(return_X_y=True)
        >>> model = DeepWNLLClassifier(n_stages=1, linear_step=LinearStep(epochs=1))
        >>> model = model.set_params(wnll_step=WNLLStep(epochs=0)).fit(X[:200], y[:200])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save_weights(f"{folder}/digits.weights")
        ...     loaded = DeepWNLLClassifier().load_weights(f"{folder}/digits.weights")
        >>> int((loaded.predict(X[300:]) != model.predict(X[300:])).sum())  # that differ
        0
        """
        self._validate_params()
        state = read_state(path, _KIND)
        try:
            fitted = _fitted_attributes(self, state)
        except ValueError as error:
            raise ValueError(f"{path} cannot be loaded: {error}") from error
        output = {name: vars(self)[name] for name in _OUTPUT if name in vars(self)}
        self.__dict__ = self.get_params(deep=False) | output | fitted
        return self


def _state(estimator: Any) -> dict[str, Any]:
    """Return the fitted state as tensors and plain values."""
    predictor, names = estimator._predictor, getattr(estimator, "feature_names_in_", None)
    features, wnll = predictor.features, predictor.wnll
    network, from_inputs = features.network, features.input_features
    shape = estimator._image_shape or (estimator.n_features_in_,)
    arrays = {
        "keys": predictor.samples.keys.view(np.int64),
        "index": predictor.samples.index,
        "Z": predictor.Z,
        "codes": predictor.codes,
        "label_distributions": predictor.label_distributions,
        "reached": predictor.reached,
    }
    if predictor.known is not None:
        arrays["p"] = predictor.known.p
    return {
        "version": __version__,
        "parameters": _compared(estimator, wnll, predictor.linear_weight),
        "classes": _classes_to_state(estimator.classes_),
        "shape": [int(n) for n in shape],
        "spread": float(estimator._spread),
        "feature_names": None if names is None else list(map(str, names)),
        "network": dict(network.state_dict()),
        "probe": _probe(network, shape),
        "standardizer": features.prepare.state(),
        "input_features": None if from_inputs is None else from_inputs.state(),
        "samples": {name: as_tensor(array) for name, array in arrays.items()},
        _HELD_OUT: as_tensor(estimator._held_out_rows),
        "wnll": without_numpy(
            {name: getattr(wnll, name) for name in ("random_state", "tol", "max_iter")}
            | {"template_size": wnll.template_size_}  # where it is "auto", of another machine
        ),
        "class_prior": None if wnll.class_prior is None else np.asarray(wnll.class_prior).tolist(),
        "history": without_numpy(estimator.history_),
    }


def _fitted_attributes(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Restore the fitted attributes; raise ValueError if the parameters do not match the state."""
    classes = _classes_from_state(state["classes"])
    wnll = _wnll(estimator, state)
    network = _network(estimator, state, len(classes))
    from_inputs = state["input_features"]
    features = NetworkFeatures(
        network,
        Standardizer.from_state(state["standardizer"]),
        None if from_inputs is None else InputFeatures.from_state(from_inputs),
    )
    arrays = {name: tensor.numpy() for name, tensor in state["samples"].items()}
    u, reached = arrays.pop("label_distributions"), arrays.pop("reached")
    p, known = arrays.pop("p", None), None
    if p is not None:
        known = Known(p, estimator._linear_weight())
    arrays["keys"] = arrays["keys"].view(np.uint64)
    with silenced(*_SAID):
        device = find_device(estimator.device)
        predictor = Predictor.restore(features, wnll=wnll, known=known, device=device, **arrays)
    predictor.wnll.set_params(template_size=estimator._given_wnll().template_size)
    if np.abs(predictor.label_distributions - u).mean() > _MOST_CHANGE:
        raise ValueError(
            "fitted again, the WNLL yields other distributions. Load it with the version that "
            f"saved it, sklearn-wnll {state['version']}."
        )
    predictor = replace(predictor, label_distributions=u, reached=reached)
    distributions, reached = predictor.fitted()
    shape, names = tuple(state["shape"]), state["feature_names"]
    fitted = {
        "classes_": classes,
        "network_": network,
        "history_": state["history"],
        "label_distributions_": distributions,
        "reached_": reached,
        "transduction_": classes[distributions.argmax(axis=1)],
        "n_features_in_": int(np.prod(shape)),
        **predictor.held_out(),
        "_predictor": predictor,
        "_kept": KeptSamples(None),
        "_held_out_rows": np.asarray(state.get(_HELD_OUT, []), dtype=np.intp),
        "_image_shape": shape if len(shape) == 3 else None,
        "_spread": state["spread"],
    }
    if names is not None:
        fitted["feature_names_in_"] = np.array(names, dtype=object)
    return fitted


def _wnll(estimator: Any, state: dict[str, Any]) -> Any:
    """Make the graph by the parameters, to be fitted like the saved one."""
    wnll = estimator._fresh_wnll(state["input_features"] is not None)
    ours = _compared(estimator, wnll, estimator._linear_weight())
    theirs = {_LINEAR: "0.0", **state["parameters"]}
    others = [name for name in theirs if ours.get(name) != theirs[name]]
    if others:
        was, here = (
            ", ".join(f"{name}={given.get(name)}" for name in others) for given in (theirs, ours)
        )
        raise ValueError(
            f"it was saved with {was}, but this estimator has {here}. Pass the saved values; "
            f"head, unlabeled, and {', '.join(_PREDICTING)} of wnll may be set after loading."
        )
    prior = state["class_prior"]
    return wnll.set_params(
        unlabeled=-1,
        class_prior=None if prior is None else np.array(prior),
        n_jobs=estimator.n_jobs,
        **state["wnll"],
    )


def _network(estimator: Any, state: dict[str, Any], n_classes: int) -> WNLLNetwork:
    """Make the network by the parameters, with the weights of a state."""
    zeros = np.zeros((2, *state["shape"]), dtype=np.float32)
    layout = memory_format(zeros.ndim)
    with torch.random.fork_rng(devices=[]):
        network = WNLLNetwork(
            make_backbone(estimator.module, estimator.module_params, zeros),
            as_tensor(zeros).contiguous(memory_format=layout),
            n_classes,
            estimator.buffer,
            mixed_precision=estimator.mixed_precision,
        )
    network.cpu().to(memory_format=layout).eval()  # type: ignore[call-overload]
    cure = "Pass the module, module_params and buffer with which it was saved."
    theirs, ours = (
        {name: tuple(getattr(part, "shape", ())) for name, part in parts.items()}
        for parts in (state["network"], network.state_dict())
    )
    others = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if others:
        name = others[0]
        raise ValueError(
            f"it holds another network: {len(others)} tensors differ, such as {name}, of shape "
            f"{theirs.get(name)} in the file and {ours.get(name)} here (None: absent). {cure}"
        )
    network.load_state_dict(state["network"])
    if state["probe"] is not None:
        expected, found = state["probe"], _probe(network, state["shape"])
        atol = _RTOL * float(expected.abs().max())
        if found is None or not torch.allclose(found, expected, rtol=_RTOL, atol=atol):
            raise ValueError(
                "with its weights, this network computes other features: it differs in a part "
                f"without weights, such as an activation or a pooling. {cure}"
            )
    return network


@torch.no_grad()
def _probe(network: WNLLNetwork, shape: Any) -> torch.Tensor | None:
    """Compute features of a few random inputs; None if they differ from call to call."""
    network = inference_network(network, torch.device("cpu"))
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=memory_format(x.ndim))
    with torch.random.fork_rng(devices=[]):
        first, again = network.features(x), network.features(x)
    return first if torch.equal(first, again) else None


def _compared(estimator: Any, wnll: Any, linear_weight: float) -> dict[str, str]:
    """Collect the parameters that affect predictions, as strings; a fitted graph has its own."""
    given = estimator._given_wnll()
    params = {name: getattr(estimator, name) for name in ("head", "unlabeled")}
    params |= {f"wnll__{name}": getattr(wnll, name) for name in _FITTED}
    params |= {f"wnll__{name}": getattr(given, name) for name in _PREDICTING}
    params[_LINEAR] = linear_weight
    return {name: _as_text(value) for name, value in params.items()}


def _as_text(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    plain = value is None or isinstance(value, str | int | float)
    return repr(value) if plain else type(value).__name__


def _classes_to_state(classes: NDArray[Any]) -> dict[str, Any]:
    """Return labels and their type; raise ValueError if a safe file cannot hold them."""
    dtype = classes.dtype
    values = (classes.astype(np.int64) if dtype.kind in "mM" else classes).tolist()
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    others = {type(value).__name__ for value in values} - {"bool", "float", "int", "str"}
    if others or (dtype.kind == "f" and dtype.itemsize > 8):
        raise ValueError(
            f"classes_ holds {', '.join(sorted(others)) or dtype}, which save_weights cannot save. "
            "Fit with strings, numbers, truth values or numpy's dates as labels; or use pickle."
        )
    return {"dtype": "T" if dtype.kind == "T" else dtype.str, "values": values}


def _classes_from_state(state: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtypes.StringDType() if state["dtype"] == "T" else np.dtype(state["dtype"])
    if dtype.kind in "mM":
        return np.array(state["values"], dtype=np.int64).astype(dtype)
    return np.array(state["values"], dtype=dtype)
