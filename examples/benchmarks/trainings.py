"""
Common parts of the benchmarks of networks: drawn images, stored runs, and tables
=================================================================================
"""

import json
import time
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import torch
from measure import machine


def draw_rows(target, n_labels, n_unlabeled, seed):
    """Draw rows of training images: labelled ones, equally many per class, and unlabelled ones."""
    rng = np.random.default_rng(seed)
    classes = np.unique(target)
    labeled = np.concatenate([
        rng.choice(np.flatnonzero(target == label), n_labels // len(classes), replace=False)
        for label in classes
    ])  # fmt: skip
    labeled = rng.permutation(labeled)
    others = np.setdiff1d(np.arange(len(target)), labeled)
    return labeled, rng.permutation(others)[:n_unlabeled]


def result_of(folder, train, test, **known):
    """Train and test a model, or read its results."""
    finished = Path(folder) / "result.json"
    if finished.exists():
        return json.loads(finished.read_text())
    start = time.perf_counter()
    model = train(Path(folder))
    steps = sorted({row["step"] for row in model.history_})
    result = {
        **known,
        "seconds": {
            step: float(np.median([row["dur"] for row in model.history_ if row["step"] == step]))
            for step in steps
        },
        "minutes": sum(row["dur"] for row in model.history_) / 60,
        "date": str(date.today()),
        "trained_on": device_name(model.device),
        "machine": machine("torch", "skorch"),
        **errors(model, *test, known["seed"]),
    }
    finished.write_text(json.dumps(result))
    print(f"{result} ({time.perf_counter() - start:.0f} s)", flush=True)
    return result


def device_name(device):
    """Return the name of the GPU for a parameter ``device``, or CPU."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    return torch.cuda.getdevice_name(device) if device.type == "cuda" else "CPU"


def errors(model, X, y, seed):
    """Measure the error of each head in percent, on queries in random order."""
    order = np.random.default_rng(seed).permutation(len(y))
    return {
        head: 100 * (1 - model.set_params(head=head).score(X[order], y[order]))
        for head in ("linear", "wnll")
    }


def grouped_results(folder, names):
    """Group the results of all finished runs by the named settings."""
    groups = defaultdict(list)
    for path in sorted(Path(folder).glob("*/result.json")):
        result = json.loads(path.read_text())
        groups[tuple(result[name] for name in names)].append(result)
    return sorted(groups.items())


def dates(results):
    """Return the dates of measurement."""
    days = sorted({result["date"] for result in results})
    return " to ".join(dict.fromkeys([days[0], days[-1]]))
