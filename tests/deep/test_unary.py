"""The linear head's softmax beside the graph, in prediction and for pseudo-labels."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll._extension.beside import Known
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLHead, WNLLStep
from sklearn_wnll.deep._features.graph_features import GraphFeatures
from sklearn_wnll.deep._features.input_features import InputFeatures
from sklearn_wnll.deep._files import read_state, write_state
from sklearn_wnll.deep._inputs import Standardizer
from sklearn_wnll.deep._network import WNLLNetwork
from sklearn_wnll.deep._training.batches import Samples
from sklearn_wnll.deep._training.pseudo_labels import PseudoLabels
from sklearn_wnll.deep.backbones import mlp

from . import tiny

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::sklearn_wnll.exceptions.{name}Warning")
    for name in ("CollapsedClasses", "FewLabels", "MemorizedLabels", "UnreachedPoints")
]

HUGE = 1e12
CPU = torch.device("cpu")
X, Y = tiny.data(60, n_unlabeled=30)
NEW, Y_NEW = (part[60:] for part in tiny.data(100))


def head(linear_weight=0.0, **params):
    return WNLLHead(n_neighbors=5, linear_weight=linear_weight, **params)


def fit(wnll, **params):
    """A network that has learned little, so its heads differ."""
    training = {"n_stages": 1, "linear_step": LinearStep(1), "wnll_step": WNLLStep(0)}
    fixed = {"module_params": {"hidden": (8,)}, "class_prior": None, "random_state": 0}
    return DeepWNLLClassifier(**{**fixed, **training, "wnll": wnll, **params}).fit(X, Y)


@pytest.mark.parametrize(("linear_weight", "made"), [(0.0, "auto"), (0.5, "poisson")])
def test_the_default_label_weight_beside_the_linear_head_is_poisson(linear_weight, made):
    assert head(linear_weight, label_weight="auto")._make(True).label_weight == made


def by_linear_head(model, X):
    return copied(model).set_params(head="linear").predict_proba(X)


def copied(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
def test_known_distributions_pull_as_those_of_a_classifier(mode):
    params = {"n_neighbors": 5, "predict_mode": mode, "class_prior": [0.5, 0.3, 0.2]}
    teacher = LogisticRegression(max_iter=1000)
    beside = WNLLClassifier(
        **params, estimator=teacher, estimator_labels="given", estimator_weight=0.4
    ).fit(X, Y)
    classifier = beside.estimator_
    known = WNLLClassifier(**params)._fit_beside(X, Y, Known(classifier.predict_proba(X), 0.4))
    np.testing.assert_array_equal(known.label_distributions_, beside.label_distributions_)
    found, _ = known._distributions(NEW, classifier.predict_proba(NEW))
    np.testing.assert_array_equal(found, beside.predict_proba(NEW))
    assert not hasattr(known, "estimator_")


@pytest.mark.parametrize("learns", [False, True])
def test_without_a_weight_all_is_as_with_the_graph_alone(learns):
    params = {"n_neighbors": 5, "metric": "cosine", "scale_neighbor": 5, "label_weight": "wnll"}
    alone = WNLLClassifier(**params, template_size=5000, query_size=1000)
    training = {"n_stages": 2, "pseudo_step": PseudoLabelStep(1)} if learns else {}
    found, same = (
        fit(wnll, class_prior="labeled", **training) for wnll in (WNLLHead(**params), alone)
    )
    np.testing.assert_array_equal(found.label_distributions_, same.label_distributions_)
    np.testing.assert_array_equal(found.predict_proba(NEW), same.predict_proba(NEW))
    assert torch.equal(tiny.weights(found), tiny.weights(same))


@pytest.mark.parametrize("params", [{}, {"template_size": 40, "query_size": 7}])
@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.parametrize("label_weight", ["wnll", "auto"])
def test_a_huge_weight_predicts_as_the_linear_head_where_no_label_is(params, mode, label_weight):
    wnll = head(HUGE, label_weight=label_weight, predict_mode=mode, **params)
    model = fit(wnll)
    np.testing.assert_allclose(model.predict_proba(NEW), by_linear_head(model, NEW), atol=1e-5)
    free = Y == -1
    of_linear_head = by_linear_head(model, X[free])
    np.testing.assert_allclose(model.label_distributions_[free], of_linear_head, atol=1e-5)
    np.testing.assert_array_equal(model.transduction_[~free], Y[~free])


@pytest.mark.parametrize("mode", ["transductive", "inductive"])
@pytest.mark.parametrize("label_weight", ["wnll", "auto"])
def test_a_weight_lies_between_the_graph_and_the_linear_head(mode, label_weight):
    def distance(weight):
        wnll = head(weight, label_weight=label_weight, predict_mode=mode)
        model = fit(wnll)
        u = np.concatenate([model.label_distributions_[Y == -1], model.predict_proba(NEW)])
        p = by_linear_head(model, np.concatenate([X[Y == -1], NEW]))
        return np.abs(u - p).mean()

    weights = 0.01, 0.3, 3.0, 100.0
    distances = [distance(weight) for weight in weights]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.05 > distances[-1]


@pytest.mark.parametrize("weight", [0.3, HUGE])
def test_fitted_samples_keep_their_value_and_labelled_ones_their_label(weight):
    again = np.concatenate([X[::2], NEW, X[:5]])
    model = fit(head(weight))
    u = model.predict_proba(again)
    np.testing.assert_array_equal(u[:30], model.label_distributions_[::2])
    np.testing.assert_array_equal(u[-5:], model.label_distributions_[:5])
    np.testing.assert_array_equal(model.predict(X[Y >= 0]), Y[Y >= 0])
    assert model.reached_.all()


def test_equal_samples_have_one_distribution_and_the_order_is_indifferent():
    model = fit(head(0.5))
    twice = np.concatenate([NEW, NEW[::-1]])
    u = model.predict_proba(twice)
    np.testing.assert_array_equal(u[: len(NEW)], u[len(NEW) :][::-1])
    np.testing.assert_array_equal(u[: len(NEW)], model.predict_proba(NEW))


def test_held_out_labels_are_predicted_beside_the_linear_head_too():
    model = fit(head(HUGE, held_out=3))
    labeled = Y >= 0
    found = model.held_out_distributions_[labeled]
    np.testing.assert_allclose(found, by_linear_head(model, X[labeled]), atol=1e-3)
    assert (Y[model.suspect_labels()] >= 0).all()


def test_it_goes_with_calibration_wrong_labels_and_a_prior():
    wnll = head(0.5, calibrate=True, label_noise=0.2)
    model = fit(wnll, class_prior=[0.5, 0.3, 0.2])
    for u in (model.label_distributions_, model.predict_proba(NEW)):
        np.testing.assert_allclose(u.sum(axis=1), 1)
        assert (u >= 0).all()
    assert model.temperature_ != 1
    plain = fit(head(0.5, label_noise=0.2), class_prior=[0.5, 0.3, 0.2])
    np.testing.assert_array_equal(model.predict(NEW), plain.predict(NEW))


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("label_weight", ["wnll", "auto"])
def test_a_saved_model_predicts_the_same(tmp_path, learns, label_weight):
    training = {"n_stages": 2, "pseudo_step": PseudoLabelStep(1)} if learns else {}
    model = fit(head(0.5, held_out=2, label_weight=label_weight), **training)
    expected = model.predict_proba(NEW)
    model.save_weights(tmp_path / "weights")
    loaded = clone(model).load_weights(tmp_path / "weights")
    loaded.save_weights(tmp_path / "again")
    again = clone(model).load_weights(tmp_path / "again")
    for same in (copied(model), loaded, again):
        np.testing.assert_array_equal(same.predict_proba(NEW), expected)
        np.testing.assert_array_equal(same.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(same.label_distributions_, model.label_distributions_)
        np.testing.assert_array_equal(same.held_out_distributions_, model.held_out_distributions_)


@pytest.mark.parametrize(("saved", "loading"), [(0.5, 0.0), (0.0, 0.5), (0.5, 0.4)])
def test_weights_of_another_linear_weight_are_refused(tmp_path, saved, loading):
    model = fit(head(saved)).set_params(wnll__linear_weight=loading)  # changes nothing now
    model.save_weights(tmp_path / "weights")
    with pytest.raises(ValueError, match=f"saved with wnll__linear_weight={saved}, but this"):
        clone(model).load_weights(tmp_path / "weights")


def test_files_of_older_versions_are_read_as_without_a_linear_weight(tmp_path):
    model, kind = fit(head()), "weights of DeepWNLLClassifier 1"
    model.save_weights(tmp_path / "weights")
    state = read_state(tmp_path / "weights", kind)
    del state["parameters"]["wnll__linear_weight"]
    write_state(tmp_path / "weights", state, kind)
    loaded = clone(model).load_weights(tmp_path / "weights")
    np.testing.assert_array_equal(loaded.predict_proba(NEW), model.predict_proba(NEW))
    with pytest.raises(ValueError, match="linear_weight"):
        loaded.set_params(wnll__linear_weight=1.0).load_weights(tmp_path / "weights")


def test_a_checkpoint_of_another_linear_weight_is_refused(tmp_path):
    params = {"checkpoint_dir": tmp_path, "n_stages": 2, "pseudo_step": PseudoLabelStep(1)}
    model = fit(head(0.5), **params)
    assert torch.equal(tiny.weights(model), tiny.weights(fit(head(0.5), **params)))
    for other in (0.0, 0.4):
        with pytest.raises(ValueError, match="differs in wnll__linear_weight"):
            fit(head(other), **params)


@pytest.fixture(scope="module")
def images():
    """A context for pseudo-labels, and the network's inputs."""
    inputs = X.astype(np.float32).reshape(-1, 1, 8, 8)
    prepare = Standardizer(inputs)
    torch.manual_seed(0)
    backbone = torch.nn.Sequential(torch.nn.Flatten(), mlp(64, hidden=(8,)))
    network = WNLLNetwork(backbone, prepare(torch.from_numpy(inputs[:2])), 3)
    learned = InputFeatures(mirrored=True, seed=0).fit(inputs, CPU)(inputs, CPU)
    features = GraphFeatures(network.eval(), prepare, CPU, learned)
    graph = WNLLClassifier(5, metric="cosine", unlabeled=-1, random_state=0)

    def context(linear_weight, prior=None):
        samples = Samples(inputs, Y)
        return SimpleNamespace(
            samples=samples, wnll=graph, class_prior=prior, linear_weight=linear_weight
        )

    return context, features, inputs


@pytest.mark.parametrize("prior", [None, np.array([0.2, 0.3, 0.5])])
def test_pseudo_labels_of_a_huge_weight_are_those_of_the_linear_head(images, prior):
    context, features, _ = images
    found, weights = PseudoLabels(context(HUGE, prior), features, "wnll")()
    expected, others = PseudoLabels(context(0.0, prior), features, "linear")()
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(weights, others, rtol=1e-3, atol=1e-6)


def test_features_and_distributions_take_one_pass(images, monkeypatch):
    _, features, inputs = images
    passes = []
    late = WNLLNetwork.features
    monkeypatch.setattr(
        WNLLNetwork, "features", lambda self, x, **kw: passes.append(len(x)) or late(self, x, **kw)
    )
    Z, p = features.with_distributions(inputs)
    assert sum(passes) == len(inputs)
    np.testing.assert_array_equal(Z, features(inputs))
    np.testing.assert_array_equal(p, features.distributions(inputs))


def test_training_follows_the_linear_head_if_that_has_a_huge_weight():
    def train(wnll, labels):
        step = PseudoLabelStep(1, labels=labels)
        return fit(wnll, n_stages=2, pseudo_step=step, class_prior="labeled")

    one, other = train(head(HUGE), "wnll"), train(head(), "linear")
    graph = train(head(), "wnll")
    torch.testing.assert_close(tiny.weights(one), tiny.weights(other), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(tiny.weights(graph), tiny.weights(other), rtol=1e-3, atol=1e-3)


def test_validation_is_scored_beside_the_linear_head():
    model = fit(head(HUGE), validation=(NEW, Y_NEW))
    row = model.history_[-1]
    assert row["valid_wnll_accuracy"] == row["valid_linear_accuracy"]


def test_a_graph_that_is_given_may_have_neither_a_classifier_nor_sizes():
    refused = (
        ("estimator", LogisticRegression()),
        ("estimator", BaggingClassifier()),
        ("volume_constraint", True),
    )
    for name, value in refused:
        wnll = WNLLClassifier(5, **{name: value})
        with pytest.raises(ValueError, match=f"wnll has {name}=.* does not take"):
            fit(wnll, linear_step=LinearStep(1000))


@pytest.mark.parametrize("weight", [-0.1, np.inf, np.nan, "auto", None])
def test_no_other_weight_is_taken(weight):
    with pytest.raises(ValueError, match="'linear_weight' parameter of WNLLHead"):
        fit(head(weight))


def test_class_sizes_cannot_be_estimated():
    with pytest.raises(ValueError, match=r"'class_prior' .* among {'labeled'}.* Got 'estimated'"):
        fit(head(), class_prior="estimated")
