"""
==========================
How many neighbours
==========================

Two moons with two labels each. ``n_neighbors`` sets how many neighbours each point is joined to.
With 3, the graph falls into pieces, and no label reaches some of them. With 15, the default, the
edges follow the moons. With 60, edges run from one moon to the other, and the labels with them.

You learn what too few and too many neighbours look like.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import UnreachedPointsWarning
from sklearn_wnll.plotting import TransductionDisplay

# %%
# Three graphs
# ------------
# Points that no label reaches get the class frequencies of the labels; ``reached_`` is False
# there, and ``fit`` issues an ``UnreachedPointsWarning``, which we expect here.

warnings.simplefilter("ignore", UnreachedPointsWarning)
X, truth = make_moons(300, noise=0.05, random_state=0)
y = hide_labels(truth, 2, random_state=0)
models = {k: WNLLClassifier(n_neighbors=k).fit(X, y) for k in (3, 15, 60)}

# %%
# Edges, certainty, and unreached points
# --------------------------------------
# Points are paler where the model is less certain. Labelled points have a black rim, and unreached
# points a black cross.

n_unreached = np.sum(~models[3].reached_)
seen = {3: f"{n_unreached} points unreached", 15: "edges follow the moons", 60: "edges cut across"}
figure, axes = plt.subplots(1, 3, figsize=(10, 2.5), layout="constrained")
for ax, (k, model) in zip(axes, models.items(), strict=True):
    TransductionDisplay.from_estimator(
        model, X, y, edges=True, ax=ax, legend=False, size=14, min_alpha=0.3
    )
    unreached = X[~model.reached_]
    ax.scatter(*unreached.T, marker="x", color="black", s=25, linewidths=1.2, zorder=4)
    right = 100 * np.mean((model.transduction_ == truth)[y == -1])
    ax.set_title(f"n_neighbors={k}: {right:.0f} % right\n{seen[k]}")
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
plt.show()
