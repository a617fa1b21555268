"""
==============================
How few labels are enough?
==============================

Digits of which 1 to 20 per class are labelled: the weighted nonlocal Laplacian (WNLL) and the graph
Laplacian, beside what scikit-learn offers for the same job. Every method sees the same rows and the
same labels, drawn anew five times; the accuracy is that on the rows whose labels were hidden.

You learn how much the unlabelled rows help, and with how few labels.

Some 10 seconds on one core.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import FewLabelsWarning

WITH_SELF_TRAINING = False  # True takes minutes more
LABELS_PER_CLASS = (1, 2, 5, 10, 20)

# %%
# The methods
# -----------
# All that learn from the unlabelled rows take them marked with -1 in ``y``. The nearest neighbour
# sees only the labelled rows.

warnings.simplefilter("ignore", FewLabelsWarning)  # few labels are what this is about
X, y = load_digits(return_X_y=True)
X = X / 16


def spread(few):
    """Labels of all rows by LabelSpreading; better than its ``transduction_`` here."""
    with np.errstate(invalid="ignore"):  # where no label reaches a row, it divides by 0
        return LabelSpreading(kernel="knn", n_neighbors=15, max_iter=100).fit(X, few).predict(X)


def self_train(few):
    """Labels of all rows by a logistic regression that labels what it is sure of."""
    model = SelfTrainingClassifier(LogisticRegression(max_iter=1000), threshold=0.9)
    return model.fit(X, few).predict(X)


def nearest(few):
    """Labels of all rows by their nearest labelled row."""
    labeled = few != -1
    return KNeighborsClassifier(1).fit(X[labeled], few[labeled]).predict(X)


wnll = WNLLClassifier(random_state=0)
laplace = WNLLClassifier(label_weight="laplace", random_state=0)
METHODS = {
    "WNLL": lambda few: wnll.fit(X, few).transduction_,
    "Graph Laplacian": lambda few: laplace.fit(X, few).transduction_,
    "LabelSpreading (knn)": spread,
    "1-nearest neighbour": nearest,
}
if WITH_SELF_TRAINING:
    METHODS["Self-training"] = self_train

# %%
# The experiment
# --------------

accuracy = {}
print(f"{len(y):,} rows, 5 draws: accuracy in % (mean ± standard deviation)\n")
print(f"{'labels per class':24s}" + "".join(f"{n:>14d}" for n in LABELS_PER_CLASS))
for name, method in METHODS.items():
    accuracy[name] = np.zeros((len(LABELS_PER_CLASS), 5))
    for i, j in np.ndindex(accuracy[name].shape):
        few = hide_labels(y, LABELS_PER_CLASS[i], random_state=j)
        accuracy[name][i, j] = 100 * np.mean((method(few) == y)[few == -1])
    spans = zip(accuracy[name].mean(axis=1), accuracy[name].std(axis=1), strict=True)
    print(f"{name:24s}" + "".join(f"{mean:8.1f} ± {sd:3.1f}" for mean, sd in spans))

# %%
# Accuracy against the number of labels
# -------------------------------------
# Bars are one standard deviation. One label per class is enough for most digits once the shape of
# the unlabelled rows is used.

STYLES = ("C0o-", "C1s-", "C2^-", "C5D-", "C4v-")
figure, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for (name, values), style in zip(accuracy.items(), STYLES, strict=False):
    means, spreads = values.mean(axis=1), values.std(axis=1)
    ax.errorbar(LABELS_PER_CLASS, means, spreads, fmt=style, capsize=3, label=name)
ax.set(xscale="log", xlabel="labels per class", ylabel="accuracy on the hidden labels (%)")
ax.set_xticks(LABELS_PER_CLASS, map(str, LABELS_PER_CLASS))
ax.minorticks_off()
ax.set_title("1,797 digits: with few labels, the unlabelled rows count")
ax.legend(loc="lower right")
ax.grid(alpha=0.3)
plt.show()
