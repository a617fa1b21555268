"""
=======================================
A network with WNLL as its output layer
=======================================

A small convolutional network learns the 1,797 digits of scikit-learn from 10 labelled images of
each class. :class:`~sklearn_wnll.DeepWNLLClassifier` trains it in two stages: on the labelled
images alone first, then on the others too, which the graph has labelled. The picture shows how
the loss goes down in the four steps, and the error of the two heads on images that were not
fitted: the linear head, which is the usual network, and the weighted nonlocal Laplacian (WNLL),
which interpolates the labels on the graph of the network's features.

You learn how to train a network of your own, and how to look at its training.

Half a minute on two cores.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLHead
from sklearn_wnll.plotting import StageHistoryDisplay

COLORS = {"linear": "C3", "wnll": "C0"}

# %%
# A backbone of your own
# ----------------------
# Any module that returns features will do. The estimator finds their number, and adds the buffer
# block and the two heads.


def small_cnn(in_channels):
    """Two convolutions and a mean over all places."""
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


# %%
# Fit and compare
# ---------------
# 1,000 images are fitted, 100 of them with their label; the other 797 are test images. Each step
# has an object with its settings. ``wnll`` is the graph on which the estimator labels and predicts:
# digits need fewer neighbours than the default of 30, since nearby digits usually share a class.


def errors(seed):
    """Fit one draw of labels: the model, and the error in percent of each head."""
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 1, 8, 8)
    X_fit, X_test, y_fit, y_test = train_test_split(
        X, y, train_size=1000, stratify=y, random_state=seed
    )
    few = hide_labels(y_fit, 10, random_state=seed)
    model = DeepWNLLClassifier(
        module=small_cnn,
        linear_step=LinearStep(epochs=40, lr_halving_epochs=15),
        pseudo_step=PseudoLabelStep(epochs=15),
        wnll=WNLLHead(n_neighbors=15),
        augment=None,
        random_state=seed,
    ).fit(X_fit, few)
    found = {}
    for head in ("linear", "wnll"):
        model.set_params(head=head)
        found[head] = 100 * (1 - model.score(X_test, y_test))
    return model, found


models, found = [], []
for seed in range(3):
    model, result = errors(seed)
    models.append(model)
    found.append(result)
    print(f"seed {seed}: linear head {result['linear']:.1f} %, WNLL head {result['wnll']:.1f} %")

# %%
# The training of the first draw
# ------------------------------

display = StageHistoryDisplay.from_estimator(models[0])
display.ax_.set_title("Training in two stages")
plt.show()

# %%
# The error of the two heads
# --------------------------

figure, ax = plt.subplots(figsize=(5.5, 3.8), layout="constrained")
for place, head in enumerate(COLORS):
    values = [one[head] for one in found]
    ax.bar(place, np.mean(values), 0.6, color=COLORS[head], alpha=0.6)
    ax.scatter(np.full(len(values), place), values, color=COLORS[head], zorder=3)
    ax.text(place, 0.2, f"mean {np.mean(values):.1f} %", ha="center")
ax.set_xticks([0, 1], ["linear head", "WNLL head"])
ax.set(ylabel="error on 797 test images (%)", title="10 labels per class, 3 draws (points)")
ax.grid(alpha=0.3, axis="y")
plt.show()
