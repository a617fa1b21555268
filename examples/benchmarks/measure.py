"""
Common parts of the benchmarks: a process for each run, its cost, and the pages
===============================================================================
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
from pictures import ALTS, PAGES, draw

METHOD = "## How it was measured"
PACKAGES = ("sklearn-wnll", "scikit-learn", "numpy", "scipy", "pynndescent")


def peak_memory():
    """Return the peak memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def in_new_process(script, job, *, may_fail=False, **options):
    """Run a job of a script in a separate process, whose last line is its result."""
    command = [sys.executable, script, "--job", job, "--options", json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=not may_fail)
    if done.returncode:
        return {"failed": f"exit status {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def run_script(code):
    """Run a script in a new process; return its seconds from start to end, and its memory."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have compiled files
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"The script ended with status {status}: {code}")
    return {"wall": time.perf_counter() - start, "peak": usage.ru_maxrss / 1e6}


def median(results, key):
    """Compute the median of a number over several runs."""
    return float(np.median([result[key] for result in results]))


def machine(*more):
    """Describe processor, cores and versions."""
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


def shown(values, decimals=1, sign=""):
    """Format mean ± standard deviation over draws; a single one is marked."""
    mean = f"{np.mean(values):{sign}.{decimals}f}"
    spread = f" ± {np.std(values):.{decimals}f}" if len(values) > 1 else " (1 run)"
    return mean + spread


def by_heading(sections):
    """Index sections by their headings."""
    return {text.strip().splitlines()[0]: text.strip() for text in sections}


def read_page(page):
    """Read the text before the first heading of a page, and its sections by heading."""
    first, *sections = re.split(r"(?m)^(?=## )", page.read_text()) if page.exists() else [""]
    return first, by_heading(sections)


def write_page(name, head, sections, *, notes=(), takeaway="", docs=PAGES.parent):
    """Write a page and its picture: take-away, picture, tables, and the method of measurement.

    Other existing sections are kept. Those of ``notes``, and those already in the notes, go to the
    notes on the page. Without a new take-away, the old one is kept.
    """
    page, notebook = docs / "benchmarks" / name, docs / "notes" / name
    first, known = read_page(page)
    noted = read_page(notebook)[1] | by_heading(notes)
    given = by_heading(sections)
    noted |= {heading: text for heading, text in given.items() if heading in noted}
    known = {heading: text for heading, text in (known | given).items() if heading not in noted}
    title, _, rest = head.strip().partition("\n")
    text, _, method = rest.partition(METHOD)
    if not takeaway:
        takeaway = next((part for part in first.split("\n\n") if part.startswith("**")), "")
        print(f"Compare the first lines of {name} with its tables: they were not measured anew.")
    stem = page.stem
    picture = f"![{ALTS[stem]}](../_static/benchmarks/{stem}.png)"
    known.pop(METHOD, None)  # it comes last
    known[METHOD] = f"{METHOD}\n\n{method.strip()}"
    if noted:
        known[METHOD] += f"\n\nMore tables, and what was tried: [notes](../notes/{name})."
        about = f"More tables and trials behind the benchmark [{title[2:]}](../benchmarks/{name})."
        write_parts(notebook, [f"# Notes: {title[2:]}", about, *noted.values()])
    write_parts(page, [title, takeaway.strip(), picture, text.strip(), *known.values()])
    draw(stem, docs)


def write_parts(page, parts):
    """Write a page of parts."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join(part for part in parts if part) + "\n")


def measured():
    """Return the line with the date of a section's measurement."""
    return f"Measured on {date.today()}."
