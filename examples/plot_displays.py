"""
==================
Three displays
==================

``sklearn_wnll.plotting`` follows scikit-learn's conventions for displays: each is made from an
estimator, draws in the axes that you pass or in new ones, and keeps what it drew.

- :class:`~sklearn_wnll.plotting.TransductionDisplay`: the fitted points, by class and certainty.
- :class:`~sklearn_wnll.plotting.LabelBudgetDisplay`: the accuracy against the number of labels.
- :class:`~sklearn_wnll.plotting.StageHistoryDisplay`: the training of a network.

Half a minute on one core.
"""

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

X, y = make_moons(400, noise=0.12, random_state=0)
few = hide_labels(y, 3, random_state=0)
model = WNLLClassifier().fit(X, few)
display = TransductionDisplay.from_estimator(model, X, few, edges=True)
right = 100 * np.mean((model.transduction_ == y)[few == -1])
display.ax_.set_title(f"Moons with 3 labels each: {right:.0f} % of the others right")
plt.show()

# %%
# How many labels are enough
# --------------------------
# Estimators that know no unlabelled rows are named in ``supervised``, and see the labelled rows
# alone.

digits, truth = load_digits(return_X_y=True)
display = LabelBudgetDisplay.from_estimators(
    {
        "WNLL": WNLLClassifier(),
        "LabelSpreading": LabelSpreading(kernel="knn", n_neighbors=15, max_iter=100),
        "nearest labelled row": KNeighborsClassifier(1),
    },
    digits / 16,
    truth,
    supervised=["nearest labelled row"],
    random_state=0,
)
display.ax_.set_title("1,797 digits, 5 draws of labels")
for name, scores in display.scores.items():
    means = ", ".join(f"{100 * mean:.1f}" for mean in scores.mean(axis=1))
    print(f"{name:20} {means} % at {display.labels_per_class.tolist()} labels per class")
plt.show()

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


images = digits.reshape(-1, 1, 8, 8).astype(np.float32)
X_fit, X_test, y_fit, y_test = train_test_split(
    images, truth, train_size=1000, stratify=truth, random_state=0
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
display = StageHistoryDisplay.from_estimator(model)
display.ax_.set_title("A small network, 10 labels per class")
display.score_ax_.set(ylabel="accuracy on 797 test images", title="Its two heads")
for name, line in display.score_lines_.items():
    print(f"{name:20} {100 * line.get_ydata()[-1]:.1f} % on test images, after the training")
plt.show()
