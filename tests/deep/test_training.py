"""Training in stages: its record, and its state after an interruption."""

import json
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from skorch.callbacks import Callback, EarlyStopping, Freezer, LRScheduler
from torch import nn

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep, wnll_interpolate
from sklearn_wnll.deep._network import WNLLNetwork
from sklearn_wnll.deep._training.fingerprints import fingerprints
from sklearn_wnll.deep._training.interrupts import InterruptWatch
from sklearn_wnll.deep._training.net import StepNet
from sklearn_wnll.deep.backbones import mlp
from sklearn_wnll.exceptions import TrainingInterruptedWarning

from . import killed_training


class InterruptAt(Callback):
    """Press Ctrl-C in an epoch, counted over all steps."""

    def __init__(self, count, seen):
        self.count, self.seen = count, seen

    def __deepcopy__(self, memo):
        return InterruptAt(self.count, self.seen)

    def on_epoch_begin(self, net, **kwargs):
        self.seen.append(net)
        if len(self.seen) == self.count:
            raise KeyboardInterrupt


def weights(model):
    return torch.cat([part.flatten() for part in model.network_.state_dict().values()])


def rows(history):
    """The history without its times."""
    return [{key: value for key, value in row.items() if key != "dur"} for row in history]


@pytest.fixture(scope="module")
def unbroken():
    return killed_training.model().fit(*killed_training.data())


@pytest.mark.slow
@pytest.mark.parametrize(("pseudo_epochs", "later"), [(3, "pseudo"), (0, "linear")])
def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(pseudo_epochs, later, tmp_path):
    X, y = killed_training.data()
    places = [(1, "linear", 2), (1, "wnll", 1), (2, later, 3), (2, "wnll", 2)]
    threads = str(torch.get_num_threads())
    command = [sys.executable, "-m", "tests.deep.killed_training", str(tmp_path), threads]
    done = subprocess.run(
        [*command, str(pseudo_epochs), json.dumps(places)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    unbroken = killed_training.model(pseudo_step__epochs=pseudo_epochs).fit(X, y)
    for (stage, step, _), history in zip(places, json.loads(done.stdout), strict=True):
        expected = rows(unbroken.history_)[: len(history)]
        assert rows(history) == expected
        assert (expected[-1]["stage"], expected[-1]["step"]) <= (stage, step)
    model = killed_training.model(checkpoint_dir=tmp_path, pseudo_step__epochs=pseudo_epochs)
    model.fit(X, y)
    assert rows(model.history_) == rows(unbroken.history_)
    assert torch.equal(weights(model), weights(unbroken))
    np.testing.assert_array_equal(model.label_distributions_, unbroken.label_distributions_)


def test_a_finished_training_is_not_repeated(unbroken, tmp_path):
    seen = []
    X, y = killed_training.data()
    for _ in range(2):
        model = killed_training.model(checkpoint_dir=tmp_path)
        model.set_params(callbacks=[InterruptAt(None, seen)]).fit(X, y)
        assert len(seen) == 10
        assert torch.equal(weights(model), weights(unbroken))


def test_the_seed_of_a_checkpoint_is_kept(tmp_path):
    X, y = killed_training.data()
    model = killed_training.model(checkpoint_dir=tmp_path, random_state=None)
    first, again = weights(model.fit(X, y)), weights(model.fit(X, y))
    assert torch.equal(first, again)


def small_network(in_channels):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def test_another_seed_on_resuming_changes_nothing(tmp_path):
    # The image patches, used for pseudo-labels, depend on the seed too.
    X, y = killed_training.data()
    X, y = X[:300].reshape(-1, 1, 8, 8), y[:300]
    models = [
        killed_training.model(checkpoint_dir=tmp_path, callbacks=[InterruptAt(5, [])]),
        killed_training.model(checkpoint_dir=tmp_path),
        killed_training.model(),
    ]
    for model, seed in zip(models, (0, 1, 0), strict=True):
        model.set_params(
            module=small_network, wnll_step__epochs=0, random_state=np.random.RandomState(seed)
        )
    cut, whole, unbroken = models
    with pytest.warns(TrainingInterruptedWarning, match="after 4 whole epochs"):
        cut.fit(X, y)
    whole.fit(X, y)
    unbroken.fit(X, y)
    assert torch.equal(weights(whole), weights(unbroken))
    np.testing.assert_array_equal(whole.label_distributions_, unbroken.label_distributions_)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    X, y = killed_training.data()
    model = killed_training.model(checkpoint_dir=tmp_path, n_stages=1).fit(X, y)
    for change, data, names in (
        (
            {"linear_step__lr": 0.2, "pseudo_step__momentum": 0.5},
            (X, y),
            "linear_step__lr, pseudo_step__momentum",
        ),
        ({"wnll__n_neighbors": 9}, (X, y), "wnll__n_neighbors"),
        ({}, (X[::-1], y), "X"),
        ({}, (X[1:], y[1:]), "X, y"),
        ({"random_state": 5}, (X, y), "random_state"),
    ):
        with pytest.raises(ValueError, match=rf"differs in {names}\. .*another checkpoint_dir"):
            clone(model).set_params(**change).fit(*data)
    model.set_params(verbose=1, callbacks=[], device="cpu", wnll__predict_mode="inductive")
    model.fit(X, y)


def test_another_file_of_that_name_is_refused(tmp_path):
    file = tmp_path / "training.pt"
    model, data = killed_training.model(checkpoint_dir=tmp_path), killed_training.data()
    torch.save({"weight": torch.zeros(2)}, file)
    for content in (file.read_bytes(), file.read_bytes()[:300], b"", b"text"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"training\.pt cannot be read.*checkpoint_dir"):
            model.fit(*data)
    with pytest.raises(ValueError, match=r"checkpoint_dir=.* is not a folder"):
        model.set_params(checkpoint_dir=file).fit(*data)


def test_automatic_batches_and_rates_of_numpy_go_on(tmp_path):
    # The sizes of automatic batches are counted by numpy, rates come from np.logspace.
    X, y = killed_training.data()
    rates = {"lr": np.float64(0.1), "momentum": np.float64(0.9), "weight_decay": np.float64(1e-4)}
    rates = {f"linear_step__{name}": rate for name, rate in rates.items()}
    rates |= {"linear_step__batch_size": "auto", "pseudo_step__batch_size": "auto"}
    unbroken = killed_training.model(**rates)
    cut, whole = (killed_training.model(checkpoint_dir=tmp_path, **rates) for _ in range(2))
    cut.set_params(callbacks=[InterruptAt(3, [])])
    with pytest.warns(TrainingInterruptedWarning, match="after 2 whole epochs"):
        cut.fit(X, y)
    assert torch.equal(weights(whole.fit(X, y)), weights(unbroken.fit(X, y)))


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 9])
def test_an_interrupt_leaves_a_fitted_estimator(count, unbroken, tmp_path):
    X, y = killed_training.data()
    model = killed_training.model(checkpoint_dir=tmp_path, callbacks=[InterruptAt(count, [])])
    with pytest.warns(TrainingInterruptedWarning, match=f"after {count - 1} whole epochs"):
        model.fit(X, y)
    assert len(model.history_) == count - 1
    np.testing.assert_array_equal(model.predict(X), model.transduction_)
    whole = killed_training.model(checkpoint_dir=tmp_path).fit(X, y)
    assert rows(whole.history_) == rows(unbroken.history_)
    assert torch.equal(weights(whole), weights(unbroken))


class SignalAtEnd(Callback):
    """Press Ctrl-C at the end of the third epoch, where skorch's callbacks end trainings."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_at_the_end_of_an_epoch_is_not_a_callback_that_ends_a_step(unbroken, tmp_path):
    X, y = killed_training.data()
    usual = signal.getsignal(signal.SIGINT)
    model = killed_training.model(checkpoint_dir=tmp_path, callbacks=[SignalAtEnd()])
    with pytest.warns(TrainingInterruptedWarning, match="after 2 whole epochs"):
        model.fit(X, y)
    assert signal.getsignal(signal.SIGINT) is usual
    whole = killed_training.model(checkpoint_dir=tmp_path).fit(X, y)
    assert torch.equal(weights(whole), weights(unbroken))


def test_a_training_in_another_thread_leaves_signals_alone(unbroken):
    with ThreadPoolExecutor(1) as pool:
        model = pool.submit(killed_training.model().fit, *killed_training.data()).result()
    assert rows(model.history_) == rows(unbroken.history_)


class KeepWeights(Callback):
    """Keep the weights of each network at the end of each epoch."""

    def __init__(self, kept):
        self.kept = kept

    def __deepcopy__(self, memo):
        return KeepWeights(self.kept)

    def on_epoch_end(self, net, **kwargs):
        state = net.module_.state_dict()
        self.kept.append(torch.cat([part.flatten() for part in state.values()]))


@pytest.mark.parametrize("end", ["all epochs", "a callback", "the best epoch"])
def test_a_pseudo_label_step_ends_with_the_average(end):
    X, y = killed_training.data()
    kept = []
    callbacks = [KeepWeights(kept)]
    if end != "all epochs":
        best = {"load_best": True} if end == "the best epoch" else {}
        callbacks.append(EarlyStopping(monitor="lr", patience=1, sink=lambda text: None, **best))
    model = killed_training.model(
        linear_step__lr_halving_epochs=None,
        pseudo_step__epochs=6,
        wnll_step__epochs=0,
        callbacks=callbacks,
    ).fit(X, y)
    steps = [row["step"] for row in model.history_]
    assert steps.count("pseudo") == 6  # its rate falls: the callback lets it continue
    assert steps.count("linear") == (3 if end == "all epochs" else 2)
    last, trained = weights(model), kept[-1]
    assert not torch.equal(last, trained)
    # The rate has fallen to nearly 0, so the network and its average are close.
    assert (last - trained).norm() < 0.1 * trained.norm()


class ForgetAtLast(Callback):
    """Make the third epoch of a step a bad one, in which all samples look the same."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            nn.init.zeros_(net.module_.buffer[0].weight)


def test_a_training_ends_with_its_last_epoch_and_not_the_best():
    # No sample is held out, and no sample to be predicted selects among the epochs.
    X, y = killed_training.data()
    kept = []
    model = killed_training.model(
        n_stages=1, wnll_step__epochs=3, callbacks=[ForgetAtLast(), KeepWeights(kept)]
    ).fit(X, y)
    losses = [row["train_loss"] for row in model.history_ if row["step"] == "wnll"]
    assert losses[-1] > min(losses)
    assert not any(key.startswith("valid") for row in model.history_ for key in row)
    assert torch.equal(weights(model), kept[-1])


def test_the_history_covers_all_epochs_of_all_stages(unbroken):
    found = [(row["stage"], row["step"], row["epoch"]) for row in unbroken.history_]
    assert found == [
        *((1, "linear", e) for e in (1, 2, 3)), *((1, "wnll", e) for e in (1, 2)),
        *((2, "pseudo", e) for e in (1, 2, 3)), *((2, "wnll", e) for e in (1, 2)),
    ]  # fmt: skip
    rates = [row["lr"] for row in unbroken.history_]
    np.testing.assert_allclose(
        rates, [0.1, 0.1, 0.05, 0.01, 0.01, 0.06, 0.045, 0.015, 0.005, 0.005]
    )
    assert unbroken.history_[2]["train_loss"] < unbroken.history_[0]["train_loss"]
    for row in unbroken.history_:
        assert ("pseudo_weight" in row) == (row["step"] == "pseudo")
        assert 0 < row.get("pseudo_weight", 0.5) <= 3


def test_the_wnll_step_trains_the_buffer_alone():
    X, y = load_digits(return_X_y=True)
    states = []

    class Watch(Callback):
        def on_train_begin(self, net, **kwargs):
            states.append({k: v.clone() for k, v in net.module_.state_dict().items()})

    model = DeepWNLLClassifier(
        n_stages=1,
        linear_step=LinearStep(2),
        wnll_step=WNLLStep(1),
        random_state=0,
        callbacks=[Watch()],
    )
    after = model.fit(X[:500], y[:500]).network_.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, states[1][name])}
    assert changed == {"buffer.0.weight", "buffer.0.bias"}


class Dull(nn.Module):
    """A backbone that returns its inputs."""

    def forward(self, x):
        return x


def wnll_net(network, gradient):
    """The net of a WNLL step that gets its batches one by one."""
    return StepNet(
        network,
        step=WNLLStep(gradient=gradient),
        batches=None,
        context=SimpleNamespace(prepare=lambda x: x, augment=None),
        watch=InterruptWatch(),
        verbose=0,
    ).initialize()


@pytest.mark.parametrize("gradient", ["surrogate", "exact"])
def test_the_wnll_step_goes_backward_from_the_loss_of_the_labeled_queries(gradient):
    torch.manual_seed(0)
    query, template = torch.randn(30, 4), torch.randn(20, 4)
    query_codes, template_codes = torch.arange(30) % 4 - 1, torch.arange(20) % 3
    network = WNLLNetwork(Dull(), query, 3)
    net = wnll_net(network, gradient)
    step = net.train_step_single(((query, query_codes), (template, template_codes)))
    gradients = [p.grad.clone() for p in network.buffer.parameters()]

    u = wnll_interpolate(network.features(template), template_codes, network.features(query))
    known = query_codes >= 0
    if gradient == "surrogate":
        # A softmax with the values of the interpolation.
        logits = network(query)
        u = (logits + (u.log() - logits).detach()).softmax(dim=1)
    chosen = u[known].gather(1, query_codes[known][:, None])
    loss = -(0.99 * chosen + 0.01 / 3).log().mean()
    torch.testing.assert_close(step["loss"], loss)
    expected = torch.autograd.grad(loss, list(network.buffer.parameters()))
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
        assert one.abs().max() > 1e-3


def test_the_wnll_step_sends_each_sample_through_the_backbone_once_in_an_epoch():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], np.where(np.arange(300) < 200, y[:300], -1)
    seen = Seen()
    model = DeepWNLLClassifier(
        seen,
        n_stages=1,
        linear_step=LinearStep(0),
        wnll_step=WNLLStep(0),
        standardize=False,
        random_state=0,
    )
    before = model.fit(X, y).network_.buffer[0].weight
    elsewhere = Counter(seen.rows)
    seen.rows.clear()
    after = model.set_params(wnll_step__epochs=2).fit(X, y).network_.buffer[0].weight
    assert not torch.equal(before, after)
    in_epochs = Counter(seen.rows)
    in_epochs.subtract(elsewhere)
    assert in_epochs == Counter(2 * [row.tobytes() for row in X.astype(np.float32)])


class Seen(nn.Module):
    """Record the rows that pass."""

    def __init__(self, rows=None):
        super().__init__()
        self.rows = [] if rows is None else rows

    def __deepcopy__(self, memo):
        return Seen(self.rows)

    def forward(self, x):
        self.rows += [row.tobytes() for row in x.numpy()]
        return x


def test_a_buffer_block_that_works_in_place_leaves_the_batches_as_they_are():
    torch.manual_seed(0)
    batches = [(torch.randn(n, 4), torch.arange(n) % 3) for n in (30, 20)]
    known = deepcopy(batches)
    network = WNLLNetwork(
        Dull(),
        torch.zeros(2, 4),
        3,
        lambda width: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4)),
    )
    net = wnll_net(network, "exact")
    net.train_step_single(batches)
    for (h, _), (expected, _) in zip(batches, known, strict=True):
        assert torch.equal(h, expected)


@pytest.mark.parametrize("gradient", ["surrogate", "exact"])
def test_the_wnll_step_lowers_its_loss(gradient):
    X, y = load_digits(return_X_y=True)
    model = DeepWNLLClassifier(
        n_stages=1,
        linear_step=LinearStep(1, batch_size=64),
        wnll_step=WNLLStep(10, lr=0.05, n_template_batches=2, n_query_batches=4, gradient=gradient),
        random_state=0,
    ).fit(X[:300], y[:300])
    losses = [row["train_loss"] for row in model.history_ if row["step"] == "wnll"]
    assert losses[-1] < 0.9 * losses[0]


def test_early_stopping_ends_a_step_and_not_the_training(tmp_path):
    X, y = killed_training.data()
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=0.9, sink=lambda text: None)
    model = killed_training.model(
        checkpoint_dir=tmp_path,
        callbacks=[stop],
        linear_step__epochs=8,
        pseudo_step__epochs=8,
        wnll_step__epochs=8,
    )
    history = rows(model.fit(X, y).history_)
    steps = [(row["stage"], row["step"]) for row in history]
    assert list(dict.fromkeys(steps)) == [(1, "linear"), (1, "wnll"), (2, "pseudo"), (2, "wnll")]
    assert len(history) < 32
    assert rows(model.fit(X, y).history_) == history


@pytest.mark.parametrize(
    ("n_labeled", "n_unlabeled", "n_batches", "rates"),
    [
        (64, 0, [4], [0.05 * 8**-0.5]),  # of 16
        (640, 0, [32], [0.05 * (20 / 128) ** 0.5]),
        (1797, 0, [33], [0.05 * (56 / 128) ** 0.5]),
        (300, 1200, [19, 50], [0.05 * 8**-0.5, 0.03]),
    ],
)
def test_automatic_batches_are_smaller_where_samples_are_few(
    n_labeled, n_unlabeled, n_batches, rates
):
    X, y = load_digits(return_X_y=True)
    n = n_labeled + n_unlabeled
    y = np.where(np.arange(n) < n_labeled, y[:n], -1)
    seen = []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append((len(net.history[-1]["batches"]), net.lr))

        def __deepcopy__(self, memo):
            return self

    model = DeepWNLLClassifier(
        n_stages=len(n_batches),
        linear_step=LinearStep(1),
        pseudo_step=PseudoLabelStep(1),
        wnll_step=WNLLStep(0),
        callbacks=[Count()],
        random_state=0,
    ).fit(X[:n], y)
    counts, found = zip(*seen, strict=True)
    assert list(counts) == n_batches
    np.testing.assert_allclose(found, rates)
    model.set_params(linear_step__batch_size=100, n_stages=1).fit(X[:n], y)
    assert seen[-1] == (-(-n_labeled // 100), 0.05)


def test_callbacks_that_schedule_and_freeze_are_obeyed():
    X, y = killed_training.data()
    halve = LRScheduler("StepLR", step_size=1, gamma=0.5)
    model = killed_training.model(callbacks=[halve, Freezer("backbone*")])
    model.set_params(n_stages=1, linear_step__lr_halving_epochs=None, module=mlp(64)).fit(X, y)
    rates = [row["lr"] for row in model.history_]
    np.testing.assert_allclose(rates, [0.1, 0.05, 0.025, 0.01, 0.005])
    for name, value in model.module.named_parameters():
        assert torch.equal(value, model.network_.backbone.get_parameter(name))


def test_what_a_callback_records_is_in_the_history():
    X, y = killed_training.data()
    model = killed_training.model(callbacks=[Note()], n_stages=1).fit(X, y)
    assert [row["note"] for row in model.history_] == [1, 2, 3, 1, 2]


class Note(Callback):
    """Record a numpy number."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("note", np.float32(len(net.history)))


def test_checkpoints_tell_partial_functions_and_numbers_apart():
    X, codes = np.zeros((3, 2)), np.arange(3)
    one, two = (
        fingerprints({"random_state": None, "augment": partial(max, padding=k)}, {}, X, codes)
        for k in (1, 2)
    )
    assert {name for name in one if one[name] != two[name]} == {"augment"}
    one, two = (fingerprints({"random_state": seed}, {}, X, codes) for seed in (0, np.int64(0)))
    assert one == two


class Predict(Callback):
    """Predict held-out samples after each batch and each epoch."""

    def __init__(self, X):
        self.X, self.found = X, []

    def on_batch_end(self, net, **kwargs):
        net.predict_proba(self.X)

    def on_epoch_end(self, net, **kwargs):
        self.found.append((net.step.name, net.predict_proba(self.X)))

    def __deepcopy__(self, memo):
        return self  # for the test to see the results of a step's copy


def test_a_callback_can_predict_and_does_not_change_the_training(unbroken):
    X, y = killed_training.data()
    seen = Predict(X[:7])
    model = killed_training.model(callbacks=[seen]).fit(X, y)
    assert torch.equal(weights(model), weights(unbroken))
    assert {name for name, _ in seen.found} == {"linear", "wnll", "pseudo"}
    for _, u in seen.found:
        assert u.shape == (7, len(model.classes_))
        np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-5)
    last = model.set_params(head="linear").predict_proba(X[:7])
    np.testing.assert_allclose(seen.found[-1][1], last, atol=1e-6)


def test_a_backbone_that_comes_in_evaluation_mode_learns():
    X, y = killed_training.data()
    body = nn.Sequential(nn.Linear(X.shape[1], 8), nn.BatchNorm1d(8)).eval()
    model = killed_training.model(module=body, n_stages=1, wnll_step__epochs=0).fit(X, y)
    assert model.network_.backbone[1].num_batches_tracked > 0


def test_verbose_prints_the_table_of_skorch_and_a_bar(capfd):
    X, y = killed_training.data()
    killed_training.model(verbose=1, n_stages=1).fit(X, y)
    printed = capfd.readouterr()
    assert "train_loss" in printed.out
    assert "[wnll] stage 1, wnll step: 2 epochs" in printed.out
    assert "[wnll] solver" in printed.out
    assert "it/s" in printed.err
