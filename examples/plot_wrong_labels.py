"""
==========================
Labels, some of them wrong
==========================

Digits, 20 labels per class, of which a part is wrong: another class, drawn at random. By default,
every label is kept, and a wrong one misleads its surroundings. ``label_noise="auto"`` finds the
part of wrong labels, and how far to trust each label. Beside them are the graph Laplacian, which
gives labels no extra weight, and scikit-learn's LabelSpreading with ``alpha=0.8``, which lets the
neighbours outvote a label.

You learn what ``label_noise`` gains, and how ``suspect_labels`` finds the labels that a person
should look at again.

Half a minute on one core.
"""

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
STYLES = (("C0", "o-"), ("navy", "D--"), ("C1", "s-"), ("C2", "^-"))

# %%
# Accuracy with wrong labels
# --------------------------
# Accuracy is that on the rows without a label.

X, y = load_digits(return_X_y=True)
found = {}
print(f"{len(SEEDS)} draws: accuracy in % (mean ± standard deviation)\n")
print(f"{'part of wrong labels':32s}" + "".join(f"{rate:>14.0%}" for rate in RATES))
for name, method in METHODS.items():
    found[name] = np.zeros((len(RATES), len(SEEDS)))
    for i, j in np.ndindex(found[name].shape):
        few = mislabel(hide_labels(y, 20, random_state=SEEDS[j]), RATES[i], SEEDS[j])
        found[name][i, j] = 100 * np.mean((method(X, few) == y)[few == -1])
    spans = zip(found[name].mean(axis=1), found[name].std(axis=1), strict=True)
    print(f"{name:32s}" + "".join(f"{mean:8.1f} ± {spread:3.1f}" for mean, spread in spans))

figure, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
offsets = 0.4 * np.arange(-1.5, 2)  # lines side by side, so that their spreads can be read
for (name, values), (color, style), offset in zip(found.items(), STYLES, offsets, strict=True):
    means, spreads = values.mean(axis=1), values.std(axis=1)
    places = 100 * np.array(RATES) + offset
    ax.errorbar(places, means, spreads, fmt=style, color=color, capsize=3, label=name)
ax.set(xlabel="wrong labels (%)", ylabel="accuracy on the hidden labels (%)")
ax.set_title("With 40 % wrong labels, the WNLL loses 3 points, LabelSpreading 8")
ax.grid(alpha=0.3)
ax.legend(loc="lower left", frameon=False, handlelength=4)
plt.show()

# %%
# The first suspects
# ------------------
# A fifth of the labels are wrong. ``suspect_labels`` returns the rows whose label the other labels
# contradict most, and proposes another.

few = mislabel(hide_labels(y, 20, random_state=0), 0.2, 0)
model = WNLLClassifier(random_state=0).fit(X, few)
rows, proposals, _ = model.suspect_labels(N_SUSPECTS, return_proposals=True)
print(f"Of the first {len(rows)} suspects, {np.sum(few[rows] != y[rows])} have a wrong label")
figure, axes = plt.subplots(1, N_SUSPECTS, figsize=(10, 1.7), layout="constrained")
for ax, row, proposal in zip(axes, rows, proposals, strict=True):
    ax.imshow(X[row].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"label {few[row]},\nproposed {proposal}", fontsize="medium")
    ax.set(xticks=[], yticks=[])
plt.show()
