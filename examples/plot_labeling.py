"""
===================
A labelling session
===================

Two moons without any label. Each round asks for two rows with
:meth:`~sklearn_wnll.WNLLClassifier.suggest_labels`, draws two more at random, and passes the labels
to :meth:`~sklearn_wnll.WNLLClassifier.relabel`, which keeps the graph. A
:class:`~sklearn_wnll.plotting.LabelingDisplay` shows when further labels give little.

Some seconds on one core.
"""

import argparse
import warnings

import matplotlib

matplotlib.use("Agg")
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
# A person would look at the rows; here they take their label from ``y``.


def run_session(n_rounds):
    """Label four rows a round; the display, and the share of rows that are right."""
    X, y = make_moons(1000, noise=0.18, random_state=0)
    few = np.full(len(y), -1)
    model = WNLLClassifier(calibrate=True, random_state=0).fit(X, few)
    display = LabelingDisplay(embedding=X, axis_names=("feature 0", "feature 1"))
    rng, drawn = np.random.default_rng(0), []
    suggested = model.suggest_labels(2)
    for _ in range(n_rounds):
        few[suggested] = y[suggested]
        drawn.extend(rng.choice(np.flatnonzero(few == -1), 2, replace=False))
        few[drawn] = y[drawn]
        model.relabel(few)
        suggested = model.suggest_labels(2)
        display.add(model, few, next_rows=suggested, scored_rows=drawn)
    return display, np.mean(model.transduction_ == y)


# %%
# What the display shows
# ----------------------
# Above, the score on held-out labels, with its standard error. Below, how many rows the next label
# is expected to settle. Under the dotted line, it settles less than one row: stop there, or where
# the score is what you need. Stars are the rows to label next.


def main():
    """Label, and draw the session."""
    parser = argparse.ArgumentParser(description="A labelling session.")
    parser.add_argument("--output", default="labeling.png", help="picture")
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewLabelsWarning)  # there are few at first
    warnings.simplefilter("ignore", SingleLabelWarning)
    display, right = run_session(n_rounds=15)
    display.plot()
    last = display.history[-1]
    display.figure_.suptitle(f"{last['n_labels']} labels: {100 * right:.1f} % of the rows right")
    display.figure_.savefig(args.output, dpi=120)
    print(f"Saved the picture as {args.output}")


if __name__ == "__main__":
    main()
