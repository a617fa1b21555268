import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from sklearn_wnll._parallel import equal_blocks, in_threads, n_threads, single_thread
from sklearn_wnll._progress import Progress


@given(st.integers(0, 1000), st.integers(1, 300), st.integers(1, 9))
def test_blocks_hold_every_row_once_and_are_nearly_equal(n, size, multiple):
    blocks = equal_blocks(n, size, multiple)
    rows = [row for block in blocks for row in range(block.start, block.stop)]
    assert rows == list(range(n))
    lengths = [block.stop - block.start for block in blocks]
    assert not lengths or 1 <= min(lengths) <= max(lengths) <= min(lengths) + 1
    assert all(length <= size for length in lengths)
    assert len(blocks) % multiple == 0 or len(blocks) == n


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 7])
def test_results_come_in_the_order_of_the_tasks(n_jobs):
    assert in_threads(lambda x: x * x, range(50), n_jobs) == [x * x for x in range(50)]


def test_threads_meet_and_blas_keeps_to_one():
    both = threading.Barrier(2, timeout=60)

    def task(_):
        both.wait()  # breaks unless two threads are at work
        return max(library["num_threads"] for library in threadpool_info())

    before = [library["num_threads"] for library in threadpool_info()]
    assert in_threads(task, range(2), 2) == [1, 1]
    assert [library["num_threads"] for library in threadpool_info()] == before


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda x: 1 / x, [1, 0, 2], 2)


def test_a_job_beside_others_takes_one_thread():
    with single_thread():
        assert n_threads(None) == n_threads(4) == 1
        ids = set(in_threads(lambda _: threading.get_ident(), range(9), 4))
        assert ids == {threading.get_ident()}
    assert n_threads(4) == 4


def test_progress_is_a_bar_that_fills(capsys, monkeypatch):
    clock = iter(np.arange(0, 100, 0.6))
    monkeypatch.setattr("sklearn_wnll._progress.time.monotonic", lambda: next(clock))
    progress = Progress("step", 1)
    for part in (0.1, 0.25, 0.5, 0.75):
        progress.update(part, f"{part:.0%}")
    progress.finish("done")
    bars = [line.split("]")[1].count("=") for line in capsys.readouterr().out.splitlines()]
    assert bars == sorted(bars)
    assert bars[-1] == 20
    Progress("step", 0).finish("done")
    assert not capsys.readouterr().out
