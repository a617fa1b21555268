"""Files of tensors and plain values, written completely or not at all, and checked when read."""

import hashlib
import io
import os
from pathlib import Path
from threading import get_ident

import numpy as np
import torch

__all__ = ["read_state", "without_numpy", "write_state"]

_OURS = b"sklearn-wnll "
_DIGEST = hashlib.sha256
_PLAIN = bool, int, float, str, type(None)


def write_state(path, state, kind, partial=None):
    """Write a dict of tensors, numbers, strings and None, in dicts and lists, with a digest.

    ``kind`` names the content and its version. The file is written as ``partial``, by default a
    name unique to this thread, and renamed once complete: if the process dies or the disk is full,
    the old file at ``path`` remains. Raises ValueError for objects that a safe loader would refuse.
    """
    path = Path(path)
    for name, value in state.items():
        _check_plain(value, name)
    content = io.BytesIO()
    torch.save(state, content)
    partial = partial or path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}.partial")
    try:
        with open(partial, "wb") as file:
            file.writelines((_head(kind), _DIGEST(content.getbuffer()).digest()))
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_state(path, kind):
    """Read a file of :func:`write_state`, bit for bit; no code in the file is run.

    Raises ValueError for a file that is damaged, of another kind, or not from :func:`write_state`.
    """
    content, head = memoryview(Path(path).read_bytes()), _head(kind)
    start = len(head) + _DIGEST().digest_size
    if bytes(content[: len(head)]) != head:
        first = bytes(content[:80]).partition(b"\n")[0]
        what = first.decode(errors="replace") if first.startswith(_OURS) else "something else"
        raise ValueError(f"{path} cannot be read: it is {what}, not {head.decode().strip()}.")
    if bytes(content[len(head) : start]) != _DIGEST(content[start:]).digest():
        raise ValueError(f"{path} is damaged: its contents are not what was written.")
    try:
        return torch.load(io.BytesIO(content[start:]), map_location="cpu", weights_only=True)
    except Exception as error:  # for example from a file made to run code
        raise ValueError(f"{path} is not safe to load, and was not loaded.") from error


def _head(kind):
    return _OURS + kind.encode() + b"\n"


def _check_plain(value, name):
    """Refuse objects that a safe loader would refuse; ``name`` is their place."""
    parts = {}
    if isinstance(value, dict):
        parts = {f"{name}[{key!r}]": part for key, part in value.items()}
    elif isinstance(value, list | tuple):
        parts = {f"{name}[{i}]": part for i, part in enumerate(value)}
    elif not (isinstance(value, torch.Tensor) or type(value) in _PLAIN):
        raise ValueError(
            f"{name} is of type {type(value).__name__}, which a file that is safe to load cannot "
            "hold: only tensors, numbers, strings, None, and lists and dicts of them."
        )
    for place, part in parts.items():
        _check_plain(part, place)


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
