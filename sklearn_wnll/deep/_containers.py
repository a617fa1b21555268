"""Containers of samples: converted to one array, or refused with the cure."""

import os
from collections.abc import Iterator, Mapping, Set
from numbers import Number

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import DataLoader, Dataset, IterableDataset

from .._arrays import as_host
from .._base import check_not_masked

__all__ = ["gather", "is_list_of_pil", "listed", "pil_images"]

_ALONE = (
    "Pass the samples alone, such as skorch.helper.SliceDataset(X) of a torch Dataset, or "
    "np.stack([np.asarray(item[0]) for item in X]). Labels in X are not used: pass them as y, such "
    "as [item[1] for item in X]."
)
_PALETTES = "P", "PA"


def listed(X):
    """List the samples that a sequence holds one by one; return other objects unchanged.

    Raises ValueError for objects without samples, or without single samples.
    """
    _refuse_other_kinds(X)
    if isinstance(X, torch.Tensor) or hasattr(X, "columns"):
        return X
    try:
        shape = getattr(X, "shape", None)
        n_dimensions = getattr(X, "ndim", None if shape is None else len(shape))
    except Exception as error:  # for example from a closed file
        raise ValueError(f"X ({_kind(X)}) cannot be read: {error}.") from error
    if n_dimensions is None and hasattr(X, "__array__"):
        return X
    if n_dimensions not in (None, 1) or _holds_numbers(X):
        return X
    if not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        raise ValueError(
            f"X ({_kind(X)}) cannot be read as samples. Pass an array, a tensor, or a list of "
            "images."
        )
    items = [X[i] for i in range(len(X))] if isinstance(X, Dataset) else list(X)
    if not items:
        raise ValueError(f"X ({_kind(X)}) holds no samples. Pass at least one.")
    single = all(isinstance(item, tuple) and len(item) == 1 for item in items)
    if single and hasattr(items[0][0], "shape"):
        items = [item[0] for item in items]  # as in a TensorDataset
    _check_items(items, _kind(X))
    return items


def gather(X):
    """Convert the result of :func:`listed` to one array; frames of numbers are unchanged.

    Raises ValueError if samples differ in shape, or are not numbers.
    """
    if isinstance(X, torch.Tensor):
        return as_host(X, "X")
    if isinstance(X, list):
        return _stacked(X)
    if hasattr(X, "columns"):
        _refuse_columns_of_images(X)
        return X
    if isinstance(X, np.ndarray) or sparse.issparse(X):
        return X
    try:
        return np.asarray(X)
    except Exception as error:  # containers may raise anything
        raise ValueError(
            f"X ({_kind(X)}) cannot be read as an array: {error} Pass a numpy array."
        ) from error


def is_list_of_pil(X):
    """Return whether the first of some samples is a Pillow image."""
    return isinstance(X, list) and _is_pil(X[0])


def pil_images(images):
    """Convert Pillow images of one size and one mode to an array (n, c, h, w)."""
    others = {type(image).__name__ for image in images if not _is_pil(image)}
    if others:
        raise ValueError(
            f"X holds Pillow images and {', '.join(sorted(others))}. Pass images of one kind, "
            "such as np.asarray(image) of each."
        )
    modes = sorted({image.mode for image in images})
    if len(modes) > 1 or modes[0] in _PALETTES:
        which = " and ".join(modes) + (
            ", whose numbers are places in a palette" if len(modes) == 1 else ""
        )
        raise ValueError(
            f"X holds Pillow images of mode {which}. Convert them to one mode that holds "
            "intensities: [image.convert('RGB') for image in X]."
        )
    arrays = _stacked_arrays([np.asarray(image) for image in images])
    return arrays[:, None] if arrays.ndim == 3 else arrays.transpose(0, 3, 1, 2)


def _refuse_other_kinds(X):
    """Refuse objects without samples, or whose samples can be read only once."""
    cure = None
    if _is_pil(X):
        cure = "is a single image. Pass a list of images: [X]"
    elif X is None or isinstance(X, Number | type):
        cure = "holds no samples. Pass an array of rows or images"
    elif isinstance(X, str | bytes | os.PathLike):
        cure = "is not read as a file. Pass what it holds, such as np.load(X)"
    elif isinstance(X, Mapping):
        names = ", ".join(map(repr, list(X)[:3]))
        cure = f"holds arrays by name ({names}). Pass one of them, such as X['images']"
    elif isinstance(X, DataLoader):
        cure = (
            "deals batches, perhaps in random order. Pass the samples of its dataset, X.dataset, "
            "and labels in the same order as y"
        )
    elif isinstance(X, Iterator | Set | IterableDataset):
        cure = "has no fixed order, or can be read once only. Pass np.stack(list(X))"
    if cure is not None:
        raise ValueError(f"X ({_kind(X)}) {cure}.")


def _check_items(items, kind):
    """Refuse names of files, pairs and gaps; ``kind`` names the container."""
    for i, item in enumerate(items):
        is_nan = isinstance(item, float) and item != item
        if item is None or is_nan or type(item).__name__ == "NAType":
            raise ValueError(
                f"X ({kind}) holds {item} in place {i}. Leave that sample out of X and y."
            )
    check_not_masked(items)
    first = items[0]
    holds = f"X ({kind}) holds items of type {_kind(first)}"
    if isinstance(first, str | bytes | os.PathLike):
        raise ValueError(
            f"{holds}, but no files are read. Pass the samples themselves, such as "
            "np.stack([np.asarray(PIL.Image.open(name)) for name in X])."
        )
    if isinstance(first, Mapping):
        name = next(iter(first), "image")
        raise ValueError(
            f"{holds} with the keys {', '.join(map(repr, first))}. Pass the samples alone, such as "
            f"np.stack([np.asarray(item[{name!r}]) for item in X])."
        )
    if _is_pair(first):
        raise ValueError(
            f"{holds} and length {len(first)}, such as a sample and its label. {_ALONE}"
        )
    if _n_dimensions(first) == 0 and not hasattr(first, "__float__"):
        raise ValueError(
            f"{holds}, which cannot be read as a sample. Pass arrays, tensors or Pillow images."
        )


def _is_pair(item):
    """Return whether an item is a sample with something else, such as its label."""
    if not isinstance(item, list | tuple):
        return False
    dimensions = [_n_dimensions(part) for part in item]
    holds_images = any(
        n > 1 and not isinstance(part, list | tuple)
        for part, n in zip(item, dimensions, strict=True)
    )
    return len(set(dimensions)) > 1 or (isinstance(item, tuple) and holds_images)


def _n_dimensions(item):
    """Count the axes of an array, an image, or nested lists, following first entries."""
    if isinstance(item, list | tuple):
        return 1 + (_n_dimensions(item[0]) if item else 0)
    return np.ndim(item)


def _stacked(items):
    """Stack samples, which must have one shape."""
    if any(isinstance(item, torch.Tensor) for item in items):
        items = [
            as_host(item, f"X[{i}]") if isinstance(item, torch.Tensor) else item
            for i, item in enumerate(items)
        ]
    try:
        arrays = [np.asarray(item) for item in items]
    except ValueError as error:
        raise ValueError(
            f"X holds a sample whose rows have different lengths: {error}. Pass samples of one "
            "shape."
        ) from error
    return _stacked_arrays(arrays)


def _stacked_arrays(arrays):
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        are_images = all(len(shape) > 1 for shape in shapes)
        raise ValueError(
            f"X holds {'images' if are_images else 'samples'} of different shapes, such as "
            f"{shapes[0]} and {shapes[-1]}. "
            + ("Resize or crop them to one." if are_images else "Pass rows of one length.")
        )
    try:
        return np.stack(arrays)
    except UnicodeDecodeError as error:
        raise ValueError(f"X holds samples that are no numbers: {error}. Pass numbers.") from error


def _refuse_columns_of_images(X):
    """Refuse a frame with a column of images or other arrays."""
    for name in X.columns:
        column = X[name]
        first = column.iloc[0] if hasattr(column, "iloc") and len(column) else None
        if _n_dimensions(first) > 0:
            raise ValueError(
                f"X ({_kind(X)}) has a column {name!r} of {_kind(first)}. Pass that column alone: "
                f"X[{name!r}]."
            )


def _holds_numbers(X):
    """Return whether X holds numbers; on one axis, scikit-learn refuses them as samples."""
    return getattr(getattr(X, "dtype", None), "kind", "O") in "biufc"


def _is_pil(item):
    """Return whether an object is a Pillow image; Pillow need not be installed."""
    return hasattr(item, "getbands") and hasattr(item, "mode")


def _kind(X):
    """Return a readable name of a type with its package: ``torch Subset``."""
    package = type(X).__module__.partition(".")[0]
    return " ".join([*({package} - {"builtins", "__main__"}), type(X).__name__])
