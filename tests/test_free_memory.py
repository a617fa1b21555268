"""Free memory is read from made-up trees of files, as the kernel writes them."""

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_wnll._memory import free_memory, linux_memory, macos_pages

UNLIMITED = {1: 2**63 - 4096, 2: "max"}
GROUP = st.tuples(
    st.one_of(st.none(), st.integers(0, 2**40)), st.integers(0, 2**40), st.integers(0, 2**38)
)


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def write_meminfo(root, available):
    line = "" if available is None else f"MemAvailable:   {available // 1024} kB\n"
    write(root / "proc/meminfo", f"MemTotal:       99 kB\nMemFree:         1 kB\n{line}")


def write_group(folder, limit, used, cache, version):
    """Write the files of a control group; None is no limit."""
    limit = UNLIMITED[version] if limit is None else limit
    stat = f"anon 7\ninactive_file {cache}\nactive_file 5\n"
    if version == 1:
        stat = f"cache 3\ninactive_file 1\ntotal_inactive_file {cache}\n"
    names = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
             2: ("memory.max", "memory.current")}[version]  # fmt: skip
    for name, text in zip((*names, "memory.stat"), (limit, used, stat), strict=True):
        write(folder / name, f"{text}\n")


def write_own(root, path, version):
    """Write the file that names the process's own group."""
    lines = {1: f"5:pids:/elsewhere\n4:cpu,memory:{path}\n0::/\n", 2: f"0::{path}\n"}[version]
    write(root / "proc/self/cgroup", lines)


def read(root):
    return linux_memory(root / "proc", root / "groups")


@given(st.integers(1, 2**30), st.lists(GROUP, max_size=4), st.sampled_from([1, 2]))
def test_the_memory_is_what_the_machine_and_every_group_around_the_process_leave(
    pages, groups, version
):
    with tempfile.TemporaryDirectory() as folder:
        root, available = Path(folder), 1024 * pages
        write_meminfo(root, available)
        group = root / "groups" / ("memory" if version == 1 else "")
        write_own(root, "/".join(["", *(f"g{i}" for i in range(len(groups)))]) or "/", version)
        for number, values in enumerate(groups):
            group = group / f"g{number}"
            write_group(group, *values, version)
            write_group(group / "within", 0, 0, 0, version)  # not the process's own
        left = [limit - used + cache for limit, used, cache in groups if limit is not None]
        assert read(root) == max(0, min([available, *left]))


@pytest.mark.parametrize("path", ["/docker/4f82", "/../sibling", "/"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_container_that_sees_only_its_own_group_has_its_limit(tmp_path, version, path):
    write_meminfo(tmp_path, 10**9)
    write_own(tmp_path, path, version)
    write_group(tmp_path / "groups" / ("memory" if version == 1 else ""), 900, 500, 30, version)
    assert read(tmp_path) == 430


def test_the_limits_count_also_if_the_machine_says_nothing(tmp_path):
    assert read(tmp_path) is None
    write_own(tmp_path, "/a", 2)
    assert read(tmp_path) is None
    write_group(tmp_path / "groups/a", 800, 100, 0, 2)
    assert read(tmp_path) == 700
    write_meminfo(tmp_path, None)
    assert read(tmp_path) == 700
    write_meminfo(tmp_path, 512 * 1024)
    assert read(tmp_path) == 700
    write_meminfo(tmp_path, 0)
    assert read(tmp_path) == 0


def test_free_pages_of_macos_are_counted():
    answer = """\
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10.
Pages active:                         100000.
Pages inactive:                          200.
Pages speculative:                      3000.
Pages throttled:                           7.
Pages purgeable:                          50.
"Translation faults":                 123456.
"""
    assert macos_pages(answer) == 16384 * 3210
    assert macos_pages("vm_stat: not permitted") is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_free_memory_of_this_machine_is_known():
    free = free_memory()
    line = next(
        line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line
    )
    assert 2**20 < free < 1024 * int(line.split()[1])
