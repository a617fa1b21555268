"""Work on blocks of rows in threads, with the same result for any number of them."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from itertools import pairwise
from threading import Lock

from joblib import cpu_count
from threadpoolctl import ThreadpoolController

__all__ = ["equal_blocks", "in_threads", "n_threads", "single_thread"]

_single = ContextVar("single", default=False)


def n_threads(n_jobs):
    """Give the number of threads that ``n_jobs`` stands for.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib (-1 is all cores, -2 all but one), but None is all cores, or as many as
        the environment variable ``OMP_NUM_THREADS`` says; joblib sets it in its processes.

    Returns
    -------
    int
        At least 1.
    """
    if _single.get():
        return 1
    if n_jobs is None:
        limit = os.environ.get("OMP_NUM_THREADS", "")
        return min(cpu_count(), int(limit)) if limit.isdigit() and int(limit) else cpu_count()
    return n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs)


@contextmanager
def single_thread():
    """Let :func:`n_threads` be 1: other processes are at work beside this one."""
    token = _single.set(True)
    try:
        yield
    finally:
        _single.reset(token)


def equal_blocks(n, size, multiple=1):
    """Cut rows into blocks of nearly equal length.

    Parameters
    ----------
    n : int
        Number of rows.
    size : int
        Rows in a block, about.
    multiple : int, default=1
        The number of blocks is a multiple of it, so that threads have equal work.

    Returns
    -------
    list of slice
        The blocks, none of them empty.

    Examples
    --------
    >>> equal_blocks(10, 4)
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """
    count = min(n, multiple * -(-n // (size * multiple)))
    edges = [n * block // count for block in range(count + 1)] if count else [0]
    return [slice(start, end) for start, end in pairwise(edges)]


def in_threads(function, tasks, n_jobs=None, callback=None):
    """Call a function for each task, in threads.

    BLAS and OpenMP keep to one thread meanwhile: many small products gain more from threads
    over the tasks, and a sum that one thread computes is the same on every machine.

    Parameters
    ----------
    function : callable
        Called with one task; spends its time in numpy, which lets other threads run.
    tasks : sequence
        What to call it with.
    n_jobs : int, default=None
        Number of threads, as in :func:`n_threads`.
    callback : callable, default=None
        Called with each result as it comes.

    Returns
    -------
    list
        The results, in the order of the tasks.
    """
    count = min(n_threads(n_jobs), len(tasks))
    results = []
    with _single_blas_thread(), ExitStack() as stack:
        run = map
        if count > 1:
            pool = ThreadPoolExecutor(count, initializer=_limit_openmp)
            run = stack.enter_context(pool).map
        for result in run(function, tasks):
            results.append(result)
            if callback is not None:
                callback(result)
    return results


@contextmanager
def _single_blas_thread():
    """Keep BLAS, and OpenMP in this thread, to one thread.

    The limit of BLAS is that of the whole process: of several that set it, the first sets it
    and the last lifts it.
    """
    with _lock:
        if not _blas.users:
            _blas.limit = _controller().limit(limits=1, user_api="blas")
        _blas.users += 1
    try:
        with _limit_openmp():
            yield
    finally:
        with _lock:
            _blas.users -= 1
            if not _blas.users:
                _blas.limit.restore_original_limits()


class _Blas:
    """The limit that is set, and by how many."""

    users, limit = 0, None


_blas, _lock = _Blas(), Lock()


def _limit_openmp():
    """Limit OpenMP in this thread, which has a limit of its own."""
    return _controller().limit(limits=1, user_api="openmp")


def _controller():
    """The libraries that are loaded."""
    return _libraries(len(sys.modules))


@lru_cache(maxsize=1)
def _libraries(n_modules):
    """Look for libraries, which takes milliseconds, when modules may have brought more."""
    return ThreadpoolController()
