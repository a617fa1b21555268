"""
Readers of MNIST, CIFAR and SVHN files for the benchmarks
=========================================================

Each reader takes the folder of the files from ``data_home``, or from the environment variable
``SKLEARN_WNLL_DATA``. It downloads nothing.
"""

import codecs
import os
import pickle
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.io import loadmat
from sklearn.utils import Bunch

_VARIABLE = "SKLEARN_WNLL_DATA"


def load_mnist(subset="all", *, data_home=None, return_X_y=False):
    """Load MNIST from ``mnist.npz``, in the layout that Keras distributes.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="all"
        The 60,000 training images, the 10,000 test images, or both in this order.
    data_home : path-like, default=None
        Folder of the file. If None, the environment variable ``SKLEARN_WNLL_DATA``.
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
    """
    with np.load(_find(["mnist.npz"], data_home), allow_pickle=False) as file:
        parts = [(file[f"x_{part}"], file[f"y_{part}"]) for part in _parts(subset)]
    return _bunch(parts, [str(digit) for digit in range(10)], return_X_y)


def load_cifar10(subset="all", *, data_home=None, return_X_y=False):
    """Load CIFAR-10 from ``cifar-10-batches-py/``, or else from ``cifar10_jpeg.npz``.

    The folder is the Python version of the original. The other is a copy as JPEG files, which
    needs Pillow; it is sorted by class, so shuffle it.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="all"
        The 50,000 training images, the 10,000 test images, or both in this order.
    data_home : path-like, default=None
        Folder that holds either. If None, the environment variable ``SKLEARN_WNLL_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch or tuple of ndarray
        ``data`` uint8 of shape (n, 3072), ``images`` uint8 of shape (n, 32, 32, 3), ``target``
        of shape (n,) and ``target_names``.

    Raises
    ------
    FileNotFoundError
        If neither is there.
    """
    source = _find(["cifar-10-batches-py", "cifar10_jpeg.npz"], data_home)
    if source.is_dir():
        names = [name.decode() for name in _unpickle(source / "batches.meta")[b"label_names"]]
        files = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
        batches = [_unpickle(source / file) for part in _parts(subset) for file in files[part]]
        parts = [(_channels_last(batch[b"data"]), batch[b"labels"]) for batch in batches]
        return _bunch(parts, names, return_X_y)
    with np.load(source, allow_pickle=False) as file:
        names = file["class_names"].tolist()
        parts = [
            (_decode_jpeg(file[f"{part}_jpeg"], file[f"{part}_offsets"]), file[f"{part}_labels"])
            for part in _parts(subset)
        ]
    return _bunch(parts, names, return_X_y)


def load_cifar100(subset="all", *, data_home=None, return_X_y=False):
    """Load CIFAR-100 from ``cifar-100-python/``, the Python version of the original.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="all"
        The 50,000 training images, the 10,000 test images, or both in this order.
    data_home : path-like, default=None
        Folder that holds it. If None, the environment variable ``SKLEARN_WNLL_DATA``.
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
    folder = _find(["cifar-100-python"], data_home)
    names = [name.decode() for name in _unpickle(folder / "meta")[b"fine_label_names"]]
    batches = [_unpickle(folder / part) for part in _parts(subset)]
    parts = [(_channels_last(batch[b"data"]), batch[b"fine_labels"]) for batch in batches]
    return _bunch(parts, names, return_X_y)


def load_svhn(subset="all", *, data_home=None, return_X_y=False):
    """Load the cropped digits of SVHN from ``{train,test,extra}_32x32.mat``.

    Parameters
    ----------
    subset : {"train", "test", "extra", "all"}, default="all"
        One file, or the training and the test images in this order.
    data_home : path-like, default=None
        Folder of the files. If None, the environment variable ``SKLEARN_WNLL_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch or tuple of ndarray
        ``data`` uint8 of shape (n, 3072), ``images`` uint8 of shape (n, 32, 32, 3), ``target``
        of shape (n,), with the digit 0 as 0 instead of the files' 10, and ``target_names``.

    Raises
    ------
    FileNotFoundError
        If a file is not in the folder.
    """
    parts = []
    for part in _parts(subset, "extra"):
        file = loadmat(_find([f"{part}_32x32.mat"], data_home))
        parts.append((np.moveaxis(file["X"], -1, 0), file["y"].ravel().astype(int) % 10))
    return _bunch(parts, [str(digit) for digit in range(10)], return_X_y)


def _parts(subset, *more):
    """Return the names of the parts of a subset."""
    allowed = ("train", "test", *more, "all")
    if subset not in allowed:
        raise ValueError(f"subset must be one of {', '.join(allowed)}, got {subset!r}.")
    return ["train", "test"] if subset == "all" else [subset]


def _find(names, data_home):
    """Find the first of some files that exists in the data folder."""
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


def _bunch(parts, names, return_X_y):
    """Concatenate the images [n, ...] and labels [n] of the parts of a data set."""
    images = np.concatenate([part[0] for part in parts])
    target = np.concatenate([part[1] for part in parts]).astype(np.int64)
    data = images.reshape(len(images), -1)
    if return_X_y:
        return data, target
    return Bunch(data=data, images=images, target=target, target_names=names)


def _channels_last(rows):
    """Convert rows of three color planes [n, 3072] to images [n, 32, 32, 3]."""
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _decode_jpeg(stream, offsets):
    """Decode JPEG files stored end to end."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Reading cifar10_jpeg.npz needs Pillow. Install it with: python -m pip install pillow"
        ) from error
    data = stream.tobytes()
    files = (data[start:end] for start, end in pairwise(offsets))
    return np.stack([np.asarray(Image.open(BytesIO(file)).convert("RGB")) for file in files])


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickle arrays and plain values; refuse everything that could run code."""

    # numpy's own function for this has moved from numpy.core to numpy._core.
    _ALLOWED: ClassVar[dict] = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): codecs.encode,
    }

    def find_class(self, module, name):
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"The file asks for {module}.{name}, which is no data.")
        return self._ALLOWED[module, name]


def _unpickle(path):
    """Read a pickle written by Python 2, with its strings as bytes."""
    with path.open("rb") as file:
        return _ArrayUnpickler(file, encoding="bytes").load()
