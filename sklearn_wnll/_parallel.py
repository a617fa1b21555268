"""Work on blocks of rows in threads, with the same result for any number of them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from itertools import pairwise

from joblib import cpu_count, effective_n_jobs
from threadpoolctl import ThreadpoolController

__all__ = ["equal_blocks", "in_threads", "n_threads", "single_thread"]

_single = ContextVar("single", default=False)


def n_threads(n_jobs):
    """Give the number of threads that ``n_jobs`` stands for.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib, but None is all cores.

    Returns
    -------
    int
        At least 1.
    """
    if _single.get():
        return 1
    return cpu_count() if n_jobs is None else effective_n_jobs(n_jobs)


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


def in_threads(function, tasks, n_jobs=None):
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

    Yields
    ------
    object
        The results, in the order of the tasks.
    """
    with _controller().limit(limits=1):
        if len(tasks) < 2 or n_threads(n_jobs) == 1:
            yield from map(function, tasks)
            return
        # OpenMP keeps a limit for each thread.
        limit = partial(_controller().limit, limits=1, user_api="openmp")
        with ThreadPoolExecutor(n_threads(n_jobs), initializer=limit) as pool:
            yield from pool.map(function, tasks)


@cache
def _controller():
    """The libraries that are loaded: finding them takes milliseconds."""
    return ThreadpoolController()
