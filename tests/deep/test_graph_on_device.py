"""The graph of a network's features on the network's device: the same answers."""

import pickle
from unittest import mock

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll._tensors import graph
from sklearn_wnll._tensors.graph import TensorGraph
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLHead, WNLLStep


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32) + np.random.default_rng(0).random(X.shape, dtype=np.float32)
    return X[:400], hide_labels(y[:400], 4, random_state=0), X[400:500]


def fit(digits, *, on_device, **params):
    """Fit a network whose graph is built as on a GPU, or from arrays."""
    X, y, _ = digits
    model = DeepWNLLClassifier(
        linear_step=LinearStep(epochs=3),
        pseudo_step=PseudoLabelStep(epochs=1, labels="linear"),
        wnll_step=WNLLStep(epochs=0),
        wnll=WNLLHead(n_neighbors=10, tol=1e-10, **params),
        random_state=0,
    )
    with mock.patch.object(graph, "_DEVICES", {"cpu"} if on_device else set()):
        return model.fit(X, y)


def assert_same(ours, theirs, new):
    for name in ("label_distributions_", "reached_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-6)
    np.testing.assert_allclose(ours.predict_proba(new), theirs.predict_proba(new), atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"linear_weight": 0.1},
        {"label_weight": "poisson", "held_out": 3},
        {"metric": "euclidean", "predict_mode": "inductive"},
        {"metric": "manhattan"},
    ],
    ids=str,
)
def test_a_graph_on_the_device_answers_alike(digits, params):
    ours, theirs = (fit(digits, on_device=there, **params) for there in (False, True))
    graphs = [
        type(model._predictor.wnll._answer.templates.transductions[0].graph)
        for model in (ours, theirs)
    ]
    assert graphs[0] is not TensorGraph
    assert (graphs[1] is TensorGraph) == (params.get("metric") != "manhattan")
    assert_same(ours, theirs, digits[2])
    np.testing.assert_array_equal(ours.suggest_labels(5), theirs.suggest_labels(5))


def test_it_survives_files_and_pickles(digits, tmp_path):
    new = digits[2]
    model = fit(digits, on_device=True)
    assert_same(model, pickle.loads(pickle.dumps(model)), new)
    model.save_weights(tmp_path / "model.pt")
    with mock.patch.object(graph, "_DEVICES", {"cpu"}):
        fresh = DeepWNLLClassifier(**model.get_params(deep=False))
        assert_same(model, fresh.load_weights(tmp_path / "model.pt"), new)


@pytest.mark.parametrize("linear_weight", [0.0, 0.1])
def test_pseudo_labels_come_from_the_device(digits, linear_weight):
    X, y, _ = digits
    models = []
    for devices in (set(), {"cpu"}):
        model = DeepWNLLClassifier(
            linear_step=LinearStep(epochs=3),
            pseudo_step=PseudoLabelStep(epochs=2),
            wnll_step=WNLLStep(epochs=1),
            wnll=WNLLHead(n_neighbors=10, tol=1e-10, linear_weight=linear_weight),
            validation=(X[:30], np.arange(30) % 10),
            random_state=0,
        )
        with mock.patch.object(graph, "_DEVICES", devices):
            models.append(model.fit(X, y))
    for mine, other in zip(*(model.history_ for model in models), strict=True):
        for name in ("train_loss", "pseudo_weight", "valid_wnll_accuracy"):
            assert mine.get(name, 0) == pytest.approx(other.get(name, 0), abs=1e-3)
