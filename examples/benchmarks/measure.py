"""
What the benchmarks share: a process for each run, what it took, and how pages are written
==========================================================================================
"""

import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

PAGES = Path(__file__).parents[2] / "docs" / "benchmarks"
PACKAGES = ("sklearn-wnll", "scikit-learn", "numpy", "scipy", "pynndescent")


def peak_memory():
    """Largest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def in_new_process(script, job, *, may_fail=False, **options):
    """Run a job of a script in a process of its own; its last line is what it measured."""
    command = [sys.executable, script, "--job", job, "--options", json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=not may_fail)
    if done.returncode:
        return {"failed": f"exit status {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def run_script(code):
    """Seconds that a new process takes for a script, from its start to its end, and its memory."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages are compiled
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"The script ended with status {status}: {code}")
    return {"wall": time.perf_counter() - start, "peak": usage.ru_maxrss / 1e6}


def median(results, key):
    """Median of a figure over several runs."""
    return float(np.median([result[key] for result in results]))


def machine(*more):
    """Processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    versions = []
    for package in (*PACKAGES, *more):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} not installed")
    return (
        f"Machine: {(names or [platform.machine()])[0]}, {os.cpu_count()} "
        f"cores; Python {platform.python_version()}, {', '.join(versions)}."
    )


def table(header, rows):
    """Format a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_page(name, head, sections):
    """Write a page; sections that are not given stay as they were measured."""
    PAGES.mkdir(parents=True, exist_ok=True)
    page = PAGES / name
    before = re.split(r"(?m)^(?=## )", page.read_text())[1:] if page.exists() else []
    merged = {text.splitlines()[0]: text.strip() for text in [*before, *sections]}
    page.write_text("\n\n".join([head.strip(), *merged.values()]) + "\n")


def measured():
    """The line that says when a section was measured."""
    return f"Measured on {date.today()}."
