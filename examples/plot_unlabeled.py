"""
==========================
What unlabelled rows give
==========================

The digits of scikit-learn, with 3 to 20 labels per class: the error on test images after learning
from the labelled images alone, and from 800 to 970 unlabelled ones too. For
:class:`~sklearn_wnll.WNLLClassifier` these make up the graph along which the labels spread;
:class:`~sklearn_wnll.DeepWNLLClassifier` has them labelled by the graph of its features, and
learns from that.

You learn that the unlabelled images take away two thirds of the errors or more.

A minute and a half on two cores.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep

RATES = 3, 5, 10, 20
COLORS = {"labelled alone": "C7", "with unlabelled": "C0"}

# %%
# The two estimators
# ------------------


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


def network(seed, wnll):
    """A small network without augmentation, since mirroring can change a digit's class."""
    return DeepWNLLClassifier(
        module=small_cnn,
        linear_step=LinearStep(epochs=30, lr_halving_epochs=10),
        pseudo_step=PseudoLabelStep(epochs=10),
        wnll=wnll,
        augment=None,
        random_state=seed,
    )


# %%
# Learn with and without
# ----------------------
# A few labelled rows alone make no useful graph, so each test image is predicted from its labelled
# neighbors. The unlabelled rows are marked with -1 in ``y``. The network's graph with them has
# cosine distances, as is its default.


def errors(per_class, seed):
    """Errors in percent, of both estimators, without and with unlabelled images."""
    X, y = load_digits(return_X_y=True)
    X_fit, X_test, y_fit, y_test = train_test_split(
        X, y, test_size=797, stratify=y, random_state=seed
    )
    few = hide_labels(y_fit, per_class, random_state=seed)
    labeled = few != -1
    found = {}
    for name, rows, mode, metric in (
        ("labelled alone", labeled, "inductive", "euclidean"),
        ("with unlabelled", slice(None), "transductive", "cosine"),
    ):
        shallow = WNLLClassifier(predict_mode=mode).fit(X_fit[rows], few[rows])
        wnll = WNLLClassifier(metric=metric, predict_mode=mode)
        deep = network(seed, wnll).fit(X_fit[rows].reshape(-1, 1, 8, 8), few[rows])
        found["WNLLClassifier", name] = 100 * (1 - shallow.score(X_test, y_test))
        images = X_test.reshape(-1, 1, 8, 8)
        found["DeepWNLLClassifier", name] = 100 * (1 - deep.score(images, y_test))
    return found


found = {}
for rate in RATES:
    found[rate] = [errors(rate, seed) for seed in range(2)]
    print(f"{rate} labels per class")
    for estimator, name in found[rate][0]:
        values = [one[estimator, name] for one in found[rate]]
        print(f"  {estimator:19} {name:16} {np.mean(values):5.1f} ± {np.std(values):.1f} %")

# %%
# Error against the number of labels
# ----------------------------------
# Means of two draws of the labels, with their standard deviation.

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), sharey=True, layout="constrained")
for ax, estimator in zip(axes, ("WNLLClassifier", "DeepWNLLClassifier"), strict=True):
    for name, color in COLORS.items():
        values = np.array([[one[estimator, name] for one in found[rate]] for rate in RATES])
        ax.errorbar(
            RATES, values.mean(axis=1), values.std(axis=1), color=color, marker="o", capsize=3,
            label=name,
        )  # fmt: skip
    ax.set(xlabel="labels per class", xscale="log", title=estimator, ylim=(0, None))
    ax.set_xticks(RATES, map(str, RATES))
    ax.minorticks_off()
    ax.grid(alpha=0.3)
axes[0].set_ylabel("error on 797 test images (%)")
axes[1].legend()
plt.show()
