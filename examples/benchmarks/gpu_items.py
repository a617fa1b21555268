"""
Common parts of gpu.py: what is measured in turn, each with a limit of time
===========================================================================
"""

import gc
import json
import re
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import few_labels
import numpy as np
import torch
from measure import machine
from torch import nn
from trainings import device_name, draw_rows

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLHead, WNLLStep, backbones
from sklearn_wnll.exceptions import CompilationFailedWarning

BROKEN = 3  # exit status where the device answers no more, so a new process must go on
LEAST = 3  # seconds, below which nothing is begun
CLASSES = 10


class OutOfTime(BaseException):
    """A limit of time; no ``except Exception`` on the way takes it for an error of its own."""


@contextmanager
def time_limit(seconds):
    """Raise OutOfTime in the context after some seconds."""

    def stop(*_):
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Setup:
    """The device, the folder of the data, and whether sizes are small, for a trial on a CPU."""

    device: torch.device
    data_home: str | None
    small: bool

    def size(self, count, least=100):
        """Return a size, or for a trial a small part of it."""
        return max(least, count // 250) if self.small else count

    @property
    def network(self):
        """The network whose steps are measured."""
        return tiny if self.small else backbones.resnet20

    @property
    def name(self):
        """The name of the GPU, or CPU."""
        return device_name(self.device)

    def synchronize(self):
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def cifar(self, n_labels, n_others):
        """Draw images of CIFAR-10, of which the first have a label."""
        X, y = few_labels.load("cifar10", "train", self.data_home)
        labeled, others = draw_rows(y, n_labels, n_others, 0)
        few = np.concatenate([y[labeled], np.full(len(others), -1)])
        return X[np.concatenate([labeled, others])], few

    def model(self, *, linear=0, pseudo=0, wnll=0, labels="wnll", **params):
        """Make a network with some epochs of each step."""
        return DeepWNLLClassifier(
            module=self.network,
            n_stages=2 if pseudo else 1,
            linear_step=LinearStep(linear),
            pseudo_step=PseudoLabelStep(pseudo, labels=labels),
            wnll_step=WNLLStep(wnll),
            wnll=WNLLHead(n_neighbors=60),
            device=str(self.device),
            random_state=0,
        ).set_params(**params)


class Item(NamedTuple):
    """Something to measure: its name, a function of the setup, and its limit in seconds."""

    name: str
    run: Callable
    limit: float


def tiny(in_channels):
    """Make a network that takes a moment."""
    layers = nn.Conv2d(in_channels, 8, 8, stride=8), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers)


def synthetic_images(count, seed=0):
    """Draw images of 32 x 32 pixels and their classes, which have other means."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    means = np.random.default_rng(1).uniform(60, 190, size=(CLASSES, 4, 4, 3))
    means = means.repeat(8, axis=1).repeat(8, axis=2)
    images = means[y] + rng.normal(scale=40, size=(count, 32, 32, 3))
    return images.clip(0, 255).astype(np.uint8), y


def run_items(items, folder, setup, until):
    """Run the items without a result until some time, and store each result or error.

    One that the end of all cuts off is left to another call.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        path = folder / f"{re.sub('[^0-9A-Za-z]+', '-', item.name).strip('-')}.json"
        if path.exists():
            continue
        left = until - time.time()
        if left < LEAST:
            print(f"not begun: {item.name}", flush=True)
            continue
        result = attempt(item, setup, min(item.limit, left))
        if result is None and left < item.limit:
            print(f"cut off: {item.name}", flush=True)
            continue
        result = result or {"error": f"not finished within {item.limit:.0f} s"}
        result = {"name": item.name, **result, **conditions(setup)}
        path.write_text(json.dumps(result))
        print(json.dumps(result), flush=True)
        if "CUDA error" in result.get("error", ""):
            sys.exit(BROKEN)


def attempt(item, setup, seconds):
    """Return the result of an item or its error; None if it takes longer than the seconds."""
    start = time.perf_counter()
    if setup.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(setup.device)
    try:
        with time_limit(seconds), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", CompilationFailedWarning)
            result = item.run(setup)
    except OutOfTime:
        result = None
    except Exception as error:
        traceback.print_exc()
        result = {"error": f"{type(error).__name__}: {error}"}
    gc.collect()
    if result is not None:
        result["seconds"] = time.perf_counter() - start
        if setup.device.type == "cuda":
            result["memory"] = torch.cuda.max_memory_allocated(setup.device) / 1e9
    return result


def conditions(setup):
    """Return where and when something is measured."""
    return {"on": setup.name, "machine": machine("torch", "skorch"), "date": str(date.today())}
