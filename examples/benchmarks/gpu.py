"""
On one GPU: checks, times with their goals, and a training on all of CIFAR-10
=============================================================================

For a machine with one NVIDIA GPU, after ``pip install -e ".[deep]"`` in a clone:

    python examples/benchmarks/gpu.py --data-home DATA --minutes 14

checks that trainings repeat in all bits, that nothing waits for the GPU within an epoch, and that
answers are those of the host; measures the time of fits, steps and predictions; and trains on 1,000
labelled and 49,000 other images of CIFAR-10 in the rest of the time. Checks and times take four
minutes at most, the most important first. It ends by itself when the time is used up. Results are
stored in ``--results``; the next call goes on from there, and tries again what has failed.
``docs/benchmarks/gpu.md`` is written from whatever has finished: ``--parts page`` does only that,
also without a GPU. DATA holds ``mnist.npz`` and CIFAR-10, as ``readers.py`` reads them; for JPEG
files, and for the picture of the page, install ``".[deep,plot]"``.

``--device cpu --small`` runs all parts in about a minute on a few made-up images, uncompiled, as a
trial of the script. Its page is written into the results.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import time
import traceback
from pathlib import Path

# All are read when a library starts: cuBLAS repeats its results, scikit-learn takes tensors.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
import few_labels
import gpu_page
from gpu_checks import CHECKS
from gpu_items import BROKEN, LEAST, OutOfTime, Setup, run_items, synthetic_images, time_limit
from gpu_page import METHODS
from gpu_speed import SPEED
from pictures import DOCS

ITEMS = {"checks": CHECKS, "speed": SPEED}
PARTS = "checks", "speed", "training"
CHECK_SECONDS, BOTH_SECONDS = 110, 240  # from the start to the end of checks, and of times
PAGE_SECONDS = 10
GRACE = 15  # until a process that does not end is killed


def train(args, until):
    """Train the unfinished networks, one seed of all methods first, until some time."""
    runs = [(method, args.seeds[0]) for method in args.methods]
    runs += [(method, seed) for method in args.methods for seed in args.seeds[1:]]
    for method, seed in runs:
        left = until - time.time()
        if left < LEAST:
            return
        folder = few_labels.folder_of(args, few_labels.describe(args, method, seed))
        print(f"{method}, seed {seed}: {left:.0f} s left, {folder.name}", flush=True)
        failure = folder / "error.json"
        failure.unlink(missing_ok=True)
        try:
            with time_limit(left):
                few_labels.run(args, method, seed)
        except OutOfTime:
            print("The time is used up; the next call goes on after the last epoch.", flush=True)
            return
        except Exception as error:
            traceback.print_exc()
            folder.mkdir(parents=True, exist_ok=True)
            text = f"{method}, seed {seed}: {type(error).__name__}: {error}"
            failure.write_text(json.dumps({"error": text}))


def run_part(args, part, until):
    """Run a part in this process."""
    device = torch.device(args.device)
    results = Path(args.results)
    if part == "training":
        few = argparse.Namespace(**vars(args))
        few.results = str(results / "training")
        train(few, until)
    else:
        setup = Setup(device, args.data_home, args.small)
        items = ITEMS[part]
        if args.small:  # a trial would compile for most of its time
            items = [item for item in items if "compiled" not in item.name]
        run_items(items, results / part, setup, until)


def start_part(part, until):
    """Run a part in a process of its own, and again if the device has failed meanwhile."""
    command = [sys.executable, __file__, *sys.argv[1:], "--until", str(until), "--only", part]
    while time.time() < until - LEAST:
        try:
            done = subprocess.run(command, timeout=until - time.time() + GRACE, check=False)
        except subprocess.TimeoutExpired:
            print(f"{part} did not end in time", flush=True)
            return
        if done.returncode != BROKEN:
            if done.returncode:
                print(f"{part} ended with status {done.returncode}", flush=True)
            return


def forget_errors(results):
    """Remove the results of what has failed, which is tried again."""
    for path in results.glob("*/*.json"):
        result = json.loads(path.read_text())
        if "error" in result or not result.get("passed", True):
            path.unlink()


def write_small_data(folder):
    """Write made-up images in the layout of MNIST and of CIFAR-10."""
    cifar = folder / "cifar-10-batches-py"
    cifar.mkdir(parents=True, exist_ok=True)
    (cifar / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [str(i).encode() for i in range(10)]}, protocol=2)
    )
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for seed, name in enumerate(names):
        X, y = synthetic_images(100, seed)
        planes = X.transpose(0, 3, 1, 2).reshape(len(X), -1)
        batch = {b"data": planes, b"labels": y.tolist()}
        (cifar / name).write_bytes(pickle.dumps(batch, protocol=2))
    X, y = synthetic_images(1400)
    digits = X[:, :28, :28].mean(axis=3).astype(np.uint8)
    np.savez(folder / "mnist.npz", x_train=digits[:1200], y_train=y[:1200],
             x_test=digits[1200:], y_test=y[1200:])  # fmt: skip


def arguments():
    """Read the options; those of trainings have the names that few_labels.py reads."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, "page"), default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=14, help="after which it ends")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="try the script on a few images")
    parser.add_argument("--data-home", help="folder of the data")
    parser.add_argument("--results", default="gpu_results", help="folder of what has finished")
    parser.add_argument("--network", choices=few_labels.NETWORKS, default="resnet18")
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--unlabeled", type=int, default=49_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--pseudo-epochs", type=int, default=100)
    parser.add_argument("--label-epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=few_labels.batch_size, default="auto")
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--pseudo-lr", type=float, default=0.03)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--compile", action="store_true", help="compile the network")
    parser.add_argument("--mixed-precision", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--verbose", type=int, default=0)
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    parser.set_defaults(data="cifar10", wnll_epochs=0)
    args = parser.parse_args()
    if args.small:
        args.network, args.labels, args.unlabeled = "small_cnn", 40, 60
        args.epochs, args.pseudo_epochs, args.seeds = 2, 2, [0]
        args.compile = args.mixed_precision = False
        args.data_home = args.data_home or str(Path(args.results) / "data")
    return args


def main():
    """Run the parts one after another, each in a new process, and write the page."""
    start, args = time.time(), arguments()
    if args.only:
        run_part(args, args.only, args.until)
        return
    results = Path(args.results)
    if args.parts != ["page"] and torch.device(args.device).type == "cuda":
        print(torch.cuda.get_device_name(args.device), flush=True)  # fails now if there is none
    if args.small:
        write_small_data(results / "data")
    forget_errors(results)
    end = start + 60 * args.minutes - PAGE_SECONDS
    ends = {"checks": CHECK_SECONDS, "speed": BOTH_SECONDS}
    for part in PARTS:
        if part in args.parts:
            start_part(part, min(end, start + ends.get(part, np.inf)))
    gpu_page.write(results, results / "docs" if args.small else DOCS)
    print(f"{time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
