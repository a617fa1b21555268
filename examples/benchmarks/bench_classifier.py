"""
Time and memory of WNLLClassifier and of other libraries
========================================================

Every run is a separate process. Times are medians over the runs, memory is the peak that the
operating system reports. Writes ``docs/benchmarks/classifier.md``. MNIST is read from
``--data-home`` or the folder in the environment variable ``SKLEARN_WNLL_DATA``. The other
libraries are scikit-learn and, if installed, graphlearning and faiss-cpu. This takes about a
quarter of an hour on two cores; ``--only`` measures some sections again and keeps the others.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from jobs import JOBS, SEARCHES
from measure import (
    in_new_process,
    machine,
    measured,
    median,
    peak_memory,
    run_script,
    table,
    write_page,
)

RUNS = 3
SHORT_RUNS = 25
NAMES = {"LabelSpreading": "LabelSpreading(knn, 15)", "auto": "WNLLClassifier"}
DIGITS = """
import numpy as np
from sklearn.datasets import load_digits
{}

X, y = load_digits(return_X_y=True)
for label in range(10):
    y[np.flatnonzero(y == label)[10:]] = -1
model.fit(X, y)
"""
MODELS = {
    "LabelSpreading": """
from sklearn.semi_supervised import LabelSpreading
model = LabelSpreading(kernel="knn", n_neighbors=15)
""",
    "auto": """
from sklearn_wnll import WNLLClassifier
model = WNLLClassifier()
""",
}
SIZES = 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000
MANY = 1_000_000  # rows from which on a fit is run once, with 1,000 labels per class

# %%
# The sections of the page
# ------------------------


def run(job, runs=RUNS, **options):
    """Run a job several times, each in a new process."""
    results = [in_new_process(__file__, job, **options) for _ in range(runs)]
    print(job, options, results[-1], flush=True)
    return results


def section_mnist(data_home):
    """MNIST and digits against LabelSpreading."""
    rows, peer = [], None
    for method, name in NAMES.items():
        runs = 1 if method == "LabelSpreading" else RUNS
        results = run("mnist", runs, data_home=data_home, method=method)
        warm, cold = median(results, "warm"), median(results, "cold")
        peer = peer or (warm, cold)
        rows.append([
            "MNIST, 70,000 x 784", name, f"{warm:.1f}", f"{peer[0] / warm:.1f}", f"{cold:.1f}",
            f"{peer[1] / cold:.1f}", f"{median(results, 'peak'):.1f}",
            f"{median(results, 'accuracy'):.1f}",
        ])  # fmt: skip
    digits = {method: [] for method in NAMES}
    for _ in range(SHORT_RUNS):  # in turn, to share other load on the machine
        for method, results in digits.items():
            results.append(run_script(DIGITS.format(MODELS[method])))
    peer = median(digits["LabelSpreading"], "wall")
    for method, results in digits.items():
        wall = median(results, "wall")
        rows.append([
            "digits, 1,797 x 64", NAMES[method], "", "", f"{wall:.2f}", f"{peer / wall:.2f}",
            f"{median(results, 'peak'):.1f}", "",
        ])  # fmt: skip
    header = ["data", "method", "later fit, s", "times as fast", "new process, s",
              "times as fast", "peak, GB", "accuracy, %"]  # fmt: skip
    return f"""\
## Fitting, beside LabelSpreading

From float32 rows and 10 labels per class to `transduction_`. *New process* is the import and the
first fit in a process; for the digits, it is a whole script, from starting Python to its end.
*Later fit* is a second one in the same process. Medians over {RUNS} processes, {SHORT_RUNS} for the
digits, and a single one for LabelSpreading on MNIST.

{table(header, rows)}
"""


def section_solver(data_home):
    """The linear solver against graphlearning's."""
    (result,) = run("solver", 1, data_home=data_home)
    name = "WNLLClassifier's solver"
    rows = [[name, f"{result['ours']:.2f}", "", f"{result['accuracy']:.2f}"]]
    if "peer" in result:
        rows[0][2] = f"{result['peer'] / result['ours']:.1f}"
        peer = f"{result['peer']:.2f}", "1", f"{result['peer accuracy']:.2f}"
        rows.append(["graphlearning.ssl.laplace(reweighting='wnll')", *peer])
    return f"""\
## Solving on a given graph

The graph of MNIST (70,000 nodes, 15 neighbors), 10 classes, 100 labels, tolerance 1e-5: median of
7 solutions, the two methods in turn in one process. *WNLLClassifier's solver* is the time of a fit
to given distances ({result["fit"]:.2f} s) minus that of a fit in which every row has a label, which
makes the same graph and solves nothing.

{table(["method", "seconds", "times as fast", "accuracy, %"], rows)}
"""


def section_rows(data_home):
    """Many rows."""
    labels = [13_469, 262]
    results = run("rows", n=697_526, d=15, latent=6, labels=labels)
    rows = [row_of_sizes(697_526, 15, "13,469 and 262", results)]
    seconds = []
    for n in SIZES:
        per_class = min(n, MANY) // 1000
        results = run(
            "rows", 1 if n >= MANY else RUNS, n=n, d=32, latent=8, labels=[per_class] * 10
        )
        seconds.append(median(results, "seconds"))
        rows.append(row_of_sizes(n, 32, f"{per_class:,} in each of 10 classes", results))
    slope, many = (
        np.polyfit(np.log(SIZES[start:]), np.log(seconds[start:]), 1)[0]
        for start in (0, SIZES.index(MANY))
    )
    header = ["rows", "features", "labels", "fit, s", "peak, GB", "of which rows, GB",
              "accuracy, %"]  # fmt: skip
    return f"""\
## Many rows

Synthetic float32 rows: curved sheets of 6 (15 features) or 8 dimensions (32 features) with noise,
a sheet for each class. From rows to `transduction_` in a new process, without the imports. Medians
over {RUNS} processes; from {MANY:,} rows on, a single one. The time grows with exponent
{slope:.2f} (least squares of the logarithms); from {MANY:,} rows on, with {many:.2f}.

{table(header, rows)}
"""


def row_of_sizes(n, d, labels, results):
    """Make one row of the table of sizes."""
    return [
        f"{n:,}", str(d), labels, f"{median(results, 'seconds'):.1f}",
        f"{median(results, 'peak'):.1f}", f"{median(results, 'rows'):.2f}",
        f"{median(results, 'accuracy'):.1f}",
    ]  # fmt: skip


def section_queries(data_home):
    """Predicting."""
    rows = []
    for method, runs in (("exact", 1), ("approximate", RUNS)):
        results = run("queries", runs, data_home=data_home, method=method)
        predict, refit = median(results, "predict"), median(results, "refit")
        rows.append([
            method, f"{predict:.2f}", f"{refit:.1f}", f"{refit / predict:.1f}",
            f"{median(results, 'one row'):.1f}",
        ])  # fmt: skip
    header = [
        "neighbors",
        "1,000 queries, s",
        "refit, s",
        "times as fast as a refit",
        "one row, ms",
    ]
    return f"""\
## Predicting

69,000 fitted images of MNIST, 10 labels per class. *1,000 queries*: transductive `predict`, which
lets them join the fitted graph; *refit*: fitting all 70,000 at once; *one row*: median of 1,000
inductive calls of `predict`.

{table(header, rows)}
"""


def section_search(data_home):
    """Neighbour searches."""
    rows = []
    for method in SEARCHES:
        results = run("search", 1, may_fail=True, data_home=data_home, method=method)
        if "failed" in results[0]:
            rows.append([method, *3 * ["not installed or failed"]])
            continue
        rows.append([
            method, f"{results[0]['cold']:.1f}", f"{results[0]['warm']:.1f}",
            f"{results[0]['recall']:.1f}",
        ])  # fmt: skip
    return f"""\
## Searching neighbours approximately

MNIST, the 15 nearest others of all 70,000 rows, index included; recall on 500 rows. *First*: in a
new process, with the import and compiling; *later*: again in the same process. Ours is the time of
a fit in which every row has a label, which makes the graph and solves nothing.

{table(["search", "first, s", "later, s", "recall, %"], rows)}
"""


SECTIONS = {
    "mnist": section_mnist,
    "solver": section_solver,
    "queries": section_queries,
    "rows": section_rows,
    "search": section_search,
}


NOTED = "solver", "search"  # in the notes


def main():
    """Run the job on the command line, or all sections."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--data-home", help="folder of mnist.npz")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--options", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        warnings.simplefilter("ignore")
        result = JOBS[args.job](**args.options)
        print(json.dumps({**result, "peak": peak_memory()}))
        return
    for name in args.only:
        where = machine("graphlearning", "faiss-cpu")
        section = f"{SECTIONS[name](args.data_home)}\n{measured()} {where}"
        there = "notes" if name in NOTED else "sections"  # saves each measurement at once
        write_page("classifier.md", HEAD, **{"sections": [], there: [section]})


HEAD = """\
# Time and memory of WNLLClassifier

*Peak* is the largest memory of the whole process, with the imports (about 0.2 GB) and the data.

## How it was measured

Every run is a process of its own. Sections were measured on different machines: each is named below
its table.

Command: `python examples/benchmarks/bench_classifier.py`.
"""


if __name__ == "__main__":
    main()
