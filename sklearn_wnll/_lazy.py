"""A value that is computed when it is first needed."""

from threading import Lock

__all__ = ["Lazy"]


class Lazy:
    """A value that the first thread to need it computes, once.

    It may be ``made`` already. Pickles and copies hold only ``make``, which they must be able to
    hold, so an object saves and hashes the same before and after its lazy values are used.

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
