"""
==================
What to label next
==================

You have rows and no labels, and someone who can label a few rows at a time. Three ways to choose
the rows, on the digits: those that :meth:`~sklearn_wnll.WNLLClassifier.suggest_labels` names, the
rows of which the model is least certain, and rows at random.

You learn that suggested rows save labels, and that the least certain rows are a poor choice as
long as labels are few.

Some 30 seconds on one core.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.exceptions import FewLabelsWarning, SingleLabelWarning

for warning in (FewLabelsWarning, SingleLabelWarning):  # there are few labels at first
    warnings.simplefilter("ignore", warning)

# %%
# Three ways to choose
# --------------------
# Each round labels five more rows. :meth:`~sklearn_wnll.WNLLClassifier.relabel` takes the labels;
# the graph stays.

X, truth = load_digits(return_X_y=True)
model = WNLLClassifier(random_state=0).fit(X, np.full(len(X), -1))


METHODS = {
    "suggest_labels": lambda y, rng: model.suggest_labels(5),
    "least certain": lambda y, rng: np.argsort(np.where(y == -1, model.certainty(X), 2))[:5],
    "at random": lambda y, rng: rng.choice(np.flatnonzero(y == -1), 5, replace=False),
}


def run_rounds(choose, seed):
    """Label up to 100 rows, the first five at random; the accuracy on the others in each round."""
    rng, y, scores = np.random.default_rng(seed), np.full(len(X), -1), []
    rows = METHODS["at random"](y, rng)
    while len(scores) < 20:
        y[rows] = truth[rows]  # here a person would look at the rows
        model.relabel(y)
        scores.append(100 * np.mean((model.transduction_ == truth)[y == -1]))
        rows = choose(y, rng)
    return scores


n_labels = np.arange(5, 101, 5)
found = {name: [run_rounds(choose, s) for s in range(5)] for name, choose in METHODS.items()}
print("labels        " + "".join(f"{n:>14d}" for n in n_labels[[1, 3, 9, 19]]))
for name, scores in found.items():
    spans = zip(np.mean(scores, axis=0), np.std(scores, axis=0), strict=True)
    spans = [f"{mean:5.1f} ± {spread:4.1f}" for mean, spread in spans]
    print(f"{name:14s}" + "".join(f"{spans[i]:>14s}" for i in (1, 3, 9, 19)))

# %%
# Accuracy against the number of labels
# -------------------------------------
# Means of five random starts, and bands of one standard deviation.

figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
for (name, scores), color in zip(found.items(), ("C0", "black", "C7"), strict=True):
    mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0)
    ax.plot(n_labels, mean, "o-", color=color, markersize=4, label=name)
    ax.fill_between(n_labels, mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0)
ax.set(xlabel="labelled rows", ylabel="accuracy on the others (%)", ylim=(None, 100))
ax.set_title("1,797 digits, five more labels in each round")
ax.legend(title="next rows", loc="lower right")
ax.grid(alpha=0.3)
plt.show()

# %%
# The first ten rows
# ------------------
# Without any label, the model asks for rows in the middle of the graph's regions. On a map of the
# digits by t-SNE, each of the ten lies in another cloud, and each digit is among them.

y = np.full(len(X), -1)
first = model.relabel(y).suggest_labels(10)
print("The first ten rows are the digits", np.sort(truth[first]))
places = TSNE(random_state=0, init="pca").fit_transform(X)
figure, ax = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
ax.scatter(*places.T, c=truth, cmap="tab10", s=5, alpha=0.35, linewidths=0)
for row in first:
    ax.text(
        *places[row], truth[row], ha="center", va="center", fontweight="bold",
        bbox={"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": "black"},
    )  # fmt: skip
ax.set(xticks=[], yticks=[], title="The first ten rows to label, chosen without any label")
plt.show()
