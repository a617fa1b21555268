"""A lock on a file, which ends with the process that holds it."""

import errno
import os
import sys

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock"]

_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
# Errors of file systems without locks, where users must keep trainings apart.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_locks: set["FileLock"] = set()  # those that this process holds


class FileLock:
    """A lock held by at most one holder in all processes and threads.

    The file is created, and stays: a file that is removed could be locked twice.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, other = FileLock(f"{folder}/lock"), FileLock(f"{folder}/lock")
    ...     print(one.acquire(), other.acquire(), one.release(), other.acquire(), other.release())
    True False None True None
    """

    def __init__(self, path):
        self.path = path

    def acquire(self):
        """Take the lock; return whether nobody else has it."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if sys.platform == "win32":
                msvcrt.locking(self._descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(self._descriptor)
                if error.errno in _HELD:
                    return False
                raise
        _locks.add(self)
        return True

    def release(self):
        """Release the lock, if this process holds it."""
        if self in _locks:
            _locks.discard(self)
            if sys.platform != "win32":
                # Closing is not enough while a forked process has the file open.
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)


def _forget():
    """Leave the locks to the process that this one was forked from."""
    for lock in _locks:
        os.close(lock._descriptor)
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
