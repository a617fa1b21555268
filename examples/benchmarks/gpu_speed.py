"""
Times of gpu.py, each with its goal
===================================

Each returns a number, its goal and their unit.
"""

import time
from functools import cache

import few_labels
import numpy as np
import torch
from gpu_items import CLASSES, Item
from jobs import hide_all_but, mnist, sheets
from sklearn import config_context

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels

SECONDS, IMAGES = "s", "images/s"
OPTIONS = {
    "": {},
    "compiled": {"compile": True},
    "mixed precision": {"mixed_precision": True},
    "compiled, mixed precision": {"compile": True, "mixed_precision": True},
}
PSEUDO, LINEAR = "pseudo-label epoch", "linear step"
BATCH = 128
FEW, SOME, MANY = 1000, 9000, 49_000


def repeated(setup, function, count):
    """Return the seconds of calls, after one to warm up."""
    seconds = []
    for _ in range(1 + count):
        setup.synchronize()
        start = time.perf_counter()
        function()
        setup.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def epochs(model, step):
    """Return the seconds of the epochs of a step, without the first."""
    return [row["dur"] for row in model.history_ if row["step"] == step][1:]


def figures(values, goal, unit, **more):
    """Make the result of a measurement."""
    return {"value": float(np.median(values)), "all": list(values), "goal": goal, "unit": unit,
            **more}  # fmt: skip


def fit_mnist(setup):
    """Fit all of MNIST as a tensor."""
    X, y = mnist(setup.data_home)
    few = hide_labels(y, 10, random_state=0)
    rows = torch.from_numpy(X).to(setup.device)
    model = WNLLClassifier(random_state=0)
    with config_context(array_api_dispatch=True):
        seconds = repeated(setup, lambda: model.fit(rows, few).transduction_, 3)
        found = model.transduction_.cpu().numpy()
    return figures(seconds, 0.5, SECONDS, accuracy=100 * (found == y)[few == -1].mean())


def fit_rows(setup):
    """Fit two million rows, after a warm-up with a tenth of them."""
    X, y = sheets(setup.size(2_000_000), 32)
    few = hide_all_but(y, [20] * CLASSES)
    rows, model = torch.from_numpy(X).to(setup.device), WNLLClassifier(random_state=0)
    part = len(y) // 10
    with config_context(array_api_dispatch=True):
        model.fit(rows[:part], hide_all_but(y[:part], [2] * CLASSES))
        setup.synchronize()
        start = time.perf_counter()
        model.fit(rows, few).transduction_  # noqa: B018
        setup.synchronize()
        seconds = time.perf_counter() - start
        found = model.transduction_.cpu().numpy()
    return figures([seconds], 15, SECONDS, accuracy=100 * (found == y)[few == -1].mean())


def pseudo_epoch(setup, n_others, goal, params):
    """Measure epochs of a pseudo-label step."""
    X, few = setup.cifar(setup.size(FEW), setup.size(n_others))
    model = setup.model(pseudo=3 if n_others == MANY else 5, **params).fit(X, few)
    return figures(epochs(model, "pseudo"), goal, SECONDS)


def linear_step(setup, n_labels, params):
    """Measure epochs of a linear step, in images per second."""
    X, few = setup.cifar(setup.size(n_labels), 0)
    if n_labels > FEW:
        params = {"linear_step__batch_size": BATCH, **params}
    model = setup.model(linear=8 if n_labels == FEW else 4, **params).fit(X, few)
    return figures(len(few) / np.array(epochs(model, "linear")), 20_000, IMAGES)


def wnll_epoch(setup, n_others):
    """Measure epochs of a WNLL step."""
    X, few = setup.cifar(setup.size(FEW), setup.size(n_others) if n_others else 0)
    model = setup.model(linear=1, wnll=4).fit(X, few)
    return figures(epochs(model, "wnll"), 0.4, SECONDS)


@cache
def _fitted(setup):
    return setup.model(linear=2, pseudo=1).fit(*setup.cifar(setup.size(FEW), setup.size(SOME)))


def predict(setup):
    """Measure the prediction of the test images."""
    model = _fitted(setup)
    X = few_labels.load("cifar10", "test", setup.data_home)[0][: setup.size(10_000)]
    return figures(repeated(setup, lambda: model.predict_proba(X), 2), 1, SECONDS)


def _with_options(name, options, function, *arguments, limit):
    name = f"{name}; {options}" if options else name
    return Item(name, lambda setup: function(setup, *arguments, OPTIONS[options]), limit)


def _pseudo(options, n_others=SOME, goal=0.5, limit=60):
    name = f"{PSEUDO}, {FEW:,} + {n_others:,} images"
    return _with_options(name, options, pseudo_epoch, n_others, goal, limit=limit)


def _linear(options, n_labels=FEW, limit=50):
    batches = "batches auto" if n_labels == FEW else f"batches of {BATCH}"
    name = f"{LINEAR}, {n_labels:,} images, {batches}"
    return _with_options(name, options, linear_step, n_labels, limit=limit)


COMPILED, MIXED, BOTH = list(OPTIONS)[1:]
# The most important first.
SPEED = [
    Item("MNIST, 70,000 x 784, tensor to transduction_", fit_mnist, 30),
    _pseudo("", limit=40),
    _linear(""),
    Item("WNLL epoch, 1,000 labels, 50 pairs", lambda setup: wnll_epoch(setup, 0), 25),
    Item("predicting 10,000 images", predict, 30),
    _pseudo("", MANY, 2.5),
    Item("2,000,000 x 32, tensor to transduction_", fit_rows, 70),
    _pseudo(BOTH),
    _linear("", 100 * BATCH),
    _linear(BOTH, 100 * BATCH, 60),
    _pseudo(BOTH, MANY, 2.5),
    _linear(COMPILED, limit=70),
    Item("WNLL epoch, 1,000 + 9,000 images, 50 pairs", lambda setup: wnll_epoch(setup, SOME), 30),
    _pseudo(COMPILED),
    _pseudo(MIXED),
    _linear(MIXED),
    _linear(BOTH, limit=70),
]
