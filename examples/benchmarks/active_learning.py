"""
Active learning: suggested labels against random ones
=====================================================

MNIST as pixels, from 10 labels drawn at random to 200, in steps of 10 and of 50. The rows to label
next are those of ``suggest_labels``, the least certain ones, random ones, or those of
graphlearning's acquisition functions on the same graph. ``WNLLClassifier`` with default options
extends all labels; the accuracy is that on the unlabelled images. Writes
``docs/benchmarks/active_learning.md``. MNIST is read from ``--data-home`` or the folder in the
environment variable ``SKLEARN_WNLL_DATA``. Needs graphlearning. A draw takes six minutes
on one core for 70,000 images, two for 10,000. Finished runs and graphs are stored in
``--results`` and are not repeated.
"""

import argparse
import json
import sys
import time
import warnings
from functools import cached_property
from pathlib import Path
from textwrap import fill

import numpy as np
from graphlearning import active_learning, graph
from scipy import sparse
from scipy.special import entr

sys.path.insert(0, str(Path(__file__).parent))
from graphs import scaled_distances
from measure import PAGES, machine, measured, shown, table, write_page
from readers import load_mnist

from sklearn_wnll import WNLLClassifier

FIRST, LAST = 10, 200
SHOWN = 10, 20, 30, 50, 100, 150, 200
ALL = 70_000  # images of MNIST
EIGENVECTORS = 100
COVARIANCES = "var_opt", "sigma_opt", "model_change"
# A choice without a model is the same in all steps.
WITHOUT_MODEL = "random", "var_opt", "sigma_opt"
FROM_NOTHING = "suggest_labels from the first label on"
OURS = FROM_NOTHING, "suggest_labels", "least certain", "random"
RUNS = [
    (FROM_NOTHING, 10),
    ("random", 10),
    *(
        (way, step)
        for step in (10, 50)
        for way in ("suggest_labels", "least certain", "unc_sampling", "model_change")
    ),
    ("var_opt", 10),
    ("sigma_opt", 10),
]


class Images:
    """Some images of MNIST, their graph, and its eigenvectors."""

    def __init__(self, n, data_home, results):
        self.X, y = load_mnist(data_home=data_home, return_X_y=True)
        rows = np.sort(np.random.default_rng(0).permutation(len(y))[:n])
        self.X, self.y = self.X[rows], y[rows].astype(int)
        self.path = Path(results) / f"{len(rows)}"
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / "graph.npz"
        if not path.exists():
            sparse.save_npz(path, WNLLClassifier(random_state=0).fit(self.X, self.y).graph_)
        self.W = sparse.csr_array(sparse.load_npz(path))
        self.distances = scaled_distances(self.W)

    @cached_property
    def eigen(self):
        """Eigenvalues and eigenvectors of the normalized Laplacian."""
        path = self.path / "eigen.npz"
        if not path.exists():
            whole = graph(sparse.csr_matrix(self.W + self.W.T))
            values, vectors = whole.eigen_decomp("normalized", k=EIGENVECTORS, tol=1e-4)
            np.savez(path, values=values, vectors=vectors)
        with np.load(path) as file:
            return file["values"], file["vectors"]

    def fit(self, few, model=None):
        """Fit the default model on the same graph, which a fitted ``model`` already has."""
        if model is not None:
            return model.relabel(few)
        return WNLLClassifier(metric="precomputed", unlabeled=-1).fit(self.distances, few)


class Choice:
    """A way to choose rows."""

    def __init__(self, images, way, seed):
        self.way, self.rng, self.acquisition = way, np.random.RandomState(seed), None
        if way in COVARIANCES:
            values, vectors = images.eigen
            kind = getattr(active_learning, way)
            self.acquisition = kind(C=np.diag(1 / (values + 1e-11)), V=vectors)
        elif way == "unc_sampling":
            self.acquisition = active_learning.unc_sampling()

    def first(self, images):
        """Choose the first rows; also return whether they were drawn at random."""
        if self.way == FROM_NOTHING:
            return images.fit(np.full(len(images.y), -1)).suggest_labels(FIRST)
        rows = self.rng.choice(len(images.y), FIRST, replace=False)
        if self.acquisition is not None:
            self.acquisition.update(rows, None)
        return rows

    def next(self, model, few, n):
        """Choose more rows."""
        free = np.flatnonzero(few == -1)
        if self.way == "random":
            return self.rng.choice(free, n, replace=False)
        if self.way in ("suggest_labels", FROM_NOTHING):
            return model.suggest_labels(n)
        if self.way == "least certain":
            entropy = entr(model.label_distributions_[free]).sum(axis=1)
            return free[(-entropy).argsort(kind="stable")[:n]]
        u = None if model is None else model.label_distributions_
        if self.way == "unc_sampling":
            return free[(-self.acquisition.compute(u, free)).argsort(kind="stable")[:n]]
        rows = []
        for _ in range(n):  # one by one, which the covariance can do without labels
            row = free[self.acquisition.compute(u, free).argmax()]
            self.acquisition.update([row], None)
            free = free[free != row]
            rows.append(row)
        return np.array(rows)


def run(images, way, step, seed):
    """Measure accuracy in percent by number of labels, classes among the first, and seconds."""
    choice, few, model = Choice(images, way, seed), np.full(len(images.y), -1), None
    rows, seconds, accuracy = choice.first(images), 0.0, {}
    classes = len(set(images.y[rows]))
    while True:
        few[rows] = images.y[rows]
        labels = int(np.count_nonzero(few != -1))
        if way not in WITHOUT_MODEL or labels in SHOWN:
            model = images.fit(few, model)
        if labels in SHOWN:
            right = (model.transduction_ == images.y)[few == -1]
            accuracy[labels] = 100 * float(right.mean())
        if labels == LAST:
            return {"accuracy": accuracy, "classes": classes, "seconds": seconds}
        start = time.process_time()
        rows = choice.next(model, few, step - labels % step)
        seconds += time.process_time() - start


def section(images, found, step):
    """Make the table for a step size: mean and spread for each way."""
    columns = [labels for labels in SHOWN if labels == FIRST or labels % step == 0]
    rows = []
    for (way, own_step), results in found.items():
        if own_step != step and way not in WITHOUT_MODEL:
            continue
        cells = [shown([r["accuracy"][str(labels)] for r in results]) for labels in columns]
        seconds = np.mean([r["seconds"] for r in results])
        classes = np.mean([r["classes"] for r in results])
        rows.append([way, str(len(results)), f"{classes:.1f}", *cells, f"{seconds:.0f}"])
    header = ["rows chosen by", "draws", "classes among the first 10"]
    header += [*(f"{labels} labels" for labels in columns), "CPU seconds to choose"]
    text = "" if step == 10 else ", to 50, and fifty more at a time"
    title = f"## MNIST, {len(images.y):,} images{text}"
    return "\n\n".join([title, table(header, rows), measured()])


def takeaway(images, found):
    """Summarize the gain of chosen labels over random ones, in a sentence or two."""

    def mean(way, labels):
        return np.mean([r["accuracy"][str(labels)] for r in found[way, 10]])

    peers = [way for way, step in found if step == 10 and way not in OURS]
    best = max(peers, key=lambda way: mean(way, 50))
    text = (
        f"**On {len(images.y):,} images of MNIST, 50 labels that `suggest_labels` chooses give "
        f"{mean('suggest_labels', 50):.1f} % accuracy; 50 random labels give "
        f"{mean('random', 50):.1f} %, and {LAST} random labels {mean('random', LAST):.1f} %. "
        f"With 50 labels, the best of graphlearning's functions, `{best}`, gives "
        f"{mean(best, 50):.1f} %.**"
    )
    return fill(text, 100)


def main():
    """Run the unfinished parts, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--images", type=int, default=ALL)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--data-home", help="folder of the MNIST data")
    parser.add_argument("--results", default="active_learning_results", help="finished runs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    images = Images(args.images, args.data_home, args.results)
    found = {key: [] for key in RUNS}
    for seed in range(args.draws):
        for way, step in RUNS:
            if way == FROM_NOTHING and seed > 0:  # nothing is drawn
                continue
            path = images.path / f"{way.replace(' ', '-')}-{step}-{seed}.json"
            if not path.exists():
                path.write_text(json.dumps(run(images, way, step, seed)))
            found[way, step].append(json.loads(path.read_text()))
            last = found[way, step][-1]["accuracy"][str(LAST)]
            print(f"{way}, steps of {step}, draw {seed}: {last:.1f}", flush=True)
    page = PAGES / "active_learning.md"
    largest = args.images >= ALL or not page.exists() or f"{ALL:,} images" not in page.read_text()
    write_page(
        page.name,
        HEAD.format(machine=machine("graphlearning")),
        [section(images, found, 10)],
        notes=[section(images, found, 50)],
        takeaway=takeaway(images, found) if largest else "",
    )


HEAD = """\
# Asking for labels, or drawing them at random

Accuracy in % on the images that have no label, mean ± standard deviation over draws of the first 10
labels. Ten more labels are chosen at a time.

- **`suggest_labels`** is `suggest_labels(10)`. Its first 10 labels are random, as those of all
  other rows; "from the first label on", it chooses these too, from a fit without labels.
- **least certain** takes the images of the largest entropy.
- **`unc_sampling`, `model_change`, `var_opt`, `sigma_opt`** are graphlearning's acquisition
  functions.

## How it was measured

`WNLLClassifier` with default options extends all labels on the same graph of 15 neighbours.
graphlearning's functions have their default options, and see the distributions of
`WNLLClassifier`; `model_change`, `var_opt` and `sigma_opt` have a covariance of 100 eigenvectors of
the normalized Laplacian. It needs no labels, and is updated after each image. So the choices of
`var_opt` and `sigma_opt` do not depend on the size of a step, nor do random ones.

Command: `python examples/benchmarks/active_learning.py`, with `--images 10000` for the smaller
table and `--draws` for the number of draws.
{machine}
"""

if __name__ == "__main__":
    main()
