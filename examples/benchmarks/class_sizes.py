"""
Class sizes: known, wrong, and estimated
========================================

Digits, MNIST and two sets of embeddings, and subsets of them with classes of very different sizes,
with the same number of labels for each class: accuracy on the hidden rows, with and without
``class_prior`` and ``volume_constraint``. Writes ``docs/benchmarks/class_sizes.md``. MNIST and the
embeddings (``news_minilm.npz`` and ``cifar_efficientnet.npz``, with rows ``X`` and classes ``y``)
are read from ``--data-home`` or the folder in the environment variable ``SKLEARN_WNLL_DATA``. The
table ``mbo`` needs graphlearning, and up to 4 minutes for each cell. Finished draws are stored in
``--cache`` and are not repeated. ``--draws 0`` writes the page from these.
"""

import argparse
import json
import os
import sys
import time
import warnings
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parent))
from class_sizes_page import LARGE, METHODS, RATES, SETS, TABLES, WITHIN, write
from graphs import scaled_distances
from readers import load_mnist

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

FILES = {"news": "news_minilm.npz", "cifar": "cifar_efficientnet.npz"}
FIRST_SEEDS = {"parts": 200, "mnist": 0, "mbo": 0}
MNIST_ROWS = 10_000
TEN = 1, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.1, 0.1
EIGHT = 1, 0.38, 0.2, 0.13, 0.1, 0.06, 0.04, 0.03
STEEP = 0.5, 0.16, 0.1, 0.07, 0.05, 0.04, 0.03, 0.02, 0.02, 0.01
# The data, a seed, and the numbers of rows of the classes, which are shuffled.
PARTS = {
    "digits, uneven": ("digits", 1, [180 * size for size in TEN]),
    "news, uneven A": ("news", 0, [400 * size for size in EIGHT]),
    "news, uneven B": ("news", 1, [400 * size for size in EIGHT]),
    "CIFAR, uneven": ("cifar", 0, [800 * size for size in (*EIGHT[:-1], 0.02)]),
    "MNIST, uneven A": ("mnist", 0, [12_000 * size for size in STEEP]),
    "MNIST, uneven B": ("mnist", 1, [8000 * size for size in STEEP]),
}
WHOLE = {"digits": "digits", "news": "news", "CIFAR": "cifar", "MNIST": "mnist"}


class Rows(NamedTuple):
    """Scaled distances to neighbors, and the classes of the rows."""

    distances: sparse.csr_array
    weights: sparse.csr_array
    y: np.ndarray

    @property
    def sizes(self):
        """True frequencies of the classes."""
        return np.bincount(self.y) / len(self.y)


@cache
def load(data, home):
    """All rows of a data set, their classes 0, 1, ..., and the metric."""
    if data == "digits":
        return *load_digits(return_X_y=True), "euclidean"
    if data == "mnist":
        X, y = load_mnist(data_home=home, return_X_y=True)
        return X.astype(np.float32), y.astype(int), "euclidean"
    home = home or os.environ.get("SKLEARN_WNLL_DATA", ".")
    with np.load(Path(home) / FILES[data], allow_pickle=False) as file:
        X, y = file["X"].astype(np.float32), file["y"]
    return X, np.unique(y, return_inverse=True)[1], "cosine"


def choose_rows(y, seed, sizes):
    """Draw a given number of rows of each of some classes."""
    rng, rows = np.random.RandomState(seed), []
    for code, size in zip(rng.permutation(y.max() + 1), sizes, strict=False):
        own = np.flatnonzero(y == code)
        rows.append(rng.choice(own, min(len(own), max(5, round(size))), replace=False))
    return np.sort(np.concatenate(rows))


@cache
def rows_of(name, home):
    """Make the graph of the distinct rows of a set; the first of equal rows is kept."""
    if name in PARTS:
        data, seed, sizes = PARTS[name]
        X, y, metric = load(data, home)
        some = choose_rows(y, seed, sizes)
    else:
        X, y, metric = load(WHOLE.get(name, "mnist"), home)
        some = np.arange(len(y))
        if name == "MNIST":
            some = np.sort(np.random.RandomState(5).choice(len(y), MNIST_ROWS, replace=False))
    X, y = X[some], np.unique(y[some], return_inverse=True)[1]
    graph = WNLLClassifier(metric=metric, random_state=0).fit(X, np.arange(len(y)) % 2)
    first = np.unique(graph.point_index_, return_index=True)[1]
    return Rows(scaled_distances(graph.graph_), graph.graph_, y[first])


def fitted(rows, few, **parameters):
    """Fit a classifier; return it, its accuracy on the hidden rows in percent, and CPU seconds."""
    start = time.process_time()
    model = WNLLClassifier(metric="precomputed", unlabeled=-1, random_state=0, **parameters)
    model.fit(rows.distances, few)
    seconds = time.process_time() - start
    return model, [percent(model.transduction_, rows, few), seconds]


def percent(predicted, rows, few):
    """Compute the accuracy on the hidden rows in percent."""
    return 100 * float((predicted == rows.y)[few == -1].mean())


def measure_parts(rows, rate, seed):
    """Measure accuracy and seconds of all methods, and the errors of the estimated sizes."""
    few, found = hide_labels(rows.y, rate, random_state=seed), {}
    wrong = rows.sizes * 2 ** np.random.default_rng(seed).uniform(-1, 1, len(rows.sizes))
    priors = {"true": rows.sizes, "wrong": wrong / wrong.sum()}
    for method, (prior, constraint) in METHODS.items():
        model, found[method] = fitted(
            rows, few, class_prior=priors.get(prior, prior), volume_constraint=constraint
        )
        if prior == "estimated":
            ratio = model.class_sizes_ / rows.sizes
            near = np.maximum(ratio, 1 / ratio)[rows.sizes > LARGE] <= WITHIN
            distance = np.abs(model.class_sizes_ - rows.sizes).sum() / 2
            found["sizes"] = [int(near.sum()), len(near), float(distance)]
    return found


def measure_mnist(rows, rate, seed):
    """Measure accuracy and seconds without sizes, with true ones, and with the constraint."""
    few, found = hide_labels(rows.y, rate, random_state=seed), {}
    for method in ("none", "true", "true, constraint"):
        prior, constraint = METHODS[method]
        prior = rows.sizes if prior == "true" else prior
        found[method] = fitted(rows, few, class_prior=prior, volume_constraint=constraint)[1]
    return found


def measure_mbo(rows, rate, seed):
    """Measure accuracy and seconds of graphlearning's Poisson MBO with true sizes."""
    try:
        from graphlearning.ssl import poisson_mbo
    except ImportError as error:
        raise ImportError(
            "The table mbo needs graphlearning. Install it with: python -m pip install "
            "graphlearning. Or name the other tables."
        ) from error
    few = hide_labels(rows.y, rate, random_state=seed)
    labeled, start = np.flatnonzero(few != -1), time.process_time()
    model = poisson_mbo(sparse.csr_matrix(rows.weights + rows.weights.T), rows.sizes)
    predicted = model.fit_predict(labeled, few[labeled])
    return {"mbo": [percent(predicted, rows, few), time.process_time() - start]}


MEASURES = {"parts": measure_parts, "mnist": measure_mnist, "mbo": measure_mbo}


def read_cells(path):
    """Read finished cells, by table, data, rate and seed."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {tuple(cell): found for cell, found in map(json.loads, lines)}


def main():
    """Run the unfinished draws, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS), metavar="SET")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--rates", type=int, nargs="+", help="labels per class")
    parser.add_argument("--data-home", help="folder of MNIST and of the embeddings")
    parser.add_argument("--cache", default="class_sizes_results.jsonl", help="finished draws")
    args = parser.parse_args()
    if unknown := set(args.tables) - set(TABLES):
        parser.error(f"There is no table {unknown.pop()!r}. Name some of {', '.join(TABLES)}.")
    warnings.simplefilter("ignore")
    path = Path(args.cache)
    cells = read_cells(path)
    for draw, table in product(range(args.draws), args.tables):
        sets = args.data if table == "parts" else ["all of MNIST"]
        for name, rate in product(sets, args.rates or RATES[table]):
            cell = (table, name, rate, FIRST_SEEDS[table] + draw)
            rows = rows_of(name, args.data_home)
            if cell not in cells and rate < np.bincount(rows.y).min():
                cells[cell] = MEASURES[table](rows, rate, cell[-1])
                with path.open("a") as file:
                    file.write(json.dumps([cell, cells[cell]]) + "\n")
                print(*cell, flush=True)
    write(cells)


if __name__ == "__main__":
    main()
