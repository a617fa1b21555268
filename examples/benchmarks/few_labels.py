"""
Few labels: the gain of a network by unlabelled images
======================================================

The same backbone learns from the same few labelled images

- alone ("vanilla": a linear head, and nothing else);
- with unlabelled images, labelled by its own softmax (self-training);
- with unlabelled images, labelled by the WNLL on the graph of all.

The latter two do the same number of updates with the same augmentation; so does "vanilla, same
updates", on the labelled images alone. Labelled and unlabelled images, weights and batches are
drawn again for each seed. The test images are predicted once, by the last epoch of each model, in
shuffled batches. Interrupted runs continue. Finished runs are stored in ``--results`` and are not
repeated; ``docs/benchmarks/few_labels.md`` is written from all of them.
"""

import argparse
import sys
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from measure import machine, shown, table, write_page
from readers import load_cifar10, load_mnist
from trainings import dates, draw_rows, grouped_results, result_of

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.deep import (
    LinearStep,
    PseudoLabelStep,
    WNLLHead,
    WNLLStep,
    backbones,
    crop_and_flip,
)

KEY = (
    "data", "labels", "unlabeled", "epochs", "pseudo_epochs", "label_epochs", "wnll_epochs",
    "batch_size", "lr", "pseudo_lr", "precision",
)  # fmt: skip
METHODS = "vanilla", "vanilla, same updates", "softmax self-training", "WNLL"
USUAL = "vanilla", "softmax self-training", "WNLL"
NETWORKS = (*backbones.__all__, "small_cnn")
AUGMENT = {"cifar10": "auto", "mnist": partial(crop_and_flip, flip=False)}
# Chosen on held-out training images. The default is 30.
NEIGHBORS = {"cifar10": 60, "mnist": 15}


def small_cnn(in_channels):
    """Make a network of four convolutions, for small grey images."""
    layers, width = [], in_channels
    for n_out in (32, 64):
        for _ in range(2):
            layers += [nn.Conv2d(width, n_out, 3, padding=1, bias=False),
                       nn.BatchNorm2d(n_out), nn.ReLU()]  # fmt: skip
            width = n_out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())


class LabeledAlone(PseudoLabelStep):
    """The updates of a pseudo-label step, on the labelled images alone."""

    def batches(self, context):
        """Make as many batches as with the unlabelled images, and as large ones."""
        return LabeledInTurn(context.samples, super().batches(context))


class LabeledInTurn:
    """Batches of labelled samples, shuffled in each turn: ``X, codes, weights``."""

    mean_weight = 0.0  # of the unlabelled images

    def __init__(self, samples, like):
        self.samples, self.n_batches = samples, len(like)
        self.batch_size = like.n_labeled + like.n_unlabeled

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        places = torch.nonzero(self.samples.codes >= 0).squeeze(1)
        count = self.n_batches * self.batch_size
        turns = range(-(-count // len(places)))
        order = torch.cat([places[torch.randperm(len(places))] for _ in turns])[:count]
        weights = torch.ones(len(self.samples))
        yield from self.samples.batches(order.chunk(len(self)), self.samples.codes, weights)


@cache
def load(name, subset, data_home):
    """Load images and labels of a data set."""
    if name == "cifar10":
        data = load_cifar10(subset=subset, data_home=data_home)
        return data.images, data.target
    data = load_mnist(subset=subset, data_home=data_home)
    return data.data.reshape(-1, 1, 28, 28), data.target


def settings(method, args):
    """Set the parameters of a method: vanilla has neither a buffer nor pseudo-labels."""
    if method == "vanilla":
        return {"buffer": lambda width: nn.Identity()}
    step = LabeledAlone if method == "vanilla, same updates" else PseudoLabelStep
    return {
        "pseudo_step": step(
            epochs=args.pseudo_epochs,
            lr=args.pseudo_lr,
            batch_size=args.batch_size,
            label_epochs=args.label_epochs,
            labels="wnll" if method == "WNLL" else "linear",
        ),
        "wnll": WNLLHead(n_neighbors=NEIGHBORS[args.data]),
    }


def describe(args, method, seed):
    """Return the settings of a model."""
    precision = "mixed" if args.mixed_precision else "single"
    if args.compile:
        precision += ", compiled"
    return {
        "data": args.data, "network": args.network, "labels": args.labels,
        "unlabeled": args.unlabeled, "epochs": args.epochs, "pseudo_epochs": args.pseudo_epochs,
        "label_epochs": args.label_epochs, "wnll_epochs": args.wnll_epochs,
        "batch_size": str(args.batch_size), "lr": args.lr, "pseudo_lr": args.pseudo_lr,
        "precision": precision, "method": method, "seed": seed,
    }  # fmt: skip


def folder_of(args, known):
    """Return the folder of a model's checkpoint and results."""
    parts = (str(part).replace(",", "").replace(" ", "-") for part in known.values())
    return Path(args.results) / "-".join(parts)


def run(args, method, seed):
    """Train and test one model, or read its results."""
    known = describe(args, method, seed)

    def train(folder):
        X, y = load(args.data, "train", args.data_home)
        labeled, others = draw_rows(y, args.labels, args.unlabeled, seed)
        rows = labeled if method == "vanilla" else np.concatenate([labeled, others])
        few = y[rows].astype(int)
        few[len(labeled) :] = -1
        network = small_cnn if args.network == "small_cnn" else getattr(backbones, args.network)
        return DeepWNLLClassifier(
            module=network,
            linear_step=LinearStep(
                epochs=args.epochs,
                lr=args.lr,
                batch_size=args.batch_size,
                lr_halving_epochs=max(1, args.epochs // 5),
            ),
            wnll_step=WNLLStep(epochs=args.wnll_epochs),
            augment=AUGMENT[args.data],
            random_state=seed,
            checkpoint_dir=folder,
            mixed_precision=args.mixed_precision,
            compile=args.compile,
            device=args.device,
            verbose=args.verbose,
            **settings(method, args),
        ).fit(X[rows], few)

    test = load(args.data, "test", args.data_home)
    return result_of(folder_of(args, known), train, test, **known)


def section(key, results):
    """Make the table of one data set, number of labels and length of training."""
    known = dict(zip(KEY, key, strict=True))
    rows = []
    for network in sorted({result["network"] for result in results}):
        for method in METHODS:
            which = (network, method)
            mine = [part for part in results if (part["network"], part["method"]) == which]
            if mine:
                rows.append([
                    *which,
                    str(len(mine)),
                    *(shown([result[head] for result in mine]) for head in ("linear", "wnll")),
                    f"{np.median([result['minutes'] for result in mine]):.0f}",
                    "; ".join(sorted({result.get("trained_on", "CPU") for result in mine})),
                ])  # fmt: skip
    header = ["network", "method", "seeds", "linear head, error %", "WNLL head, error %",
              "minutes of training", "on"]  # fmt: skip
    return f"""\
{SETTING.format(name=NAMES[known["data"]], **known)}

{table(header, rows)}

Measured on {dates(results)}."""


def write(args):
    """Write the page from all finished runs."""
    sections = [section(*group) for group in grouped_results(args.results, KEY)]
    write_page("few_labels.md", HEAD.format(machine=machine("torch", "skorch")), sections)


def batch_size(text):
    """Read a size of batches."""
    return text if text == "auto" else int(text)


def main():
    """Run the unfinished parts, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--data", choices=("cifar10", "mnist"), default="cifar10")
    parser.add_argument("--network", choices=NETWORKS, default="resnet20")
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--unlabeled", type=int, default=9000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--pseudo-epochs", type=int, default=20)
    parser.add_argument("--label-epochs", type=int, default=1)
    parser.add_argument("--wnll-epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=batch_size, default="auto")
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--pseudo-lr", type=float, default=0.03)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(USUAL))
    parser.add_argument("--data-home", help="folder of the data")
    parser.add_argument("--results", default="few_labels_results", help="folder of finished runs")
    parser.add_argument("--mixed-precision", action="store_true", help="train in bfloat16")
    parser.add_argument("--compile", action="store_true", help="compile the network")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--verbose", type=int, default=0)
    args = parser.parse_args()
    for seed in args.seeds:
        for method in args.methods:
            run(args, method, seed)
            write(args)


NAMES = {"cifar10": "CIFAR-10", "mnist": "MNIST"}
SETTING = """\
## {name}, {labels:,} labels, {unlabeled:,} others, {epochs} + {pseudo_epochs} epochs

{epochs} epochs on the labelled images, {pseudo_epochs} with the unlabelled ones, with new labels
every {label_epochs} epochs, and `wnll_step__epochs={wnll_epochs}`. Rate from {lr:g}, and
{pseudo_lr:g} with the unlabelled images. Batch size: {batch_size}. Precision: {precision}."""
HEAD = """\
# What unlabelled images give a network

Error in % on the 10,000 test images, mean ± standard deviation over seeds, or a single run where
the number says so. The *linear head* is the network's own; the *WNLL head* is the WNLL on the graph
of all fitted images.

- **vanilla** learns from the labelled images alone. With "same updates", it sees as many batches
  as the following two, with their augmentation.
- **softmax self-training** learns from the unlabelled images too, with labels of its own softmax.
- **WNLL** is `DeepWNLLClassifier`: the graph labels the unlabelled images.

The network needs time with the unlabelled images: on an earlier graph, 4 or 5 epochs with them gave
nothing ([notes](../notes/few_labels.md)). The default is 40.

## How it was measured

Labelled and unlabelled images, weights and batches are drawn anew for each seed. The test images
are predicted once, by the last epoch, in shuffled batches of 1,000. Vanilla has two linear steps.
The other two begin with one, and continue with a pseudo-label step, in which they differ only in
the source of the labels. That step has more updates than vanilla's second, stronger augmentation, a
cosine schedule and a moving average; so of the two, only the difference is due to the graph.
Each training had one core, and shared the machine with others, which lengthens its minutes.
CIFAR-10 is a JPEG copy, on which errors are somewhat larger than on the original. Images of MNIST
are shifted only. The graph of pseudo-labels has 60 neighbours on CIFAR-10 and 15 on MNIST (default:
30).

Tables without "new labels" were measured before pseudo-label steps exchanged squares of images:
with zeros in the squares, batches of 64 and a weight decay of 5e-4.

Command: `python examples/benchmarks/few_labels.py --data DATA --network NETWORK --labels LABELS
--unlabeled UNLABELED --epochs EPOCHS --pseudo-epochs EPOCHS --label-epochs EPOCHS --wnll-epochs
EPOCHS --batch-size SIZE --lr RATE --pseudo-lr RATE`, with `--mixed-precision` for layers that train
in bfloat16, and `--compile`.
{machine}
"""

if __name__ == "__main__":
    main()
