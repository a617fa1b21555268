"""Progress of a long step, printed now and then."""

import time

_WIDTH = 20  # characters of the bar


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
