"""
Check of the headline numbers
=============================

Measures the accuracies on 20 newsgroups in ``README.md``, and those on digits and MNIST, again, on
the first draws of labels of the recorded means. A number holds if the new mean is within the
recorded standard deviation of the recorded mean. Prints a table, and exits with status 1 if a
number does not hold. Takes less than 10 minutes on two cores. The data (``news_minilm.npz``,
``mnist.npz``) is read from ``--data-home`` or the folder in the environment variable
``SKLEARN_WNLL_DATA``. Numbers whose data is missing, and the errors of networks, which take hours,
are listed as not checked.
"""

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

sys.path.insert(0, str(Path(__file__).parent))
import embeddings
import untuned
from measure import table

from sklearn_wnll.datasets import hide_labels

# Accuracy in %, mean ± standard deviation over all draws, by method and labels per class.
RECORDED = {
    "20 newsgroups": {
        "beside": "57.8 ± 4.7, 62.7 ± 2.8, 70.0 ± 1.5, 73.3 ± 1.1, 76.6 ± 0.6, 80.2 ± 0.6",
        "default": "55.8 ± 4.5, 60.2 ± 3.1, 66.8 ± 1.5, 70.1 ± 1.0, 73.9 ± 0.6, 78.5 ± 0.5",
        "logistic": "37.9 ± 2.9, 47.0 ± 3.1, 59.4 ± 1.9, 66.0 ± 1.3, 71.2 ± 1.1, 75.7 ± 0.5",
        "spreading": "43.2 ± 2.2, 49.3 ± 2.0, 57.4 ± 1.4, 62.8 ± 1.3, 67.9 ± 0.9, 74.4 ± 0.6",
        "self_training": "38.1 ± 2.8, 47.4 ± 3.0, 60.2 ± 1.8, 66.7 ± 1.1, 71.7 ± 0.7, 74.9 ± 0.6",
    },
    "digits": {
        "WNLL": "86.7 ± 3.1, 90.7 ± 1.7, 94.8 ± 0.8, 96.1 ± 0.9, 98.0 ± 0.3",
        "Graph Laplacian": "84.5 ± 5.5, 90.2 ± 2.6, 94.7 ± 0.8, 95.8 ± 1.2, 97.9 ± 0.3",
        "LabelSpreading (knn)": "82.8 ± 3.2, 87.3 ± 2.8, 93.4 ± 0.7, 95.5 ± 1.0, 97.3 ± 0.2",
        "1-nearest neighbor": "64.6 ± 4.0, 73.6 ± 1.8, 85.4 ± 1.4, 90.7 ± 0.6, 94.9 ± 0.6",
    },
    "MNIST": {
        "WNLL": "93.1 ± 0.8",
        "Graph Laplacian": "86.2 ± 3.2",
        "LabelSpreading (knn)": "82.3 ± 1.9",
    },
}
# Error in % on CIFAR-10, by the linear head and by the WNLL head.
NETWORKS = {
    "labelled images alone": "45.8 ± 0.9, 46.7 ± 0.7",
    "softmax self-training": "39.3 ± 1.0, 36.8 ± 0.8",
    "DeepWNLLClassifier": "32.0 ± 0.6, 30.9 ± 0.6",
}
DRAWS = 5
SLOW = "MNIST", "LabelSpreading (knn)"  # a single draw takes minutes

# %%
# The data sets and methods of the other scripts
# ----------------------------------------------


class News:
    """Embeddings of texts."""

    def __init__(self, home):
        self.rows = embeddings.load("news", home)
        self.y = self.rows.y

    def predict(self, method, labels, rate, seed):
        """Labels of all rows."""
        return embeddings.PREDICT[method](self.rows, embeddings.Few(labels, rate, seed))


class Untuned:
    """Rows of digits or of MNIST."""

    def __init__(self, data, home):
        self.X, self.y = untuned.load(data, home)

    def predict(self, method, labels, rate, seed):
        """Labels of all rows."""
        return untuned.METHODS[method](self.X, labels)


SETS = {
    "20 newsgroups": News,
    "digits": partial(Untuned, "digits"),
    "MNIST": partial(Untuned, "mnist"),
}
RATES = {"20 newsgroups": embeddings.RATES, "digits": (1, 2, 5, 10, 20), "MNIST": (10,)}

# %%
# The check
# ---------


def numbers(text):
    """Read pairs of mean and standard deviation."""
    return [tuple(map(float, one.split(" ± "))) for one in text.split(", ")]


def measure(name, method, n_draws, home):
    """Measure mean accuracies in % (n_rates,); return them with a description, or None."""
    warnings.simplefilter("ignore")
    try:
        data = SETS[name](home)
    except FileNotFoundError:
        return name, method, n_draws, None
    found = np.zeros((len(RATES[name]), n_draws))
    for i, rate in enumerate(RATES[name]):
        for seed in range(n_draws):
            labels = hide_labels(data.y, rate, random_state=seed)
            predicted = data.predict(method, labels, rate, seed)
            found[i, seed] = 100 * np.mean((predicted == data.y)[labels == -1])
    return name, method, n_draws, found.mean(axis=1)


def compare(name, method, n_draws, found):
    """Make rows of the table, and check each number."""
    pairs = numbers(RECORDED[name][method])
    for rate, (mean, spread), measured in zip(RATES[name], pairs, found, strict=True):
        holds = abs(measured - mean) <= spread + 0.05  # numbers are rounded
        shown = f"{mean:.1f} ± {spread:.1f}", f"{measured:.1f}", str(n_draws)
        yield [name, method, str(rate), *shown, "yes" if holds else "NO"], holds


def main():
    """Measure, print the tables, and exit with the result as the status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--data-home", help="folder of the data")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    args = parser.parse_args()
    jobs = [
        (name, method, 1 if (name, method) == SLOW else args.draws)
        for name in args.data
        for method in RECORDED[name]
    ]
    jobs.sort(key=lambda job: job[:2] != SLOW)  # the longest first
    parallel = Parallel(n_jobs=args.jobs, return_as="generator_unordered")
    compared, missing = [], set()
    for result in parallel(delayed(measure)(*job, args.data_home) for job in jobs):
        print(*result[:2], flush=True)
        if result[-1] is None:
            missing.add(result[0])
        else:
            compared += compare(*result)
    compared.sort(key=lambda row: (*row[0][:2], int(row[0][2])))
    header = ["data", "method", "labels per class", "recorded", "measured", "draws", "holds"]
    print(f"\n{table(header, [row for row, _ in compared])}\n")
    for name in sorted(missing):
        print(f"Not checked, as the data is missing: {name}.")
    for name, text in NETWORKS.items():
        print(f"Not checked, as networks take hours: {name}, {text}.")
    failed = sum(not holds for _, holds in compared)
    print(f"{len(compared) - failed} of {len(compared)} numbers hold.")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
