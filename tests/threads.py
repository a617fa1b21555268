"""Any number of threads, whatever the machine and its environment allow."""

from contextlib import contextmanager
from unittest import mock

from threadpoolctl import threadpool_limits


@contextmanager
def threads(n):
    """Let search and solver take ``n`` threads, as on a machine of ``n`` cores."""
    with (
        mock.patch("sklearn_wnll._parallel.cpu_count", return_value=n),
        threadpool_limits(n, user_api="openmp"),
    ):
        yield
