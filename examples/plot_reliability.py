"""
=================================
Probabilities that can be trusted
=================================

Digits, 5 labels per class, 10 draws. The hidden rows are put into ten bins by their largest
probability: how many rows of a bin are predicted right? A point above the diagonal is too modest,
one below it too sure. Without calibration, the probabilities are far too modest with any label
weight. ``calibrate=True`` finds one temperature on held-out labels, and mends this.

The expected calibration error (ECE) of a fit is the mean distance between probability and
accuracy over its bins, weighted by their rows.

Some 20 seconds on one core.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

SEEDS = range(10)
WEIGHTS = ("auto", "wnll", "laplace", "poisson")
COLORS = {False: "#D55E00", True: "#0072B2"}
N_BINS = 10
FEWEST = 20  # a bin of fewer rows shows chance

# %%
# Rows by their probability
# -------------------------


def binned(top, right):
    """Number of rows, sum of the largest probabilities, and number of right ones in each bin."""
    in_bin = np.minimum((top * N_BINS).astype(int), N_BINS - 1)
    return np.array(
        [np.bincount(in_bin, values, N_BINS) for values in (np.ones(len(top)), top, right)]
    )


def measure(X, y, label_weight, calibrate):
    """The bins of the hidden rows of each draw, of shape (draws, 3, bins)."""
    found = []
    for seed in SEEDS:
        few = hide_labels(y, 5, random_state=seed)
        model = WNLLClassifier(label_weight=label_weight, calibrate=calibrate, random_state=0)
        model.fit(X, few)
        hidden = few == -1
        right = model.transduction_[hidden] == y[hidden]
        found.append(binned(model.label_distributions_[hidden].max(axis=1), right))
    return np.array(found)


def calibration_error(bins):
    """The mean over the draws of their expected calibration errors."""
    count, probability, right = bins.transpose(1, 0, 2)
    return float((np.abs(probability - right).sum(axis=1) / count.sum(axis=1)).mean())


# %%
# The picture
# -----------
# The curves pool all draws; the errors are means over the draws, as a single fit has them. Below
# are the rows in each bin: with calibration, most probabilities are near 1, and rightly so.


def draw(X, y):
    """One column for each label weight, before and after; print the errors."""
    figure, axes = plt.subplots(
        2,
        len(WEIGHTS),
        figsize=(12, 4.6),
        sharex=True,
        sharey="row",
        height_ratios=(3, 1),
        layout="constrained",
    )
    for (ax, below), weight in zip(axes.T, WEIGHTS, strict=True):
        ax.plot([0, 1], [0, 1], color="#999999", linewidth=1)
        for calibrate, color in COLORS.items():
            bins = measure(X, y, weight, calibrate)
            error = calibration_error(bins)
            print(f"{weight:8s} calibrate={calibrate!s:5s} ECE {error:.3f}", flush=True)
            count, probability, right = bins.sum(axis=0)
            kept = count >= FEWEST
            ax.plot(
                probability[kept] / count[kept],
                right[kept] / count[kept],
                "o-",
                color=color,
                label=f"calibrate={calibrate}: ECE {error:.3f}",
            )
            edges = np.linspace(0, 1, N_BINS + 1)
            below.stairs(count / count.sum(), edges, color=color, linewidth=1.5)
        ax.set_title(f'label_weight="{weight}"')
        ax.legend(loc="lower right", fontsize="x-small")
        below.set_xlabel("largest probability")
    axes[0, 0].set_ylabel("part predicted right")
    axes[1, 0].set_ylabel("part of rows")
    return figure


if __name__ == "__main__":
    draw(*load_digits(return_X_y=True)).savefig("reliability.png", dpi=150)
    print("Saved the picture as reliability.png")
