"""Arrays of other libraries, by scikit-learn's convention: where they live, and the way back."""

import sys
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.utils import _array_api

__all__ = ["ArraySpace", "OnDevice", "array_space", "as_host", "check_same_space", "is_tensor"]

_FLOATS = "torch.float16", "torch.float32", "torch.float64"


class OnDevice(NamedTuple):
    """An array of ``rows`` for a graph on a torch device; the answer is arrays of the host."""

    rows: NDArray[Any]
    device: Any


class ArraySpace(NamedTuple):
    """The library (``"torch"``) and the device of an array that is not numpy's."""

    library: str
    xp: Any
    device: Any

    def give(self, values: Any) -> Any:
        """Copy an array of the host there; objects and strings stay."""
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
            return values
        if values.dtype == np.float64:
            widest = _array_api._max_precision_float_dtype(self.xp, self.device)
            if widest != self.xp.float64:
                values = values.astype(np.float32)
        return self.xp.asarray(values, device=self.device)

    def __eq__(self, other: object) -> bool:
        ours = isinstance(other, ArraySpace)
        return ours and (self.library, self.device) == (other.library, other.device)  # type: ignore

    def __hash__(self) -> int:
        return hash((self.library, str(self.device)))

    def __reduce__(self) -> tuple[Any, ...]:
        if self.library == "torch":
            return _torch_space, (str(self.device),)
        return _space_of, (self.give(np.zeros(1)),)


def _space_of(X: Any) -> ArraySpace:
    """Return the space of an array that is not numpy's."""
    found: Any = _array_api.get_namespace_and_device(X)
    return ArraySpace(found[0].__name__.rpartition(".")[2], found[0], found[2])


def _torch_space(device: str) -> ArraySpace:
    """Return the space of a device; on a machine without it, that of the CPU."""
    torch = import_module("torch")
    here = device.startswith("cpu") or torch.cuda.is_available()
    with config_context(array_api_dispatch=True):
        return _space_of(torch.empty(0, device=device if here else "cpu"))


def is_tensor(X: Any) -> bool:
    """Return whether an object is a torch tensor, without an import of torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.Tensor)


def array_space(X: Any) -> ArraySpace | None:
    """Return the space of an array; None for numpy's, and for all without ``array_api_dispatch``.

    Frames, lists and sparse matrices belong to numpy.
    """
    if not get_config()["array_api_dispatch"] or isinstance(X, np.ndarray):
        return None
    if not (is_tensor(X) or hasattr(X, "__array_namespace__")):
        return None
    space = _space_of(X)
    return None if space.library == "numpy" else space


def as_host(X: Any, name: str = "X") -> Any:
    """Copy a tensor, or an array of another library, to the host; other objects are unchanged.

    Types that numpy lacks become float32. Raises ValueError, which calls a tensor ``name``, for one
    that has no rows of numbers.
    """
    if is_tensor(X):
        return _tensor_as_array(X, name)
    space = array_space(X)
    if space is None:
        return X
    if hasattr(_array_api, "move_to"):  # scikit-learn 1.8
        return _array_api.move_to(X, xp=np, device="cpu")
    return _array_api._convert_to_numpy(X, space.xp)


def _tensor_as_array(tensor: Any, name: str) -> NDArray[Any]:
    cure = None
    if tensor.is_nested:
        cure = "is nested: its samples may differ in shape. Resize them to one, and pass a tensor"
    elif str(tensor.layout) != "torch.strided":
        cure = f"is sparse. Pass {name}.to_dense()"
    elif tensor.is_meta:
        cure = "is on the device 'meta', without any numbers. Pass one that holds them"
    if cure is not None:
        raise ValueError(f"{name} is a tensor that {cure}.")
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_floating_point() and str(tensor.dtype) not in _FLOATS:
        tensor = tensor.float()
    return tensor.cpu().numpy()


def check_same_space(fitted: ArraySpace | None, X: Any, method: str) -> None:
    """Refuse rows of another library or device than the fitted ones, as scikit-learn does."""
    if not get_config()["array_api_dispatch"]:
        return
    given = array_space(X)
    if given != fitted:
        ours, theirs = (
            "numpy" if space is None else f"{space.library} on {space.device}"
            for space in (fitted, given)
        )
        raise ValueError(
            f"Inputs passed to {method}() must use the same namespace and the same device as those "
            f"passed to fit(): {ours}, not {theirs}. Move X there, or fit again."
        )
