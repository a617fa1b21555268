"""
==================
Three displays
==================

What ``sklearn_wnll.plotting`` draws, in scikit-learn's convention for displays: each is made
from an estimator, draws in the axes that it is given, and keeps what it drew.

- :class:`~sklearn_wnll.plotting.TransductionDisplay`: the fitted points, by class and certainty.
- :class:`~sklearn_wnll.plotting.LabelBudgetDisplay`: the accuracy against the number of labels.
- :class:`~sklearn_wnll.plotting.StageHistoryDisplay`: the training of a network.

Half a minute on one core.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits, make_moons
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading
from skorch.callbacks import Callback
from torch import nn

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLHead
from sklearn_wnll.plotting import LabelBudgetDisplay, StageHistoryDisplay, TransductionDisplay

# %%
# How labels spread
# -----------------
# Two moons with three labels each. Points are paler where the estimator is less certain; the
# lines are the edges of the graph, along which the labels spread.


def draw_transduction(ax):
    """Fit the moons, and draw them."""
    X, y = make_moons(400, noise=0.12, random_state=0)
    few = hide_labels(y, 3, random_state=0)
    model = WNLLClassifier().fit(X, few)
    display = TransductionDisplay.from_estimator(model, X, few, edges=True, ax=ax)
    accuracy = np.mean((model.transduction_ == y)[few == -1])
    ax.set_title(f"Moons with 3 labels each: {100 * accuracy:.0f} % of the others right")
    return display


# %%
# How many labels are enough
# --------------------------
# Estimators that know no unlabelled rows are named in ``supervised``, and see the labelled rows
# alone.


def draw_label_budget(ax):
    """Compare three estimators on the digits."""
    X, y = load_digits(return_X_y=True)
    estimators = {
        "WNLL": WNLLClassifier(),
        "LabelSpreading": LabelSpreading(kernel="knn", n_neighbors=15, max_iter=100),
        "nearest labelled row": KNeighborsClassifier(1),
    }
    display = LabelBudgetDisplay.from_estimators(
        estimators, X / 16, y, supervised=["nearest labelled row"], random_state=0, ax=ax
    )
    ax.set_title("1,797 digits, 5 draws of labels")
    return display


# %%
# How a network learns
# --------------------
# An estimator records the loss of each epoch, and the numbers that callbacks record. This callback
# scores both heads on held-out images. In a pseudo-label step, it scores the network in training;
# the step ends with a moving average of that. Its graph has the network's features alone. The graph
# of ``predict`` has more features, so its scores differ.


class ScoreHeads(Callback):
    """Record the accuracy of both heads on held-out images after each epoch.

    Parameters
    ----------
    X : ndarray of float32 of shape (n, c, h, w)
        The images.
    codes : ndarray of int of shape (n,)
        Their classes, as positions in ``classes_``.
    """

    def __init__(self, X, codes):
        self.X, self.codes = torch.tensor(X), codes

    @torch.no_grad()
    def on_epoch_end(self, net, dataset_train, **kwargs):
        """Score the heads."""
        network = net.module_.eval()
        fitted = network.features(net.prepare(dataset_train.X)).numpy()
        held_out = network.features(net.prepare(self.X))
        linear = network.linear(held_out).argmax(dim=1).numpy()
        wnll = WNLLClassifier(unlabeled=-1).fit(fitted, dataset_train.codes.numpy())
        net.history.record("linear_acc", np.mean(linear == self.codes))
        net.history.record("wnll_acc", wnll.score(held_out.numpy(), self.codes))


def small_cnn(in_channels):
    """Two convolutions and a maximum over a few places."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
    )


def draw_training(axes):
    """Train a small network in two stages, and draw its loss and its scores."""
    X, y = load_digits(return_X_y=True)
    images = X.reshape(-1, 1, 8, 8).astype(np.float32)
    X_fit, X_test, y_fit, y_test = train_test_split(
        images, y, train_size=1000, stratify=y, random_state=0
    )
    model = DeepWNLLClassifier(
        module=small_cnn,
        linear_step=LinearStep(epochs=30, lr_halving_epochs=10),
        pseudo_step=PseudoLabelStep(epochs=10),
        wnll=WNLLHead(n_neighbors=15),
        augment=None,
        callbacks=[ScoreHeads(X_test, y_test)],
        random_state=0,
    ).fit(X_fit, hide_labels(y_fit, 10, random_state=0))
    display = StageHistoryDisplay.from_estimator(model, ax=axes)
    display.ax_.set_title("A small network, 10 labels per class")
    display.score_ax_.set(ylabel="accuracy on 797 test images", title="Its two heads")
    return display


# %%
# The picture
# -----------


def main():
    """Draw the displays in one figure, and save it."""
    parser = argparse.ArgumentParser(description="Three displays.")
    parser.add_argument("--output", default="displays.png", help="picture")
    args = parser.parse_args()
    figure, axes = plt.subplots(2, 2, figsize=(13, 9), layout="constrained")
    draw_transduction(axes[0, 0])
    budget = draw_label_budget(axes[0, 1])
    for name, scores in budget.scores.items():
        means = ", ".join(f"{100 * mean:.1f}" for mean in scores.mean(axis=1))
        print(f"{name:20} {means} % at {budget.labels_per_class.tolist()} labels per class")
    training = draw_training(axes[1])
    for name, line in training.score_lines_.items():
        print(f"{name:20} {100 * line.get_ydata()[-1]:.1f} % on test images, after the training")
    figure.savefig(args.output, dpi=150)
    print(f"Saved the picture as {args.output}")


if __name__ == "__main__":
    main()
