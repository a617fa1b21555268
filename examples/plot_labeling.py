"""
===================
A labelling session
===================

Two moons without any label. Each round asks for two rows with
:meth:`~sklearn_wnll.WNLLClassifier.suggest_labels`, draws two more at random, and passes the labels
to :meth:`~sklearn_wnll.WNLLClassifier.relabel`, which keeps the graph. A
:class:`~sklearn_wnll.plotting.LabelingDisplay` shows when further labels give little.

You learn how to run a session, and when to stop.

Some seconds on one core.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.exceptions import FewLabelsWarning, SingleLabelWarning
from sklearn_wnll.plotting import LabelingDisplay

# %%
# The loop
# --------
# ``calibrate=True`` holds labels out in each round: for the score, and to find how certain the
# model may be. Suggested rows are no fair sample, so the score is that of rows drawn at random.
# A person would look at the rows; here they take their label from ``truth``.

for warning in (FewLabelsWarning, SingleLabelWarning):  # there are few labels at first
    warnings.simplefilter("ignore", warning)
X, truth = make_moons(1000, noise=0.18, random_state=0)
y = np.full(len(X), -1)
model = WNLLClassifier(calibrate=True, random_state=0).fit(X, y)
display = LabelingDisplay(embedding=X, axis_names=("feature 0", "feature 1"))
rng, drawn = np.random.default_rng(0), []
suggested = model.suggest_labels(2)
for _ in range(15):
    y[suggested] = truth[suggested]
    drawn.extend(rng.choice(np.flatnonzero(y == -1), 2, replace=False))
    y[drawn] = truth[drawn]
    model.relabel(y)
    suggested = model.suggest_labels(2)
    display.add(model, y, next_rows=suggested, scored_rows=drawn)

# %%
# What the display shows
# ----------------------
# Above, the score on held-out labels, with its standard error. Below, how many rows the next label
# is expected to settle. Under the dotted line, it settles less than one row: stop there, or where
# the score is what you need. Stars are the rows to label next.

display.plot()
right = 100 * np.mean(model.transduction_ == truth)
display.figure_.suptitle(f"{np.sum(y != -1)} labels: {right:.1f} % of the rows right")
plt.show()
