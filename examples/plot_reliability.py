"""
=================================
Probabilities that can be trusted
=================================

Digits, 5 labels per class, 10 draws. The hidden rows are put into ten bins by their largest
probability: how many rows of a bin are predicted right? Above the diagonal, probabilities are too
modest; below it, too sure. Without calibration, they are far too modest with every label weight.
``calibrate=True`` finds one temperature on held-out labels, and mends this.

The expected calibration error (ECE) of a fit is the mean distance between probability and
accuracy over its bins, weighted by their rows.

Some 20 seconds on one core.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

SEEDS = range(10)
COLORS = {"auto": "C0", "wnll": "C8", "laplace": "C1", "poisson": "C6"}
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

X, y = load_digits(return_X_y=True)
figure, axes = plt.subplots(
    2, 4, figsize=(11, 4.4), sharex=True, sharey="row", height_ratios=(3, 1), layout="constrained"
)
edges = np.linspace(0, 1, N_BINS + 1)
for (ax, below), (weight, color) in zip(axes.T, COLORS.items(), strict=True):
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    for calibrate in (False, True):
        bins = measure(X, y, weight, calibrate)
        error = calibration_error(bins)
        print(f"{weight:8s} calibrate={calibrate!s:5s} ECE {error:.3f}", flush=True)
        count, probability, right = bins.sum(axis=0)
        kept = count >= FEWEST
        style = {"color": color} if calibrate else {"color": "C7", "linestyle": "--"}
        x, share = probability[kept] / count[kept], right[kept] / count[kept]
        name = "calibrated" if calibrate else "default"
        ax.plot(x, share, marker="o", label=f"{name}, ECE {error:.3f}", **style)
        below.stairs(count / count.sum(), edges, linewidth=1.5, **style)
    ax.set_title(f'label_weight="{weight}"')
    ax.legend(loc="lower right", fontsize="small", handlelength=1.5)
    below.set_xlabel("largest probability")
axes[0, 0].set_ylabel("part predicted right")
axes[1, 0].set_ylabel("part of rows")
plt.show()
