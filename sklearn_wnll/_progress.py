"""Progress of a long step, printed now and then."""

import time


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
        self._name, self._enabled = name, enabled
        self._start = self._last = time.monotonic()

    def update(self, message):
        """Print a message if a second has passed since the last one."""
        now = time.monotonic()
        if self._enabled and now - self._last >= 1:
            self._last = now
            self._print(message)

    def finish(self, message):
        """Print a last message."""
        if self._enabled:
            self._print(message)

    def _print(self, message):
        elapsed = time.monotonic() - self._start
        print(f"[wnll] {self._name}: {message}, {elapsed:.1f} s", flush=True)
