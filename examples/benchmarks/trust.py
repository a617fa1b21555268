"""
Answers that can be trusted: held-out labels, calibration, wrong labels, collapsed classes
==========================================================================================

Five tables on digits, 10,000 images of MNIST as pixels, and two sets of embeddings. None of these
draws was used to choose a constant of the method. Writes ``docs/benchmarks/trust.md``. MNIST and
the embeddings (``news_minilm.npz`` and ``cifar_efficientnet.npz``, with rows ``X`` and classes
``y``) are read from ``--data-home`` or the folder in the environment variable
``SKLEARN_WNLL_DATA``. The table ``suspects`` needs cleanlab. Takes three hours on one core.
Finished draws are stored in ``--cache`` and are not repeated. ``--draws 0`` writes the page from
these.
"""

import argparse
import json
import os
import sys
import warnings
from functools import cache
from itertools import product
from pathlib import Path
from typing import ClassVar, NamedTuple

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsTransformer
from sklearn.semi_supervised import LabelSpreading

sys.path.insert(0, str(Path(__file__).parent))
from readers import load_mnist
from trust_page import FOLDS, NAMES, NOISES, PLACES, TABLES, WEIGHTS, write

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import CollapsedClassesWarning

MNIST_ROWS = 10_000
FILES = {"news": "news_minilm.npz", "cifar": "cifar_efficientnet.npz"}
FIRST_SEED = 300  # smaller ones were used to choose the method's constants
PART = 0.2  # fraction of wrong labels
SPREADINGS = tuple(product((7, 15), (0.2, 0.5, 0.8), ("predict", "transduction_")))


class Rows(NamedTuple):
    """Rows and classes, and new rows and classes."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_new: np.ndarray
    y_new: np.ndarray


class RememberedNeighbors(BaseEstimator):
    """The 15 nearest neighbors by scikit-learn, searched once for the same rows."""

    known: ClassVar[dict] = {}  # clones share it

    def fit(self, X, y=None):
        """Search if these rows are new."""
        key = X.shape, joblib.hash(X[::97])
        if key not in self.known:
            self.known[key] = KNeighborsTransformer(n_neighbors=15).fit(X), {}
        self.search_, self.graphs_ = self.known[key]
        return self

    def fit_transform(self, X, y=None):
        """Return the neighbors of rows among themselves."""
        return self.fit(X).transform(X)

    def transform(self, X):
        """Return the neighbors of other rows."""
        key = X.shape, joblib.hash(X[::97])
        if key not in self.graphs_:
            self.graphs_[key] = self.search_.transform(X)
        return self.graphs_[key]


def load(name, home):
    """Load rows of about unit scale, and classes 0, 1, ..."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return X / 16, y
    if name == "mnist":
        X, y = load_mnist(data_home=home, return_X_y=True)
        some = np.random.RandomState(0).permutation(len(y))[:MNIST_ROWS]
        return X[some].astype(np.float32) / 255, y[some]
    home = home or os.environ.get("SKLEARN_WNLL_DATA", ".")
    with np.load(Path(home) / FILES[name], allow_pickle=False) as file:
        X, y = file["X"].astype(np.float32), np.unique(file["y"], return_inverse=True)[1]
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


@cache
def all_rows(name, home):
    """Load all rows to be fitted."""
    X, y = load(name, home)
    return Rows(name, X, y, X[:0], y[:0])


@cache
def split_rows(name, home):
    """Split off a fifth of the rows as new ones."""
    X, y = load(name, home)
    order = np.random.RandomState(0).permutation(len(y))
    new, fitted = order[: len(y) // 5], order[len(y) // 5 :]
    return Rows(name, X[fitted], y[fitted], X[new], y[new])


def fitted(X, few, seed, **parameters):
    """Fit a classifier, by default with the paper's label weight."""
    parameters = {"label_weight": "wnll"} | parameters
    model = WNLLClassifier(
        neighbors=RememberedNeighbors(), unlabeled=-1, random_state=seed, **parameters
    )
    return model.fit(X, few)


def percent(right):
    """Compute the share of right ones in percent."""
    return 100 * float(np.mean(right))


def with_wrong_labels(y, rate, part, seed):
    """Keep a few labels, make a part wrong, of random classes; return labels and wrong rows."""
    few = hide_labels(y, rate, random_state=seed)
    labeled = np.flatnonzero(few != -1)
    rng, n_classes = np.random.default_rng(seed), y.max() + 1
    wrong = rng.choice(labeled, round(part * len(labeled)), replace=False)
    few[wrong] = (few[wrong] + rng.integers(1, n_classes, len(wrong))) % n_classes
    return few, wrong


def measure_score(rows, rate, seed):
    """Measure score on held-out labels minus accuracy on hidden rows, in points, by folds."""
    few, found = hide_labels(rows.y, rate, random_state=seed), {}
    for folds in FOLDS:
        model = fitted(rows.X, few, seed, held_out=folds)
        right = (model.transduction_ == rows.y)[few == -1]
        found[str(folds)] = 100 * model.held_out_score_ - percent(right)
    return found


def miscalibration(u, y):
    """Compute the ECE in 10 bins, and the log loss of probabilities of at least 1e-6."""
    top, right = u.max(axis=1), u.argmax(axis=1) == y
    in_bin = np.minimum((10 * top).astype(int), 9)
    gap = np.abs(np.bincount(in_bin, top - right, minlength=10))
    return gap.sum() / len(y), -np.log(np.maximum(u[np.arange(len(y)), y], 1e-6)).mean()


def measure_calibration(rows, rate, seed):
    """Measure ECE and log loss without and with calibration, by weight and place."""
    few, found = hide_labels(rows.y, rate, random_state=seed), {}
    hidden = few == -1
    for weight, calibrate in product((*WEIGHTS, 100.0), (False, True)):
        model = fitted(rows.X, few, seed, label_weight=weight, calibrate=calibrate)
        distributions = [(model.label_distributions_[hidden], rows.y[hidden])]
        for mode in ("transductive", "inductive"):
            model.set_params(predict_mode=mode)
            distributions.append((model.predict_proba(rows.X_new), rows.y_new))
        for place, (u, y) in zip(PLACES, distributions, strict=True):
            found.setdefault(f"{weight}, {place}", []).extend(map(float, miscalibration(u, y)))
    return found


def measure_suspects(rows, rate, seed):
    """Measure the percentage of wrong labels among as many suspects."""
    few, wrong = with_wrong_labels(rows.y, rate, PART, seed)
    found, n = {}, len(wrong)
    for noise in (0.0, "auto"):
        suspected = fitted(rows.X, few, seed, label_noise=noise).suspect_labels(n)
        found[f"suspect_labels, label_noise={noise}"] = percent(np.isin(wrong, suspected))
    labeled = np.flatnonzero(few != -1)
    ranked = labeled[rank_by_cleanlab(rows, labeled, few[labeled], seed)]
    found["cleanlab on logistic regression"] = percent(np.isin(wrong, ranked[:n]))
    return found


def rank_by_cleanlab(rows, labeled, labels, seed):
    """Rank labelled rows, the worst first: those listed by cleanlab, then the others."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise ImportError(
            "The table suspects needs cleanlab. Install it with: python -m pip install cleanlab. "
            "Or name the other tables."
        ) from error
    codes = np.unique(labels, return_inverse=True)[1]
    unit_rows = rows.name in FILES
    p = cross_val_predict(
        LogisticRegression(C=10 if unit_rows else 1, max_iter=300),
        rows.X[labeled],
        codes,
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    listed = find_label_issues(codes, p, return_indices_ranked_by="self_confidence", n_jobs=1)
    by_confidence = np.argsort(p[np.arange(len(codes)), codes], kind="stable")
    return np.concatenate([listed, by_confidence[~np.isin(by_confidence, listed)]]).astype(int)


def measure_noise(rows, rate, seed):
    """Measure right hidden and labelled rows in percent, with and without wrong labels."""
    found = {}
    for part in (PART, 0.0):
        few = with_wrong_labels(rows.y, rate, part, seed)[0]
        predicted = {
            f"{weight}, {noise}": fitted(
                rows.X, few, seed, label_weight=weight, label_noise=noise
            ).transduction_
            for weight, noise in NOISES
        }
        if rows.name == "digits":
            predicted |= spread_labels(rows.X, few)
        hidden = few == -1
        for name, labels in predicted.items():
            right = labels == rows.y
            found.setdefault(name, []).extend([percent(right[hidden]), percent(right[~hidden])])
    return found


def spread_labels(X, few):
    """Predict by LabelSpreading."""
    found = {}
    for neighbors, alpha, way in SPREADINGS:
        model = LabelSpreading(kernel="knn", n_neighbors=neighbors, alpha=alpha, max_iter=200)
        model.fit(X, few)
        labels = model.predict(X) if way == "predict" else model.transduction_
        found[f"LabelSpreading, {neighbors}, {alpha}, {way}"] = labels
    return found


def measure_collapse(rows, rate, seed):
    """Record warnings of collapsed classes, and the accuracy on hidden rows in percent."""
    few, found = hide_labels(rows.y, rate, random_state=seed), {}
    for weight in WEIGHTS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", CollapsedClassesWarning)
            model = fitted(rows.X, few, seed, label_weight=weight)
        warned = any(issubclass(one.category, CollapsedClassesWarning) for one in caught)
        found[weight] = [float(warned), percent((model.transduction_ == rows.y)[few == -1])]
    return found


MEASURES = {
    "score": (measure_score, all_rows),
    "calibration": (measure_calibration, split_rows),
    "suspects": (measure_suspects, all_rows),
    "noise": (measure_noise, all_rows),
    "collapse": (measure_collapse, all_rows),
}


def read_cells(path):
    """Read finished cells, by table, data, rate and seed."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {tuple(cell): found for cell, found in map(json.loads, lines)}


def main():
    """Run the unfinished draws, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--data", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--data-home", help="folder of MNIST and of the embeddings")
    parser.add_argument("--cache", default="trust_results.jsonl", help="file of finished draws")
    args = parser.parse_args()
    if unknown := set(args.tables) - set(TABLES):
        parser.error(f"There is no table {unknown.pop()!r}. Name some of {', '.join(TABLES)}.")
    warnings.simplefilter("ignore")
    path = Path(args.cache)
    cells = read_cells(path)
    for seed, name in product(range(FIRST_SEED, FIRST_SEED + args.draws), args.tables):
        measure, rows_of = MEASURES[name]
        for data, rate in product(args.data, TABLES[name].rates):
            if (cell := (name, data, rate, seed)) not in cells:
                cells[cell] = measure(rows_of(data, args.data_home), rate, seed)
                with path.open("a") as file:
                    file.write(json.dumps([cell, cells[cell]]) + "\n")
                print(*cell, flush=True)
    write(args.tables, cells)


if __name__ == "__main__":
    main()
