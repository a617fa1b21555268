"""Threads over blocks of rows, with the same result for any number of threads."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import pairwise
from threading import Lock

from joblib import cpu_count
from threadpoolctl import ThreadpoolController

__all__ = ["equal_blocks", "in_threads", "n_threads", "single_openmp_thread"]


def n_threads():
    """Return the number of threads that the process allows OpenMP, at most one per core.

    The limits are ``OMP_NUM_THREADS`` and threadpoolctl's, which scikit-learn also follows and
    joblib sets in its processes.
    """
    limits = [library.num_threads for library in _openmp().lib_controllers]
    return max(1, min([cpu_count(), *limits]))


def equal_blocks(n, size, multiple=1):
    """Cut ``n`` rows into slices of nearly equal length, about ``size``, none empty.

    Their number is a multiple of ``multiple``, to share the work equally among threads.

    >>> equal_blocks(10, 4)
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """
    count = min(n, multiple * -(-n // (size * multiple)))
    edges = [n * block // count for block in range(count + 1)] if count else [0]
    return [slice(start, end) for start, end in pairwise(edges)]


def in_threads(function, tasks, callback=None):
    """Call a function for each task, in threads; return the results in the order of the tasks.

    Meanwhile, BLAS and OpenMP use one thread: many small products gain more from threads over the
    tasks, and a sum computed by one thread is the same on every machine. ``callback`` is called
    with each result as it comes.
    """
    count = min(n_threads(), len(tasks))
    results = []
    with _single_blas_thread(), ExitStack() as stack:
        run = map
        if count > 1:
            pool = ThreadPoolExecutor(count, initializer=single_openmp_thread)
            run = stack.enter_context(pool).map
        for result in run(function, tasks):
            results.append(result)
            if callback is not None:
                callback(result)
    return results


@contextmanager
def _single_blas_thread():
    """Keep BLAS, and OpenMP in this thread, to one thread.

    The limit of BLAS holds for the whole process: the first of several callers sets it, and the
    last lifts it.
    """
    with _lock:
        if not _blas.users:
            _free_limit_of_blas()
            _blas.limit = _controller().limit(limits=1, user_api="blas")
        _blas.users += 1
    try:
        with single_openmp_thread():
            yield
    finally:
        with _lock:
            _blas.users -= 1
            if not _blas.users:
                _free_limit_of_blas()
                _blas.limit.restore_original_limits()
                _free_limit_of_blas()


def _free_limit_of_blas():
    """Let this thread set the limit: since threadpoolctl 3.8, it belongs to the first that did."""
    for library in _controller().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


class _Blas:
    """The current limit, and the number of callers that set it."""

    users, limit = 0, None


_blas, _lock = _Blas(), Lock()


def single_openmp_thread():
    """Limit OpenMP, and so :func:`n_threads`, to one thread in the calling thread."""
    return _openmp().limit(limits=1)


def _openmp():
    return _controller().select(user_api="openmp")


def _controller():
    """Return the loaded libraries, cached because the search takes milliseconds."""
    return _libraries(len(sys.modules))


@lru_cache(maxsize=1)
def _libraries(n_modules):
    return ThreadpoolController()
