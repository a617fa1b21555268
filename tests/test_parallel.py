import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_wnll._parallel import equal_blocks, in_threads, n_threads, single_openmp_thread
from sklearn_wnll._progress import Progress, show_progress

from .threads import threads


@given(st.integers(0, 1000), st.integers(1, 300), st.integers(1, 9))
def test_blocks_hold_every_row_once_and_are_nearly_equal(n, size, multiple):
    blocks = equal_blocks(n, size, multiple)
    rows = [row for block in blocks for row in range(block.start, block.stop)]
    assert rows == list(range(n))
    lengths = [block.stop - block.start for block in blocks]
    assert not lengths or 1 <= min(lengths) <= max(lengths) <= min(lengths) + 1
    assert all(length <= size for length in lengths)
    assert len(blocks) % multiple == 0 or len(blocks) == n


def test_threads_are_as_many_as_openmp_may_have_and_at_most_one_a_core():
    with mock.patch("sklearn_wnll._parallel.cpu_count", return_value=6):
        for limit, count in ((1, 1), (4, 4), (6, 6), (9, 6)):
            with threadpool_limits(limit, user_api="openmp"):
                assert n_threads() == count
            with threadpool_limits(limit):
                assert n_threads() == count


def test_threads_follow_the_environment():
    code = (
        "from sklearn_wnll import _parallel, WNLLClassifier; "
        "_parallel.cpu_count = lambda: 4; assert _parallel.n_threads() == 3"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_results_come_in_the_order_of_the_tasks(count):
    with threads(count):
        assert in_threads(lambda x: x * x, range(50)) == [x * x for x in range(50)]


def test_threads_meet_and_blas_keeps_to_one():
    both = threading.Barrier(2, timeout=60)

    def task(_):
        both.wait()  # breaks unless two threads are at work
        return max(library["num_threads"] for library in threadpool_info())

    with threads(2):
        before = [library["num_threads"] for library in threadpool_info()]
        assert in_threads(task, range(2)) == [1, 1]
        assert [library["num_threads"] for library in threadpool_info()] == before


def blas_threads(_=None):
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


def test_blas_keeps_to_one_thread_whichever_thread_asks():
    with threadpool_limits(2, user_api="blas"):
        for _ in range(2):
            assert in_threads(blas_threads, [None]) == [{1}]
            with ThreadPoolExecutor(2) as pool:
                found = list(pool.map(in_threads, [blas_threads] * 4, [[None]] * 4))
            assert found == [[{1}]] * 4
        assert blas_threads() == {2}


def test_an_error_in_a_thread_is_raised():
    with threads(2), pytest.raises(ZeroDivisionError):
        in_threads(lambda x: 1 / x, [1, 0, 2])


def test_a_job_beside_others_takes_one_thread():
    with threads(4):
        with single_openmp_thread():
            assert n_threads() == 1
            ids = set(in_threads(lambda _: threading.get_ident(), range(9)))
            assert ids == {threading.get_ident()}
        assert n_threads() == 4


def test_progress_is_a_bar_that_fills(capsys, monkeypatch):
    clock = iter(np.arange(0, 100, 0.6))
    monkeypatch.setattr("sklearn_wnll._progress.time.monotonic", lambda: next(clock))
    with show_progress(True):
        progress = Progress("step")
        for part in (0.1, 0.25, 0.5, 0.75):
            progress.update(part, f"{part:.0%}")
        progress.finish("done")
    bars = [line.split("]")[1].count("=") for line in capsys.readouterr().out.splitlines()]
    assert bars == sorted(bars)
    assert bars[-1] == 20


def test_progress_says_what_is_left_if_each_part_takes_as_long(capsys, monkeypatch):
    # Read at the start, and twice for each bar.
    clock = iter([0.0, 2.0, 2.0, 8.0, 8.0, 10.0])
    monkeypatch.setattr("sklearn_wnll._progress.time.monotonic", lambda: next(clock))
    with show_progress(True):
        progress = Progress("step")
        progress.update(0.0, "begun")
        progress.update(0.8, "most")
        progress.finish("done")
    begun, most, done = capsys.readouterr().out.splitlines()
    assert most.endswith("most, 8.0 s, about 2 s left")
    assert "left" not in begun + done


def test_progress_is_shown_where_it_is_asked_for_and_in_no_other_thread(capsys):
    def step():
        Progress("step").finish("done")

    step()
    with show_progress(True), show_progress(False):
        step()
    with show_progress(True):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()
        assert not capsys.readouterr().out
        step()
        Progress("step", enabled=False).finish("done")
    assert capsys.readouterr().out.count("done") == 1
