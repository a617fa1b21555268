"""
Checks of gpu.py: trainings that repeat, nothing that waits, and the same answers as on the host
================================================================================================

Each returns whether it has passed, and a figure.
"""

import tempfile
import warnings
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from gpu_items import CLASSES, Item, synthetic_images
from jobs import hide_all_but, sheets
from sklearn import config_context
from sklearn.utils.estimator_checks import check_array_api_input
from skorch.callbacks import Callback

from sklearn_wnll import WNLLClassifier

TOLERANCE = 1e-6
OPTIONS = {
    "label_weight='auto'": {},
    "label_weight='wnll'": {"label_weight": "wnll"},
    "label_weight='laplace'": {"label_weight": "laplace"},
    "label_weight='poisson'": {"label_weight": "poisson"},
    "metric='cosine'": {"metric": "cosine"},
    "class_prior='labeled'": {"class_prior": "labeled"},
    "volume_constraint=True": {"class_prior": "labeled", "volume_constraint": True},
    "held_out=3": {"held_out": 3, "calibrate": True},
}


def passed(right, figure):
    """Make the result of a check."""
    return {"passed": bool(right), "figure": figure}


@contextmanager
def deterministic():
    """Fix all algorithms within the context."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


# %%
# Trainings
# ---------


def samples(setup):
    """Draw images with classes, of which a fifth have a label."""
    X, y = synthetic_images(setup.size(5000, 200))
    return X, np.where(np.arange(len(y)) < len(y) // 5, y, -1)


def training(setup, **params):
    """Train with steps of all kinds."""
    X, few = samples(setup)
    with deterministic():
        return setup.model(linear=2, pseudo=3, wnll=1, **params).fit(X, few)


@cache
def unbroken(setup):
    """Return the weights and losses of a training that is neither stopped nor watched."""
    return outcome(training(setup))


def outcome(model):
    """Return the weights and the losses of a training."""
    weights = [part.flatten().double() for part in model.network_.state_dict().values()]
    return torch.cat(weights), [row["train_loss"] for row in model.history_]


def same_bits(setup, model):
    """Compare a training with the unbroken one."""
    (a, losses), (b, others) = unbroken(setup), outcome(model)
    n_others = int((a != b).sum())
    return passed(losses == others and n_others == 0, f"{n_others:,} of {len(a):,} weights differ")


def repeats(setup):
    """Train twice."""
    return same_bits(setup, training(setup))


class Stopped(Exception):
    """The end of a training before its last epoch."""


class StopInPseudoStep(Callback):
    """End a training in the second epoch with pseudo-labels."""

    def on_batch_end(self, net, **kwargs):
        """Raise Stopped in the second batch."""
        here = len(net.history), len(net.history[-1]["batches"])
        if net.step.name == "pseudo" and here == (2, 2):
            raise Stopped


def resumes(setup):
    """Stop a training, and go on."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            training(setup, checkpoint_dir=folder, callbacks=[StopInPseudoStep()])
        except Stopped:
            return same_bits(setup, training(setup, checkpoint_dir=folder))
    return passed(False, "not stopped")


class CountWaits(Callback):
    """Let torch warn, from the first batch of an epoch to its last one, of all that waits."""

    def __init__(self, on_gpu, epochs):
        self.on_gpu, self.epochs = on_gpu, epochs

    def __deepcopy__(self, memo):
        return self

    def on_batch_begin(self, net, **kwargs):
        """Begin after the batches have been prepared."""
        if net.step.name != "wnll" and len(net.history[-1]["batches"]) == 1:
            self.n_batches = len(net.batches)
            watch(self.on_gpu, "warn")

    def on_batch_end(self, net, **kwargs):
        """End before the losses are read."""
        if net.step.name != "wnll" and len(net.history[-1]["batches"]) == self.n_batches:
            watch(self.on_gpu, "default")
            self.epochs.append(self.n_batches)


def watch(on_gpu, mode):
    """Set what torch does when something waits for the GPU."""
    if on_gpu:
        torch.cuda.set_sync_debug_mode(mode)


def does_not_wait(setup):
    """Count what waits for the device; a wait on purpose must be found."""
    on_gpu, epochs = setup.device.type == "cuda", []
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            watch(on_gpu, "warn")
            torch.ones(2, device=setup.device).sum().item()
            watch(on_gpu, "default")
            known = len(waits(seen))
            training(setup, callbacks=[CountWaits(on_gpu, epochs)])
        finally:
            watch(on_gpu, "default")
    found = waits(seen)[known:]
    text = f"{len(found)} waits in {sum(epochs)} batches of {len(epochs)} epochs"
    places = "".join(f"; {place}" for place in dict.fromkeys(found))
    return passed(not found and epochs and (known or not on_gpu), text + places)


def waits(seen):
    """Return the places of the warnings that something waits."""
    return [
        f"{one.filename.rpartition('sklearn_wnll')[2]}, line {one.lineno}"
        for one in seen
        if "called a synchronizing" in str(one.message)
    ]


def same_graph(setup):
    """Compare the graph of a network's features with that of the same features on the host.

    The features are in the network's file, which is read by an estimator on the CPU.
    """
    params = {"wnll__tol": 1e-10, "wnll__neighbors": "exact"}
    model = setup.model(linear=2, pseudo=1, **params).fit(*samples(setup))
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/network.pt")
        host = setup.model(linear=2, pseudo=1, **params, device="cpu")
        host.load_weights(f"{folder}/network.pt")
    gap = np.abs(model.label_distributions_ - host.label_distributions_).max()
    return passed(gap <= TOLERANCE, f"{gap:.1e}")


# %%
# WNLLClassifier on tensors
# -------------------------


def same_answers(setup, options):
    """Compare fits to a tensor and to an array."""
    X, y = sheets(setup.size(6000, 500), 16)
    X = X.astype(np.float64)
    new, X, y = X[:50], X[50:], y[50:]
    few = hide_all_but(y, [2] * CLASSES)
    params = {"tol": 1e-9, "neighbors": "exact", "random_state": 0, **options}
    ours = WNLLClassifier(**params).fit(X, few)
    names = ["label_distributions_", "held_out_distributions_"]
    names = [name for name in names if hasattr(ours, name)]
    with config_context(array_api_dispatch=True):
        rows, more = (torch.from_numpy(part).to(setup.device) for part in (X, new))
        theirs = WNLLClassifier(**params).fit(rows, few)
        found = [getattr(theirs, name) for name in names] + [theirs.predict_proba(more)]
    there = {part.device.type for part in found} == {setup.device.type}
    expected = [getattr(ours, name) for name in names] + [ours.predict_proba(new)]
    pairs = zip(expected, found, strict=True)
    gap = max(np.nanmax(np.abs(a - b.cpu().numpy())) for a, b in pairs)
    return passed(there and gap <= TOLERANCE, f"{gap:.1e}")


def array_api(setup):
    """Run scikit-learn's own check."""
    for dtype in ("float64", "float32"):
        model = WNLLClassifier(random_state=0)
        check_array_api_input("WNLLClassifier", model, "torch", setup.device.type, dtype)
    return passed(True, "float64 and float32")


def _answers_item(name, options):
    return Item(f"tensors and arrays, {name}", lambda setup: same_answers(setup, options), 20)


CHECKS = [
    Item("the same seed trains the same bits", repeats, 40),
    Item("a resumed training ends with the same bits", resumes, 40),
    Item("nothing waits within an epoch", does_not_wait, 40),
    Item("a network's graph on the device and on the host", same_graph, 30),
    *(_answers_item(*pair) for pair in OPTIONS.items()),
    Item("check_array_api_input of scikit-learn", array_api, 20),
]
