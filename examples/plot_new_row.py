"""
=======================================
One new row, transductive and inductive
=======================================

Four labelled points of each moon are fitted, and a new point is predicted (the star). *Inductive*:
it gets the weighted mean of its nearest fitted points, most of which lie on the other moon.
*Transductive*: it joins the graph. If it comes alone, little changes. If it comes with the other
new points, the labels travel along the moon to the star.

You learn what a prediction in each ``predict_mode`` depends on.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.neighbors import kneighbors_graph

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.plotting import TransductionDisplay

# %%
# Eight fitted points
# -------------------
# The other 192 points are new to the model.

X, truth = make_moons(200, noise=0.06, random_state=5)
rng = np.random.default_rng(5)
fitted = [rng.choice(np.flatnonzero(truth == moon), 4, replace=False) for moon in (0, 1)]
fitted = np.concatenate(fitted)
new = np.setdiff1d(np.arange(len(X)), fitted)
model = WNLLClassifier(n_neighbors=7).fit(X[fitted], truth[fitted])

# %%
# Predict inductively, alone, and together
# ----------------------------------------
# ``predict_mode`` can be changed after fitting. The star is the new point that the inductive
# prediction gets wrong by most.

inductive = model.set_params(predict_mode="inductive").predict_proba(X[new])
star = new[np.argmin(inductive[np.arange(len(new)), truth[new]])]
together = model.set_params(predict_mode="transductive").predict_proba(X[new])
alone = model.predict_proba(X[[star]])
for mode, found in {"inductive": inductive, "transductive": together}.items():
    right = 100 * np.mean(found.argmax(axis=1) == truth[new])
    print(f"192 new points, {mode:12s} {right:.0f} % right")

# %%
# What the star sees
# ------------------
# Large points are fitted; the lines are the edges along which labels reach the star. Its true class
# is that of the moon on which it lies.


def draw_edges(ax, rows, to):
    """Draw the edges from each of some points to its 7 nearest others."""
    edges = kneighbors_graph(X[rows], 7)[to].nonzero()
    for i, j in zip(np.asarray(to)[edges[0]], edges[1], strict=True):
        ax.plot(*X[rows[[i, j]]].T, color="0.6", linewidth=0.8, zorder=1)


where = np.searchsorted(new, star)
only = np.append(fitted, star)  # the graph if the star comes alone
every = np.append(fitted, new)  # the graph if all new points come
panels = {
    "inductive": (only, [len(fitted)], inductive[[where]]),
    "transductive, alone": (only, list(range(len(only))), alone),
    "transductive, with 191 others": (every, list(range(len(every))), together),
}
figure, axes = plt.subplots(1, 3, figsize=(10, 2.5), layout="constrained")
for ax, (title, (rows, to, found)) in zip(axes, panels.items(), strict=True):
    ax.scatter(*X[new].T, s=6, color="0.85", zorder=0)
    draw_edges(ax, rows, to)
    shown = np.vstack([np.eye(2)[truth[fitted]], found])
    marked = np.append(truth[fitted], np.full(len(found), -1))
    TransductionDisplay.from_predictions(
        X[rows], shown, y=marked, ax=ax, legend=False, size=14, min_alpha=0.3
    )
    p = found[where if len(found) > 1 else 0]
    color = ("#0072B2", "#D55E00")[p.argmax()]
    ax.scatter(*X[star], marker="*", s=260, color=color, edgecolors="black", zorder=5)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    verdict = "right" if p.argmax() == truth[star] else "wrong"
    ax.set_title(f"{title}\n{verdict}: {100 * p[truth[star]]:.0f} % for the true class")
plt.show()
