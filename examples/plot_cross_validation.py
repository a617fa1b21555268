"""
======================================
Cross-validation with few labels
======================================

Digits with 10 labels per class, and the marker -1 on all other rows. scikit-learn's splitters and
scorers take the marker for a class. So with plain folds, a model that predicts digits is wrong on
every unlabelled row of the test part, and a model that predicts the marker is right. Besides, a
fifth of the unlabelled rows is missing from each training part.
:class:`~sklearn_wnll.model_selection.LabeledFold` tests on labelled rows alone, and keeps every
unlabelled row in every training part.

You learn which scores are near the truth, the accuracy of ``predict`` on the rows whose labels were
hidden.

Half a minute on one core.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.model_selection import LabeledFold

SEEDS = range(10)

# LabelSpreading divides by zero where no label reaches a row.
warnings.filterwarnings("ignore", "invalid value encountered in divide", RuntimeWarning)

# %%
# Three models
# ------------
# Two learn from unlabelled rows. The third does not know about them, and learns the marker as an
# eleventh class.

MODELS = {
    "WNLLClassifier": WNLLClassifier(),
    "LabelSpreading": LabelSpreading(kernel="knn", n_neighbors=15, max_iter=100),
    "KNeighborsClassifier": KNeighborsClassifier(1),
}

# %%
# Four ways to score
# ------------------
# ``scoring=None`` asks the model's own ``score``. That of ``WNLLClassifier`` leaves unlabelled
# rows out; that of scikit-learn's classifiers is the accuracy on all rows.


def ways(seed):
    """Splitter and scorer of each way."""
    folds = {"n_splits": 5, "shuffle": True, "random_state": seed}
    return {
        "KFold, accuracy": (KFold(**folds), "accuracy"),
        "StratifiedKFold, accuracy": (StratifiedKFold(**folds), "accuracy"),
        "KFold, model.score": (KFold(**folds), None),
        "LabeledFold, accuracy": (LabeledFold(StratifiedKFold(**folds)), "accuracy"),
    }


def compare(model):
    """Score of each way and the truth, in percent, for each draw of the labels."""
    X, y = load_digits(return_X_y=True)
    found = {}
    for seed in SEEDS:
        few = hide_labels(y, 10, random_state=seed)
        for name, (cv, scoring) in ways(seed).items():
            score = cross_val_score(model, X, few, cv=cv, scoring=scoring).mean()
            found.setdefault(name, []).append(100 * score)
        model.fit(X, few)
        right = model.predict(X) == y
        found.setdefault("truth", []).append(100 * right[few == -1].mean())
    return found


# %%
# The scores
# ----------

found = {name: compare(model) for name, model in MODELS.items()}
names = list(found["WNLLClassifier"])
print(f"{len(SEEDS)} draws of the labels: mean ± standard deviation, %\n")
print(f"{'':26s}" + "".join(f"{model:>22s}" for model in MODELS))
for name in names:
    values = [found[model][name] for model in MODELS]
    print(f"{name:26s}" + "".join(f"{np.mean(v):15.1f} ± {np.std(v):4.1f}" for v in values))

# %%
# With plain folds, the accuracy of a model that knows digits is at most the part of labelled rows,
# 5.6 % here, and the model that predicts the marker looks best. ``LabeledFold`` is near the truth
# for all three. It trains with four fifths of the labels and tests on 20 rows in each fold. So its
# scores spread more than the truth, and cannot separate models that differ by a point.
#
# LabelSpreading is judged by ``predict``, which is better here than its ``transduction_``.

figure, ax = plt.subplots(figsize=(8.5, 4), layout="constrained")
colors = ("0.55", "0.7", "0.85", "C0", "black")
for i, (name, color) in enumerate(zip(names, colors, strict=True)):
    values = [found[model][name] for model in MODELS]
    ax.bar(
        np.arange(len(MODELS)) + 0.16 * (i - 2),
        np.mean(values, axis=1),
        0.15,
        yerr=np.std(values, axis=1),
        capsize=2,
        color=color,
        label=name,
    )
ax.set_xticks(range(len(MODELS)), MODELS)
ax.set(
    ylabel="score (%)",
    ylim=(0, 119),
    title="Of the four ways to score, LabeledFold is near the truth",
)
ax.legend(ncols=3, loc="upper center", frameon=False)
ax.grid(alpha=0.3, axis="y")
plt.show()
