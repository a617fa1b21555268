"""
===================================================
One label per class, with and without class sizes
===================================================

One label per class says what the classes are, but not where they end. Class sizes help there: each
digit makes up about a tenth of the images. ``class_prior`` corrects the distributions towards these
sizes, and ``volume_constraint=True`` goes on until the classes have them.

You learn how much known class sizes gain if labels are very few.

Some 15 seconds on one core.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsTransformer

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import FewLabelsWarning

DRAWS = range(10)
LABELS_PER_CLASS = (1, 2, 5)
COLORS = ("C0", "skyblue", "navy")

# %%
# The data
# --------
# The neighbours are searched once for all fits: with ``metric="precomputed"``, the model takes
# their distances.

X, y = load_digits(return_X_y=True)
distances = KNeighborsTransformer(mode="distance", n_neighbors=15).fit_transform(X)
sizes = np.bincount(y) / len(y)
METHODS = {
    "no sizes": WNLLClassifier(metric="precomputed"),
    "class_prior": WNLLClassifier(metric="precomputed", class_prior=sizes),
    "class_prior and volume_constraint": WNLLClassifier(
        metric="precomputed", class_prior=sizes, volume_constraint=True
    ),
}

# %%
# Accuracy with and without sizes
# -------------------------------
# Every method sees the same labels, drawn anew each time.

warnings.simplefilter("ignore", FewLabelsWarning)  # few labels are what this is about
accuracy = {name: np.zeros((len(LABELS_PER_CLASS), len(DRAWS))) for name in METHODS}
first_labels = {name: [] for name in METHODS}  # with one label per class
print(f"{len(DRAWS)} draws: accuracy on the hidden labels in % (mean ± standard deviation)\n")
print(f"{'labels per class':36s}" + "".join(f"{n:>14d}" for n in LABELS_PER_CLASS))
for name, model in METHODS.items():
    for i, n_per_class in enumerate(LABELS_PER_CLASS):
        for draw in DRAWS:
            few = hide_labels(y, n_per_class, random_state=draw)
            labels = model.fit(distances, few).transduction_
            accuracy[name][i, draw] = 100 * np.mean((labels == y)[few == -1])
            if i == 0:
                first_labels[name].append(labels)
    spans = zip(accuracy[name].mean(axis=1), accuracy[name].std(axis=1), strict=True)
    print(f"{name:36s}" + "".join(f"{mean:8.1f} ± {spread:3.1f}" for mean, spread in spans))

# %%
# The picture
# -----------
# Left, each thin line is one draw of one label per class, and the black line is their mean. Right,
# the draw that gains most: without sizes, one digit takes images of another.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
both = np.array([accuracy[name][0] for name in METHODS])
left.plot(range(len(METHODS)), both, color="#AAAAAA", lw=1, marker="o", ms=3)
left.errorbar(
    range(len(METHODS)), both.mean(axis=1), both.std(axis=1), color="black", lw=2, capsize=4
)
left.set_xticks(range(len(METHODS)), [name.replace(" and ", "\nand ") for name in METHODS])
left.margins(x=0.15)
left.set(ylabel="accuracy on the hidden labels (%)", title="one label per class, 10 draws")

best = int(np.argmax(both[-1] - both[0]))
for i, (name, color) in enumerate(zip(METHODS, COLORS, strict=True)):
    counts = np.bincount(first_labels[name][best], minlength=10)
    right.bar(np.arange(10) + 0.27 * (i - 1), counts, 0.25, color=color, label=name)
right.hlines(np.bincount(y), np.arange(10) - 0.42, np.arange(10) + 0.42, "black", label="truth")
right.set_xticks(range(10))
right.set(xlabel="digit", ylabel="images", title="predicted class sizes, one draw")
for ax in (left, right):
    ax.grid(alpha=0.3, axis="y")
handles, names = right.get_legend_handles_labels()
figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
plt.show()
