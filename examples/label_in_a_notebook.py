"""
===================
Label in a notebook
===================

A row is shown with a button for each class. A click labels it, extends all labels again, and shows
the progress and the next row. Save this script beside your notebook, and run in a cell:

.. code-block:: python

    from label_in_a_notebook import Labeler, draw_digit
    from sklearn.datasets import load_digits

    X, _ = load_digits(return_X_y=True)
    labeler = Labeler(X, range(10), draw_digit)
    labeler.widget

``labeler.y`` holds the number of each row's class, -1 where it has none, and ``labeler.model`` is
fitted to it. ``Labeler(X, classes, draw, y)`` goes on from labels that were saved. Needs ipywidgets
and matplotlib: ``pip install "sklearn-wnll[notebook]"``.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/labeling_1.png"

import warnings
from io import BytesIO
from textwrap import fill

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.exceptions import FewLabelsWarning, SingleLabelWarning
from sklearn_wnll.plotting import LabelingDisplay

warnings.simplefilter("ignore", FewLabelsWarning)  # there are few at first
warnings.simplefilter("ignore", SingleLabelWarning)


def draw_digit(ax, row):
    """Draw an image of 8 by 8 pixels."""
    ax.imshow(row.reshape(8, 8), cmap="gray_r")


def write_text(ax, text):
    """Write a text in lines of 30 letters."""
    ax.text(0, 1, fill(text, 30), va="top", transform=ax.transAxes)


class Labeler:
    """Rows, the labels so far, the model and the widgets.

    ``draw_row(ax, row)`` draws a row of ``shown``, for example of the texts whose embeddings are
    ``X``; None is ``X`` itself. Suggested rows take turns with rows drawn at random, which alone
    are scored.
    """

    def __init__(self, X, classes, draw_row, y=None, *, shown=None):
        self.shown, self.draw_row = X if shown is None else shown, draw_row
        self.y = np.full(len(X), -1) if y is None else np.array(y)
        self.asked, self.drawn, self.rng = [], set(), np.random.default_rng()
        self.model, self.session = WNLLClassifier().fit(X, self.y), LabelingDisplay()
        self.picture = widgets.Image(format="png")
        self.buttons = [widgets.Button(description=str(name)) for name in classes]
        for code, button in enumerate(self.buttons):
            button.on_click(lambda _, code=code: self.label(code))
        self.undo = widgets.Button(description="undo", button_style="warning")
        self.undo.on_click(lambda _: self.take_back())
        self.widget = widgets.HBox([widgets.VBox([*self.buttons, self.undo]), self.picture])
        self.ask()

    def ask(self):
        """Show the next row."""
        if len(self.asked) % 2:
            row = self.rng.choice(np.flatnonzero(self.y == -1))
            self.drawn.add(row)
        else:
            row = self.model.suggest_labels(1)[0]
        self.asked.append(row)
        self.redraw()

    def label(self, code):
        """Give the row that is shown its class."""
        self.y[self.asked[-1]] = code
        self.relabel()
        scored = [row for row in self.drawn if self.y[row] != -1]
        self.session.add(self.model, self.y, scored_rows=scored)
        self.ask()

    def take_back(self):
        """Take the last label back, and show its row again."""
        if len(self.asked) > 1:
            self.asked.pop()
            self.session.history.pop()
            self.y[self.asked[-1]] = -1
            self.relabel()
            self.redraw()

    def relabel(self):
        """Extend the labels so far."""
        several = np.sum(self.y != -1) > 1  # a single label cannot be held out
        self.model.set_params(calibrate=several).relabel(self.y)

    def redraw(self):
        """Show the row and the progress."""
        # Not by pyplot: a notebook may draw its figures in another thread at the same time.
        figure = Figure(figsize=(9, 5), layout="constrained")
        place = figure.subplot_mosaic([["row", "score"], ["row", "gain"]], width_ratios=[1, 2])
        place["row"].axis("off")
        self.draw_row(place["row"], self.shown[self.asked[-1]])
        if self.session.history:
            self.session.plot([place["score"], place["gain"]])
        file = BytesIO()
        figure.savefig(file)
        self.picture.value = file.getvalue()
