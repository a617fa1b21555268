"""Predictions with any parameters, and threads, only read the fitted state."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import load_digits
from torch import nn

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep

HEADS = "wnll", "linear"
CONFIGURATIONS = {
    "rows": {},
    "images": {},
    "paper": {"pseudo_step__epochs": 0},
    "templates": {"wnll__template_size": 100, "wnll__query_size": 15},
}


def small(in_channels):
    return nn.Sequential(nn.Conv2d(in_channels, 8, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten())


@pytest.fixture(scope="module")
def samples():
    """Digits to fit, with 5 labels per class, and digits to query, some of them fitted.

    Both as images and as rows.
    """
    X, y = load_digits(return_X_y=True)
    few = hide_labels(y[:300], 5, random_state=0)
    images = X.reshape(-1, 1, 8, 8)
    return {part: (Z[:300], few, Z[284:324]) for part, Z in (("rows", X), ("images", images))}


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def dumped(request, samples):
    X, few, asked = samples["images" if request.param == "images" else "rows"]
    model = DeepWNLLClassifier(
        small if request.param == "images" else None,
        linear_step=LinearStep(2),
        pseudo_step=PseudoLabelStep(1),
        wnll_step=WNLLStep(1, n_template_batches=1, n_query_batches=2),
        random_state=0,
    ).set_params(**CONFIGURATIONS[request.param])
    return pickle.dumps((model.fit(X, few), asked))


@pytest.fixture
def fitted(dumped):
    """A fitted estimator, new for each test, and samples to predict."""
    return pickle.loads(dumped)


def ask(model, X):
    """Call all public methods."""
    answers = [model.predict(X), model.predict_proba(X), model.certainty(X)]
    return [*answers, model.score(X, np.arange(len(X)) % 10)]


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def fitted_state(model):
    """A hash of the fitted state, without parameters."""
    params = model.get_params(deep=False)
    return joblib.hash({name: part for name, part in vars(model).items() if name not in params})


@pytest.mark.parametrize("head", HEADS)
def test_a_prediction_changes_nothing_that_is_fitted(fitted, head):
    model, X = fitted
    model.set_params(head=head)
    network, state = model.network_, joblib.hash(vars(model))
    said = ask(model, X)
    assert_same(ask(model, X), said)
    assert joblib.hash(vars(model)) == state
    assert model.network_ is network
    assert not any(module.training for module in network.modules())
    assert {part.device.type for part in network.state_dict().values()} == {"cpu"}


@pytest.mark.parametrize("head", HEADS)
def test_eight_threads_that_ask_one_estimator_get_what_one_gets(fitted, head):
    model, X = fitted
    model.set_params(head=head)
    parts = [X[start::8] for start in range(8)]
    alone = [model.predict_proba(part) for part in parts]
    shared, start = pickle.loads(pickle.dumps(model)), threading.Barrier(8)  # no lazy values yet
    state = joblib.hash(vars(shared))

    def together(part):
        start.wait()
        return shared.predict_proba(part)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            assert_same(pool.map(together, parts), alone)
    assert joblib.hash(vars(shared)) == state


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("part", ["", "backbone"])
def test_a_network_in_training_mode_predicts_in_evaluation_mode(fitted, head, part):
    model, X = fitted
    expected = model.set_params(head=head).predict_proba(X)
    network = model.network_.get_submodule(part).train()
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    assert network.training  # as the user left it


def test_what_concerns_predictions_alone_takes_effect_without_a_new_fit(fitted):
    model, X = fitted
    model.set_params(wnll__query_size=None)
    state, joined = fitted_state(model), model.predict_proba(X)
    for change in ({"wnll__query_size": 10}, {"wnll__predict_mode": "inductive"}):
        model.set_params(**change)
        assert np.abs(model.predict_proba(X) - joined).max() > 1e-4, change
    inductive = model.predict_proba(X)
    alone = np.concatenate([model.predict_proba(sample[None]) for sample in X])
    np.testing.assert_allclose(alone, inductive, atol=1e-4)
    model.set_params(wnll__query_size=None, wnll__predict_mode="transductive")
    np.testing.assert_array_equal(model.predict_proba(X), joined)
    model.set_params(n_jobs=2, wnll__tol=1e-7, wnll__max_iter=2000)
    with parallel_config("threading"):
        np.testing.assert_allclose(model.predict_proba(X), joined, atol=1e-4)
    assert fitted_state(model) == state


def test_verbose_is_that_of_the_call(samples, capfd):
    X, few, asked = samples["images"]
    model = DeepWNLLClassifier(
        small,
        linear_step=LinearStep(1),
        pseudo_step=PseudoLabelStep(1),
        wnll_step=WNLLStep(0),
        verbose=1,
        random_state=0,
    ).fit(X, few)
    assert "[wnll] patches" in capfd.readouterr().out
    state = fitted_state(model)
    ask(model.set_params(verbose=0), asked)
    assert capfd.readouterr() == ("", "")
    model.set_params(verbose=1).predict(asked)
    printed = capfd.readouterr().out
    assert "[wnll] patches" in printed
    assert "[wnll] solver" in printed
    model.set_params(head="linear", verbose=0).predict(asked)
    assert capfd.readouterr() == ("", "")
    assert fitted_state(model) == state
