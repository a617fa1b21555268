"""
=================================
Probabilities that can be trusted
=================================

Digits, 5 labels per class, 10 draws. Rows of about the same largest probability are put together:
how many of them are predicted right? A point above the diagonal is too modest, one below too sure.
Harmonic extension is far too modest with any label weight. ``calibrate=True`` finds one
temperature on held-out labels, and mends it. The expected calibration error (ECE) is the mean
distance from the diagonal, by the number of rows.

A quarter of a minute on one core.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

SEEDS = range(10)
WEIGHTS = ("wnll", "laplace", "poisson")
N_BINS = 10

# %%
# Rows by their probability
# -------------------------


def reliability(u, right):
    """Mean probability and accuracy in bins of equal width, and the calibration error.

    A bin without rows is NaN.
    """
    top = u.max(axis=1)
    in_bin = np.minimum((top * N_BINS).astype(int), N_BINS - 1)
    count = np.bincount(in_bin, minlength=N_BINS)
    with np.errstate(invalid="ignore"):
        probability, accuracy = (
            np.bincount(in_bin, values, minlength=N_BINS) / count for values in (top, right)
        )
    gap = np.nan_to_num(np.abs(probability - accuracy))
    return probability, accuracy, (gap * count).sum() / count.sum()


def measure(X, y, label_weight, calibrate):
    """Probabilities of the hidden rows of all draws, and whether they are right."""
    found = []
    for seed in SEEDS:
        few = hide_labels(y, 5, random_state=seed)
        model = WNLLClassifier(label_weight=label_weight, calibrate=calibrate, random_state=0)
        model.fit(X, few)
        hidden = few == -1
        right = model.transduction_[hidden] == y[hidden]
        found.append((model.label_distributions_[hidden], right))
    u, right = zip(*found, strict=True)
    return np.concatenate(u), np.concatenate(right)


# %%
# The picture
# -----------


def draw(X, y):
    """One panel for each label weight, before and after; print the errors."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharey=True, layout="constrained")
    for ax, weight in zip(axes, WEIGHTS, strict=True):
        ax.plot([0, 1], [0, 1], color="#999999", linewidth=1)
        for calibrate, color in ((False, "#D55E00"), (True, "#0072B2")):
            probability, accuracy, error = reliability(*measure(X, y, weight, calibrate))
            print(f"{weight:8s} calibrate={calibrate!s:5s} ECE {error:.3f}", flush=True)
            label = f"calibrate={calibrate}: ECE {error:.3f}"
            ax.plot(probability, accuracy, "o-", color=color, label=label)
        ax.set(title=f'label_weight="{weight}"', xlabel="largest probability", aspect="equal")
        ax.legend(loc="lower right", fontsize="x-small")
    axes[0].set_ylabel("part predicted right")
    return figure


if __name__ == "__main__":
    draw(*load_digits(return_X_y=True)).savefig("reliability.png", dpi=150)
