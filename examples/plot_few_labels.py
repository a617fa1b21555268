"""
==============================
How few labels are enough?
==============================

Digits of which only a few per class are labelled, at 1 to 20 labels per class: the weighted
nonlocal Laplacian (WNLL) and the graph Laplacian, beside what scikit-learn offers for the same
job. Every method sees the same rows and the same labels, drawn anew for each seed; the
accuracy is that on the rows whose labels were hidden.

Run with ``--data mnist`` for all 70,000 images of MNIST, read from ``--data-home`` or the folder
in the environment variable ``SKLEARN_WNLL_DATA`` (some 20 minutes for each seed, most of
them for LabelSpreading).
"""

import argparse
import time
import warnings

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import FewLabelsWarning
from sklearn_wnll.plotting import LabelBudgetDisplay

LABELS_PER_CLASS = (1, 2, 5, 10, 20)

# %%
# The methods
# -----------
# All that learn from the unlabelled rows take them marked with -1 in ``y``. The nearest
# neighbour sees only the labelled rows.


def transduce(model, X, y):
    """Labels of all rows by a model that learns from the unlabelled ones."""
    return model.fit(X, y).transduction_


def spread(X, y):
    """Labels of all rows by scikit-learn's LabelSpreading; better than its ``transduction_``."""
    with np.errstate(invalid="ignore"):  # where no label reaches a row, it divides by 0
        return LabelSpreading(kernel="knn", n_neighbors=15, max_iter=100).fit(X, y).predict(X)


def self_train(X, y):
    """Labels of all rows by a logistic regression that labels what it is sure of."""
    model = SelfTrainingClassifier(LogisticRegression(max_iter=200), threshold=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y).predict(X)


def nearest(X, y):
    """Labels of all rows by their nearest labelled row."""
    labeled = y != -1
    return KNeighborsClassifier(1).fit(X[labeled], y[labeled]).predict(X)


METHODS = {
    "WNLL": lambda X, y: transduce(WNLLClassifier(random_state=0), X, y),
    "Graph Laplacian": lambda X, y: transduce(
        WNLLClassifier(label_weight="laplace", random_state=0), X, y
    ),
    "LabelSpreading (knn)": spread,
    "Self-training": self_train,
    "1-nearest neighbor": nearest,
}

# %%
# The experiment
# --------------


def load(data, data_home):
    """Rows between 0 and 1, and their labels."""
    if data == "digits":
        X, y = load_digits(return_X_y=True)
        return X / 16, y
    from benchmarks.readers import load_mnist  # not needed for the digits

    X, y = load_mnist(data_home=data_home, return_X_y=True)
    return X.astype(np.float32) / 255, y


def accuracies(X, y, n_seeds):
    """Accuracy of each method, of shape (labels per class, seeds), printed as it comes."""
    result = {name: np.zeros((len(LABELS_PER_CLASS), n_seeds)) for name in METHODS}
    print(f"{len(y):,} rows, {n_seeds} seeds: accuracy in % (mean ± standard deviation)\n")
    print(f"{'labels per class':24s}" + "".join(f"{n:>14d}" for n in LABELS_PER_CLASS), flush=True)
    for name, method in METHODS.items():
        print(f"{name:24s}", end="", flush=True)
        start = time.perf_counter()
        for i, n_per_class in enumerate(LABELS_PER_CLASS):
            for seed in range(n_seeds):
                few = hide_labels(y, n_per_class, random_state=seed)
                result[name][i, seed] = np.mean((method(X, few) == y)[few == -1])
            mean, spread = 100 * result[name][i].mean(), 100 * result[name][i].std()
            print(f"{mean:8.1f} ± {spread:3.1f}", end="", flush=True)
        print(f"   {time.perf_counter() - start:6.1f} s", flush=True)
    return result


# %%
# The picture
# -----------
# One label per class is enough for most digits once the shape of the unlabelled rows is used.


def draw(result, title):
    """Plot accuracy against the number of labels, with one standard deviation."""
    figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    LabelBudgetDisplay(LABELS_PER_CLASS, result).plot(ax)
    ax.set_title(title)
    return figure


def main():
    """Run the experiment, print the table and save the picture."""
    parser = argparse.ArgumentParser(description="Accuracy against the number of labels.")
    parser.add_argument("--data", choices=["digits", "mnist"], default="digits")
    parser.add_argument("--data-home", help="folder of mnist.npz")
    parser.add_argument("--seeds", type=int, default=5, help="draws of labels (default: 5)")
    parser.add_argument("--output", help="picture (default: few_labels_DATA.png)")
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewLabelsWarning)  # few labels are what this is about
    X, y = load(args.data, args.data_home)
    title = f"{len(y):,} images of {'digits' if args.data == 'digits' else 'MNIST'}"
    figure = draw(accuracies(X, y, args.seeds), title)
    output = args.output or f"few_labels_{args.data}.png"
    figure.savefig(output, dpi=150)
    print(f"\nSaved the picture as {output}")


if __name__ == "__main__":
    main()
