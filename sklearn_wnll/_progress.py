"""Progress of a long step, printed from time to time."""

import time
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Progress", "show_progress"]

_WIDTH = 20  # characters of the bar

# Off in the threads and processes of joblib, where bars would overwrite each other.
_shown = ContextVar("shown", default=False)


@contextmanager
def show_progress(enabled):
    """Switch the progress of the steps in this context on or off."""
    token = _shown.set(bool(enabled))
    try:
        yield
    finally:
        _shown.reset(token)


class Progress:
    """Print the progress of a step, at most once a second, if :func:`show_progress` is on."""

    def __init__(self, name, enabled=True):
        self._name, self._enabled = name, enabled and _shown.get()
        self._start = self._last = time.monotonic()

    def update(self, part, message):
        """Print a bar that is full to ``part``, if a second has passed since the last one."""
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
        left = f", about {elapsed * (1 / part - 1):.0f} s left" if 0 < part < 1 else ""
        print(f"[wnll] {self._name} [{bar:{_WIDTH}}] {message}, {elapsed:.1f} s{left}", flush=True)
