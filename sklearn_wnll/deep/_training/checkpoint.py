"""Training that goes on where it was cut off."""

import os
from pathlib import Path

import numpy as np
import torch

__all__ = ["Checkpoint", "without_numpy"]


class Checkpoint:
    """The state of a training after its last whole epoch, in a file of a folder, if there is one.

    ``fingerprints`` are hashes of the data and of each parameter that a training must share with
    the one that it goes on from.
    """

    def __init__(self, folder=None, fingerprints=None):
        if folder is not None and Path(folder).is_file():
            raise ValueError(
                f"checkpoint_dir={folder!r} is a file. Pass a folder, or what is to become one."
            )
        self.path = None if folder is None else Path(folder) / "training.pt"
        self.fingerprints = fingerprints or {}

    def load(self):
        """Read the state: a dict, or None; a ValueError if it is of another training, or none."""
        if self.path is None or not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            kept = state["fingerprints"]
        except Exception as error:  # what stands in a file may raise anything
            raise ValueError(
                f"{self.path} cannot be read as a checkpoint of this version of sklearn-wnll. Pass "
                "another checkpoint_dir, or remove the file."
            ) from error
        names = sorted({*kept, *self.fingerprints})
        others = [name for name in names if kept.get(name) != self.fingerprints.get(name)]
        if others:
            raise ValueError(
                f"{self.path} is the checkpoint of a training that differs in "
                f"{', '.join(others)}. Pass what it had, or another checkpoint_dir, or remove the "
                "file."
            )
        return state

    def save(self, **state):
        """Write a state of tensors, numbers and strings, in dicts and lists.

        A process that dies meanwhile leaves the state before.
        """
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        with open(partial, "wb") as file:
            torch.save({"fingerprints": self.fingerprints, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.path)


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
