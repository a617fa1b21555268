"""Readers of local image data sets, and hiding labels."""

import os
import pickle
import warnings
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from sklearn.utils import Bunch, check_random_state

from ._labels import as_label_array, encode_labels
from ._typing import Labels, RandomState
from .exceptions import AmbiguousLabelsWarning

__all__ = ["hide_labels", "load_cifar10", "load_cifar100", "load_mnist", "load_svhn"]

_VARIABLE = "SKLEARN_WNLL_DATA"

Subset: TypeAlias = Literal["train", "test", "all"]
SVHNSubset: TypeAlias = Subset | Literal["extra"]
Folder: TypeAlias = str | os.PathLike[str] | None
Arrays: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]


def hide_labels(y: Labels, n_per_class: int, random_state: RandomState = None) -> NDArray[Any]:
    """Keep a few labels of each class, drawn at random, and hide the others.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels. Rows that are already unlabelled (-1, None, NaN or ``"-1"``) stay so.
    n_per_class : int
        Number of labels to keep in each class.
    random_state : int, RandomState instance or None, default=None
        Seeds the draw.

    Returns
    -------
    ndarray of shape (n_samples,)
        A copy of the labels, with -1 (or ``"-1"`` among strings) in place of the hidden ones.

    Raises
    ------
    ValueError
        If a class has fewer than ``n_per_class`` labels, if ``n_per_class`` is less than 1, or
        if -1 is a class.

    Examples
    --------
    >>> from sklearn_wnll.datasets import hide_labels
    >>> y = hide_labels([0, 0, 0, 1, 1, 1], n_per_class=1, random_state=0)
    >>> [int((y == label).sum()) for label in (-1, 0, 1)]
    [4, 1, 1]
    """
    if n_per_class < 1:
        raise ValueError(f"n_per_class must be at least 1, got {n_per_class!r}.")
    y = as_label_array(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousLabelsWarning)
        classes, codes = encode_labels(y)
    strings = classes.dtype.kind in "OUS"
    marker = "-1" if strings else -1
    if (classes == marker).any():
        raise ValueError(
            f"y holds {marker!r} as a class, which is the marker of hidden labels. Rename the "
            f"class first, for instance with numpy.where(y == {marker!r}, ..., y)."
        )
    counts = np.bincount(codes[codes >= 0])
    if counts.min() < n_per_class:
        raise ValueError(
            f"Class {classes[counts.argmin()]} has {counts.min()} labels, fewer than "
            f"n_per_class={n_per_class}. Lower n_per_class."
        )
    rng = check_random_state(random_state)
    keep = np.concatenate(
        [rng.choice(np.flatnonzero(codes == c), n_per_class, replace=False)
         for c in range(len(classes))]
    )  # fmt: skip
    holds_marker = classes.dtype.kind in "if"
    dtype = object if strings else classes.dtype if holds_marker else np.int64
    kept = np.full(len(y), marker, dtype=dtype)
    kept[keep] = classes[codes[keep]]
    return kept


@overload
def load_mnist(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: Literal[False] = False
) -> Bunch: ...
@overload
def load_mnist(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: Literal[True]
) -> Arrays: ...
def load_mnist(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: bool = False
) -> Bunch | Arrays:
    """Load MNIST from a local file ``mnist.npz``, in the layout that Keras distributes.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="all"
        The 60,000 training images, the 10,000 test images, or both in this order.
    data_home : path-like, default=None
        Folder of the file; None takes the environment variable ``SKLEARN_WNLL_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch or tuple of ndarray
        ``data`` uint8 of shape (n, 784), ``images`` uint8 of shape (n, 28, 28), ``target`` of
        shape (n,) and ``target_names``.

    Raises
    ------
    FileNotFoundError
        If the file is not in the folder.

    Examples
    --------
    >>> from sklearn_wnll.datasets import load_mnist
    >>> X, y = load_mnist("test", return_X_y=True)  # doctest: +SKIP
    """
    with np.load(_find("mnist.npz", data_home), allow_pickle=False) as file:
        parts = [(file[f"x_{part}"], file[f"y_{part}"]) for part in _parts(subset)]
    return _bunch(parts, [str(digit) for digit in range(10)], return_X_y)


@overload
def load_cifar10(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: Literal[False] = False
) -> Bunch: ...
@overload
def load_cifar10(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: Literal[True]
) -> Arrays: ...
def load_cifar10(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: bool = False
) -> Bunch | Arrays:
    """Load CIFAR-10 from a local folder.

    Read is the first that exists of ``cifar-10-batches-py/``, the original's Python version,
    and ``cifar10_jpeg.npz``, a copy of JPEG files (which needs Pillow).

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="all"
        The 50,000 training images, the 10,000 test images, or both in this order.
    data_home : path-like, default=None
        Where the folder or file is; None takes the environment variable
        ``SKLEARN_WNLL_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch or tuple of ndarray
        ``data`` uint8 of shape (n, 3072), ``images`` uint8 of shape (n, 32, 32, 3), ``target``
        of shape (n,) and ``target_names``. The JPEG copy is sorted by class: shuffle it.

    Raises
    ------
    FileNotFoundError
        If neither is there.
    """
    source = _find(("cifar-10-batches-py", "cifar10_jpeg.npz"), data_home)
    if source.is_dir():
        names = [n.decode() for n in _unpickle(source / "batches.meta")[b"label_names"]]
        files = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
        batches = [_unpickle(source / f) for part in _parts(subset) for f in files[part]]
        parts = [(_channels_last(b[b"data"]), np.array(b[b"labels"])) for b in batches]
        return _bunch(parts, names, return_X_y)
    with np.load(source, allow_pickle=False) as file:
        names = file["class_names"].tolist()
        parts = [
            (_decode_jpeg(file[f"{part}_jpeg"], file[f"{part}_offsets"]), file[f"{part}_labels"])
            for part in _parts(subset)
        ]
    return _bunch(parts, names, return_X_y)


@overload
def load_cifar100(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: Literal[False] = False
) -> Bunch: ...
@overload
def load_cifar100(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: Literal[True]
) -> Arrays: ...
def load_cifar100(
    subset: Subset = "all", *, data_home: Folder = None, return_X_y: bool = False
) -> Bunch | Arrays:
    """Load CIFAR-100 from a local folder ``cifar-100-python/``, the original's Python version.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="all"
        The 50,000 training images, the 10,000 test images, or both in this order.
    data_home : path-like, default=None
        Where the folder is; None takes the environment variable ``SKLEARN_WNLL_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch or tuple of ndarray
        ``data`` uint8 of shape (n, 3072), ``images`` uint8 of shape (n, 32, 32, 3), ``target``
        (the 100 fine labels) of shape (n,) and ``target_names``.

    Raises
    ------
    FileNotFoundError
        If the folder is not there.
    """
    folder = _find("cifar-100-python", data_home)
    names = [n.decode() for n in _unpickle(folder / "meta")[b"fine_label_names"]]
    batches = [_unpickle(folder / part) for part in _parts(subset)]
    parts = [(_channels_last(b[b"data"]), np.array(b[b"fine_labels"])) for b in batches]
    return _bunch(parts, names, return_X_y)


@overload
def load_svhn(
    subset: SVHNSubset = "all", *, data_home: Folder = None, return_X_y: Literal[False] = False
) -> Bunch: ...
@overload
def load_svhn(
    subset: SVHNSubset = "all", *, data_home: Folder = None, return_X_y: Literal[True]
) -> Arrays: ...
def load_svhn(
    subset: SVHNSubset = "all", *, data_home: Folder = None, return_X_y: bool = False
) -> Bunch | Arrays:
    """Load the cropped digits of SVHN from local files ``{train,test,extra}_32x32.mat``.

    Parameters
    ----------
    subset : {"train", "test", "extra", "all"}, default="all"
        One file, or the training and the test images in this order.
    data_home : path-like, default=None
        Folder of the files; None takes the environment variable ``SKLEARN_WNLL_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch or tuple of ndarray
        ``data`` uint8 of shape (n, 3072), ``images`` uint8 of shape (n, 32, 32, 3), ``target``
        of shape (n,), in which the files' label 10 is the digit 0, and ``target_names``.

    Raises
    ------
    FileNotFoundError
        If a file is not in the folder.
    """
    parts = []
    for part in _parts(subset, "extra"):
        file = loadmat(_find(f"{part}_32x32.mat", data_home))
        parts.append((np.moveaxis(file["X"], -1, 0), file["y"].ravel().astype(int) % 10))
    return _bunch(parts, [str(digit) for digit in range(10)], return_X_y)


def _parts(subset: str, *more: str) -> list[str]:
    """Names of the parts of a subset."""
    allowed = ("train", "test", *more, "all")
    if subset not in allowed:
        raise ValueError(f"subset must be one of {', '.join(allowed)}, got {subset!r}.")
    return ["train", "test"] if subset == "all" else [subset]


def _find(names: str | Sequence[str], data_home: Folder) -> Path:
    """Path of the first of some files that exists in the data folder."""
    names = (names,) if isinstance(names, str) else names
    home = data_home if data_home is not None else os.environ.get(_VARIABLE)
    if home is None:
        raise FileNotFoundError(
            f"No folder to read {' or '.join(names)} from. Pass data_home= or set the environment "
            f"variable {_VARIABLE}."
        )
    for name in names:
        path = Path(home).expanduser() / name
        if path.exists():
            return path
    raise FileNotFoundError(f"There is no {' or '.join(names)} in data_home={str(home)!r}.")


def _bunch(
    parts: list[tuple[NDArray[np.uint8], NDArray[Any]]], names: list[str], return_X_y: bool
) -> Bunch | Arrays:
    """Put parts of a data set together."""
    images = np.concatenate([part[0] for part in parts])
    target = np.concatenate([part[1] for part in parts]).astype(np.int64)
    data = images.reshape(len(images), -1)
    if return_X_y:
        return data, target
    return Bunch(data=data, images=images, target=target, target_names=names)


def _channels_last(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images of shape (n, 32, 32, 3) from rows of three colour planes."""
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _decode_jpeg(stream: NDArray[np.uint8], offsets: NDArray[Any]) -> NDArray[np.uint8]:
    """Decode JPEG files that lie end to end."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Reading cifar10_jpeg.npz needs Pillow. Install it with: "
            "python -m pip install 'sklearn-wnll[plot]'"
        ) from error
    data = stream.tobytes()
    files = (data[a:b] for a, b in pairwise(offsets))
    return np.stack([np.asarray(Image.open(BytesIO(file)).convert("RGB")) for file in files])


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickle arrays and plain values, and nothing that could run code."""

    _ALLOWED = frozenset({
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    })  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"The file asks for {module}.{name}, which is no data.")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpickle(path: Path) -> Any:
    """Read a pickle that Python 2 wrote, with bytes for its strings."""
    with path.open("rb") as file:
        return _ArrayUnpickler(file, encoding="bytes").load()
