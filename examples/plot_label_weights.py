"""
==================
Which label weight
==================

Accuracy on the digits against the number of labels, with every ``label_weight`` of
:class:`~sklearn_wnll.WNLLClassifier`: left with equally many labels of each class, right with
labels drawn at random, of which some classes get more than others. The default, ``"auto"``, is the
best or level with the best throughout.

You learn when the weight matters: if labels are few, and unequal.

Some 40 seconds on one core.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsTransformer

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import CollapsedClassesWarning, FewLabelsWarning

# %%
# The data
# --------
# The neighbours are the same for all fits, so we search them once: with ``metric="precomputed"``,
# the model takes their distances.

X, y = load_digits(return_X_y=True)
distances = KNeighborsTransformer(mode="distance", n_neighbors=15).fit_transform(X)
for warning in (FewLabelsWarning, CollapsedClassesWarning):  # few labels are the point here
    warnings.simplefilter("ignore", warning)


def draw_at_random(y, n_per_class, random_state):
    """Keep the labels of ten times as many rows, whatever their classes."""
    rng = np.random.default_rng(random_state)
    rows = rng.choice(len(y), 10 * n_per_class, replace=False)
    few = np.full(len(y), -1)
    few[rows] = y[rows]
    return few


panels = {
    "equally many of each class": (hide_labels, (1, 2, 3, 5, 10, 20)),
    "drawn at random": (draw_at_random, (2, 3, 5, 10, 20)),
}

# %%
# Four weights
# ------------
# Every weight sees the same labels, drawn anew five times. Accuracy is that on the hidden labels.

accuracy = {}
for panel, (draw, numbers) in panels.items():
    print(f"{panel}\nlabels per class" + "".join(f"{n:>14d}" for n in numbers))
    for weight in ("auto", "wnll", "laplace", "poisson"):
        model = WNLLClassifier(label_weight=weight, metric="precomputed")
        scores = np.zeros((len(numbers), 5))
        for i, j in np.ndindex(scores.shape):
            few = draw(y, numbers[i], random_state=j)
            scores[i, j] = 100 * np.mean((model.fit(distances, few).transduction_ == y)[few == -1])
        accuracy[panel, weight] = scores
        spans = zip(scores.mean(axis=1), scores.std(axis=1), strict=True)
        print(f"{weight:16s}" + "".join(f"{mean:8.1f} ± {spread:3.1f}" for mean, spread in spans))

# %%
# Accuracy against the number of labels
# -------------------------------------
# Points are means over the draws, and bars one standard deviation.

styles = {"auto": "C0o-", "wnll": "C8s-", "laplace": "C1^-", "poisson": "C6D-"}
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4), sharey=True, layout="constrained")
for ax, (panel, (_, numbers)) in zip(axes, panels.items(), strict=True):
    for i, (weight, style) in enumerate(styles.items()):
        shifted = np.array(numbers) * 1.03 ** (i - 1.5)  # bars side by side
        means, spreads = accuracy[panel, weight].mean(axis=1), accuracy[panel, weight].std(axis=1)
        name = f'"{weight}"' + " (default)" * (weight == "auto")
        ax.errorbar(shifted, means, spreads, fmt=style, label=name, capsize=3, zorder=4 - i)
    ax.set(xscale="log", title=f"labels {panel}", xlabel="labels per class")
    ax.set_xticks(numbers, map(str, numbers))
    ax.minorticks_off()
    ax.grid(alpha=0.3)
axes[0].set_ylabel("accuracy on hidden labels (%)")
axes[1].set_xlabel("labels per class on average")
axes[1].legend(title="label_weight", loc="lower right")
plt.show()
