"""Training that goes on where it was cut off."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import torch

from .lock import FileLock

__all__ = ["Checkpoint", "without_numpy"]

_HEAD = b"sklearn-wnll checkpoint 1\n"  # then the digest of the rest, and the rest
_DIGEST = hashlib.sha256
_START = len(_HEAD) + _DIGEST().digest_size


class Checkpoint:
    """The state of a training after its last whole epoch, in a file of a folder, if there is one.

    ``fingerprints`` are hashes of the data and of each parameter that a training must share with
    the one that it goes on from. As a context, it keeps other trainings out of the folder.
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
                f"checkpoint_dir={self.folder!r} is a file. Pass a folder, or what is to become "
                "one."
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
        """Read the state: a dict, or None; a ValueError if it is of another training, or none.

        ``may_differ`` says whether a training with other fingerprints of some names would have come
        to the same state.
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
                f"{', '.join(others)}. Pass what it had, or another checkpoint_dir, or remove the "
                f"file.{_advice(others)}"
            )
        return state

    def _read(self):
        """Read the file: a state that has been saved, bit for bit, or a ValueError."""
        try:
            content = self.path.read_bytes()
            if content.startswith(_HEAD):
                rest = memoryview(content)[_START:]
                if content[len(_HEAD) : _START] == _DIGEST(rest).digest():
                    return torch.load(io.BytesIO(rest), map_location="cpu", weights_only=True)
            raise ValueError("not the head and the digest of a checkpoint")
        except Exception as error:  # what stands in a file may raise anything
            raise ValueError(
                f"{self.path} cannot be read as a checkpoint of this version of sklearn-wnll, or "
                "is damaged. Pass another checkpoint_dir, or remove the file, and train anew."
            ) from error

    def save(self, **state):
        """Write a state of tensors, numbers and strings, in dicts and lists.

        A process that dies meanwhile, or a disk that is full, leaves the state before.
        """
        if self.path is None:
            return
        rest = io.BytesIO()
        torch.save({"fingerprints": self.fingerprints, **state}, rest)
        partial = self.path.with_suffix(".partial")
        try:
            with open(partial, "wb") as file:
                file.writelines((_HEAD, _DIGEST(rest.getbuffer()).digest(), rest.getbuffer()))
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OSError(
                error.errno,
                f"The checkpoint of an epoch cannot be written ({error}). If {self.path} is there, "
                "it holds the epoch before. See to the disk and the folder; then the same call "
                "goes on from there",
            ) from error


def _advice(names):
    """What may differ, if that is what a user has tried."""
    if not any(name.endswith("_step__epochs") or name == "n_stages" for name in names):
        return ""
    return (
        " More epochs can be given to the last step that has been trained, if its rates do not "
        "depend on their number, as those of LinearStep and WNLLStep, and no earlier stage has "
        "trained it too. Steps and stages that have not begun can be added or left out."
    )


def without_numpy(state):
    """Replace numpy's numbers, which a safe loader refuses, in dicts, lists and tuples.

    >>> without_numpy({"groups": [{"lr": np.float64(0.1), "betas": (np.float32(0.5), 1)}]})
    {'groups': [{'lr': 0.1, 'betas': (0.5, 1)}]}
    """
    if isinstance(state, dict):
        return {key: without_numpy(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(without_numpy(value) for value in state)
    return state.item() if isinstance(state, np.generic) else state
