"""
===========
At a glance
===========

One label each is enough for two moons, if the shape of the unlabelled points is used: left, the
weighted nonlocal Laplacian (WNLL), with the edges along which it spreads the labels; middle, the
nearest labelled point. Right, digits of which 1 to 20 per class are labelled, five draws each.
"""

import warnings

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, make_moons
from sklearn.neighbors import KNeighborsClassifier

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import FewLabelsWarning
from sklearn_wnll.plotting import LabelBudgetDisplay, TransductionDisplay

warnings.simplefilter("ignore", FewLabelsWarning)  # few labels are what this is about

# %%
# Two moons
# ---------
# Points are faded where the class is uncertain; the labelled ones are large. The draw of labels is
# an ordinary one: the mean of 20 is 99 % for the WNLL, and 74 % for the nearest labelled point.

X, y = make_moons(300, noise=0.06, random_state=0)
few = hide_labels(y, 1, random_state=2)
wnll = WNLLClassifier().fit(X, few)
labeled = few != -1
nearest = KNeighborsClassifier(1).fit(X[labeled], few[labeled])
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.5, 3.7), layout="constrained")
TransductionDisplay.from_estimator(wnll, X, few, edges=True, ax=left, legend=False)
TransductionDisplay.from_predictions(X, nearest.predict_proba(X), y=few, ax=middle, legend=False)
for ax, name, found in (
    (left, "WNLL", wnll.transduction_),
    (middle, "nearest labelled point", nearest.predict(X)),
):
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    ax.set_title(f"{name}: {100 * (found == y)[~labeled].mean():.0f} % right")

# %%
# Digits
# ------

X, y = load_digits(return_X_y=True)
display = LabelBudgetDisplay.from_estimators(
    {"WNLL": WNLLClassifier(), "nearest labelled row": KNeighborsClassifier(1)},
    X,
    y,
    labels_per_class=(1, 2, 5, 10, 20),
    supervised=["nearest labelled row"],
    random_state=0,
    ax=right,
)
right.set_title(f"{len(y):,} digits, accuracy on hidden labels")
right.set_ylabel("")
for name, scores in display.scores.items():
    print(f"{name:20s}", ", ".join(f"{100 * mean:.1f}" for mean in scores.mean(axis=1)), "%")

figure.savefig("at_a_glance.png", dpi=110)
print("Saved the picture as at_a_glance.png")
