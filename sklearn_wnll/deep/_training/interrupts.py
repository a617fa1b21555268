"""Detection of Ctrl-C, as opposed to callbacks that raise the same exception."""

import signal
import threading

__all__ = ["InterruptWatch"]


class InterruptWatch:
    """Record in ``seen`` whether the process gets an interrupt signal within the context.

    skorch's callbacks end a training with a KeyboardInterrupt, as Ctrl-C does; only the signal
    distinguishes the two. The signal's usual handler is still called.

    >>> with InterruptWatch() as watch:
    ...     try:
    ...         signal.raise_signal(signal.SIGINT)
    ...     except KeyboardInterrupt:
    ...         print("interrupted:", watch.seen)
    interrupted: True
    """

    def __enter__(self):
        self.seen, self._usual = False, None
        usual = signal.getsignal(signal.SIGINT)
        # Only the main thread gets signals, and may change their handlers.
        if callable(usual) and threading.current_thread() is threading.main_thread():
            self._usual = usual
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error):
        if self._usual is not None:
            signal.signal(signal.SIGINT, self._usual)

    def _note(self, number, frame):
        self.seen = True
        self._usual(number, frame)
