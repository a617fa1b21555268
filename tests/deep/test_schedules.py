"""Learning rates: a step's own schedule gives way to a user's."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, LRScheduler
from torch.optim import SGD

from sklearn_wnll.deep import LinearStep
from sklearn_wnll.exceptions import TrainingInterruptedWarning

from .tiny import data, model, rates, rows, weights

# The step, parameters that make it run, its first rate, and its batches per epoch.
STEPS = {
    "linear": ({}, 0, 0.1, 3),
    "pseudo": (
        {"n_stages": 2, "linear_step__epochs": 0, "wnll": None},
        20,
        0.08,
        4,
    ),
    "wnll": ({"linear_step__epochs": 0, "wnll_step__epochs": 4}, 0, 0.01, 2),
}

PER_EPOCH = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [1, 3], "gamma": 0.1},
    "ExponentialLR": {"gamma": 0.7},
    "CosineAnnealingLR": {"T_max": 4},
    "LambdaLR": {"lr_lambda": lambda epoch: 1 / (1 + epoch)},
    "WarmRestartLR": {"min_lr": 0.001, "max_lr": 0.02, "base_period": 2},
    torch.optim.lr_scheduler.PolynomialLR: {"total_iters": 4},
}
PER_BATCH = {
    torch.optim.lr_scheduler.OneCycleLR: {"max_lr": 0.2, "total_steps": 30},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.05, "step_size_up": 4, "cycle_momentum": False},
    "StepLR": {"step_size": 3, "gamma": 0.5},
    torch.optim.lr_scheduler.CosineAnnealingWarmRestarts: {"T_0": 5},
}


class Seen(Callback):
    """Record the rate of every batch at the update of the weights."""

    def __init__(self, found):
        self.found = found

    def __deepcopy__(self, memo):
        return Seen(self.found)

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.found.append((net.step.name, net.optimizer_.param_groups[0]["lr"]))


def train(step, callbacks, **params):
    """Train a step for four epochs: the rates in the history, and those of all batches."""
    special, n_unlabeled, _, _ = STEPS[step]
    found = []
    fitted = model(**special, **params, callbacks=[*callbacks, Seen(found)])
    fitted.fit(*data(n_unlabeled=n_unlabeled))
    return rates(fitted, step), [rate for name, rate in found if name == step]


def simulated(policy, kwargs, first, n):
    return LRScheduler(policy, **kwargs).initialize().simulate(n, first)


@pytest.mark.parametrize(
    ("step", "policy"),
    [*(("linear", policy) for policy in PER_EPOCH), ("pseudo", "StepLR"),
     ("pseudo", "WarmRestartLR"), ("wnll", "ExponentialLR")],
)  # fmt: skip
def test_a_users_schedule_of_epochs_sets_every_rate(step, policy):
    _, _, first, n_batches = STEPS[step]
    expected = simulated(policy, PER_EPOCH[policy], first, 4)
    of_epochs, of_batches = train(step, [("mine", LRScheduler(policy, **PER_EPOCH[policy]))])
    np.testing.assert_allclose(of_epochs, expected)
    np.testing.assert_allclose(of_batches, np.repeat(expected, n_batches))


@pytest.mark.parametrize(
    ("step", "policy"),
    [*(("pseudo", policy) for policy in PER_BATCH), ("linear", "CyclicLR"), ("wnll", "StepLR")],
)
def test_a_users_schedule_of_batches_sets_every_rate(step, policy):
    _, _, first, n_batches = STEPS[step]
    expected = simulated(policy, PER_BATCH[policy], first, 4 * n_batches)
    schedule = LRScheduler(policy, step_every="batch", **PER_BATCH[policy])
    of_epochs, of_batches = train(step, [schedule])
    np.testing.assert_allclose(of_batches, expected)
    np.testing.assert_allclose(of_epochs, expected[::n_batches])


@pytest.mark.parametrize("step", STEPS)
def test_a_plateau_lowers_the_rate_that_nothing_else_lowers(step):
    # No loss is better than minus infinity: no epoch after the first makes progress.
    schedule = LRScheduler("ReduceLROnPlateau", monitor=lambda net: 1.0, patience=0, factor=0.5)
    _, _, first, n_batches = STEPS[step]
    expected = first * np.array([1, 1, 0.5, 0.25])
    of_epochs, of_batches = train(step, [schedule])
    np.testing.assert_allclose(of_epochs, expected)
    np.testing.assert_allclose(of_batches, np.repeat(expected, n_batches))


class SetRate(Callback):
    """Set a rate at every event of a name, from an epoch on."""

    def __init__(self, event, rate, first=1):
        self.event, self.rate, self.first = event, rate, first

    def _set(self, net, event):
        if event == self.event and len(net.history) >= self.first:
            for group in net.optimizer_.param_groups:
                group["lr"] = self.rate

    def on_train_begin(self, net, **kwargs):
        self._set(net, "on_train_begin")

    def on_epoch_begin(self, net, **kwargs):
        self._set(net, "on_epoch_begin")

    def on_batch_begin(self, net, **kwargs):
        self._set(net, "on_batch_begin")

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self._set(net, "on_grad_computed")

    def on_epoch_end(self, net, **kwargs):
        self._set(net, "on_epoch_end")


@pytest.mark.parametrize("step", ["linear", "pseudo"])
@pytest.mark.parametrize("event", ["on_epoch_begin", "on_batch_begin", "on_grad_computed"])
@pytest.mark.parametrize("same", [False, True])
def test_a_callback_that_sets_the_rate_has_the_last_word(step, event, same):
    # Also if it first sets the rate to its present value.
    rate = STEPS[step][2] if same else 0.003
    of_epochs, of_batches = train(step, [SetRate(event, rate)])
    assert set(of_batches) == {rate}
    if event != "on_grad_computed":
        assert set(of_epochs) == {rate}


def test_a_rate_that_is_set_once_stays():
    of_epochs, _ = train("linear", [SetRate("on_train_begin", 0.003, first=0)])
    assert of_epochs == 4 * [0.003]


def test_a_rate_that_is_a_tensor_is_a_number_in_the_history():
    of_epochs, _ = train("linear", [SetRate("on_epoch_begin", torch.tensor(0.25))])
    assert of_epochs == 4 * [0.25]


def test_a_steps_own_schedule_counts_until_somebody_else_sets_the_rate():
    of_epochs, _ = train("linear", [SetRate("on_epoch_begin", 0.003, first=3)])
    assert of_epochs == pytest.approx([0.1, 0.05, 0.003, 0.003])


def test_setting_the_rate_of_the_net_counts_too():
    class SetNet(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 2:
                net.set_params(lr=0.007)

    of_epochs, _ = train("linear", [SetNet()])
    assert of_epochs == pytest.approx([0.1, 0.007, 0.007, 0.007])


class Scheduled(LinearStep):
    """A linear step with its own scheduler."""

    def callbacks(self, context, batches):
        mine = LRScheduler("ExponentialLR", gamma=0.9)
        return [*super().callbacks(context, batches), mine]


def test_a_scheduler_among_the_callbacks_of_a_step_counts_too():
    step = Scheduled(4, lr=0.1, batch_size=20, lr_halving_epochs=1)
    fitted = model(linear_step=step).fit(*data())
    assert rates(fitted, "linear") == pytest.approx([0.1, 0.09, 0.081, 0.0729])


class Interrupt(Callback):
    """Press Ctrl-C in an epoch of a step."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def scheduler(name):
    return {
        "epochs": lambda: LRScheduler("StepLR", step_size=2, gamma=0.5),
        "chained": lambda: LRScheduler("ExponentialLR", gamma=0.7),
        "batches": lambda: LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR, step_every="batch", max_lr=0.2, total_steps=30
        ),
        "arrays": lambda: LRScheduler("WarmRestartLR", min_lr=0.001, max_lr=0.02, base_period=2),
        "counter": lambda: LRScheduler("MultiStepLR", milestones=[1, 3]),
        "function": lambda: LRScheduler("LambdaLR", lr_lambda=[lambda epoch: 1 / (1 + epoch)]),
        "plateau": lambda: LRScheduler(
            "ReduceLROnPlateau", monitor=lambda net: 1.0, patience=0, factor=0.5
        ),
        "a factor": lambda: Shrink(),
        "own": lambda: Callback(),
    }[name]()


class Shrink(Callback):
    """Multiply the rate after each epoch, whatever it is."""

    def on_epoch_end(self, net, **kwargs):
        for group in net.optimizer_.param_groups:
            group["lr"] *= 0.8


SCHEDULES = [
    "epochs", "chained", "batches", "arrays", "counter", "function", "plateau", "a factor", "own",
]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "name"),
    [*(("linear", name) for name in SCHEDULES), ("pseudo", "batches"), ("pseudo", "a factor"),
     ("pseudo", "own"), ("wnll", "chained")],
)  # fmt: skip
def test_a_resumed_step_has_the_rates_of_an_unbroken_one(step, name, tmp_path):
    special, n_unlabeled, _, _ = STEPS[step]
    X, y = data(n_unlabeled=n_unlabeled)
    unbroken = model(**special, callbacks=[scheduler(name)]).fit(X, y)
    folder = {"checkpoint_dir": tmp_path}
    cut = model(**special, **folder, callbacks=[scheduler(name), Interrupt(3)])
    with pytest.warns(TrainingInterruptedWarning, match="after 2 whole epochs"):
        cut.fit(X, y)
    whole = model(**special, **folder, callbacks=[scheduler(name)]).fit(X, y)
    assert rates(whole, step) == rates(unbroken, step)
    assert rows(whole) == rows(unbroken)
    assert torch.equal(weights(whole), weights(unbroken))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [LRScheduler("ExponentialLR", gamma=0.5)], [0.1, 0.05, 0.1, 0.05]),
        ([LRScheduler("ExponentialLR", gamma=0.5)], [], [0.1, 0.05, 0.025, 0.0125]),
        (
            [LRScheduler("ExponentialLR", gamma=0.5)],
            [LRScheduler("ExponentialLR", gamma=0.1)],
            [0.1, 0.05, 0.1, 0.01],
        ),
        (
            [LRScheduler(torch.optim.lr_scheduler.OneCycleLR, step_every="batch", max_lr=0.2,
                         total_steps=30)],
            [],
            [0.008, None, 0.025, 0.0125],
        ),
    ],
)  # fmt: skip
def test_another_schedule_of_a_resumed_step_begins_anew(before, after, expected, tmp_path):
    X, y = data()
    cut = model(checkpoint_dir=tmp_path, callbacks=[*before, Interrupt(3)])
    with pytest.warns(TrainingInterruptedWarning):
        cut.fit(X, y)
    whole = model(checkpoint_dir=tmp_path, callbacks=after).fit(X, y)
    for rate, value in zip(rates(whole, "linear"), expected, strict=True):
        assert value is None or rate == pytest.approx(value)


def test_the_moments_of_the_optimizer_are_kept_with_another_schedule(tmp_path):
    X, y = data()
    with pytest.warns(TrainingInterruptedWarning):
        model(checkpoint_dir=tmp_path, callbacks=[Interrupt(3)]).fit(X, y)
    seen = []

    class Moments(Callback):
        def on_epoch_begin(self, net, **kwargs):
            assert isinstance(net.optimizer_, SGD)
            seen.append(len(net.optimizer_.state_dict()["state"]))

        def __deepcopy__(self, memo):
            return self

    schedule = LRScheduler("ExponentialLR", gamma=0.5)
    model(checkpoint_dir=tmp_path, callbacks=[schedule, Moments()]).fit(X, y)
    assert seen[0] > 0
