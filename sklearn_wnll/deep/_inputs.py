"""Conversion of samples to arrays for the estimator and tensors for the network."""

import warnings

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import validate_data

from .._base import check_not_masked
from .._warnings import warn_user
from ..exceptions import InputRangeWarning
from ._containers import gather, is_list_of_pil, listed, pil_images

__all__ = [
    "KeptSamples",
    "Standardizer",
    "as_samples",
    "as_tensor",
    "memory_format",
    "validate_samples",
]

_CHANNELS = 1, 3, 4  # sizes of a last axis that is recognized as channels
_MANY, _MOST_RATIO = 10, 10  # images, and ratio of spreads, at which the range surely differs


def validate_samples(estimator, X, *, reset):
    """Check X like scikit-learn's ``validate_data``, also images: those are (n, c, h, w).

    Numbers other than uint8 become float32. With ``reset``, the estimator learns the shape and the
    spread; otherwise the shape must be the same, and another spread of images causes a warning.
    """
    check_not_masked(X)
    X = as_samples(X)
    shape = X.shape[1:] if getattr(X, "ndim", 2) == 4 else None
    if reset:
        estimator._image_shape = shape
    elif shape != estimator._image_shape:
        raise ValueError(
            f"X holds {_shape_name(shape)}, but the estimator was fitted to "
            f"{_shape_name(estimator._image_shape)}. Pass samples of that shape."
        )
    rows = X if shape is None else X.reshape(len(X), -1)
    with np.errstate(over="ignore"):  # numbers too large for float32 are refused
        rows = validate_data(estimator, rows, reset=reset, dtype=[np.float32, np.uint8])
    X = np.ascontiguousarray(rows).reshape(len(rows), *(shape or rows.shape[1:]))
    if reset:
        estimator._spread = _spread(X)
    elif shape is not None:
        _warn_of_range(X, estimator._spread)
    return X


def _shape_name(shape):
    if shape is None:
        return "rows of features"
    return "images of {} channels, height {} and width {}".format(*shape)


def as_samples(X):
    """Convert images to an ndarray (n, c, h, w) of uint8 or float32; rows are unchanged.

    The last axis holds the channels if it has 1, 3 or 4 entries, fewer than the two before it.
    Raises ValueError for anything but rows of numbers or images of one shape.

    >>> as_samples(np.zeros((10, 32, 32, 3))).shape
    (10, 3, 32, 32)
    """
    X = listed(X)
    if is_list_of_pil(X):
        return _checked_images(pil_images(X))
    X = gather(X)
    n_dimensions = getattr(X, "ndim", 2)
    if n_dimensions == 3 or n_dimensions > 4:
        cure = (
            "X[:, None] makes grey images of (n, height, width), and X[None] a batch of one image"
            if n_dimensions == 3
            else "X.reshape(len(X), -1, *X.shape[-2:]) makes channels of all axes but two"
        )
        raise ValueError(
            f"X has shape {np.shape(X)}. Pass rows of features, (n, n_features), or images, "
            "(n, channels, height, width) or (n, height, width, channels). For an array, "
            f"{cure}; for a list, np.stack(X) makes an array."
        )
    X = _as_numbers(X)
    if n_dimensions != 4:
        return X
    last = X.shape[3] in _CHANNELS and X.shape[3] < min(X.shape[1:3])
    return _checked_images(X.transpose(0, 3, 1, 2) if last else X)


def _as_numbers(X):
    """Convert arrays to numbers, or refuse them; scikit-learn refuses frames."""
    kind = getattr(getattr(X, "dtype", None), "kind", None)
    cures = {
        "c": "Complex data not supported: {}. Pass real numbers, such as np.abs(X), or real and "
        "imaginary parts as channels or features.",
        "m": "{}. Pass numbers, such as X / np.timedelta64(1, 's').",
        "M": "{}. Pass numbers, such as (X - X.min()) / np.timedelta64(1, 's').",
        "V": "{}. Pass numbers, such as numpy.lib.recfunctions.structured_to_unstructured(X).",
    }
    if kind in cures:
        raise ValueError(cures[kind].format(f"X has dtype {X.dtype}"))
    if kind not in ("O", "S", "U") or sparse.issparse(X):
        return X
    try:
        with np.errstate(over="ignore"):  # infinity is refused later, with its place
            return X.astype(np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"X has dtype {X.dtype} and holds non-numbers: {error}. Pass numbers, and "
            "leave out samples that lack some."
        ) from error


def _checked_images(X):
    """Return images as uint8 or float32; refuse empty or non-finite ones."""
    if not X.size:
        raise ValueError(f"X has shape {X.shape}: it holds no images, or images without pixels.")
    if X.dtype == np.uint8:
        return X
    with np.errstate(over="ignore"):
        images = X.astype(np.float32, order="C", copy=False)
    if not np.isfinite(images.sum(dtype=np.float64)):
        wrong, what = np.isnan(images), "NaN"
        if not wrong.any():
            wrong, what = np.isinf(images), "infinity or numbers beyond the range of float32"
        bad = np.flatnonzero(wrong.reshape(len(X), -1).any(axis=1))
        raise ValueError(
            f"X contains {what} in {len(bad)} of {len(X)} images, such as X[{bad[0]}]. Leave them "
            "out, scale X, or replace non-finite numbers by np.nan_to_num(X)."
        )
    return images


def _spread(X):
    """Compute the standard deviation of all numbers in at most about 1,000 samples."""
    return float(X[:: max(1, len(X) // 1000)].std(dtype=np.float64))


def _warn_of_range(X, fitted):
    """Warn if new images cannot have the range of the fitted ones, such as 0 to 255.

    ``fitted`` is the fitted images' :func:`_spread`. Fewer than ten images may well be similar.
    """
    if len(X) < _MANY or not fitted:
        return
    ratio = _spread(X) / fitted
    if not 1 / _MOST_RATIO < ratio < _MOST_RATIO:
        warn_user(
            f"The values of X have {ratio:.2g} times the standard deviation of the fitted images'. "
            "Pass images of the same range, such as 0 to 255 in both or 0 to 1 in both.",
            InputRangeWarning,
        )


def as_tensor(array):
    """Make a tensor for reading that shares an array's memory; the array may be read-only."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():  # not thread-safe
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


class KeptSamples:
    """Samples ``X`` that an estimator and its copies keep in memory, but not in files (None there).

    The array may be the user's own, and the user may write to it.
    """

    def __init__(self, X):
        self.X = X

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __getstate__(self):
        return {"X": None}


class Standardizer:
    """Shift and scale samples to mean 0 and variance 1, separately by channel or feature.

    Mean and scale are those of ``X`` (n, n_features) or (n, c, h, w). If not ``enabled``, uint8 is
    divided by 255, and other types are unchanged.
    """

    def __init__(self, X, enabled=True):
        axes = (0, 2, 3) if X.ndim == 4 else (0,)
        mean, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if enabled:
            mean = X.mean(axis=axes, dtype=np.float64)
            scale = X.std(axis=axes, dtype=np.float64)
            # A constant feature leaves only rounding errors.
            scale[scale <= 1e-6 * np.abs(mean)] = 1.0
            scale[scale == 0] = 1.0
        elif X.dtype == np.uint8:
            scale[:] = 255
        shape = (1, -1, 1, 1) if X.ndim == 4 else (1, -1)
        self.mean = torch.tensor(mean, dtype=torch.float32).reshape(shape)
        self.scale = torch.tensor(scale, dtype=torch.float32).reshape(shape)

    def state(self):
        """Return the tensors from which :meth:`from_state` restores the standardizer."""
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_state(cls, state):
        """Restore a standardizer from its state."""
        standardizer = cls.__new__(cls)
        standardizer.mean, standardizer.scale = state["mean"], state["scale"]
        return standardizer

    def to(self, device):
        """Return a standardizer whose mean and scale are on a device."""
        return self.from_state({name: part.to(device) for name, part in self.state().items()})

    def __call__(self, samples):
        """Prepare samples (n, ...) for a network: float32, in units of their spread.

        The channels of a pixel are contiguous in memory, which convolutions prefer.
        """
        device = samples.device
        scaled = (samples.to(torch.float32) - self.mean.to(device)) / self.scale.to(device)
        return scaled.contiguous(memory_format=memory_format(scaled.ndim))


def memory_format(n_dimensions):
    """Return the memory format: channels last for images."""
    return torch.channels_last if n_dimensions == 4 else torch.contiguous_format
