"""A value that is computed on first use."""

from threading import Lock

__all__ = ["Lazy"]


class Lazy:
    """A value computed once, by the first thread that needs it.

    Pass it as ``made`` if it exists already. Pickles and copies hold only ``make``, which must be
    picklable, so an object saves and hashes the same before and after its lazy values are used.

    >>> squares = Lazy(lambda: [n * n for n in range(4)])
    >>> squares.get() is squares.get()
    True
    """

    def __init__(self, make, *made):
        self._make, self._made, self._lock = make, [*made], Lock()

    def get(self, *args):
        """Return ``make(*args)``, with the arguments of the first call."""
        with self._lock:
            if not self._made:
                self._made.append(self._make(*args))
            return self._made[0]

    def __getstate__(self):
        return {"make": self._make}

    def __setstate__(self, state):
        self.__init__(**state)
