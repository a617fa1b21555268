"""
Time and memory of the interpolation and of its network
=======================================================

Time and memory of ``wnll_interpolate``, forward and backward, for clouds of 600 to 20,000
points; of a ResNet-20 for as many images; and, with ``--peer FOLDER``, of the published graph
learning layer (a clone of github.com/jwcalder/GraphLearningLayer, with graphlearning installed).
Each row is a separate process. Writes ``docs/benchmarks/interpolation.md``.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from measure import in_new_process, machine, measured, peak_memory, table, write_page

CLOUDS = (
    (500, 100, 64),
    (1_000, 5_000, 64),
    (5_000, 1_000, 64),
    (5_000, 1_000, 512),
    (5_000, 15_000, 64),
    (10_000, 10_000, 512),
)
PEER_CLOUDS = CLOUDS[1:3]
REPEATS = 7
N_CLASSES = 10


def cloud(n_template, n_query, width, device):
    """Features on an eight-dimensional sheet per class, like those of a trained network."""
    import torch

    rng = np.random.default_rng(0)
    n = n_template + n_query
    codes = rng.integers(0, N_CLASSES, size=n)
    centers = 2 * rng.normal(size=(N_CLASSES, width))
    sheets = rng.normal(size=(N_CLASSES, 8, width)) / 2
    X = np.empty((n, width), dtype=np.float32)
    for code in range(N_CLASSES):
        rows = np.flatnonzero(codes == code)
        X[rows] = centers[code] + rng.normal(size=(len(rows), 8)) @ sheets[code]
    X += 0.1 * rng.normal(size=X.shape)
    return torch.tensor(X, device=device), torch.tensor(codes, device=device)


def timed(function, device):
    """Return the seconds of a call, and its result."""
    import torch

    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def memory(device):
    """Return the peak memory so far, in GB: of the process, or of the GPU."""
    import torch

    return peak_memory() if device == "cpu" else torch.cuda.max_memory_allocated() / 1e9


def forward_and_backward(forward, codes, device):
    """Measure the median seconds of both, and their additional memory."""
    before = memory(device)
    seconds = []
    for _ in range(REPEATS):
        ahead, u = timed(forward, device)
        loss = -(u.clamp_min(1e-3).log().gather(1, codes[:, None])).mean()
        back, _ = timed(loss.backward, device)
        seconds.append((ahead, back))
    accuracy = 100 * float((u.argmax(dim=1) == codes).float().mean())
    ahead, back = np.median(seconds, axis=0)
    return {
        "forward": ahead,
        "backward": back,
        "memory": memory(device) - before,
        "accuracy": accuracy,
    }


def job_ours(n_template, n_query, width, device, n_neighbors=15):
    """Measure our interpolation, with the exact gradient."""
    from sklearn_wnll.deep import wnll_interpolate

    X, codes = cloud(n_template, n_query, width, device)
    template, query = (part.clone().requires_grad_() for part in X.split([n_template, n_query]))
    small = wnll_interpolate(template[:100], codes[:100], query[:100])
    small.sum().backward()  # one-time preparations of torch
    return forward_and_backward(
        lambda: wnll_interpolate(
            template, codes[:n_template], query, n_neighbors=n_neighbors, n_classes=N_CLASSES
        ),
        codes[n_template:],
        device,
    )


def job_peer(n_template, n_query, width, device, folder):
    """Measure the published layer: 25 neighbours, hard labels, no regularization."""
    import torch

    sys.path.insert(0, folder)
    from GLL import LaplaceLearningSparseHard

    X, codes = cloud(n_template, n_query, width, "cpu")
    X.requires_grad_()
    labels = torch.eye(N_CLASSES)[codes[:n_template]]
    return forward_and_backward(
        lambda: LaplaceLearningSparseHard.apply(X, labels), codes[n_template:], "cpu"
    )


def job_backbone(n_template, n_query, width, device):
    """Measure ResNet-20 on as many images as there are points, in batches of 128."""
    import torch

    from sklearn_wnll.deep.backbones import resnet20

    network = resnet20().to(device)
    images = torch.randn(128, 3, 32, 32, device=device)
    network(images).sum().backward()
    seconds = []
    for _ in range(REPEATS):
        ahead, features = timed(lambda: network(images), device)
        back, _ = timed(features.sum().backward, device)
        seconds.append((ahead, back))
    ahead, back = np.median(seconds, axis=0) * (n_template + n_query) / len(images)
    return {"forward": ahead, "backward": back}


JOBS = {"ours": job_ours, "peer": job_peer, "backbone": job_backbone}


def cost_rows(device):
    """Make the rows of the table of costs."""
    rows = []
    for n_template, n_query, width in CLOUDS:
        size = {"n_template": n_template, "n_query": n_query, "width": width, "device": device}
        ours = in_new_process(__file__, "ours", **size)
        network = in_new_process(__file__, "backbone", **size)
        both = network["forward"] + network["backward"]
        rows.append([
            f"{n_template:,}", f"{n_query:,}", str(width), f"{ours['forward']:.3f}",
            f"{ours['backward']:.3f}", f"{ours['memory']:.2f}", f"{ours['accuracy']:.1f}",
            f"{both:.1f}", f"{100 * (ours['forward'] + ours['backward']) / both:.1f} %",
        ])  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def peer_rows(folder):
    """Make the rows of the comparison with the published layer: medians of three rounds."""
    rows = []
    for n_template, n_query, width in PEER_CLOUDS:
        size = {"n_template": n_template, "n_query": n_query, "width": width, "device": "cpu"}
        rounds = [
            (
                in_new_process(__file__, "ours", n_neighbors=25, **size),
                in_new_process(__file__, "peer", folder=folder, **size),
            )
            for _ in range(3)
        ]
        cells = [f"{n_template:,}", f"{n_query:,}"]
        totals = []
        for method in (0, 1):
            ahead, back = (
                float(np.median([pair[method][key] for pair in rounds]))
                for key in ("forward", "backward")
            )
            totals.append(ahead + back)
            cells += [f"{ahead:.2f}", f"{back:.2f}", f"{rounds[0][method]['accuracy']:.1f}"]
        rows.append([*cells, f"{totals[1] / totals[0]:.1f}"])
        print(rows[-1], flush=True)
    return rows


def main():
    """Run the job on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--peer", help="folder of a clone of GraphLearningLayer")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--options", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        print(json.dumps(JOBS[args.job](**args.options)))
        return
    header = ["template", "query", "width", "forward, s", "backward, s", "memory, GB",
              "accuracy, %", "ResNet-20, s", "of it"]  # fmt: skip
    title = "the CPU" if args.device == "cpu" else args.device
    sections = [
        f"""\
## On {title}

float32, 15 neighbours, 10 classes. *Memory* is the growth of the largest memory of the process.
*ResNet-20* is forward and backward for as many images of 32 x 32, in batches of 128; *of it* is the
share of that time that the interpolation takes, forward and backward.

{table(header, cost_rows(args.device))}

{measured()} {machine("torch")}"""
    ]
    if args.peer:
        header = ["template", "query", "ours: forward, s", "backward, s", "accuracy, %",
                  "layer: forward, s", "backward, s", "accuracy, %", "times as fast"]  # fmt: skip
        sections.append(f"""\
## Beside the published graph learning layer

Width 64, 25 neighbours in both, on the CPU, in turn, medians of three processes. The layer is
`LaplaceLearningSparseHard` of [GraphLearningLayer](https://github.com/jwcalder/GraphLearningLayer).
It has the graph Laplacian, a sparse direct solver and an approximate search.

{table(header, peer_rows(args.peer))}

{measured()} {machine("torch", "graphlearning")}""")
    write_page("interpolation.md", HEAD.format(repeats=REPEATS), sections)


HEAD = """\
# What the differentiable interpolation costs

`wnll_interpolate` with the exact gradient, from template points to query points.

## How it was measured

Medians of {repeats} calls.

Command: `python examples/benchmarks/bench_interpolation.py --peer GraphLearningLayer`, with
`--device cuda` for a section of its own.
"""

if __name__ == "__main__":
    main()
