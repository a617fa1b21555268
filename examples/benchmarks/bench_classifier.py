"""
Time, memory and accuracy of WNLLClassifier beside LabelSpreading
=================================================================

Each row of the table is measured in a process of its own, imports included in the peak memory but
not in the time; the time is that from arrays of float32 to the predictions. Writes the table as
``docs/benchmarks/classifier.md``. MNIST is read from ``--data-home`` or the folder in the
environment variable ``SKLEARN_WNLL_DATA``. This takes about 20 minutes on two cores.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
import warnings
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

from sklearn_wnll.datasets import hide_labels, load_mnist

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "classifier.md"
TEST = slice(60_000, None)
SEEDS = 5

# %%
# The jobs: which rows are fitted, with which labels, and which rows count
# -------------------------------------------------------------------------


def first_labelled(n):
    """The first ``n`` images labelled, the 10,000 test images as queries."""

    def job(X, y, seed):
        return X[:n], y[:n], X[TEST], y[TEST]

    return job


def ten_per_class(X, y, seed):
    """All images, ten of each class labelled; those without a label count."""
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


def wnll(neighbors, label_weight="wnll"):
    """WNLLClassifier: the queries are predicted transductively."""

    def method(X, y, queries):
        from sklearn_wnll import WNLLClassifier

        model = WNLLClassifier(neighbors=neighbors, label_weight=label_weight, random_state=0)
        if np.any(y == -1):  # the queries are the unlabelled rows
            return model.fit(X, y).transduction_[y == -1]
        return model.fit(X, y).predict(queries)

    return method


def label_spreading(X, y, queries):
    """LabelSpreading: the queries are fitted as unlabelled rows."""
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
    "LabelSpreading(knn, 15)": label_spreading,
}
SLOW = {("WNLLClassifier, exact", "70,000, of which 100 labelled"): 1}  # seeds

# %%
# Measuring
# ---------


def measure(job_name, method_name, data_home):
    """Run one job by one method in this process, and print what was measured."""
    warnings.simplefilter("ignore")
    job, n_seeds = JOBS[job_name]
    X, y = load_mnist(data_home=data_home, return_X_y=True)
    X = X.astype(np.float32) / 255
    seconds, accuracy = [], []
    for seed in range(SLOW.get((method_name, job_name), n_seeds)):
        fitted, labels, queries, truth = job(X, y, seed)
        start = time.perf_counter()
        predicted = METHODS[method_name](fitted, labels, queries)
        seconds.append(time.perf_counter() - start)
        accuracy.append(np.mean(predicted == truth))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "accuracy": accuracy, "peak": peak}))


def measure_elsewhere(job_name, method_name, data_home):
    """Run one job by one method in a new process."""
    command = [sys.executable, __file__, "--job", job_name, "--method", method_name]
    command += ["--data-home", data_home] if data_home else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def row(job_name, method_name, result):
    """One row of the table."""
    first, later = result["seconds"][0], result["seconds"][1:]
    accuracy = 100 * np.array(result["accuracy"])
    spread = f" ± {accuracy.std():.1f} ({len(accuracy)} seeds)" if len(accuracy) > 1 else ""
    cells = [
        job_name,
        method_name,
        f"{first:.1f}",
        f"{np.median(later):.1f}" if later else "",
        f"{result['peak']:.1f}",
        f"{accuracy.mean():.2f}{spread}",
    ]
    return "| " + " | ".join(cells) + " |"


def machine():
    """Processor, cores and versions."""
    info = Path("/proc/cpuinfo")
    models = (
        [line for line in info.read_text().splitlines() if "model name" in line]
        if (info.exists())
        else []
    )
    name = models[0].split(":")[1].strip() if models else platform.machine()
    packages = ("sklearn-wnll", "scikit-learn", "numpy", "scipy", "pynndescent")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{name}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"


def main():
    """Measure all rows, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--data-home", help="folder of mnist.npz")
    parser.add_argument("--job", choices=JOBS)
    parser.add_argument("--method", choices=METHODS)
    args = parser.parse_args()
    if args.job:
        measure(args.job, args.method, args.data_home)
        return
    rows = []
    for job_name in JOBS:
        for method_name in METHODS:
            rows.append(row(job_name, method_name, measure_elsewhere(
                job_name, method_name, args.data_home
            )))  # fmt: skip
            print(rows[-1], flush=True)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(PAGE_TEXT.format(date=date.today(), machine=machine(), rows="\n".join(rows)))


PAGE_TEXT = """\
# WNLLClassifier beside LabelSpreading, on MNIST

All methods start from the same float32 rows (70,000 x 784, values between 0 and 1) and use 15
neighbours. *First* is the time of the first run in a new process, from arrays to predictions;
*later* the median of the following runs in that process, where there were any (pynndescent
compiles in the first). *Peak* is the largest memory of the whole process, of which the images and
the imports are about 0.5 GB. Accuracy is that on the queries, or on the rows without a label; ± is
the standard deviation over draws of the labels.

Command: `python examples/benchmarks/bench_classifier.py`. Date: {date}. Machine: {machine}.

| job | method | first, s | later, s | peak, GB | accuracy, % |
| --- | --- | --- | --- | --- | --- |
{rows}
"""

if __name__ == "__main__":
    main()
