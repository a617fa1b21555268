"""
==========================
Labels, some of them wrong
==========================

Digits, 20 labels per class, of which a part is wrong: another class, drawn at random. On the left,
the accuracy on the rows without a label. By default every label is kept, and a wrong one misleads
its surroundings. ``label_noise="auto"`` finds the part of wrong labels, and how far to trust each
label. Beside them are the graph Laplacian, which gives labels no extra weight, and scikit-learn's
LabelSpreading with ``alpha=0.8``, which lets the neighbours outvote a label.

On the right, a fifth of the labels are wrong, and ``suspect_labels`` finds the rows that a person
should look at first: those whose label the other labels contradict most.

Half a minute on one core.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.semi_supervised import LabelSpreading

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

SEEDS = range(5)
RATES = (0.0, 0.1, 0.2, 0.3, 0.4)
N_SUSPECTS = 8

# %%
# The data
# --------


def mislabel(few, rate, seed):
    """Give a part of the labelled rows another class, drawn at random."""
    rng = np.random.default_rng(seed)
    labeled = np.flatnonzero(few != -1)
    wrong = rng.choice(labeled, round(rate * len(labeled)), replace=False)
    few = few.copy()
    few[wrong] = (few[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return few


# %%
# The methods
# -----------


def transduce(X, few, **params):
    """Labels of all rows by a WNLLClassifier."""
    return WNLLClassifier(random_state=0, **params).fit(X, few).transduction_


def spread(X, few):
    """Labels of all rows by scikit-learn's LabelSpreading; better than its ``transduction_``."""
    model = LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.8, max_iter=200)
    with np.errstate(invalid="ignore"):  # where no label reaches a row, it divides by 0
        return model.fit(X, few).predict(X)


METHODS = {
    "WNLL, label_noise=0 (default)": transduce,
    'WNLL, label_noise="auto"': lambda X, few: transduce(X, few, label_noise="auto"),
    "Graph Laplacian": lambda X, few: transduce(X, few, label_weight="laplace"),
    "LabelSpreading (knn), alpha=0.8": spread,
}
STYLES = (("#0072B2", "o-"), ("#0072B2", "D--"), ("#D55E00", "s-"), ("#009E73", "^-"))

# %%
# The experiment
# --------------


def accuracies(X, y):
    """Accuracy of each method on the hidden rows, of shape (rates, draws), printed as it comes."""
    result = {}
    print(f"{len(SEEDS)} draws: accuracy in % (mean ± standard deviation)\n")
    print(f"{'part of wrong labels':32s}" + "".join(f"{rate:>14.0%}" for rate in RATES))
    for name, method in METHODS.items():
        result[name] = np.zeros((len(RATES), len(SEEDS)))
        print(f"{name:32s}", end="", flush=True)
        for i, rate in enumerate(RATES):
            for j, seed in enumerate(SEEDS):
                few = mislabel(hide_labels(y, 20, random_state=seed), rate, seed)
                result[name][i, j] = 100 * np.mean((method(X, few) == y)[few == -1])
            mean, deviation = result[name][i].mean(), result[name][i].std()
            print(f"{mean:8.1f} ± {deviation:3.1f}", end="", flush=True)
        print()
    return result


# %%
# The picture
# -----------


def draw_accuracies(ax, result):
    """Plot accuracy against the part of wrong labels, with one standard deviation."""
    offsets = 0.4 * np.arange(-1.5, 2)  # lines side by side, so that their spreads can be read
    for (name, values), (color, style), offset in zip(result.items(), STYLES, offsets, strict=True):
        ax.errorbar(
            100 * np.array(RATES) + offset,
            values.mean(axis=1),
            values.std(axis=1),
            fmt=style,
            color=color,
            capsize=3,
            label=name,
        )
    ax.set(
        xlabel="wrong labels (%)",
        ylabel="accuracy on the hidden labels (%)",
        title="Digits, 20 labels per class",
    )
    ax.grid(alpha=0.3)
    ax.legend(loc="lower left", fontsize="small", frameon=False, handlelength=4)


def draw_suspects(axes, X, y):
    """Show the first suspects with their label and the proposal."""
    few = mislabel(hide_labels(y, 20, random_state=0), 0.2, 0)
    model = WNLLClassifier(random_state=0).fit(X, few)
    rows, proposals, _ = model.suspect_labels(N_SUSPECTS, return_proposals=True)
    for ax, row, proposal in zip(axes, rows, proposals, strict=True):
        ax.imshow(X[row].reshape(8, 8), cmap="gray_r")
        ax.set_title(f"label {few[row]}, proposed {proposal}", fontsize="small")
        ax.set(xticks=[], yticks=[])
    print(f"\nOf the first {len(rows)} suspects, {np.sum(few[rows] != y[rows])} have a wrong label")


def main():
    """Run the experiment, print the table and save the picture."""
    X, y = load_digits(return_X_y=True)
    figure = plt.figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
    draw_accuracies(left.subplots(), accuracies(X, y))
    draw_suspects(right.subplots(2, N_SUSPECTS // 2).ravel(), X, y)
    right.suptitle(f"The first {N_SUSPECTS} suspects", fontsize="large")
    figure.savefig("wrong_labels.png", dpi=150)
    print("Saved the picture as wrong_labels.png")


if __name__ == "__main__":
    main()
