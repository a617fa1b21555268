"""
Which labels help most: asking for ten at a time, or drawing them at random
===========================================================================

MNIST's 70,000 images as pixels, from 10 labels drawn at random on. Ten more at a time: those that
``suggest_labels(10)`` asks for, those of the least certainty, or some at random. Accuracy on the
images that have no label. Writes ``docs/benchmarks/active_learning.md``. MNIST is read from
``--data-home`` or the folder in the environment variable ``SKLEARN_WNLL_DATA``. Half an hour on
one core; runs that are finished lie in ``--results`` and are not repeated.
"""

import argparse
import json
import sys
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from pynndescent import PyNNDescentTransformer
from scipy.special import entr

sys.path.insert(0, str(Path(__file__).parent))
from measure import machine, measured, table, write_page
from readers import load_mnist

from sklearn_wnll import WNLLClassifier

LAST = 100
SHOWN = 10, 20, 30, 50, 70, 100
WAYS = "random", "suggest_labels", "least certain"


def choose(way, model, few, rng):
    """Rows to label next."""
    if way == "suggest_labels":
        return model.suggest_labels(10)
    free = np.flatnonzero(few == -1)
    if way == "random":
        return rng.choice(free, 10, replace=False)
    entropy = entr(model.label_distributions_[free]).sum(axis=1)
    return free[(-entropy).argsort(kind="stable")[:10]]


def run(way, distances, y, seed):
    """Accuracy in percent at 10, 20, ... labels."""
    rng = np.random.RandomState(seed)
    few, found = np.full(len(y), -1), []
    rows = rng.choice(len(y), 10, replace=False)
    while True:
        few[rows] = y[rows]
        model = WNLLClassifier(metric="precomputed", label_weight="wnll", unlabeled=-1).fit(
            distances, few
        )
        hidden = few == -1
        found.append(100 * float((model.transduction_ == y)[hidden].mean()))
        if np.count_nonzero(~hidden) == LAST:
            return found
        rows = choose(way, model, few, rng)


def section(found):
    """The table: mean and spread for each way, and how often one beats the other."""
    places = [labels // 10 - 1 for labels in SHOWN]
    rows = []
    for way in found:
        columns = np.array(found[way]).T[places]
        cells = [f"{values.mean():.1f} ± {values.std():.1f}" for values in columns]
        rows.append([way, str(len(found[way])), *cells])
    gain = (np.array(found["suggest_labels"]) - np.array(found["random"])).T[places]
    wins = [f"{(values > 0).sum()} of {len(values)}" for values in gain]
    rows.append(["suggest_labels beats random in", "", *wins])
    header = ["ten more at a time", "draws", *(f"{labels} labels" for labels in SHOWN)]
    return f"## MNIST, 70,000 images\n\n{table(header, rows)}\n\n{measured()}"


def main():
    """Run what is not finished, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--draws-least-certain", type=int, default=3)
    parser.add_argument("--data-home", help="folder of the MNIST data")
    parser.add_argument("--results", default="active_learning_results", help="finished runs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    X, y = load_mnist(data_home=args.data_home, return_X_y=True)
    search = PyNNDescentTransformer(n_neighbors=16, random_state=0)
    distances = search.fit_transform(X.astype(np.float32))
    found = {way: [] for way in WAYS}
    runs = list(product(WAYS[:2], range(args.draws)))
    runs += [(WAYS[2], seed) for seed in range(args.draws_least_certain)]
    for way, seed in runs:
        path = Path(args.results) / f"{way.replace(' ', '-')}-{seed}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(run(way, distances, y.astype(int), seed)))
        found[way].append(json.loads(path.read_text()))
        print(f"{way}, draw {seed}: {found[way][-1][-1]:.1f}", flush=True)
    write_page("active_learning.md", HEAD.format(machine=machine()), [section(found)])


HEAD = """\
# Asking for labels, or drawing them at random

Accuracy in % on the images that have no label, mean ± standard deviation over draws of the first 10
labels, which are drawn at random of all images. Then ten more at a time: at random, those of the
least certainty, or `suggest_labels(10)`. `WNLLClassifier(label_weight="wnll")` on
the same graph of 15 neighbours.

Command: `python examples/benchmarks/active_learning.py`.
{machine}
"""

if __name__ == "__main__":
    main()
