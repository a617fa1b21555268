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

Half a minute on two cores.
"""

import argparse
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLHead
from sklearn_wnll.plotting import StageHistoryDisplay

COLORS = {"linear": "#0072B2", "wnll": "#009E73"}  # those of the steps that train the heads

# %%
# A backbone of one's own
# -----------------------
# Any module that gives features will do. The estimator finds their number, and adds the buffer
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
# digits want fewer neighbors than the default of 30, since nearby digits usually share a class.


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


# %%
# The picture
# -----------


def draw(history, found):
    """Plot the training of one draw and the errors of all."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    StageHistoryDisplay(history).plot(left)
    left.set_title("Training in two stages")
    names = {"linear": "linear head", "wnll": "WNLL head"}
    for place, (head, name) in enumerate(names.items()):
        values = [one[head] for one in found]
        right.bar(place, np.mean(values), 0.6, color=COLORS[head], alpha=0.6, label=name)
        right.scatter(np.full(len(values), place), values, color=COLORS[head], zorder=3)
        right.text(place, 0.2, f"mean {np.mean(values):.1f} %", ha="center")
    right.set_xticks([0, 1], names.values())
    right.set(
        ylabel="error on 797 test images (%)",
        title=f"10 labels per class, {len(found)} draws (points)",
    )
    right.grid(alpha=0.3)
    return figure


def main():
    """Run the experiment, print the errors and save the picture."""
    parser = argparse.ArgumentParser(description="The two heads of a small network.")
    parser.add_argument("--seeds", type=int, default=3, help="draws of labels (default: 3)")
    parser.add_argument("--output", default="deep_few_labels.png", help="picture")
    args = parser.parse_args()
    found, histories = [], []
    for seed in range(args.seeds):
        start = time.perf_counter()
        model, result = errors(seed)
        found.append(result)
        histories.append(model.history_)
        print(
            f"seed {seed}: error of the linear head {result['linear']:.1f} %, of the WNLL head "
            f"{result['wnll']:.1f} % ({time.perf_counter() - start:.0f} s)",
            flush=True,
        )
    for head, name in (("linear", "linear"), ("wnll", "WNLL")):
        values = [one[head] for one in found]
        print(f"{name} head: {np.mean(values):.1f} ± {np.std(values):.1f} %")
    draw(histories[0], found).savefig(args.output, dpi=150)
    print(f"Saved the picture as {args.output}")


if __name__ == "__main__":
    main()
