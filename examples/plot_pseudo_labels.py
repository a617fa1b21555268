"""
==========================
Pseudo-labels over epochs
==========================

A small convolutional network learns the digits from 3 labelled images of each class. In its
pseudo-label step it also learns from 970 unlabelled images. Their labels are found anew before each
epoch: by the graph of its features (the default), or by its own softmax, as in self-training. The
picture shows how many of these pseudo-labels are right.

You learn why the graph labels the unlabelled images: its labels begin better, and lead the network
to better features.

Half a minute on one core.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from skorch.callbacks import Callback
from torch import nn

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLHead, WNLLStep

# %%
# The images and a small network
# ------------------------------

X, y = load_digits(return_X_y=True)
X, y = X[:1000].reshape(-1, 1, 8, 8).astype(np.float32), y[:1000]


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


# %%
# Watch the pseudo-labels
# -----------------------
# A batch of the pseudo-label step holds images, classes and weights. This callback compares the
# classes of unlabelled images with the truth, and records the part that is right in ``history_``.


class ScorePseudoLabels(Callback):
    """Record the accuracy of the pseudo-labels of each epoch."""

    def __init__(self, images, truth):
        self.truth = {image.tobytes(): code for image, code in zip(images, truth, strict=True)}

    def on_epoch_begin(self, net, **kwargs):
        """Forget the last epoch."""
        self.right = []

    def on_batch_begin(self, net, batch, **kwargs):
        """Look at the classes of a batch."""
        if net.step.name == "pseudo":
            for image, code in zip(batch[0].numpy(), batch[1].tolist(), strict=True):
                if image.tobytes() in self.truth:
                    self.right.append(code == self.truth[image.tobytes()])

    def on_epoch_end(self, net, **kwargs):
        """Record the epoch."""
        if self.right:
            net.history.record("pseudo_accuracy", np.mean(self.right))


# %%
# Two sources of pseudo-labels
# ----------------------------


def train(source, seed):
    """Train on one draw of labels: the accuracy of the pseudo-labels, in %, in each epoch."""
    few = hide_labels(y, 3, random_state=seed)
    model = DeepWNLLClassifier(
        module=small_cnn,
        linear_step=LinearStep(epochs=20, lr_halving_epochs=10),
        pseudo_step=PseudoLabelStep(epochs=12, labels=source),
        wnll_step=WNLLStep(epochs=0),
        wnll=WNLLHead(n_neighbors=15),
        augment=None,
        callbacks=[ScorePseudoLabels(X[few == -1], y[few == -1])],
        random_state=seed,
    ).fit(X, few)
    return [100 * row["pseudo_accuracy"] for row in model.history_ if row["step"] == "pseudo"]


found = {source: [train(source, seed) for seed in range(3)] for source in ("wnll", "linear")}
for source, scores in found.items():
    print(f"{source:8s} first epoch {np.mean(scores, axis=0)[0]:.1f} %, ", end="")
    print(f"last epoch {np.mean(scores, axis=0)[-1]:.1f} %")

# %%
# Accuracy of the pseudo-labels
# -----------------------------
# Thin lines are single draws of the labels, thick ones their means.

figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
names = {"wnll": 'graph: labels="wnll" (default)', "linear": 'softmax: labels="linear"'}
for (source, scores), color in zip(found.items(), ("C0", "C4"), strict=True):
    epochs = np.arange(1, len(scores[0]) + 1)
    ax.plot(epochs, np.transpose(scores), color=color, linewidth=0.8, alpha=0.5)
    ax.plot(epochs, np.mean(scores, axis=0), "o-", color=color, linewidth=2, label=names[source])
ax.set(xlabel="epoch of the pseudo-label step", ylabel="pseudo-labels that are right (%)")
ax.set_title("The graph labels 970 unlabelled digits better than the softmax")
ax.legend(loc="lower right")
ax.grid(alpha=0.3)
plt.show()
