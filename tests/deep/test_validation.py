"""Samples held out of a training, and callbacks that use their scores."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler
from skorch.callbacks import Checkpoint as SkorchCheckpoint

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLHead
from sklearn_wnll.deep._training.validation import held_out
from sklearn_wnll.exceptions import TrainingInterruptedWarning

from .tiny import data, model, rates, rows, weights

NUMBERS = "valid_loss", "valid_linear_accuracy", "valid_wnll_accuracy"
ALL_STEPS = {"n_stages": 2, "linear_step__epochs": 2, "wnll_step__epochs": 1,
             "pseudo_step__epochs": 2}  # fmt: skip


def others():
    """Digits not used in any training."""
    X, y = load_digits(n_class=3, return_X_y=True)
    return X[100:140], y[100:140]


# --- what is held out -----------------------------------------------------------------


@given(
    st.lists(st.integers(-1, 4), min_size=2, max_size=60), st.floats(0.01, 0.99), st.integers(0, 9)
)
def test_a_fraction_is_held_out_of_each_class(codes, fraction, seed):
    codes = np.array(codes)
    counts = np.bincount(codes[codes >= 0], minlength=1)
    n, present = counts.sum(), np.count_nonzero(counts)
    wanted = max(1, round(fraction * n))
    if wanted > n - max(present, 2):
        with pytest.raises(ValueError, match=r"validation=.* would hold out"):
            held_out(codes, fraction, seed)
        return
    places = held_out(codes, fraction, seed)
    assert len(np.unique(places)) == len(places) == wanted
    taken = np.bincount(codes[places], minlength=len(counts))
    assert (taken[counts > 0] < counts[counts > 0]).all()
    # In proportion to the samples each class can spare, up to rounding.
    spare = np.maximum(counts - 1, 0)
    assert (np.abs(taken - wanted * spare / spare.sum()) < 2).all()
    np.testing.assert_array_equal(held_out(codes, fraction, seed), places)


class SeenCodes(Callback):
    """Record the samples of the training."""

    def __init__(self, found):
        self.found = found

    def __deepcopy__(self, memo):
        return SeenCodes(self.found)

    def on_train_begin(self, net, X, **kwargs):
        self.found.append((X.X.numpy(), X.codes.numpy()))


def test_the_training_does_not_see_what_is_held_out():
    X, y = data(n_unlabeled=20)
    found = []
    fitted = model(validation=0.25, callbacks=[SeenCodes(found)], **ALL_STEPS).fit(X, y)
    for seen, codes in found:
        assert len(seen) == 50
        assert np.count_nonzero(codes >= 0) == 30
    trained = {row.tobytes() for row in found[0][0]}
    out = [
        number for number, row in enumerate(X.astype(np.float32)) if row.tobytes() not in trained
    ]
    assert (y[out] >= 0).all()
    # Changing their pixels changes no weight, but the graph of the fitted samples has them.
    changed = X.copy()
    changed[out] = np.random.default_rng(0).integers(0, 17, (10, 64))
    again = model(validation=0.25, **ALL_STEPS).fit(changed, y)
    assert torch.equal(weights(again), weights(fitted))
    assert again.history_[0]["valid_loss"] != fitted.history_[0]["valid_loss"]
    np.testing.assert_array_equal(fitted.transduction_[y >= 0], y[y >= 0])
    assert len(fitted.label_distributions_) == len(X)


def test_samples_of_ones_own_do_not_change_the_training():
    X, y = data(n_unlabeled=20)
    plain = model(**ALL_STEPS).fit(X, y)
    watched = model(validation=others(), **ALL_STEPS).fit(X, y)
    assert torch.equal(weights(watched), weights(plain))
    np.testing.assert_array_equal(watched.label_distributions_, plain.label_distributions_)
    for row, other in zip(rows(watched), rows(plain), strict=True):
        assert {name: row[name] for name in other} == other


def test_the_seed_decides_what_is_held_out():
    one, same, other = (
        rows(model(validation=0.3, random_state=seed).fit(*data())) for seed in (0, 0, 1)
    )
    assert one == same != other


# --- its numbers ----------------------------------------------------------------------


def test_every_epoch_of_every_step_has_the_numbers_of_both_heads():
    X, y = data(n_unlabeled=20)
    fitted = model(validation=others(), **ALL_STEPS).fit(X, y)
    assert {row["step"] for row in fitted.history_} == {"linear", "wnll", "pseudo"}
    for row in fitted.history_:
        assert row["valid_loss"] > 0
        for name in NUMBERS:
            assert isinstance(row[f"{name}_best"], bool)
            assert np.isfinite(row[name])
        for name in NUMBERS[1:]:
            assert 0 <= row[name] <= 1
    for name in NUMBERS:
        firsts = [row[f"{name}_best"] for row in fitted.history_ if row["epoch"] == 1]
        assert all(firsts)


@pytest.mark.parametrize("step", ["linear", "pseudo"])
def test_the_last_epochs_numbers_are_those_of_the_fitted_estimator(step):
    # In a pseudo-label step, the scores are those of the moving average that the step ends with.
    pseudo = step == "pseudo"
    X, y = data(n_unlabeled=20 if pseudo else 0)
    X_held, y_held = others()
    params = {"n_stages": 1 + pseudo, "linear_step__epochs": 2, "pseudo_step__epochs": 2}
    fitted = model(validation=(X_held, y_held), head="linear", **params).fit(X, y)
    last = fitted.history_[-1]
    assert last["step"] == step
    u = fitted.predict_proba(X_held)[np.arange(40), y_held]
    assert last["valid_loss"] == pytest.approx(-np.log(u).mean(), rel=1e-4)
    assert last["valid_linear_accuracy"] == fitted.score(X_held, y_held)


def test_the_wnll_accuracy_is_that_of_the_graph_of_labelled_and_held_out_samples():
    (X, y), (X_held, y_held) = data(), others()
    fitted = model(
        wnll=WNLLHead(7), validation=(X_held, y_held), augment=None, wnll_step__epochs=1
    ).fit(X, y)
    prepared = fitted._predictor.features
    features = prepared(np.concatenate([X_held, X]).astype(np.float32), torch.device("cpu"))
    graph = WNLLClassifier(7, scale_neighbor=7, random_state=0)
    graph.fit(features, np.concatenate([np.full(40, -1), y]))
    expected = np.mean(graph.transduction_[:40] == y_held)
    assert fitted.history_[-1]["valid_wnll_accuracy"] == pytest.approx(expected)


def test_a_step_of_ones_own_keeps_the_modes_of_its_layers():
    seen = []

    class Frozen(LinearStep):
        """Sets the modes of the layers once, at its start."""

        def callbacks(self, context, batches):
            class Set(Callback):
                def on_train_begin(self, net, **kwargs):
                    net.module_.train()
                    net.module_.backbone.eval()

            return [Set()]

        def loss(self, net, batch):
            seen.append((net.module_.training, net.module_.backbone.training))
            X, codes = batch
            logits = net.module_(net.inputs(X))
            return torch.nn.functional.cross_entropy(logits, codes), logits

    model(linear_step=Frozen(3), validation=others()).fit(*data())
    assert set(seen) == {(True, False)}


# --- callbacks ------------------------------------------------------------------------


@pytest.mark.parametrize("validation", [0.2, "given"])
def test_callbacks_of_skorch_that_monitor_held_out_samples_work(validation, tmp_path):
    stop = EarlyStopping(patience=2, threshold=0.9, threshold_mode="rel")
    keep = SkorchCheckpoint(dirname=str(tmp_path / "best"))
    lower = LRScheduler("ReduceLROnPlateau", monitor="valid_loss", patience=0, threshold=0.9)
    wnll = EarlyStopping("valid_wnll_accuracy", patience=50, lower_is_better=False)
    fitted = model(
        validation=others() if validation == "given" else validation,
        callbacks=[stop, keep, ("plateau", lower), ("wnll", wnll)],
        linear_step__epochs=9,
    ).fit(*data())
    assert len(fitted.history_) < 9
    assert rates(fitted, "linear")[-1] < 0.1
    assert (tmp_path / "best" / "params.pt").exists()
    marks = [row["event_cp"] for row in fitted.history_ if "event_cp" in row]
    assert marks == [row["valid_loss_best"] for row in fitted.history_][: len(marks)]


@pytest.mark.parametrize(
    "callback",
    [
        EarlyStopping(),
        EarlyStopping,
        ("stop", EarlyStopping("valid_acc")),
        SkorchCheckpoint(),
        SkorchCheckpoint("valid_wnll_accuracy_best"),
        LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
        LRScheduler(torch.optim.lr_scheduler.ReduceLROnPlateau, monitor="valid_loss"),
    ],
)
def test_a_monitor_of_held_out_samples_needs_some(callback):
    never = EpochScoring(None, name="x")
    fitted = model(callbacks=[callback, never], module=lambda in_features: 1 / 0)
    with pytest.raises(ValueError, match=r"\w+\(monitor='valid_\w+'\), but .* validation=0\.1.*"):
        fitted.fit(*data())


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([Callback(), EarlyStopping()], r"EarlyStopping\(monitor='valid_loss'\), which nothing"),
        ([EarlyStopping("train_los")], r"monitor='train_los'\).* train_loss.*another monitor"),
        ([SkorchCheckpoint("loss_best")], r"Checkpoint\(monitor='loss_best'\), which nothing"),
        ([LRScheduler("ReduceLROnPlateau", monitor="loss")], r"LRScheduler\(monitor='loss'\)"),
        ([SkorchCheckpoint(lambda net: net.history[-1, "valid_loss_best"])], "validation=0.1"),
        (
            [LRScheduler("ReduceLROnPlateau", monitor=lambda net: net.history[-1, "valid_loss"])],
            "validation=0.1",
        ),
    ],
)
def test_a_number_that_nobody_records_is_named_after_the_first_epoch(callbacks, message, tmp_path):
    for callback in callbacks:
        if isinstance(callback, SkorchCheckpoint):
            callback.dirname = str(tmp_path)
    with pytest.raises(ValueError, match=message):
        model(callbacks=callbacks).fit(*data())


@pytest.mark.parametrize("name", ["valid_loss", "valid_acc"])
def test_what_another_callback_records_may_be_monitored_without_held_out_samples(name):
    class Record(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record(name, 1.0)

    fitted = model(callbacks=[Record(), EarlyStopping(name, patience=2)]).fit(*data())
    assert len(fitted.history_) == 3
    unused = LRScheduler("StepLR", monitor="valid_loss", step_size=1)  # unused by this scheduler
    model(callbacks=[unused]).fit(*data())


def test_the_error_of_a_callback_is_its_own():
    class Fails(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        model(callbacks=[Fails()]).fit(*data())


def test_with_held_out_samples_a_wrong_monitor_asks_for_another_one_not_for_samples():
    fitted = model(callbacks=[EarlyStopping("valid_acc")], validation=0.3)
    with pytest.raises(ValueError, match=r"valid_acc.* valid_loss.* Pass another monitor"):
        fitted.fit(*data())


# --- checkpoints, clones, grids -------------------------------------------------------


class InterruptAt(Callback):
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("validation", [0.3, "given"])
def test_a_resumed_training_holds_out_the_same_samples(validation, tmp_path):
    params = {"validation": others() if validation == "given" else validation}
    unbroken = model(**params).fit(*data())
    cut = model(checkpoint_dir=tmp_path, callbacks=[InterruptAt()], **params)
    with pytest.warns(TrainingInterruptedWarning):
        cut.fit(*data())
    whole = model(checkpoint_dir=tmp_path, **params).fit(*data())
    assert rows(whole) == rows(unbroken)
    X, y = others()
    for other in (0.2, None, (X[1:], y[1:]), (X, np.roll(y, 1))):
        with pytest.raises(ValueError, match=r"differs in validation\."):
            model(checkpoint_dir=tmp_path, validation=other).fit(*data())


def test_validation_can_be_cloned_and_searched():
    X, y = data()
    assert rows(clone(model(validation=others())).fit(X, y)) == rows(
        model(validation=others()).fit(X, y)
    )
    search = GridSearchCV(model(linear_step__epochs=1), {"validation": [0.2, None]}, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# --- what is refused ------------------------------------------------------------------

X_HELD, Y_HELD = others()


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (0.0, "'validation' parameter of DeepWNLLClassifier must be"),
        (1.0, "'validation' parameter of DeepWNLLClassifier must be"),
        (True, "'validation' parameter of DeepWNLLClassifier must be"),
        ("0.1", "'validation' parameter of DeepWNLLClassifier must be"),
        ((X_HELD,), r"validation is a tuple of 1\. Pass \(X, y\)"),
        ((X_HELD, Y_HELD, Y_HELD), "validation is a tuple of 3"),
        ((X_HELD[:, 1:], Y_HELD), r"validation=\(X, y\) does not fit: X has 63 features"),
        ((X_HELD.reshape(-1, 1, 8, 8), Y_HELD), r"validation=\(X, y\) does not fit: X holds image"),
        ((X_HELD, Y_HELD[1:]), r"validation=\(X, y\) does not fit: .*inconsistent numbers"),
        ((X_HELD[:0], Y_HELD[:0]), r"validation=\(X, y\) does not fit: Found array with 0"),
        ((X_HELD * np.nan, Y_HELD), r"validation=\(X, y\) does not fit: Input X contains NaN"),
        ((X_HELD, np.where(Y_HELD == 1, -1, Y_HELD)), "has 13 samples without a label"),
        ((X_HELD, Y_HELD + 5), r"has the labels .*7.*, which no sample of fit has"),
        ((X_HELD, Y_HELD.astype(str)), "has the labels .*, which no sample of fit has"),
        (0.97, "would hold out 58 of 60 labelled samples, but at most 57 can be spared"),
    ],
)
def test_a_validation_that_cannot_be_is_refused_before_the_training(validation, message):
    with pytest.raises(ValueError, match=message):
        model(validation=validation, module=lambda in_features: 1 / 0).fit(*data())


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_fraction_of_hardly_any_labels_is_refused(n):
    X, y = data(n)
    with pytest.raises(ValueError, match=r"validation=0\.5 would hold out"):
        model(validation=0.5).fit(X, y)


def test_labels_of_any_type_can_be_held_out():
    X, y = data()
    names = np.array(["zero", "one", "two"], dtype=object)
    fitted = model(validation=(X_HELD, names[Y_HELD])).fit(X, names[y])
    plain = model(validation=(X_HELD, Y_HELD.astype(float))).fit(X, y)
    assert fitted.history_[-1]["valid_linear_accuracy"] > 0.6
    assert plain.history_[-1]["valid_linear_accuracy"] > 0.6


def test_images_can_be_held_out():
    X, y = data(n_unlabeled=20)
    images = X.reshape(-1, 1, 8, 8).astype(np.uint8)
    held = X_HELD.reshape(-1, 8, 8, 1).astype(np.uint8)  # channels last, as fit takes them too

    def small(in_channels):
        return torch.nn.Sequential(torch.nn.Conv2d(in_channels, 3, 3), torch.nn.Flatten())

    for validation in (0.3, (held, Y_HELD)):
        fitted = model(
            module=small, module_params=None, n_stages=2, pseudo_step=PseudoLabelStep(1)
        ).set_params(linear_step__epochs=1, validation=validation)
        assert set(NUMBERS) <= set(fitted.fit(images, y).history_[-1])
