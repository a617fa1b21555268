"""
The paper's experiment: a network with and without WNLL as its output layer
============================================================================

A backbone with a linear head ("vanilla") against the same backbone with a buffer block and the
WNLL head, trained in two stages, with the paper's gradient (surrogate) and the exact one: on
the same labelled images of CIFAR-10, drawn again for each seed, with the same settings. The
test images are predicted once, by the last epoch of each model, in shuffled batches.

``--epochs`` is the number for each linear step, of which all models have two; the rate is halved
after every fifth of them (the paper has 400 epochs, and halves after every 50). Each model is a
separate run. Interrupted runs continue; finished ones are stored in ``--results`` and are not
repeated. The page ``docs/benchmarks/paper.md`` is written from all of them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from measure import machine, shown, table, write_page
from readers import load_cifar10
from trainings import dates, draw_rows, grouped_results, result_of

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.deep import LinearStep, WNLLStep, backbones

KEY = "network", "labels", "epochs", "precision"
METHODS = {
    "vanilla": {"buffer": lambda width: nn.Identity()},
    # The rates were chosen on held-out training images.
    "WNLL, surrogate gradient": {"wnll_step": WNLLStep(gradient="surrogate", lr=0.0005)},
    "WNLL, exact gradient": {"wnll_step": WNLLStep(gradient="exact", lr=0.01)},
}


def run(args, method, seed):
    """Train and test one model, or read its results."""
    known = {
        "network": args.network,
        "labels": args.labels,
        "epochs": args.epochs,
        "precision": "mixed" if args.mixed_precision else "single",
        "method": method,
        "seed": seed,
    }
    name = "-".join(str(part) for part in known.values())
    folder = Path(args.results) / name.replace(", ", "-").replace(" ", "-")

    def train(folder):
        data = load_cifar10(subset="train", data_home=args.data_home)
        rows, _ = draw_rows(data.target, args.labels, 0, seed)
        return DeepWNLLClassifier(
            module=getattr(backbones, args.network),
            linear_step=LinearStep(
                epochs=args.epochs, batch_size=128, lr_halving_epochs=max(1, args.epochs // 5)
            ),
            random_state=seed,
            checkpoint_dir=folder,
            mixed_precision=args.mixed_precision,
            device=args.device,
            verbose=args.verbose,
            **METHODS[method],
        ).fit(data.images[rows], data.target[rows])

    test = load_cifar10(subset="test", data_home=args.data_home)
    return result_of(folder, train, (test.images, test.target), **known)


def section(key, results):
    """Make the table of one network and number of labels."""
    network, labels, epochs, precision = key
    rows = []
    for method in METHODS:
        mine = [result for result in results if result["method"] == method]
        if not mine:
            continue
        cells = [method, str(len(mine))]
        cells += [shown([result[head] for result in mine]) for head in ("linear", "wnll")]
        seconds = [
            f"{np.median([r['seconds'][step] for r in mine]):.1f}" for step in mine[0]["seconds"]
        ]
        rows.append([*cells, " / ".join(seconds)])
    header = ["method", "seeds", "linear head, error %", "WNLL head, error %",
              "seconds an epoch (linear / WNLL step)"]  # fmt: skip
    return f"""\
## {network}, {labels:,} labelled images, {epochs} epochs, {precision} precision

{table(header, rows)}

Measured on {dates(results)}."""


def main():
    """Run the unfinished parts, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--network", choices=backbones.__all__, default="resnet20")
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--data-home", help="folder of the CIFAR-10 data")
    parser.add_argument("--results", default="paper_results", help="folder of finished runs")
    parser.add_argument("--mixed-precision", action="store_true", help="train in bfloat16")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--verbose", type=int, default=0)
    args = parser.parse_args()
    for seed in range(args.seeds):
        for method in args.methods:
            run(args, method, seed)
            write(args)


def write(args):
    """Write the page from all finished runs."""
    sections = [section(*group) for group in grouped_results(args.results, KEY)]
    write_page("paper.md", HEAD.format(machine=machine("torch", "skorch")), sections)


HEAD = """\
# The paper's experiment on CIFAR-10

Error in % on the 10,000 test images, mean ± standard deviation over seeds, or a single run where
the number says so. *Vanilla* is the backbone with a linear head, trained on the same labelled
images; its WNLL head interpolates on the features that it has learned. Each other network is
trained by the paper's algorithm, and has both heads.

## How it was measured

Labels, weights and batches are drawn anew for each seed. The settings are the paper's: stochastic
gradient descent with Nesterov momentum 0.9, weight decay 5e-4, batches of 128, a rate from 0.05
that is halved after every fifth of the epochs of a linear step, crops and flips, WNLL steps of 5
epochs, and two stages, the second with a fifth of the rates. Vanilla is trained in the same two
linear steps, without a buffer block and without WNLL steps. The test images are predicted once, by
the last epoch, in shuffled batches of 1,000. The images are CIFAR-10 in a JPEG copy, on which
errors are somewhat larger than on the original.

Command: `python examples/benchmarks/paper_cifar.py --network NETWORK --labels LABELS
--epochs EPOCHS`, with `--mixed-precision` for layers that train in bfloat16.
{machine}
"""

if __name__ == "__main__":
    main()
