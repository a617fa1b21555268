"""
Accuracy of several graphs, called templates, against one
=========================================================

Rows of MNIST and embeddings of CIFAR-10, both of training images: accuracy on the hidden rows with
10, 100 and 1,000 labels, of one graph and of 2 to 16 templates. With ``--methods``, other ways to
deal the rows are tried: landmarks, which are unlabelled rows in every template, and rows that are
dealt twice. Writes ``docs/benchmarks/templates.md``, and the trials to ``docs/notes/templates.md``.
``mnist.npz`` and ``cifar_efficientnet.npz`` are read from ``--data-home`` or the folder in the
environment variable ``SKLEARN_WNLL_DATA``. Finished draws are stored in ``--results`` and are not
repeated; ``--draws 0`` writes the page from these.
"""

import argparse
import os
import sys
import warnings
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from cells import Cells
from readers import load_mnist
from templates_page import COUNTS, LABELS, METHODS, Cell, write

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.balance import balancing_factors
from sklearn_wnll._extension.class_prior import corrected
from sklearn_wnll._extension.system import Unary
from sklearn_wnll.datasets import hide_labels

DEAL = "sklearn_wnll._extension.templates.deal_templates"
TIE = 8.0  # strength of the pull of landmarks, in weights of all neighbours


class Rows(NamedTuple):
    """Distinct rows of training images, and their classes."""

    X: np.ndarray
    y: np.ndarray
    metric: str


def load(name, home, most):
    """Load at most so many random rows of a data set."""
    if name == "mnist":
        X, y = load_mnist("train", data_home=home, return_X_y=True)
        X = X.astype(np.float32) / 255
    else:
        home = home or os.environ.get("SKLEARN_WNLL_DATA", ".")
        with np.load(Path(home) / "cifar_efficientnet.npz", allow_pickle=False) as file:
            X, y = file["X"].astype(np.float32), file["y"]
    _, first = np.unique(X, axis=0, return_index=True)
    chosen = np.random.default_rng(0).permutation(np.sort(first))[:most]
    return Rows(X[chosen], y[chosen].astype(int), "euclidean" if name == "mnist" else "cosine")


def deal(few, size, rng, landmarks=0.0, copies=1):
    """Deal rows to templates of at most ``size``, all labelled ones to each.

    A part of the unlabelled rows of a template are ``landmarks``, common to all.
    """
    labeled, unlabeled = np.flatnonzero(few >= 0), rng.permutation(np.flatnonzero(few < 0))
    n_common = int(landmarks * (size - len(labeled)))
    common, others = unlabeled[:n_common], unlabeled[n_common:]
    count = -(-len(others) // (size - len(labeled) - n_common))
    return common, [
        np.sort(np.concatenate([labeled, common, part]))
        for _ in range(copies)
        for part in np.array_split(rng.permutation(others), count)
    ]


def extend(rows, few, seed, size, ties=False, **dealing):
    """Predict labels: rows in several templates get the mean of their distributions.

    With ``ties``, the labels are extended a second time, while the means pull at the landmarks.
    """
    model = WNLLClassifier(metric=rows.metric, random_state=seed, template_size=size)
    if not dealing:
        return model.fit(rows.X, few).transduction_
    common, parts = deal(few, size, np.random.default_rng(seed), **dealing)
    with mock.patch(DEAL, return_value=parts):
        templates = model.fit(rows.X, few)._answer.templates
    masses, found = templates.label_masses, templates.at(np.arange(len(few)))
    if ties:
        strength = np.zeros(len(few))
        strength[common] = TIE
        tied = templates.beside([Unary(found.u[part], strength[part]) for part in parts])
        found = tied.at(np.arange(len(few)))
    free = (few < 0) & found.reached
    total = found.u.sum(axis=0, where=free[:, None])
    factors = balancing_factors(total, np.count_nonzero(free), *masses)
    return model.classes_[corrected(found, factors).argmax(axis=1)]


PREDICT = {
    "one": lambda rows, few, seed, size: extend(rows, few, seed, None),
    "templates": extend,
    "landmarks 20": partial(extend, landmarks=0.2),
    "landmarks 50": partial(extend, landmarks=0.5),
    "tied 20": partial(extend, landmarks=0.2, ties=True),
    "tied 50": partial(extend, landmarks=0.5, ties=True),
    "twice": partial(extend, copies=2),
}


def main():
    """Run the unfinished draws, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--data", nargs="+", choices=["mnist", "cifar"], default=["mnist", "cifar"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["one", "templates"])
    parser.add_argument("--labels", nargs="+", type=int, choices=LABELS, default=LABELS)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60_000, help="most rows of a data set")
    parser.add_argument("--data-home", help="folder of the data")
    parser.add_argument("--results", default="templates_results", help="folder of finished draws")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    cells, read = Cells(args.results), cache(partial(load, home=args.data_home, most=args.rows))
    for seed, name, n_labels in product(range(args.draws), args.data, args.labels):
        rows = read(name)
        few = hide_labels(rows.y, n_labels // 10, random_state=seed)
        for method, count in product(args.methods, COUNTS):
            if method == "one" and count != COUNTS[0]:
                continue
            size = n_labels + -(-(len(few) - n_labels) // count)
            if method != "one" and 2 * n_labels > size:
                continue  # labelled rows would be divided too
            cell = Cell(name, len(few), n_labels, 1 if method == "one" else count, seed)
            predict = partial(PREDICT[method], rows, few, seed, size)
            cells.complete(method, tuple(cell), predict, rows.y, few)
        print(f"{name}, draw {seed}, {n_labels} labels", flush=True)
    write({method: cells.of(method) for method in METHODS})


if __name__ == "__main__":
    main()
