"""
Digits and MNIST: all methods untuned
=====================================

Digits with 1 to 20 labels per class, and MNIST with 10 labels per class: the weighted nonlocal
Laplacian (WNLL) and the graph Laplacian, compared with methods of scikit-learn. Every method sees
the same rows and the same labels, drawn again for each seed; the accuracy is that on the rows whose
labels were hidden. Writes a section of ``docs/benchmarks/accuracy.md``. MNIST is read from
``--data-home`` or the folder in the environment variable ``SKLEARN_WNLL_DATA``. Self-training takes
minutes on digits, LabelSpreading some minutes for each draw on MNIST. Finished draws are stored in
``--results``, and are not repeated.
"""

import sys
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

sys.path.insert(0, str(Path(__file__).parent))
from bench_accuracy import HEAD, SEEDS
from cells import Cells, parse_options
from measure import machine, measured, shown, table, write_page
from readers import load_mnist

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

LABELS_PER_CLASS = 1, 2, 5, 10, 20
CELLS = [*product(["digits"], LABELS_PER_CLASS), ("mnist", 10)]
LEFT_OUT = {("mnist", "Self-training"), ("mnist", "1-nearest neighbor")}
TITLES = {"digits": "digits", "mnist": "MNIST"}


def load(data, data_home=None):
    """Load rows scaled to 0 to 1, and their labels."""
    if data == "digits":
        X, y = load_digits(return_X_y=True)
        return X / 16, y
    X, y = load_mnist(data_home=data_home, return_X_y=True)
    return X.astype(np.float32) / 255, y


def extend(X, y, **parameters):
    """Predict labels of all rows by WNLLClassifier."""
    return WNLLClassifier(random_state=0, **parameters).fit(X, y).transduction_


def spread(X, y):
    """Predict labels of all rows by scikit-learn's LabelSpreading, by the better of two answers."""
    with np.errstate(invalid="ignore"):  # it divides by 0 for rows that no label reaches
        model = LabelSpreading(kernel="knn", n_neighbors=15, max_iter=100).fit(X, y)
        return model.predict(X) if len(X) < 10_000 else model.transduction_


def self_train(X, y):
    """Predict labels of all rows by a logistic regression that labels the rows it is sure of."""
    model = SelfTrainingClassifier(LogisticRegression(max_iter=200), threshold=0.9)
    return model.fit(X, y).predict(X)


def nearest(X, y):
    """Predict labels of all rows by their nearest labelled row."""
    labeled = y != -1
    return KNeighborsClassifier(1).fit(X[labeled], y[labeled]).predict(X)


METHODS = {
    "WNLL": extend,
    "Graph Laplacian": partial(extend, label_weight="laplace"),
    "LabelSpreading (knn)": spread,
    "Self-training": self_train,
    "1-nearest neighbor": nearest,
}
NAMES = {
    "WNLL": "`WNLLClassifier()`",
    "Graph Laplacian": 'Graph Laplacian (`label_weight="laplace"`)',
    "LabelSpreading (knn)": "LabelSpreading (knn)",
    "Self-training": "self-training (logistic regression)",
    "1-nearest neighbor": "nearest labelled row",
}


def section(cells):
    """Make the table of the finished draws."""
    rows = []
    for method, name in NAMES.items():
        found = [
            [result[0] for (*cell, _), result in cells.of(method).items() if tuple(cell) == column]
            for column in CELLS
        ]
        rows.append([name, *(shown(one) if one else "" for one in found)])
    header = ["method", *(f"{TITLES[data]}, {rate} per class" for data, rate in CELLS)]
    return SECTION.format(rows=table(header, rows), measured=measured())


def main():
    """Run the unfinished draws, and write the section."""
    args = parse_options(
        __doc__.split("\n\n")[1],
        data=TITLES,
        methods=METHODS,
        draws=5,
        results="untuned_results",
    )
    warnings.simplefilter("ignore")
    cells = Cells(args.results)
    sets = {data: load(data, args.data_home) for data in args.data}
    for seed, (data, rate), method in product(range(args.draws), CELLS, args.methods):
        if data in sets and (data, method) not in LEFT_OUT:
            X, y = sets[data]
            few = hide_labels(y, rate, random_state=seed)
            cells.complete(method, (data, rate, seed), partial(METHODS[method], X, few), y, few)
    write_page("accuracy.md", HEAD.format(machine=machine(), seeds=SEEDS), [section(cells)])


SECTION = """\
## Digits and MNIST, all methods untuned

Accuracy in % on the rows whose labels were hidden, mean ± standard deviation over draws. On digits,
LabelSpreading labels by `predict`, which is better there than its `transduction_`; on MNIST, by the
latter.

{rows}

Command: `python examples/benchmarks/untuned.py`. {measured}
"""

if __name__ == "__main__":
    main()
