"""
From one label per class on: how labelled points are to weigh, beside graphlearning
===================================================================================

The methods of graphlearning and ``WNLLClassifier`` on the same graph (its weights, made
symmetric, are handed on) and the same draws of labels, from 1 to 100 labels per class: accuracy on
the images whose labels were hidden. Writes ``docs/benchmarks/label_rates.md``. MNIST is
read from ``--data-home`` or the folder in the environment variable ``SKLEARN_WNLL_DATA``. Half an
hour on one core; draws that are finished lie in ``--results`` and are not repeated.
"""

import argparse
import json
import sys
import warnings
from itertools import product
from pathlib import Path

import graphlearning
import numpy as np
from scipy import sparse
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parent))
from measure import machine, measured, table, write_page

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels, load_mnist

RATES = 1, 2, 4, 10, 100
PEERS = {
    "graphlearning, Laplace": lambda T: graphlearning.ssl.laplace(T),
    "graphlearning, WNLL": lambda T: graphlearning.ssl.laplace(T, reweighting="wnll"),
    "graphlearning, Poisson-reweighted": lambda T: graphlearning.ssl.laplace(
        T, reweighting="poisson"
    ),
    "graphlearning, Poisson": lambda T: graphlearning.ssl.poisson(T),
}
OURS = [
    (weight, prior) for prior, weight in product((None, "labeled"), ("laplace", "wnll", "poisson"))
]


def load(name, data_home):
    """Rows and labels: the 1,797 digits, or MNIST's 60,000 training images as pixels."""
    if name == "digits":
        return load_digits(return_X_y=True)
    data = load_mnist(subset="train", data_home=data_home)
    return data.data.reshape(len(data.data), -1).astype(np.float32), data.target


def distances_and_weights(X):
    """Distances to 15 neighbours, and the symmetric weights of their graph."""
    search = WNLLClassifier(random_state=0).fit(X, np.arange(len(X)) % 2)
    W = search.graph_
    lists = search._templates.fitted[0].graph._lists
    n, k = lists.indices.shape
    indptr = np.arange(0, n * k + 1, k)
    shape = (n, n)
    D = sparse.csr_array((lists.distances.ravel(), lists.indices.ravel(), indptr), shape=shape)
    return D, sparse.csr_matrix(W + W.T)


def draw(D, T, y, rate, seed):
    """Accuracy in percent of each method on one draw of labels."""
    few = hide_labels(y, rate, random_state=seed)
    hidden = few == -1
    labeled = np.flatnonzero(~hidden)
    found = {}
    for name, make in PEERS.items():
        predicted = make(T).fit_predict(labeled, y[labeled])
        found[name] = 100 * float((predicted == y)[hidden].mean())
    for weight, prior in OURS:
        model = WNLLClassifier(
            metric="precomputed", label_weight=weight, class_prior=prior, unlabeled=-1
        ).fit(D, few)
        name = f"{weight}{', class_prior=labeled' if prior else ''}"
        found[name] = 100 * float((model.transduction_ == y)[hidden].mean())
    return found


def section(name, found):
    """The table of one data set: mean and spread, and the difference to graphlearning's best."""
    ours = list(next(iter(found.values()))[0])[len(PEERS) :]
    rows = [
        [method, *(cell([one[method] for one in found[rate]]) for rate in RATES)]
        for method in (*PEERS, *ours)
    ]
    best = {
        rate: max(PEERS, key=lambda peer, r=rate: np.mean([one[peer] for one in found[r]]))
        for rate in RATES
    }
    for method in ours:
        differences = [
            np.array([one[method] - one[best[rate]] for one in found[rate]]) for rate in RATES
        ]
        rows.append([
            f"{method}, minus graphlearning's best",
            *(f"{d.mean():+.2f} ± {d.std() / len(d) ** 0.5:.2f}" for d in differences),
        ])  # fmt: skip
    header = ["method", *(f"{rate} per class" for rate in RATES)]
    draws = len(next(iter(found.values())))
    return f"""\
## {name}

{table(header, rows)}

{draws} draws. {measured()}"""


def cell(values):
    """Mean and standard deviation."""
    return f"{np.mean(values):.2f} ± {np.std(values):.2f}"


HEAD = """\
# Accuracy from one label per class on, beside graphlearning

Accuracy in % on the rows whose labels were hidden, mean ± standard deviation over the draws; in the
last rows the mean difference to graphlearning's best method at each rate, on the same draws, ± its
standard error. All methods on the same graph, that of `WNLLClassifier()` with 15 neighbours, which
graphlearning gets as symmetric weights. Of ours, what is not named is the default.
`class_prior="labeled"` uses that all classes are labelled alike; Poisson learning has this
built in.

Command: `python examples/benchmarks/label_rates.py`.
{machine}
"""


def main():
    """Run the draws that are not finished, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument(
        "--data", nargs="+", choices=("digits", "mnist"), default=["digits", "mnist"]
    )
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--data-home", help="folder of the MNIST data")
    parser.add_argument("--results", default="label_rates_results", help="folder of finished draws")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    names = {"digits": "Digits, 1,797 rows", "mnist": "MNIST, 60,000 training images as pixels"}
    for data in args.data:
        X, y = load(data, args.data_home)
        D, T = distances_and_weights(X)
        found = {rate: [] for rate in RATES}
        for seed, rate in product(range(args.draws), RATES):
            path = Path(args.results) / f"{data}-{rate}-{seed}.json"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(draw(D, T, y, rate, seed)))
            found[rate].append(json.loads(path.read_text()))
            print(f"{data}, {rate} per class, draw {seed}", flush=True)
        head = HEAD.format(machine=machine("graphlearning"))
        write_page("label_rates.md", head, [section(names[data], found)])


if __name__ == "__main__":
    main()
