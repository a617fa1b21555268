"""Progress of a long step, printed now and then."""

import time
from contextlib import contextmanager
from contextvars import ContextVar

_WIDTH = 20  # characters of the bar

_silent = ContextVar("silent", default=False)


@contextmanager
def silent():
    """Print no progress: this is one of several jobs, whose bars would run into each other."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


class Progress:
    """Print how far a step has come, at most once a second.

    Parameters
    ----------
    name : str
        What is being done.
    enabled : bool
        Whether to print at all.
    """

    def __init__(self, name, enabled):
        self._name, self._enabled = name, enabled and not _silent.get()
        self._start = self._last = time.monotonic()

    def update(self, part, message):
        """Print a bar and a message if a second has passed since the last one.

        Parameters
        ----------
        part : float
            How much of the step is done, from 0 to 1.
        message : str
            What has been reached.
        """
        now = time.monotonic()
        if self._enabled and now - self._last >= 1:
            self._last = now
            self._print(part, message)

    def finish(self, message):
        """Print a full bar and a last message."""
        if self._enabled:
            self._print(1, message)

    def _print(self, part, message):
        bar = "=" * round(_WIDTH * part)
        elapsed = time.monotonic() - self._start
        print(f"[wnll] {self._name} [{bar:{_WIDTH}}] {message}, {elapsed:.1f} s", flush=True)
