"""
A billion rows on a hundred machines, on paper
==============================================

Measures what a row costs in a template, on one thread, and what a task costs dask's scheduler; then
computes what a fit of many more rows on a cluster would ship, hold and take. Nothing of that size
is run. Writes ``docs/notes/billion_rows.md``. ``--rows``, ``--machines`` and the others are numbers
of the cluster on paper.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # as in a task of a worker
import dask
import dask.array as da

sys.path.insert(0, str(Path(__file__).parent))
from jobs import hide_all_but, sheets, timed
from measure import PAGES, machine, measured, table, write_parts

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._distributed.dealing import deal_pieces
from sklearn_wnll._extension.prediction import Batching
from sklearn_wnll._fit_memory import FitSize

FEATURES, CLASSES, NEIGHBORS = 32, 10, 15
TASKS = 20_000


# %%
# What is measured
# ----------------


def template_costs(size):
    """Fit a template, and predict by it: seconds and bytes per row."""
    n_new = size // 20
    X, y = sheets(size + n_new, FEATURES, n_classes=CLASSES)
    few = hide_all_but(y[:size], [size // 200] * CLASSES)
    rows = da.from_array(X[:size], chunks=(size // 16, -1))
    model = WNLLClassifier(template_size=size, random_state=0)
    with dask.config.set(scheduler="synchronous"):
        model.fit(da.from_array(X[:2000], chunks=(1000, -1)), few[:2000])  # imports
        seconds, _ = timed(lambda: model.fit(rows, few))
        (template,) = dask.compute(*model._answer.templates)
    predict = {}
    for mode in ("inductive", "transductive"):
        options = {"inductive": mode == "inductive", "tol": model.tol, "max_iter": model.max_iter}
        predict[mode], _ = timed(
            lambda options=options: template.vote(X[size:], batching=Batching(None, 1), **options)
        )
    return {
        "fit": seconds / size,
        "kept": template.__sizeof__() / size,
        "inductive": predict["inductive"] / n_new,
        "transductive": predict["transductive"] / (n_new + size),
    }


def seconds_of_task():
    """Measure the scheduler's time for a task, with three workers that do nothing."""
    from distributed import Client, LocalCluster

    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(3, threads_per_worker=1, dashboard_address=None, local_directory=folder) as c,
        Client(c) as client,
    ):
        client.gather(client.map(abs, range(-100, 0), pure=False))
        start = time.perf_counter()
        client.gather(client.map(abs, range(TASKS), pure=False))
        return (time.perf_counter() - start) / TASKS


# %%
# What is computed
# ----------------


def simulate(options, unit):
    """Compute the numbers of the fit: a dict from names to a formula and a number."""
    n, m, size = options.rows, options.labels, options.template_size
    n_machines, cores = options.machines, options.cores
    partitions = [options.partition_rows] * (n // options.partition_rows)
    dealt = deal_pieces([rows - m // len(partitions) for rows in partitions], size, m)
    n_templates, n_pieces = len(dealt), sum(map(len, dealt))
    row = 4 * FEATURES
    fit = FitSize(row, FEATURES, NEIGHBORS, CLASSES)
    own = -(-n_templates // n_machines)
    n_tasks = 3 * len(partitions) + n_pieces + 3 * n_templates
    remote = 1 - 1 / n_machines
    found = {
        "templates": ("rows / (template size - labels)", n_templates),
        "pieces": ("partitions of a template, counted by the code", n_pieces),
        "rows on a machine, GB": ("rows x bytes of a row / machines", n * row / n_machines / 1e9),
        "templates on a machine": ("templates / machines", own),
        "models on a machine, GB": (
            f"templates on it x size x {unit['kept']:.0f} bytes",
            own * size * unit["kept"] / 1e9,
        ),
        "fits on a machine, GB": (
            "cores x (memory formula for a template + its rows)",
            cores * (fit.peak(size) + size * row) / 1e9,
        ),
        "labelled rows to each machine, MB": ("labels x bytes of a row", m * row / 1e6),
        "rows to other machines, GB each": (
            "rows on a machine x (1 - 1 / machines)",
            n * row / n_machines * remote / 1e9,
        ),
        "shipping, s": (
            f"the same / {options.network:g} GB per s",
            n * row / n_machines * remote / 1e9 / options.network,
        ),
        "fitting, s": (
            f"ceil(templates on it / cores) x size x {1e6 * unit['fit']:.0f} µs",
            -(-own // cores) * size * unit["fit"],
        ),
        "tasks": ("3 per partition, 1 per piece, 3 per template", n_tasks),
        "scheduling, s": (f"tasks x {1e3 * unit['task']:.2f} ms", n_tasks * unit["task"]),
        "labels and results of labelled rows at the client, MB": (
            "labels x (8 bytes per class + 16)",
            m * (8 * CLASSES + 16) / 1e6,
        ),
    }
    n_new = options.partition_rows
    n_votes = n_templates * 8 / 7
    predicted = {
        "tasks": ("a vote of each template, and sums of 8", n_votes),
        "scheduling, s": (f"tasks x {1e3 * unit['task']:.2f} ms", n_votes * unit["task"]),
        "votes, GB": (
            "tasks x rows x (8 bytes per class + 9)",
            n_votes * n_new * (8 * CLASSES + 9) / 1e9,
        ),
        "votes, s": (
            "the same / machines / network",
            n_votes * n_new * (8 * CLASSES + 9) / 1e9 / n_machines / options.network,
        ),
        "inductive, s": (
            f"templates x rows x {1e6 * unit['inductive']:.0f} µs / cores of all",
            n_templates * n_new * unit["inductive"] / n_machines / cores,
        ),
        "transductive, s": (
            f"templates x (size + rows) x {1e6 * unit['transductive']:.0f} µs / cores of all",
            n_templates * (size + n_new) * unit["transductive"] / n_machines / cores,
        ),
    }
    return found, predicted


def lines(numbers):
    """Make a table of names, formulas and numbers."""
    rows = []
    for name, (formula, number) in numbers.items():
        digits = 0 if isinstance(number, int) or number >= 100 else 2 if number < 10 else 1
        rows.append([name, formula, f"{number:,.{digits}f}"])
    return table(["", "arithmetic", ""], rows)


def main():
    """Measure, compute and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--rows", type=int, default=10**9)
    parser.add_argument("--labels", type=int, default=10_000)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--cores", type=int, default=16, help="of a machine")
    parser.add_argument("--network", type=float, default=1.25, help="GB per s of a machine")
    parser.add_argument("--template-size", type=int, default=200_000)
    parser.add_argument("--partition-rows", type=int, default=100_000)
    parser.add_argument("--docs", type=Path, default=PAGES.parent, help="folder of the pages")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    unit = {**template_costs(options.template_size), "task": seconds_of_task()}
    print({name: f"{value:.4g}" for name, value in unit.items()})
    found, predicted = simulate(options, unit)
    head = HEAD.format(n=options.rows, machines=options.machines, cores=options.cores,
                       network=options.network, labels=options.labels, size=options.template_size,
                       part=options.partition_rows)  # fmt: skip
    units = table(
        ["one thread, a template of that size", "measured"],
        [
            ["fit, µs per row", f"{1e6 * unit['fit']:.1f}"],
            ["model, bytes per row, the row included", f"{unit['kept']:.0f}"],
            ["inductive prediction, µs per new row", f"{1e6 * unit['inductive']:.1f}"],
            ["transductive, µs per row of template and batch", f"{1e6 * unit['transductive']:.1f}"],
            ["scheduler, ms per task", f"{1e3 * unit['task']:.2f}"],
        ],
    )
    page = options.docs / "notes" / "billion_rows.md"
    write_parts(page, [
        head, f"## A fit\n\n{lines(found)}",
        f"## Predicting one more partition\n\n{lines(predicted)}", LIMITS,
        f"## Units\n\n{units}\n\n{measured()}\n\nCommand: `python "
        f"examples/benchmarks/billion_rows.py`.\n{machine('dask', 'distributed')}",
    ])  # fmt: skip


HEAD = """\
# On paper: {n:,} rows on {machines} machines

{n:,} rows of 32 float32 features, {labels:,} of them labelled, 10 classes; {machines} machines
with {cores} cores and a network of {network:g} GB per second each; partitions of {part:,} rows,
templates of {size:,}. **Nothing of that size was run.** The units were [measured](#units);
everything else is arithmetic."""

LIMITS = """\
## Where it breaks

- **New rows.** Every template votes on every new row. One more partition takes as many tasks as
  there are templates, and their votes are larger than the rows. Let rows take part in the fit, or
  make fewer, larger templates.
- **The scheduler.** It handles the tasks one after the other, while the fits share all cores.
  Larger partitions and templates make fewer tasks; the memory of a core limits both.
- **Labelled rows.** All are in every template, and may fill at most half of it. With more labels,
  templates must grow, or labels be left out.
- **Few labels.** A template extends them over its own rows only. The accuracy is that of a graph of
  one template, not of all rows ([templates](../benchmarks/templates.md)).
- **Disks.** `fit` reads the rows twice unless they are persisted, which takes their memory once
  more.
- **A lost machine.** Its templates are fitted again, by others, from rows that are read again. With
  one machine of a hundred, that is a hundredth of the work."""


if __name__ == "__main__":
    main()
