"""Checkpoints, to continue a training after an interruption."""

from pathlib import Path

from .._files import read_state, write_state
from .lock import FileLock

__all__ = ["Checkpoint"]

_KIND = "checkpoint 1"


class Checkpoint:
    """State of a training after its last whole epoch, in a file in a folder, if one was passed.

    ``fingerprints`` are hashes of the data and of each parameter that must stay the same when a
    training continues. As a context, it keeps other trainings out of the folder.
    """

    def __init__(self, folder=None, fingerprints=None):
        self.folder = folder
        self.path = None if folder is None else Path(folder) / "training.pt"
        self.fingerprints = fingerprints or {}

    def __enter__(self):
        if self.path is None:
            return self
        self._lock = FileLock(self.path.with_suffix(".lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            free = self._lock.acquire()
        except FileExistsError as error:
            raise ValueError(
                f"checkpoint_dir={self.folder!r} is not a folder. Pass a folder, or the name of "
                "a new one."
            ) from error
        except (OSError, ValueError) as error:
            raise ValueError(
                f"checkpoint_dir={self.folder!r} cannot be made or written to: {error}. Pass a "
                "folder that you can write to."
            ) from error
        if not free:
            raise ValueError(
                f"checkpoint_dir={self.folder!r} is in use by another training, maybe in another "
                "process or thread. Wait for its end, or pass another folder."
            )
        return self

    def __exit__(self, *error):
        if self.path is not None:
            self._lock.release()

    def load(self, may_differ=lambda state, names: False):
        """Read the state: a dict, or None; ValueError for another training's or an invalid one.

        ``may_differ`` returns whether a training with other fingerprints of some names would have
        reached the same state.
        """
        if self.path is None or not self.path.exists():
            return None
        state = self._read()
        kept = state["fingerprints"]
        names = sorted({*kept, *self.fingerprints})
        others = [name for name in names if kept.get(name) != self.fingerprints.get(name)]
        if others and not may_differ(state, others):
            raise ValueError(
                f"{self.path} is the checkpoint of a training that differs in "
                f"{', '.join(others)}. Pass its values, or another checkpoint_dir, or remove the "
                f"file.{_advice(others)}"
            )
        return state

    def _read(self):
        """Read the saved state, bit for bit, or raise ValueError."""
        try:
            return read_state(self.path, _KIND)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{self.path} cannot be read as a checkpoint of this version of sklearn-wnll, or "
                "is damaged. Pass another checkpoint_dir, or remove the file, and train again."
            ) from error

    def save(self, **state):
        """Write a state of tensors, numbers and strings, in dicts and lists.

        If the process dies meanwhile, or the disk is full, the previous state remains.
        """
        if self.path is None:
            return
        state = {"fingerprints": self.fingerprints, **state}
        try:
            write_state(self.path, state, _KIND, self.path.with_suffix(".partial"))
        except ValueError as error:
            raise ValueError(
                f"The training cannot be kept in checkpoint_dir={self.folder!r}: {error} Pass "
                "checkpoint_dir=None."
            ) from error
        except OSError as error:
            raise OSError(
                error.errno,
                f"The checkpoint of an epoch cannot be written ({error}). If {self.path} exists, "
                "it holds the previous epoch. Check the disk and the folder; then the same call "
                "continues from there",
            ) from error


def _advice(names):
    """Explain which epochs and stages may differ, if a user has changed some."""
    if not any(name.endswith("_step__epochs") or name == "n_stages" for name in names):
        return ""
    return (
        " The last trained step can have more epochs, if its learning rates do not depend on "
        "their number, as in LinearStep and WNLLStep, and it was not trained in an earlier stage "
        "too. Steps and stages that have not begun can be added or left out."
    )
