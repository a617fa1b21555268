"""Warning about pickled models that other programs cannot load."""

import pickle
import sys
from io import BytesIO
from types import FrameType, FunctionType
from typing import Any

from ._warnings import warn_user
from .exceptions import UnportableModelWarning

__all__ = ["warn_if_unportable"]

# Packages that pickle on the way to a file, and ones that copy, hash or send definitions along.
_CARRIERS = "sklearn_wnll", "sklearn", "pickle", "joblib", "torch"
_OTHERS = (
    "copy",
    "cloudpickle",
    "dask",
    "dill",
    "distributed",
    "joblib.externals",
    "joblib.hashing",
    "joblib.pool",
    "multiprocessing",
    "torch.multiprocessing",
    __name__,
)


def warn_if_unportable(estimator: Any, state: dict[str, Any]) -> None:
    """Warn if the state of an estimator to be pickled refers to names of ``__main__``.

    There is no warning for copies, or for processes that receive the definitions too.
    """
    if _is_for_here():
        return
    names = _names_of_main(state)
    if names:
        cure = ", or use save_weights" if hasattr(estimator, "save_weights") else ""
        warn_user(
            f"The model refers to {', '.join(names)} of __main__, which only this script or "
            "notebook defines: another program cannot load the file. Move the definition to a "
            f"module that both import{cure}.",
            UnportableModelWarning,
            through=_CARRIERS,
        )


def _is_for_here() -> bool:
    """Return whether the call comes from code that does not write a file."""
    frame: FrameType | None = sys._getframe(3)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if _is_in(name, _OTHERS):
            return True
        if not _is_in(name, _CARRIERS):
            return False
        frame = frame.f_back
    return False


def _is_in(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _names_of_main(state: dict[str, Any]) -> list[str]:
    """List the classes and functions of ``__main__`` that a pickle of a state refers to."""
    finder = _Finder(BytesIO())
    try:
        finder.dump(state)
    except Exception:  # the actual pickler will raise it too
        return []
    return sorted(finder.names)


class _Finder(pickle.Pickler):
    """A pickler that skips data, and lists names found in ``__main__``."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.names: set[str] = set()

    def persistent_id(self, obj: Any) -> str | None:
        return "data" if hasattr(type(obj), "__array__") else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | FunctionType) and obj.__module__ == "__main__":
            self.names.add(obj.__qualname__)
        return NotImplemented
