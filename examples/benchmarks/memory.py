"""
Peak memory of a fit, and the formula for it
============================================

Each fit is a process of its own, which measures the memory beyond its rows: at the peak while the
graph is built, at the peak of the whole fit, and in the fitted model. The coefficients of the
formula are found by nonnegative least squares, and stand in ``sklearn_wnll/_fit_memory.py``. Writes
``docs/benchmarks/memory.md``. Linux only. Finished fits are stored in ``--results`` and are not
repeated.
"""

import argparse
import ctypes
import gc
import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from cells import Cells
from jobs import sheets
from measure import in_new_process, peak_memory
from memory_page import Setting, write

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

BATCH = 10_000  # rows made at a time
UNIT = 1.024e9  # bytes, of which peak_memory() counts in GB: the system counts in KiB
VARIED = {
    "n_features": (8, 128, 784),
    "n_neighbors": (5, 30),
    "n_classes": (2, 100),
    "itemsize": (8,),
    "n_threads": (2,),
}
CORNERS = (
    {"n_features": 8, "n_neighbors": 5, "n_classes": 2},
    {"n_features": 784, "rank": 32},
    {"n_features": 128, "n_neighbors": 30, "n_classes": 100},
    {"n_features": 784, "n_neighbors": 30, "n_classes": 2, "n_threads": 2},
    {"n_features": 128, "n_neighbors": 5, "n_classes": 10, "itemsize": 8, "n_threads": 2},
)


def settings(thousands):
    """List the fits of some rows: each number alone varied, and corners."""
    yield Setting(thousands)
    for name, values in VARIED.items():
        yield from (Setting(thousands, **{name: value}) for value in values)
    yield from (Setting(thousands, **corner) for corner in CORNERS)


# %%
# A fit, in a new process
# -----------------------


def resident():
    """Return the memory of this process, in bytes, after a return of what is free."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def forget_peak():
    """Let the peak memory of this process begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def make_rows(setting):
    """Make rows and their classes."""
    n, d = setting.n, setting.n_features
    X, y = sheets(n, setting.rank or d, n_classes=setting.n_classes)
    if setting.rank:
        axes = np.random.default_rng(0).normal(size=(setting.rank, d)).astype(np.float32)
        X = np.vstack([part @ axes for part in np.array_split(X, max(1, n // BATCH))])
    return X.astype(f"f{setting.itemsize}", copy=False), y


def run_fit(setting):
    """Measure a fit without labels, which builds the graph, and then the solution for labels."""
    X, y = make_rows(setting)
    few, nothing = hide_labels(y, 5, random_state=0), np.full(len(X), -1)
    part = slice(0, 2000)
    WNLLClassifier(neighbors="approximate", random_state=0).fit(X[part].copy(), y[part])  # imports
    before = resident()
    forget_peak()
    start = time.perf_counter()
    model = WNLLClassifier(setting.n_neighbors, random_state=0).fit(X, nothing)
    graph = UNIT * peak_memory() - before
    forget_peak()
    model.relabel(few)
    return {
        "graph": graph,
        "solver": UNIT * peak_memory() - before,
        "seconds": time.perf_counter() - start,
        "kept": resident() - before,
        "compared": compared_features(model, setting),
    }


def compared_features(model, setting):
    """Return how many features are compared: fewer if principal components are."""
    search = model._answer.templates.transductions[0].graph._search
    if not hasattr(search, "_index") or not hasattr(search, "_n_first"):
        return setting.n_features
    reduction = search._index.get(setting.n_neighbors)._reduction
    return setting.n_features if reduction is None else reduction.axes.shape[1]


def measured_fits(thousands, cells, threads):
    """Measure the fits of some rows that are not known yet: all, or those with some threads."""
    plain = [Setting(thousands, n_threads=n_threads) for n_threads in threads or ()]
    for setting in plain or settings(thousands):
        options = setting._asdict()

        def run(options=options):
            os.environ["OMP_NUM_THREADS"] = str(options["n_threads"])
            return in_new_process(__file__, "fit", setting=options)

        found = cells.measured("fits", tuple(setting), run)
        print(setting, {name: f"{value:.4g}" for name, value in found.items()}, flush=True)


def main():
    """Run the job on the command line, or all fits."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 300_000])
    parser.add_argument("--plain", type=int, nargs="+", help="numbers of threads of plain fits")
    parser.add_argument("--results", default="memory_results", help="folder of finished fits")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--options", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        warnings.simplefilter("ignore")
        print(json.dumps(run_fit(Setting(**args.options["setting"]))))
        return
    cells = Cells(args.results)
    for n in args.rows:
        measured_fits(n // 1000, cells, args.plain)
    write({Setting(*setting): found for setting, found in cells.of("fits").items()})


if __name__ == "__main__":
    main()
