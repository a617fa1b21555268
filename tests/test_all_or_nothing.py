"""A fit that fails or is interrupted changes nothing, at whatever step."""

import inspect
import random
import signal
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.neighbors import KNeighborsTransformer

import sklearn_wnll
from sklearn_wnll import WNLLClassifier
from sklearn_wnll.exceptions import FewLabelsWarning, UnreachedPointsWarning

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")

PACKAGE = Path(sklearn_wnll.__file__).parent
ESTIMATOR = str(PACKAGE / "_classifier.py"), str(PACKAGE / "_base.py")
CONFIGURATIONS = {
    "default": {},
    "inductive": {"predict_mode": "inductive", "class_prior": "labeled"},
    "poisson": {"label_weight": "poisson", "neighbors": "approximate", "random_state": 0},
    "templates": {"template_size": 30, "random_state": 0},
}


def rows_and_labels(n, n_classes, seed):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, np.where(np.arange(n) < 3 * n_classes, np.arange(n) % n_classes, -1)


FIRST = rows_and_labels(60, 2, seed=0)
OTHER = rows_and_labels(45, 4, seed=1)  # of other classes, and another number of rows
ASKED = np.vstack([FIRST[0][:10], np.random.default_rng(2).normal(size=(5, 3))])
PUBLIC_METHODS = {
    "predict": lambda model: model.predict(ASKED),
    "predict_proba": lambda model: model.predict_proba(ASKED),
    "certainty": lambda model: model.certainty(ASKED),
    "score": lambda model: model.score(ASKED, np.arange(15) % 2),
    "suggest_labels": lambda model: model.suggest_labels(2),
}


def stop_at_step(function, number, error):
    """Call a function, and raise an error at one of its steps; return how many there were.

    A step is a call of a function of the package, or a line of the estimator. Generators are left
    out: an error raised by a trace function when they resume skips their ``finally``.
    """
    count = 0

    def step(frame, event, arg):
        nonlocal count
        code = frame.f_code
        if not code.co_filename.startswith(str(PACKAGE)) or code.co_flags & inspect.CO_GENERATOR:
            return None
        count += event in ("call", "line")
        if count == number:
            raise error
        return step if code.co_filename in ESTIMATOR else None

    before = sys.gettrace()
    sys.settrace(step)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def answers(model):
    """Results of the public methods of a fitted estimator."""
    one_graph = model.graph_ is not None
    return [ask(model) for name, ask in PUBLIC_METHODS.items() if one_graph or name[:2] != "su"]


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def assert_not_fitted(model):
    assert vars(model) == model.get_params(deep=False)
    for ask in PUBLIC_METHODS.values():
        with pytest.raises(NotFittedError):
            ask(model)


def steps_of_a_fit(model):
    """Some of the steps of a fit, and the last ones, which set the attributes."""
    n_steps = stop_at_step(lambda: model.fit(*OTHER), None, None)
    assert n_steps > 200
    return [*random.Random(0).sample(range(1, n_steps - 15), 25), *range(n_steps - 15, n_steps)]


@pytest.mark.parametrize("params", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_refit_that_ends_at_any_step_leaves_the_estimator_as_it_was(params):
    model, other = (WNLLClassifier(**params).fit(*data) for data in (FIRST, OTHER))
    state, said = joblib.hash(vars(model)), answers(model)
    for step in steps_of_a_fit(clone(model).fit(*FIRST)):
        error = [ValueError, KeyboardInterrupt][step % 2]
        with pytest.raises(error, match="stopped"):
            stop_at_step(lambda: model.fit(*OTHER), step, error("stopped"))
        assert joblib.hash(vars(model)) == state, step
    assert_same(answers(model), said)
    assert_same(answers(model.fit(*OTHER)), answers(other))


@pytest.mark.parametrize("params", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_first_fit_that_ends_at_any_step_leaves_the_estimator_unfitted(params):
    model = WNLLClassifier(**params)
    clone(model).fit(*OTHER)  # computations done only once are not counted
    for step in steps_of_a_fit(clone(model)):
        error = [KeyboardInterrupt, ValueError][step % 2]
        with pytest.raises(error, match="stopped"):
            stop_at_step(lambda: model.fit(*OTHER), step, error("stopped"))
        assert_not_fitted(model)


def test_a_refit_keeps_nothing_that_only_the_earlier_fit_set():
    model = WNLLClassifier(held_out=3).fit(*FIRST).set_params(held_out=None)
    assert vars(model.fit(*OTHER)).keys() == vars(WNLLClassifier().fit(*OTHER)).keys()


class Interrupts(KNeighborsTransformer):
    """A neighbour search during which the user presses Ctrl-C."""

    def fit_transform(self, X, y=None):
        signal.raise_signal(signal.SIGINT)


NARROW = OTHER[0][:, :2], OTHER[1]
FAR_APART = np.vstack([OTHER[0], OTHER[0] + 1000]), np.append(OTHER[1], np.full(45, -1))


@pytest.mark.parametrize(
    ("params", "data", "error"),
    [
        ({"class_prior": [0.5, 0.5]}, OTHER, ValueError),
        ({"class_prior": {"no": 0.5, "class": 0.5}}, NARROW, ValueError),
        ({"neighbors": Interrupts(n_neighbors=15)}, OTHER, KeyboardInterrupt),
        ({"neighbors": KNeighborsTransformer(metric="nonsense")}, OTHER, ValueError),
        ({"scale_neighbor": 16}, OTHER, ValueError),
        ({"template_size": 30, "max_iter": 1}, OTHER, ConvergenceWarning),
        ({}, (OTHER[0][:8], OTHER[1][:8]), FewLabelsWarning),
        ({}, FAR_APART, UnreachedPointsWarning),
        ({}, (OTHER[0], np.full(45, np.nan)), ValueError),
        ({}, (np.full((45, 3), np.nan), OTHER[1]), ValueError),
        ({"predict_mode": "both"}, OTHER, ValueError),
    ],
)
def test_what_can_go_wrong_in_a_fit_leaves_no_mix(params, data, error):
    fitted, new = WNLLClassifier().fit(*FIRST), WNLLClassifier(**params)
    said = answers(fitted)
    fitted.set_params(**params)
    state = joblib.hash(vars(fitted))
    with warnings.catch_warnings():
        if issubclass(error, Warning):
            warnings.simplefilter("error", error)
        for model in (fitted, new):
            with pytest.raises(error):
                model.fit(*data)
    assert joblib.hash(vars(fitted)) == state
    assert_same(answers(fitted.set_params(**WNLLClassifier().get_params())), said)
    assert_not_fitted(new.set_params(predict_mode="inductive"))
