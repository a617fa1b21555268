"""
Accuracy of WNLLClassifier on MNIST, compared with LabelSpreading and with exact neighbours
===========================================================================================

Writes ``docs/benchmarks/accuracy.md``. MNIST is read from ``--data-home`` or the folder in the
environment variable ``SKLEARN_WNLL_DATA``. This takes about 20 minutes on two cores.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from graphs import neighbor_lists, recall, scaled_distances
from measure import in_new_process, machine, measured, shown, table, write_page
from readers import load_mnist

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

TEST = slice(60_000, None)
SEEDS = 5
RATES = 1, 2, 5, 10, 20

# %%
# The jobs: fitted rows, their labels, and scored rows
# ----------------------------------------------------


def first_labelled(n):
    """The first ``n`` images labelled, the 10,000 test images as queries."""

    def job(X, y, seed):
        return X[:n], y[:n], X[TEST], y[TEST]

    return job


def ten_per_class(X, y, seed):
    """All images, ten of each class labelled; the unlabelled ones are scored."""
    few = hide_labels(y, 10, random_state=seed)
    return X, few, X[few == -1], y[few == -1]


JOBS = {
    "100 labelled, 10,000 queries": (first_labelled(100), 1),
    "60,000 labelled, 10,000 queries": (first_labelled(60_000), 1),
    "70,000, of which 100 labelled": (ten_per_class, SEEDS),
}

# %%
# The methods: from fitted rows, labels and queries to predictions
# ----------------------------------------------------------------


def wnll(neighbors, label_weight="wnll", **params):
    """WNLLClassifier, which predicts the queries transductively."""

    def method(X, y, queries):
        model = WNLLClassifier(
            neighbors=neighbors, label_weight=label_weight, random_state=0, **params
        )
        if np.any(y == -1):  # the queries are the unlabelled rows
            return model.fit(X, y).transduction_[y == -1]
        return model.fit(X, y).predict(queries)

    return method


def label_spreading(X, y, queries):
    """LabelSpreading, fitted with the queries as unlabelled rows."""
    from sklearn.semi_supervised import LabelSpreading

    model = LabelSpreading(kernel="knn", n_neighbors=15)
    if np.any(y == -1):
        return model.fit(X, y).transduction_[y == -1]
    unknown = np.full(len(queries), -1)
    model.fit(np.vstack([X, queries]), np.concatenate([y, unknown]))
    return model.transduction_[len(y) :]


METHODS = {
    "WNLLClassifier, exact": wnll("exact"),
    "WNLLClassifier, approximate": wnll("approximate"),
    'WNLLClassifier, approximate, "laplace"': wnll("approximate", "laplace"),
    "WNLLClassifier, templates and batches of 10,000": wnll(
        "auto", template_size=10_000, query_size=10_000
    ),
    "LabelSpreading(knn, 15)": label_spreading,
}
SLOW = {("WNLLClassifier, exact", "70,000, of which 100 labelled"): 1}  # seeds

# %%
# Measuring
# ---------


def compare(data_home, rows, method):
    """Measure one job by one method."""
    make_job, n_seeds = JOBS[rows]
    X, y = load_mnist(data_home=data_home, return_X_y=True)
    X = X.astype(np.float32) / 255
    accuracy = []
    for seed in range(SLOW.get((method, rows), n_seeds)):
        fitted, labels, queries, truth = make_job(X, y, seed)
        predicted = METHODS[method](fitted, labels, queries)
        accuracy.append(100 * np.mean(predicted == truth))
    return {"accuracy": accuracy}


def approximate(data_home):
    """Measure accuracy with approximate and with exact neighbors, for the same labels."""
    X, y = load_mnist(data_home=data_home, return_X_y=True)
    X = X.astype(np.float32) / 255
    graphs = {"exact": [graph_of("exact", X, y, 0)] * SEEDS}
    graphs["approximate"] = [graph_of("approximate", X, y, seed) for seed in range(SEEDS)]
    exact = neighbor_lists(graphs["exact"][0])
    found = {"recall": [recall(exact, neighbor_lists(W)) for W in graphs["approximate"]]}
    for rate in RATES:
        for name in graphs:
            found[f"{name} {rate}"] = []
            for seed in range(SEEDS):
                few = hide_labels(y, rate, random_state=seed)
                distances = scaled_distances(graphs[name][seed])
                model = WNLLClassifier(metric="precomputed", label_weight="wnll")
                model.fit(distances, few)
                hidden = few == -1
                found[f"{name} {rate}"].append(100 * (model.transduction_ == y)[hidden].mean())
    return found


def graph_of(neighbors, X, y, seed):
    """Compute the graph's weights by a fit with all labels, which has nothing to solve."""
    return WNLLClassifier(neighbors=neighbors, random_state=seed).fit(X, y).graph_


def compared(data_home):
    """The table of jobs and methods."""
    rows = []
    for job in JOBS:
        for method in METHODS:
            result = in_new_process(
                __file__, "compare", data_home=data_home, rows=job, method=method
            )
            rows.append([job, method, shown(result["accuracy"], 2)])
            print(*rows[-1], flush=True)
    return table(["job", "method", "accuracy, %"], rows)


def approximated(data_home):
    """The table of label rates."""
    result = in_new_process(__file__, "approximate", data_home=data_home)
    rows = []
    for rate in RATES:
        pair = [np.array(result[f"{name} {rate}"]) for name in ("exact", "approximate")]
        rows.append([str(rate), *(shown(one, 2) for one in (*pair, pair[1] - pair[0]))])
        print(*rows[-1], flush=True)
    header = ["labels per class", "exact", "approximate", "difference"]
    return table(header, rows), shown(result["recall"], 2)


def main():
    """Measure all jobs, or the one on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--data-home", help="folder of mnist.npz")
    sections = ["approximate", "compare"]
    parser.add_argument("--only", nargs="+", choices=sections, default=sections)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--options", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        warnings.simplefilter("ignore")
        job = {"compare": compare, "approximate": approximate}[args.job]
        print(json.dumps(job(**args.options)))
        return
    head = HEAD.format(machine=machine(), seeds=SEEDS)
    if "approximate" in args.only:
        rates, found = approximated(args.data_home)
        section = APPROXIMATE.format(rates=rates, recall=found, measured=measured())
        write_page("accuracy.md", head, [section])  # saves each measurement at once
    if "compare" in args.only:
        section = COMPARE.format(rows=compared(args.data_home), measured=measured())
        write_page("accuracy.md", head, [section])


HEAD = """\
# Accuracy on MNIST

Accuracy in %, on the queries or on the rows without a label: mean ± standard deviation over {seeds}
draws of the labels, or a single run where the number says so. In the first two tables, the label
weight is `"wnll"`, or `"laplace"` where the row says so.

## How it was measured

All methods start from the same float32 rows (70,000 x 784, values between 0 and 1) and use 15
neighbours.

Command: `python examples/benchmarks/bench_accuracy.py`.
{machine}
"""
APPROXIMATE = """\
## Approximate neighbours beside exact ones

All 70,000 images. Both searches see the same labels; the difference is taken for each draw. The
approximate lists hold {recall} % of the exact ones.

{rates}

{measured}
"""
COMPARE = """\
## Beside LabelSpreading

{rows}

{measured}
"""

if __name__ == "__main__":
    main()
