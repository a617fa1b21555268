"""
===============================
Spikes of the graph Laplacian
===============================

Points in a square, of which four are labelled: one on the left is of class 0, three on the right
are of class 1. The height of a point is the probability of class 1 that the model finds for it.
With the graph Laplacian, nearly all points have the same height, and only the labelled points
stick out as spikes; so every point gets the class that has more labels. The weighted nonlocal
Laplacian (WNLL) gives labelled points more weight, and the surface slopes from one class to the
other.

You learn why ``label_weight`` matters if labels are few.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.exceptions import CollapsedClassesWarning

# %%
# Four labels
# -----------
# The true class is 1 on the right half of the square. All but four points have the marker -1.

rng = np.random.default_rng(0)
X = rng.random((3000, 2))
truth = (X[:, 0] > 0.5).astype(int)
places = [(0.2, 0.5), (0.8, 0.2), (0.8, 0.5), (0.8, 0.8)]
labeled = [np.argmin(np.linalg.norm(X - place, axis=1)) for place in places]
y = np.full(len(X), -1)
y[labeled] = truth[labeled]

# %%
# Two weights
# -----------
# ``label_weight="laplace"`` weighs all points equally. ``"wnll"`` weighs each labelled point as
# much as the number of points divided by the number of labels, 750 here. The Laplacian's result
# raises a ``CollapsedClassesWarning``: one class has swallowed the other.

warnings.simplefilter("ignore", CollapsedClassesWarning)
heights, right = {}, {}
for weight in ("laplace", "wnll"):
    model = WNLLClassifier(label_weight=weight, n_neighbors=50).fit(X, y)
    heights[weight] = model.label_distributions_[:, 1]
    right[weight] = 100 * np.mean((model.transduction_ == truth)[y == -1])
    low, high = np.quantile(heights[weight], [0.05, 0.95])
    print(f"{weight:8s} heights of 90 % of the points: {low:.2f} to {high:.2f}")

# %%
# The heights
# -----------
# Black points are labelled. Red is predicted to be of class 1, blue to be of class 0. Left, a sheet
# with four spikes, above one half nearly everywhere. Right, a slope through the labels.

figure, axes = plt.subplots(
    1, 2, figsize=(9, 4.3), subplot_kw={"projection": "3d"}, layout="constrained"
)
titles = {"laplace": "Graph Laplacian: spikes", "wnll": "WNLL: a slope"}
for ax, (weight, height) in zip(axes, heights.items(), strict=True):
    ax.plot_trisurf(*X.T, height, cmap="coolwarm", vmin=0, vmax=1, linewidth=0, antialiased=False)
    ax.scatter(*X[labeled].T, height[labeled], color="black", s=30, depthshade=False)
    ax.set(zlim=(0, 1), xticks=[], yticks=[], zticks=[0, 0.5, 1])
    ax.set_title(f"{titles[weight]}, {right[weight]:.0f} % right", y=1)
    ax.view_init(elev=18, azim=-75)
    ax.set_box_aspect((1.2, 1, 0.9), zoom=1.05)
figure.supylabel("probability of class 1")
plt.show()
