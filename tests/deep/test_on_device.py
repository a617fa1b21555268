"""Trainings where the data is: one path for all devices, on the CPU and without numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_wnll.deep import LinearStep, PseudoLabelStep, crop_and_flip, strong_augmentation
from sklearn_wnll.deep._devices import tuned_convolutions
from sklearn_wnll.deep._inputs import Standardizer
from sklearn_wnll.deep._training import net as net_module
from sklearn_wnll.deep._training.batches import Batches, PseudoLabeledBatches, Samples
from sklearn_wnll.deep._training.net import StepNet
from sklearn_wnll.deep._training.schedules import ResumeRates

from .tiny import data, model, rows, weights

META = torch.device("meta")  # tensors without numbers, which nothing can read


@pytest.fixture
def ahead(monkeypatch):
    """Let the CPU be treated as a device that computes while Python goes on."""
    monkeypatch.setattr(net_module, "runs_ahead", lambda device: True)


class Operations(TorchDispatchMode):
    """The operations that wait for a device, or copy from one to another."""

    WAITS = "_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "equal"

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        result = func(*args, **kwargs)
        if name in self.WAITS or (name == "index" and _has_mask(args[1])):
            self.found.append(name)
        if name in ("_to_copy", "copy_") and args[0 if name == "_to_copy" else 1].device != (
            result.device
        ):
            self.found.append(name)
        return result


def _has_mask(indices):
    """Whether tensors that index another one have masks, whose places must be counted."""
    return any(part is not None and part.dtype == torch.bool for part in indices)


class BetweenBatches(Callback):
    """Record the operations from the first batch of an epoch to its last one."""

    def __init__(self, found):
        self.found = found

    def __deepcopy__(self, memo):
        return self

    def on_batch_begin(self, net, **kwargs):
        if len(net.history[-1]["batches"]) == 1:
            self.n_batches = len(net.batches)
            self.mode = Operations()
            self.mode.__enter__()

    def on_batch_end(self, net, **kwargs):
        if len(net.history[-1]["batches"]) == self.n_batches:
            self.mode.__exit__(None, None, None)
            self.found.append((net.step.name, self.mode.found))


@pytest.mark.parametrize("images", [False, True])
def test_no_batch_waits_for_the_device_or_copies_from_another(images, ahead):
    found = []
    X, y = data(n_unlabeled=30)
    fitted = model(n_stages=2, callbacks=[BetweenBatches(found)])
    fitted.set_params(linear_step__epochs=2, pseudo_step__epochs=2)
    if images:
        X = X.reshape(-1, 1, 8, 8).astype(np.uint8)
        fitted.set_params(module=small_images, module_params=None)
    fitted.fit(X, y)
    assert found == 2 * [("linear", [])] + 2 * [("pseudo", [])]


def small_images(in_channels):
    return torch.nn.Sequential(
        torch.nn.Conv2d(in_channels, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )


def test_the_recorder_of_operations_finds_them():
    with Operations() as seen:
        x = torch.ones(3)
        assert float(x.sum()) == 3
        x[x > 0]
        x.to("meta")
    assert seen.found == ["_local_scalar_dense", "index", "_to_copy"]


@pytest.mark.parametrize("pseudo", [False, True])
def test_batches_are_prepared_and_augmented_where_the_samples_are(pseudo):
    X = np.zeros((20, 3, 8, 8), dtype=np.uint8)
    codes = np.repeat([0, 1, -1], [5, 5, 10])
    samples = Samples(X, codes, META)
    assert samples.stored.device == META
    assert samples.X.device.type == samples[:2][1].device.type == "cpu"
    batches = Batches(samples, 4)
    if pseudo:
        batches = PseudoLabeledBatches(samples, 4, lambda: (np.zeros(10, int), np.ones(10)))
    prepare = Standardizer(X).to(META)
    epoch = iter(batches)
    next(epoch)
    with Operations() as seen:
        for batch in epoch:
            inputs = strong_augmentation(prepare(batch[0]))
            assert {part.device for part in (*batch, inputs)} == {META}
    assert seen.found == []


def test_samples_that_do_not_fit_on_a_gpu_stay_in_main_memory(monkeypatch):
    def half_is(n_bytes):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * n_bytes, 10**12))

    X, codes = np.zeros((10, 8), dtype=np.uint8), np.zeros(10, dtype=int)
    half_is(79)
    samples = Samples(X, codes, "cuda")
    assert samples.stored is samples.X
    half_is(80)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: ("moved", device.type))
    assert Samples(X, codes, "cuda").stored == ("moved", "cuda")


def test_samples_are_not_copied_on_the_cpu():
    X = np.zeros((10, 8), dtype=np.float32)
    samples = Samples(X, np.zeros(10, dtype=int))
    assert samples.stored is samples.X
    assert np.shares_memory(samples.X.numpy(), X)


def test_random_changes_are_drawn_on_the_device_of_the_images():
    images = torch.zeros((5, 3, 8, 8), device=META)
    before = torch.get_rng_state()
    assert crop_and_flip(images).device == strong_augmentation(images).device == META
    assert torch.equal(torch.get_rng_state(), before)


def test_losses_that_are_read_late_are_those_that_are_read_at_once(monkeypatch):
    params = {"n_stages": 2, "wnll_step__epochs": 2}
    at_once = model(**params).fit(*data(n_unlabeled=30))
    monkeypatch.setattr(net_module, "runs_ahead", lambda device: True)
    late = model(**params).fit(*data(n_unlabeled=30))
    assert rows(at_once) == rows(late)
    assert torch.equal(weights(at_once), weights(late))


class Reader(Callback):
    """Read losses in all ways."""

    def __init__(self, seen):
        self.seen = seen

    def __deepcopy__(self, memo):
        return self

    def on_batch_end(self, net, loss, y_pred, **kwargs):
        row = net.history[-1]["batches"][-1]
        assert len(y_pred) == row["train_batch_size"] == 20
        losses = [
            row["train_loss"],
            row.get("train_loss"),
            net.history[-1, "batches", -1, "train_loss"],
            net.history[-1]["batches"][-1]["train_loss"],
        ]
        assert {type(value) for value in losses} == {float}
        assert losses == 4 * [loss.item()]
        assert row.get("valid_loss", 5) == 5
        self.seen.append(losses[0])

    def on_epoch_end(self, net, **kwargs):
        found = [row["train_loss"] for row in net.history[-1]["batches"]]
        assert found == self.seen[-len(found) :]
        assert all(type(value) is float for row in net.history[-1]["batches"]
                   for value in [dict.__getitem__(row, "train_loss")])  # fmt: skip
        assert net.history[-1]["train_batch_count"] == len(found)
        assert net.history[-1, "train_loss"] == pytest.approx(np.mean(found))


def test_callbacks_read_a_loss_when_they_need_it(ahead):
    seen = []
    model(callbacks=[Reader(seen)]).fit(*data())
    assert len(seen) == 12


def accuracy(net, samples, y):
    """The accuracy of the linear head in training."""
    predicted = net.predict_proba(samples.X).argmax(axis=1)
    return float(np.mean(predicted == samples.codes.numpy()))


def test_skorchs_callbacks_go_on_working_where_losses_are_read_late(monkeypatch):
    def fit():
        callbacks = [
            EpochScoring(accuracy, lower_is_better=False, on_train=True, name="score"),
            EarlyStopping(monitor="train_loss", patience=2, threshold=10, threshold_mode="abs"),
            LRScheduler("ReduceLROnPlateau", monitor="train_loss", patience=0, threshold=10),
        ]
        return model(callbacks=callbacks, linear_step__epochs=6).fit(*data())

    expected = fit()
    monkeypatch.setattr(net_module, "runs_ahead", lambda device: True)
    assert rows(fit()) == rows(expected)
    assert 2 <= len(expected.history_) < 6


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_epoch_where_losses_are_read_late(value, ahead):
    class Once(LinearStep):
        def loss(self, net, batch):
            loss, logits = super().loss(net, batch)
            bad = len(net.history) == 2 and len(net.history[-1]["batches"]) == 1
            return (loss * 0 + value if bad else loss), logits

    with pytest.raises(ValueError, match=rf"loss is {value} in epoch 2 of the linear step: .*lr"):
        model(linear_step=Once(3, batch_size=20)).fit(*data())


def test_an_error_that_a_diverged_loss_causes_is_explained_where_losses_are_read_late(ahead):
    class Fails(LinearStep):
        def loss(self, net, batch):
            loss, logits = super().loss(net, batch)
            if len(net.history[-1]["batches"]) == 2:
                raise ValueError("NaN among the features")
            return loss * float("nan"), logits

    with pytest.raises(ValueError, match="loss is nan in epoch 1 of the linear step") as caught:
        model(linear_step=Fails(3, batch_size=20)).fit(*data())
    assert "NaN among the features" in str(caught.value.__context__)


@pytest.mark.parametrize(
    ("device", "n", "size", "rate"),
    [
        ("cpu", 10_000, 32, 0.03),
        ("cuda", 10_000, 256, 0.03 * 8**0.5),
        ("cuda", 4_096, 128, 0.06),
        ("cuda", 500, 64, 0.03 * 2**0.5),
    ],
)
def test_automatic_batches_of_pseudo_labels_are_larger_on_a_gpu(device, n, size, rate):
    codes = np.where(np.arange(n) < 10, 0, -1)
    samples = Samples(np.zeros((n, 1), dtype=np.float32), codes)
    context = SimpleNamespace(samples=samples, device=torch.device(device))
    step = PseudoLabelStep()
    assert step._batch_size(context) == size
    assert step.first_lr(context) == pytest.approx(rate)
    given = PseudoLabelStep(batch_size=64)
    assert (given._batch_size(context), given.first_lr(context)) == (64, 0.03)
    # Few labels take small batches on any device.
    assert LinearStep()._batch_size(context) == 16


@pytest.mark.parametrize("deterministic", [False, True])
def test_cudnn_is_tuned_within_the_training_unless_algorithms_are_fixed(deterministic):
    torch.use_deterministic_algorithms(deterministic)
    try:
        with tuned_convolutions(torch.device("cuda")):
            assert torch.backends.cudnn.benchmark is not deterministic
        assert not torch.backends.cudnn.benchmark
        with tuned_convolutions(torch.device("cpu")):
            assert not torch.backends.cudnn.benchmark
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_checkpoint_of_another_device_leaves_the_descent_as_it_is(monkeypatch):
    fitted = []

    class Look(Callback):
        def on_epoch_begin(self, net, **kwargs):
            fitted.append(net)

    model(callbacks=[Look()]).fit(*data())
    net = fitted[0]
    assert isinstance(net, StepNet)
    state = net.optimizer_.state_dict()
    for group in state["param_groups"]:
        group["fused"] = True
    ResumeRates(state, {"schedulers": {}, "stepped_back": False}).on_train_begin(net)
    assert net.optimizer_.param_groups[0]["fused"] is None
