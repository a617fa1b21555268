"""Independent parts of a problem, on processes or a cluster if there are several."""

from joblib import Parallel, delayed, effective_n_jobs

from .._parallel import single_openmp_thread
from .._progress import Progress

__all__ = ["run_jobs"]


def run_jobs(function, tasks, count, n_jobs, name):
    """Call a function for each task, on processes or a cluster if there are several."""
    if count == 1 or effective_n_jobs(n_jobs) == 1:
        results = map(function, tasks)
    else:
        results = _jobs(n_jobs)(delayed(_alone)((function, task)) for task in tasks)
    progress = Progress(name, enabled=count > 1)
    for done, result in enumerate(results, 1):
        progress.update(done / count, f"{done:,} of {count:,}")
        yield result
    progress.finish(f"{count:,} solved")


def _jobs(n_jobs):
    """Make jobs that return results one by one, if joblib's backend can."""
    try:
        return Parallel(n_jobs, return_as="generator")
    except ValueError:  # such as "multiprocessing"
        return Parallel(n_jobs)


def _alone(call):
    """Run one of several parallel jobs in a single thread.

    Function and task come as one tuple: joblib's dask backend would scatter single arrays, and
    arrays scattered to a worker are lost with it.
    """
    function, task = call
    with single_openmp_thread():
        return function(task)
