"""Free memory, as far as the operating system and the limits on the process tell."""

import ctypes
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["free_memory", "linux_memory", "macos_pages"]

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Return the bytes that this process may still take; None if nothing is known."""
    try:
        if sys.platform == "linux":
            return linux_memory()
        elif sys.platform == "darwin":
            command = ["/usr/bin/vm_stat"]
            return macos_pages(subprocess.run(command, capture_output=True, text=True).stdout)
        elif sys.platform == "win32":
            return _windows_memory()
        else:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def linux_memory(proc: Path = _PROC, groups: Path = _GROUPS) -> int | None:
    """Return the free bytes by ``proc/meminfo`` and the limits of the process's control groups.

    ``groups`` is the folder where the control groups are mounted, of version 2 or 1. A group's
    limit holds for the groups in it too.
    """
    known = [_number(proc / "meminfo", "MemAvailable:", 1024)]
    for path in _lines(proc / "self" / "cgroup"):
        known += _rooms(path, groups)
    found = [room for room in known if room is not None]
    return max(0, min(found)) if found else None


def _rooms(line: str, groups: Path) -> Iterator[int | None]:
    """Find the bytes that a group and those around it leave, by a line of ``/proc/self/cgroup``."""
    _, controllers, path = line.split(":", 2)
    if controllers == "":
        files, folders = ("memory.max", "memory.current", "inactive_file"), ["", "unified"]
    elif "memory" in controllers.split(","):
        files = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        folders = ["memory"]
    else:
        return
    inside = PurePosixPath(path).relative_to("/")
    if ".." in inside.parts:  # outside the part of the hierarchy that is mounted
        inside = PurePosixPath()
    for folder in folders:
        # A container may see only its own group, as the root, and not the folders of the path.
        for group in (inside, *inside.parents):
            yield _room(groups / folder / group, *files)


def _room(group: Path, limit: str, usage: str, cache: str) -> int | None:
    """Find the bytes that a group leaves: the kernel drops unused file caches when it has to."""
    most, used = _number(group / limit), _number(group / usage)
    if most is None or used is None:
        return None
    return most - used + (_number(group / "memory.stat", cache) or 0)


def _number(file: Path, name: str = "", unit: int = 1) -> int | None:
    """Read the number after a name in a file, or the only one; None if there is none."""
    for line in _lines(file):
        words = line.removeprefix(name).split()
        if line.startswith(name) and words and words[0].isdecimal():
            return unit * int(words[0])
    return None


def _lines(file: Path) -> list[str]:
    """Read the lines of a file; none if it cannot be read."""
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def macos_pages(answer: str) -> int | None:
    """Return the bytes that are free or soon can be, by the answer of macOS's ``vm_stat``."""
    size = re.search(r"page size of (\d+) bytes", answer)
    pages = re.findall(r"(?m)^Pages (?:free|inactive|speculative): +(\d+)\.", answer)
    return int(size[1]) * sum(map(int, pages)) if size and pages else None


class _WindowsMemory(ctypes.Structure):
    """``MEMORYSTATUSEX`` of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 5),
    )


def _windows_memory() -> int | None:
    status = _WindowsMemory(length=ctypes.sizeof(_WindowsMemory))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009, which only Windows has
    return status.available if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None
