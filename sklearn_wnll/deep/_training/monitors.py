"""Checks of the numbers that callbacks monitor, with clear messages if they are missing."""

from skorch.callbacks import Checkpoint, EarlyStopping, LRScheduler
from torch.optim.lr_scheduler import ReduceLROnPlateau

__all__ = ["check_callbacks", "check_monitors", "explain_missing"]

_RECORD_NOTHING = Checkpoint, EarlyStopping, LRScheduler
_CURE = (
    "Pass validation=0.1, which holds out a tenth of the labelled samples, or validation=(X, y); "
    "or let it monitor what the training records, 'train_loss', or 'train_loss_best' for a "
    "Checkpoint."
)


def check_callbacks(callbacks):
    """Refuse objects that are not callbacks, with or without a name, as in skorch."""
    for callback in callbacks:
        if not hasattr(_bare(callback), "on_epoch_end"):
            raise ValueError(
                f"callbacks holds {callback!r}, which is not a callback. Pass objects of "
                "skorch.callbacks or of classes derived from skorch.callbacks.Callback."
            )
    return callbacks


def check_monitors(callbacks):
    """Refuse a callback that monitors held-out samples if there are none.

    Accept it after a callback that may record the number; the first epoch will show if it does.
    """
    for callback in map(_bare, callbacks):
        if callback not in _RECORD_NOTHING and type(callback) not in _RECORD_NOTHING:
            return
        monitor = _monitor(callback)
        if isinstance(monitor, str) and monitor.startswith("valid_"):
            raise ValueError(
                f"callbacks holds {_name(callback)}(monitor={monitor!r}), but no samples are held "
                f"out. {_CURE}"
            )


def explain_missing(net, error):
    """Make a ValueError to replace a callback's error about a missing number, or None."""
    row = net.history[-1]
    for _, callback in net.callbacks_:
        monitor = _monitor(callback)
        if isinstance(monitor, str) and monitor not in row:
            held_out = "valid_loss" in row
            cure = _CURE if monitor.startswith("valid_") and not held_out else (
                "Pass another monitor, or put a callback that records it before this one."
            )  # fmt: skip
            return ValueError(
                f"callbacks holds {_name(callback)}(monitor={monitor!r}), which nothing has "
                f"recorded. There are {', '.join(sorted(set(row) - {'batches'}))}. {cure}"
            )
    if isinstance(error, KeyError) and "valid_" in str(error) and "valid_loss" not in row:
        return ValueError(f"A callback looks for held-out samples: {error}. {_CURE}")
    return None


def _bare(callback):
    """Return a callback without its name."""
    return callback[1] if isinstance(callback, tuple) and len(callback) == 2 else callback


def _name(callback):
    return callback.__name__ if isinstance(callback, type) else type(callback).__name__


def _monitor(callback):
    """Return the number that a callback monitors; None if it monitors none."""
    if isinstance(callback, type):  # skorch constructs it with its defaults
        callback = callback()
    if isinstance(callback, LRScheduler) and callback.policy not in (
        "ReduceLROnPlateau",
        ReduceLROnPlateau,
    ):
        return None
    return getattr(callback, "monitor", None)
