"""
Few labels on embeddings: a graph, a classifier beside it, and other methods
============================================================================

Texts of 20 newsgroups and images of CIFAR-10, embedded by networks that were trained on other data:
1 to 50 labels per class, accuracy on the hidden rows. Writes ``docs/benchmarks/embeddings.md``, and
the table and the picture of the front page. The embeddings (``news_minilm.npz`` and
``cifar_efficientnet.npz``, with rows ``X`` and classes ``y``) are read from ``--data-home`` or the
folder in the environment variable ``SKLEARN_WNLL_DATA``. Needs graphlearning, and matplotlib for
pictures. Finished draws are stored in ``--results``, a file for each method, and are not repeated.
``--draws 0`` writes the page from these.
"""

import os
import sys
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

sys.path.insert(0, str(Path(__file__).parent))
from cells import Cells, parse_options
from embeddings_page import C_BESIDE, METHODS, RATES, SETS, STRENGTHS, write

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

FILES = {"news": "news_minilm.npz", "cifar": "cifar_efficientnet.npz"}
BESIDE = LogisticRegression(C=C_BESIDE, max_iter=1000)


class Rows(NamedTuple):
    """Rows of unit length, their classes and graph."""

    X: np.ndarray
    y: np.ndarray
    weights: sparse.csr_matrix

    @property
    def sizes(self):
        """True frequencies of the classes."""
        return np.bincount(self.y) / len(self.y)


class Few(NamedTuple):
    """A draw of labels, -1 for hidden ones."""

    labels: np.ndarray
    per_class: int
    seed: int

    @property
    def given(self):
        """Labelled rows."""
        return np.flatnonzero(self.labels != -1)


def load(name, home):
    """Load the distinct rows of a data set; the first of equal rows is kept."""
    home = home or os.environ.get("SKLEARN_WNLL_DATA", ".")
    with np.load(Path(home) / FILES[name], allow_pickle=False) as file:
        X, y = file["X"].astype(np.float32), np.unique(file["y"], return_inverse=True)[1]
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    graph = WNLLClassifier(metric="cosine", random_state=0).fit(X, np.arange(len(X)) % 2)
    first = np.unique(graph.point_index_, return_index=True)[1]
    return Rows(X[first], y[first], sparse.csr_matrix(graph.graph_ + graph.graph_.T))


def extend(rows, few, **parameters):
    """Predict labels by WNLLClassifier."""
    model = WNLLClassifier(metric="cosine", unlabeled=-1, random_state=few.seed, **parameters)
    return model.fit(rows.X, few.labels).transduction_


def extend_with_sizes(rows, few, **parameters):
    """Predict labels by WNLLClassifier with known class sizes."""
    return extend(rows, few, class_prior=rows.sizes, volume_constraint=True, **parameters)


def learn(rows, few, model):
    """Predict labels by a classifier that learns from the labelled rows alone."""
    return model.fit(rows.X[few.given], few.labels[few.given]).predict(rows.X)


def choose_regression(few):
    """Make a logistic regression, with C by cross-validation if classes have two labels."""
    if few.per_class == 1:
        return LogisticRegression(C=10, max_iter=1000)
    folds = StratifiedKFold(min(5, few.per_class), shuffle=True, random_state=few.seed)
    return LogisticRegressionCV(Cs=STRENGTHS, cv=folds, scoring="accuracy", max_iter=1000)


def nearest(few):
    """Make a classifier by the nearest neighbor, or by five."""
    return KNeighborsClassifier(1 if few.per_class < 5 else 5, metric="cosine")


def spread(rows, few, model):
    """Predict labels by a scikit-learn classifier that uses the unlabelled rows."""
    model.fit(rows.X, few.labels)
    return model.transduction_


def by_graphlearning(rows, few, method, *arguments):
    """Predict labels by a method of graphlearning."""
    from graphlearning import ssl  # other methods do not need it

    model = getattr(ssl, method)(rows.weights, *arguments)
    return model.fit_predict(few.given, few.labels[few.given])


PREDICT = {
    "default": extend,
    "beside": lambda rows, few: extend(rows, few, estimator=BESIDE),
    "sizes": extend_with_sizes,
    "beside_sizes": lambda rows, few: extend_with_sizes(rows, few, estimator=BESIDE),
    "logistic": lambda rows, few: learn(rows, few, choose_regression(few)),
    "centroid": lambda rows, few: learn(rows, few, NearestCentroid()),
    "neighbors": lambda rows, few: learn(rows, few, nearest(few)),
    "spreading": lambda rows, few: spread(
        rows, few, LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.8, max_iter=200)
    ),
    "self_training": lambda rows, few: (
        SelfTrainingClassifier(LogisticRegression(max_iter=1000))
        .fit(rows.X, few.labels)
        .predict(rows.X)
    ),
    "poisson": lambda rows, few: by_graphlearning(rows, few, "poisson"),
    "poisson_mbo": lambda rows, few: by_graphlearning(rows, few, "poisson_mbo", rows.sizes),
}


def main():
    """Run the unfinished draws, and write the page."""
    args = parse_options(
        __doc__.split("\n\n")[1],
        data=SETS,
        methods=METHODS,
        draws=10,
        results="embeddings_results",
    )
    warnings.simplefilter("ignore")
    cells = Cells(args.results)
    sets = {name: load(name, args.data_home) for name in args.data if args.draws}
    for seed, (name, rows), rate in product(range(args.draws), sets.items(), RATES):
        few = Few(hide_labels(rows.y, rate, random_state=seed), rate, seed)
        for method in args.methods:
            predict = partial(PREDICT[method], rows, few)
            cells.complete(method, (name, rate, seed), predict, rows.y, few.labels)
        print(f"{name}, draw {seed}, {rate} per class", flush=True)
    write({method: cells.of(method) for method in METHODS})


if __name__ == "__main__":
    main()
