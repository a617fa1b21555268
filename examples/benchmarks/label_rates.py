"""
From one label per class on: how labelled points are to weigh, beside graphlearning
===================================================================================

The methods of graphlearning and ``WNLLClassifier`` on the same graph (its weights, made
symmetric, are handed on) and the same draws of labels, from 1 to 100 labels per class: accuracy on
the rows whose labels were hidden; and ours with labels drawn at random, as many
of a class as come. Writes ``docs/benchmarks/label_rates.md``. MNIST is
read from ``--data-home`` or the folder in the environment variable ``SKLEARN_WNLL_DATA``. An
hour on one core; what is finished lies in ``--results`` and is not repeated.
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
from graphs import scaled_distances
from measure import machine, measured, table, write_page
from readers import load_mnist

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

RATES = 1, 2, 4, 10, 100
TOTALS = 20, 40, 100, 1000
TENTH = "max(1, n / (10 m))"
PEERS = {
    "graphlearning, Laplace": lambda T: graphlearning.ssl.laplace(T),
    "graphlearning, WNLL": lambda T: graphlearning.ssl.laplace(T, reweighting="wnll"),
    "graphlearning, Poisson-reweighted": lambda T: graphlearning.ssl.laplace(
        T, reweighting="poisson"
    ),
    "graphlearning, Poisson": lambda T: graphlearning.ssl.poisson(T),
}
OURS = {
    f"{weight}{', class_prior=labeled' if prior else ''}": (weight, prior)
    for prior, weight in product((None, "labeled"), ("laplace", "wnll", "poisson", TENTH))
}
AT_RANDOM = [name for name, (weight, _) in OURS.items() if weight in ("wnll", TENTH)]


def load(name, data_home):
    """Rows and labels: the 1,797 digits, or MNIST's 60,000 training images as pixels."""
    if name == "digits":
        return load_digits(return_X_y=True)
    data = load_mnist(subset="train", data_home=data_home)
    return data.data.reshape(len(data.data), -1).astype(np.float32), data.target


def distances_and_weights(X):
    """Distances to 15 neighbors in units of each row's scale, and symmetric weights."""
    W = WNLLClassifier(random_state=0).fit(X, np.arange(len(X)) % 2).graph_
    return scaled_distances(W), sparse.csr_matrix(W + W.T)


def labels_of(y, few_of, number, seed):
    """Labels of which so many are left: of each class, or at random of all."""
    if few_of == "class":
        return hide_labels(y, number, random_state=seed)
    few = np.full_like(y, -1)
    rows = np.random.RandomState(seed).choice(len(y), number, replace=False)
    few[rows] = y[rows]
    return few


def complete(path, names, graphs, y, few):
    """Accuracy in percent of some methods on one draw of labels; what is known is not repeated."""
    found = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        if name not in found:
            found[name] = accuracy(name, graphs, y, few)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    return {name: found[name] for name in names}


def accuracy(name, graphs, y, few):
    """Accuracy in percent of one method."""
    (D, T), hidden = graphs, few == -1
    if name in PEERS:
        labeled = np.flatnonzero(~hidden)
        predicted = PEERS[name](T).fit_predict(labeled, y[labeled])
    else:
        weight, prior = OURS[name]
        if weight == TENTH:
            weight = max(1.0, len(y) / (10 * np.count_nonzero(~hidden)))
        model = WNLLClassifier(
            metric="precomputed", label_weight=weight, class_prior=prior, unlabeled=-1
        )
        predicted = model.fit(D, few).transduction_
    return 100 * float((predicted == y)[hidden].mean())


def section(name, found, at_random):
    """The tables of one data set: mean and spread, and the difference to graphlearning's best."""
    rows = [
        [method, *(cell([one[method] for one in found[rate]]) for rate in RATES)]
        for method in (*PEERS, *OURS)
    ]
    best = {
        rate: max(PEERS, key=lambda peer, r=rate: np.mean([one[peer] for one in found[r]]))
        for rate in RATES
    }
    for method in OURS:
        differences = [
            np.array([one[method] - one[best[rate]] for one in found[rate]]) for rate in RATES
        ]
        rows.append([
            f"{method}, minus graphlearning's best",
            *(f"{d.mean():+.2f} ± {d.std() / len(d) ** 0.5:.2f}" for d in differences),
        ])  # fmt: skip
    header = ["method", *(f"{rate} per class" for rate in RATES)]
    random_rows = [
        [method, *(cell([one[method] for one in at_random[total]]) for total in TOTALS)]
        for method in AT_RANDOM
    ]
    random_header = ["method", *(f"{total:,} at random" for total in TOTALS)]
    return f"""\
## {name}

{table(header, rows)}

{table(random_header, random_rows)}

{len(found[RATES[0]])} and {len(at_random[TOTALS[0]])} draws. {measured()}"""


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
built in. `max(1, n / (10 m))` is a number that was passed as `label_weight`, for `n` rows of which
`m` are labelled. The second table of each data set has labels drawn at random of all rows, so
that classes have different numbers of them, or none.

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
        graphs = distances_and_weights(X)
        folder = Path(args.results)
        found = {rate: [] for rate in RATES}
        at_random = {total: [] for total in TOTALS}
        for seed in range(args.draws):
            for rate in RATES:
                few = labels_of(y, "class", rate, seed)
                path = folder / f"{data}-{rate}-{seed}.json"
                found[rate].append(complete(path, [*PEERS, *OURS], graphs, y, few))
            for total in TOTALS if seed < max(1, args.draws // 2) else ():
                few = labels_of(y, "all", total, seed)
                path = folder / f"{data}-random-{total}-{seed}.json"
                at_random[total].append(complete(path, AT_RANDOM, graphs, y, few))
            print(f"{data}, draw {seed}", flush=True)
        head = HEAD.format(machine=machine("graphlearning"))
        write_page("label_rates.md", head, [section(names[data], found, at_random)])


if __name__ == "__main__":
    main()
