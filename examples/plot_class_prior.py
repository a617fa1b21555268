"""
=============================================
Known class frequencies on imbalanced data
=============================================

Digits of which 0 to 4 are five times as frequent as 5 to 9. Either three rows of each class are
labelled, and their numbers say nothing about the frequencies; or rows at random, and they do.
``class_prior`` corrects the distributions towards frequencies that you know, or those of the
labelled rows.

You learn that true frequencies help with every ``label_weight``, and that wrong ones harm.

Some 40 seconds on one core.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import FewLabelsWarning

SEEDS = range(20)
WEIGHTS = ("auto", "wnll", "laplace", "poisson")
PRIORS = ("None", '"labeled"', "true sizes")

# %%
# The data
# --------
# A fifth of the images of 5 to 9 are kept.


def imbalanced(seed, draw):
    """Rows, labels, and the labels of which few are left, drawn ``"per class"`` or ``"at random"``.

    Every class keeps a label.
    """
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    keep = rng.permutation(np.flatnonzero((y < 5) | (rng.random(len(y)) < 0.2)))
    X, y = X[keep], y[keep]
    if draw == "per class":
        return X, y, hide_labels(y, 3, random_state=seed)
    few = hide_labels(y, 1, random_state=seed)
    more = rng.choice(len(y), 60, replace=False)
    few[more] = y[more]
    return X, y, few


# %%
# Three priors, four label weights
# --------------------------------
# Balanced accuracy is the mean of the classes' accuracies.


def measure(draw):
    """Accuracy and balanced accuracy on the hidden labels, in percent, for each draw."""
    found = {}
    for seed in SEEDS:
        X, y, few = imbalanced(seed, draw)
        hidden = few == -1
        priors = dict(zip(PRIORS, (None, "labeled", np.bincount(y) / len(y)), strict=True))
        for weight in WEIGHTS:
            for name in PRIORS:
                model = WNLLClassifier(label_weight=weight, class_prior=priors[name]).fit(X, few)
                truth, labels = y[hidden], model.transduction_[hidden]
                both = np.mean(truth == labels), balanced_accuracy_score(truth, labels)
                found.setdefault((weight, name), []).append(100 * np.array(both))
    return {key: np.array(values) for key, values in found.items()}


warnings.simplefilter("ignore", FewLabelsWarning)
found = {draw: measure(draw) for draw in ("per class", "at random")}
print(f"{len(SEEDS)} draws: accuracy, balanced accuracy; mean ± standard deviation, %\n")
for draw, results in found.items():
    print(f"Labels drawn {draw}")
    for weight in WEIGHTS:
        for name in PRIORS:
            means, spreads = results[weight, name].mean(axis=0), results[weight, name].std(axis=0)
            both = "".join(
                f"{mean:9.1f} ± {spread:.1f}" for mean, spread in zip(means, spreads, strict=True)
            )
            print(f"  {weight:8s} class_prior={name:11s}{both}")

# %%
# Accuracy with each prior
# ------------------------
# Left, the labels say nothing about the frequencies, and ``class_prior="labeled"`` harms. Right,
# the labels are a fair sample, but too small a one to gain by. Bars are one standard deviation.

titles = {"per class": "three labels per class", "at random": "labels drawn at random"}
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, (draw, results) in zip(axes, found.items(), strict=True):
    for i, (name, color) in enumerate(zip(PRIORS, ("C0", "skyblue", "navy"), strict=True)):
        values = np.array([results[weight, name][:, 0] for weight in WEIGHTS])
        ax.bar(
            np.arange(len(WEIGHTS)) + 0.27 * (i - 1),
            values.mean(axis=1),
            0.25,
            yerr=values.std(axis=1),
            capsize=3,
            color=color,
            label=f"class_prior: {name}",
        )
    ax.set_xticks(range(len(WEIGHTS)), WEIGHTS)
    ax.set(xlabel="label_weight", title=titles[draw], ylim=(70, 100))
    ax.grid(alpha=0.3, axis="y")
axes[0].set_ylabel("accuracy on the hidden labels (%)")
handles, names = axes[0].get_legend_handles_labels()
figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
plt.show()
