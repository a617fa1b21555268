"""Arrays as an estimator takes them, and as a network does."""

import warnings

import numpy as np
import torch

from .._warnings import warn_user
from ..exceptions import InputRangeWarning

__all__ = ["Standardizer", "as_samples", "as_tensor", "memory_format", "spread", "warn_of_range"]

_CHANNELS = 1, 3, 4  # numbers of channels by which the last axis is known for them
_MANY, _MOST_RATIO = 10, 10  # images, and spreads, from which a range is surely another


def as_samples(X):
    """Bring images to an ndarray (n, c, h, w); leave everything else as it is.

    The last axis holds the channels if it has 1, 3 or 4 entries, fewer than the two before it.
    Raises ValueError for three dimensions, more than four, or images of different shapes.

    >>> as_samples(np.zeros((10, 32, 32, 3))).shape
    (10, 3, 32, 32)
    """
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu().numpy()
    elif _is_list_of_images(X):
        X = [np.asarray(image) for image in X]
        shapes = sorted({image.shape for image in X})
        if len(shapes) > 1:
            raise ValueError(
                f"X holds images of different shapes, such as {shapes[0]} and {shapes[-1]}. Resize "
                "or crop them to one."
            )
        X = np.stack(X)
    if getattr(X, "ndim", 2) == 3 or getattr(X, "ndim", 2) > 4:
        raise ValueError(
            f"X has shape {np.shape(X)}. Pass rows of features, (n, n_features), or images, "
            "(n, channels, height, width) or (n, height, width, channels); X[:, None] makes grey "
            "images of (n, height, width)."
        )
    if getattr(X, "ndim", 2) != 4:
        return X
    last = X.shape[3] in _CHANNELS and X.shape[3] < min(X.shape[1:3])
    return X.transpose(0, 3, 1, 2) if last else X


def _is_list_of_images(X):
    is_list = isinstance(X, list | tuple) or (
        isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    )
    return is_list and len(X) > 0 and np.ndim(X[0]) > 1


def spread(X):
    """Standard deviation of all numbers of some samples, at most about 1,000."""
    return float(X[:: max(1, len(X) // 1000)].std(dtype=np.float64))


def warn_of_range(X, fitted):
    """Warn if new images cannot have the range of the fitted ones, such as 0 to 255.

    ``fitted`` is the :func:`spread` of those. Fewer than ten images may well be similar.
    """
    if len(X) < _MANY or not fitted:
        return
    ratio = spread(X) / fitted
    if not 1 / _MOST_RATIO < ratio < _MOST_RATIO:
        warn_user(
            f"The values of X have {ratio:.2g} times the standard deviation of the fitted images'. "
            "Pass images of the same range, such as 0 to 255 in both or 0 to 1 in both.",
            InputRangeWarning,
        )


def as_tensor(array):
    """A tensor that shares the memory of an array, for reading; the array may be read-only."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():  # which is not for threads
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


class Standardizer:
    """Shift and scale samples to mean 0 and variance 1, each channel or feature of its own.

    Mean and scale are those of ``X`` (n, n_features) or (n, c, h, w). If not ``enabled``, uint8 is
    divided by 255, and all else stays as it is.
    """

    def __init__(self, X, enabled=True):
        axes = (0, 2, 3) if X.ndim == 4 else (0,)
        mean, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
        if enabled:
            mean = X.mean(axis=axes, dtype=np.float64)
            scale = X.std(axis=axes, dtype=np.float64)
            # What is left of a constant feature is rounding.
            scale[scale <= 1e-6 * np.abs(mean)] = 1.0
            scale[scale == 0] = 1.0
        elif X.dtype == np.uint8:
            scale[:] = 255
        shape = (1, -1, 1, 1) if X.ndim == 4 else (1, -1)
        self.mean = torch.tensor(mean, dtype=torch.float32).reshape(shape)
        self.scale = torch.tensor(scale, dtype=torch.float32).reshape(shape)

    def __call__(self, samples):
        """What a network takes of samples (n, ...): float32, in units of their spread.

        In memory, the channels of a pixel lie side by side, which convolutions prefer.
        """
        device = samples.device
        scaled = (samples.to(torch.float32) - self.mean.to(device)) / self.scale.to(device)
        return scaled.contiguous(memory_format=memory_format(scaled.ndim))


def memory_format(n_dimensions):
    """The order in which numbers lie in memory: channels last for images."""
    return torch.channels_last if n_dimensions == 4 else torch.contiguous_format
