"""Arrays of other libraries, by scikit-learn's convention: where they live, and the way back."""

import sys
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils import _array_api

__all__ = [
    "ArraySpace",
    "OnDevice",
    "array_space",
    "as_host",
    "available_device",
    "check_same_space",
    "gathered",
    "is_partitioned",
    "is_tensor",
]

_FLOATS = "torch.float16", "torch.float32", "torch.float64"


class OnDevice(NamedTuple):
    """An array of ``rows`` for a graph on a torch device; the answer is arrays of the host."""

    rows: NDArray[Any]
    device: Any


class ArraySpace(NamedTuple):
    """The module and the device of an array that is not numpy's.

    ``module`` is ``"torch"``, with the name of a device, or a namespace of the array API standard.
    """

    module: str
    device: Any

    def give(self, values: Any) -> Any:
        """Copy an array of the host there; objects and strings stay."""
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
            return values
        values = np.ascontiguousarray(values, dtype=_plain(values.dtype))
        xp = import_module(self.module)
        if self.module == "torch":
            if self.device.startswith("mps") and values.dtype == np.float64:
                values = values.astype(np.float32)
            return xp.from_numpy(values).to(self.device, copy=True)
        if values.dtype == np.float64:
            widest = _array_api._max_precision_float_dtype(xp, self.device)
            values = values if widest == xp.float64 else values.astype(np.float32)
        return xp.asarray(values, device=self.device)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, tuple(self)

    def __str__(self) -> str:
        return f"{self.module.rpartition('.')[2]} on {self.device}"


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type that all libraries know: of native byte order, and no long double."""
    widest = np.dtype(np.float64)
    return widest if dtype.kind == "f" and dtype.itemsize > 8 else dtype.newbyteorder("=")


def _restored(module: str, device: Any) -> ArraySpace:
    """Return the space of an unpickled model."""
    return ArraySpace(module, available_device(device) if module == "torch" else device)


def available_device(name: str) -> str:
    """Return the name of a torch device, or the CPU on a machine without it."""
    torch = import_module("torch")
    device = torch.device(name)
    here = device.type != "cuda" or (device.index or 0) < torch.cuda.device_count()
    return name if here else "cpu"


def is_tensor(X: Any) -> bool:
    """Return whether an object is a torch tensor, without an import of torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(X, torch.Tensor)


def is_partitioned(X: Any) -> bool:
    """Return whether an object is a dask collection of partitions, without an import of dask."""
    dask = "dask" in sys.modules and hasattr(X, "__dask_graph__")
    return dask and hasattr(type(X), "to_delayed")  # which xarray has not, nor a Delayed


def gathered(X: Any) -> Any:
    """Compute a collection of dask, or a Delayed object; others are unchanged."""
    delayed = sys.modules.get("dask.delayed")
    is_delayed = delayed is not None and isinstance(X, delayed.Delayed)
    return X.compute() if is_delayed or is_partitioned(X) else X


def array_space(X: Any) -> ArraySpace | None:
    """Return the space of an array; None for numpy's, and for all without ``array_api_dispatch``.

    Frames, lists and sparse matrices belong to numpy.
    """
    if not get_config()["array_api_dispatch"]:
        return None
    if is_tensor(X):
        return ArraySpace("torch", str(X.device))
    if not _is_foreign(X):
        return None
    found: Any = _array_api.get_namespace_and_device(X)
    return ArraySpace(found[0].__name__, found[2])


def _is_foreign(X: Any) -> bool:
    return hasattr(X, "__array_namespace__") and not isinstance(X, np.ndarray | np.generic)


def as_host(X: Any, name: str = "X") -> Any:
    """Copy a tensor, or an array of another library, to the host; other objects are unchanged.

    Collections of dask are computed. Types that numpy lacks become float32. Raises ValueError,
    which calls a tensor ``name``, for one that has no rows of numbers.
    """
    if is_tensor(X):
        return _tensor_as_array(X, name)
    X = gathered(X)
    if not _is_foreign(X):
        return X
    if not get_config()["array_api_dispatch"]:
        return np.asarray(X)
    if hasattr(_array_api, "move_to"):  # scikit-learn 1.8
        return _array_api.move_to(X, xp=np, device="cpu")
    return _array_api._convert_to_numpy(X, _array_api.get_namespace(X)[0])


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
        raise ValueError(
            f"Inputs passed to {method}() must use the same namespace and the same device as those "
            f"passed to fit(): {fitted or 'numpy'}, not {given or 'numpy'}. Move X there, or fit "
            "again."
        )
