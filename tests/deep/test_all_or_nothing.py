"""A fit that fails or is interrupted anywhere changes nothing, except by a training."""

import inspect
import random
import signal
import sys
import warnings
from copy import copy
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback
from torch import nn

import sklearn_wnll
from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep
from sklearn_wnll.exceptions import TrainingInterruptedWarning

PACKAGE = str(Path(sklearn_wnll.__file__).parent)


def small(in_channels):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def make_model(**params):
    """An estimator with all kinds of steps, each of one epoch."""
    return DeepWNLLClassifier(
        small,
        linear_step=LinearStep(1),
        pseudo_step=PseudoLabelStep(1),
        wnll_step=WNLLStep(1, n_template_batches=1, n_query_batches=2),
        random_state=0,
    ).set_params(**params)


def make_data(n, n_classes, seed):
    """Images, two thirds of them labelled."""
    X = np.random.default_rng(seed).normal(size=(n, 1, 8, 8)).astype(np.float32)
    y = np.arange(n) % n_classes
    X += y[:, None, None, None]
    y[: n // 3] = -1
    return X, y


FIRST = make_data(48, 3, seed=0)
OTHER = make_data(40, 4, seed=1)  # of other classes, and another number of samples
ASKED = np.concatenate([FIRST[0][:5], make_data(5, 3, seed=2)[0]])
PUBLIC_METHODS = {
    "predict": lambda model: model.predict(ASKED),
    "predict_proba": lambda model: model.predict_proba(ASKED),
    "certainty": lambda model: model.certainty(ASKED),
    "score": lambda model: model.score(ASKED, np.arange(10) % 3),
}


def run_watched(function, act):
    """Call a function, and ``act`` with the frame of each function of the package that it calls.

    Generators are left out: an error raised by a profile function when they resume skips their
    ``finally``.
    """

    def profile(frame, event, arg):
        code = frame.f_code
        is_ours = code.co_filename.startswith(PACKAGE)
        if event == "call" and is_ours and not code.co_flags & inspect.CO_GENERATOR:
            act(frame)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)


@pytest.fixture(scope="module")
def places():
    """Some places of a fit: a function, and the number of its call."""
    calls = []
    model = make_model().fit(*OTHER)  # computes all that a process computes once
    run_watched(lambda: model.fit(*OTHER), lambda frame: calls.append(frame.f_code))
    functions, draw = list(dict.fromkeys(calls)), random.Random(0)
    assert len(functions) > 100
    return [(code, draw.randrange(calls.count(code))) for code in draw.sample(functions, 25)]


def fit_and_stop(model, place, stop):
    """Fit, and stop at a place. Returns whether that was in the training."""
    code, number = place
    count, in_training = 0, False

    def stop_at_place(frame):
        nonlocal count, in_training
        count += frame.f_code is code
        if frame.f_code is code and count == number + 1:
            in_training = is_in_training(frame)
            stop()

    try:
        run_watched(lambda: model.fit(*OTHER), stop_at_place)
    finally:
        assert count == number + 1
    return in_training


def is_in_training(frame):
    while frame is not None and frame.f_code.co_qualname != "Trainer.run":
        frame = frame.f_back
    return frame is not None


def fail():
    raise ValueError("stopped")


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def _usual_interrupts():
    """Restore the handler of interrupts, in case the test stops before it does so."""
    usual = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, usual)


def answers(model):
    """Results of a fitted estimator's public methods, with both heads, and its attributes."""
    said = [ask(model) for ask in PUBLIC_METHODS.values()]
    head = model.head
    model.set_params(head="linear")
    said += [ask(model) for ask in PUBLIC_METHODS.values()]
    model.set_params(head=head)
    weights = torch.cat([part.flatten() for part in model.network_.state_dict().values()])
    held = weights.numpy(), model.classes_, model.label_distributions_, model.transduction_
    return [*said, *held, model.reached_]


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def assert_not_fitted(model):
    assert vars(model) == model.get_params(deep=False)
    for ask in PUBLIC_METHODS.values():
        with pytest.raises(NotFittedError):
            ask(model)


def test_a_refit_that_fails_anywhere_leaves_the_estimator_as_it_was(places):
    model = make_model().fit(*FIRST)
    state, said, history = joblib.hash(vars(model)), answers(model), list(model.history_)
    for place in places:
        with pytest.raises(ValueError, match="stopped"):
            fit_and_stop(model, place, fail)
        assert joblib.hash(vars(model)) == state, place
        assert model.history_ == history
    assert_same(answers(model), said)


def test_a_first_fit_that_fails_anywhere_leaves_the_estimator_unfitted(places):
    model = make_model()
    for place in places:
        with pytest.raises(ValueError, match="stopped"):
            fit_and_stop(model, place, fail)
        assert_not_fitted(model)


@pytest.mark.usefixtures("_usual_interrupts")
@pytest.mark.parametrize("is_refit", [True, False])
def test_an_interrupt_of_the_training_fits_and_any_other_changes_nothing(places, is_refit):
    model = make_model()
    if is_refit:
        model.fit(*FIRST)
    state, kinds = joblib.hash(vars(model)), set()
    for place in places:
        stopped, interrupted = copy(model), False
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", TrainingInterruptedWarning)
            try:
                in_training = fit_and_stop(stopped, place, press_ctrl_c)
            except KeyboardInterrupt:
                in_training, interrupted = False, True
        kinds.add(in_training)
        if in_training:
            assert [warning.category for warning in told] == [TrainingInterruptedWarning]
            assert_fitted_to_other(stopped)
        else:
            assert interrupted, place
            assert not told
            assert joblib.hash(vars(stopped)) == state
            if not is_refit:
                assert_not_fitted(stopped)
    assert kinds == {True, False}


def assert_fitted_to_other(model):
    X, y = OTHER
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert len(model.history_) <= 4
    np.testing.assert_array_equal(model.predict(X), model.transduction_)
    np.testing.assert_array_equal(model.transduction_[y >= 0], y[y >= 0])
    np.testing.assert_array_equal(model.predict_proba(X), model.label_distributions_)


class FailAtEnd(Callback):
    """Fail after an epoch."""

    def on_epoch_end(self, net, **kwargs):
        raise OSError("disk full")


BAD = {
    "a callback": ({"callbacks": [FailAtEnd()]}, OTHER, OSError),
    "another class prior": ({"class_prior": [0.5, 0.5]}, OTHER, ValueError),
    "diverged": ({"linear_step__lr": 1e12, "wnll_step__epochs": 0}, OTHER, ValueError),
    "labels": ({}, (OTHER[0], OTHER[1][1:]), ValueError),
    "no label": ({}, (OTHER[0], np.full(40, -1)), ValueError),
    "rows": ({}, (OTHER[0].reshape(40, -1), OTHER[1]), ValueError),
    "NaN": ({}, (OTHER[0] * np.nan, OTHER[1]), ValueError),
    "a step": ({"pseudo_step__lr": -1}, OTHER, ValueError),
}


@pytest.mark.parametrize("name", BAD)
def test_what_can_go_wrong_leaves_no_mix(name):
    params, data, error = BAD[name]
    fitted, new = make_model().fit(*FIRST), make_model(**params)
    said = answers(fitted)
    fitted.set_params(**params)
    state = joblib.hash(vars(fitted))
    for model in (fitted, new):
        with pytest.raises(error):
            model.fit(*data)
    assert joblib.hash(vars(fitted)) == state
    assert_same(answers(fitted.set_params(**make_model().get_params())), said)
    assert_not_fitted(new)
