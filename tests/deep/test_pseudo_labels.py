"""Learning from unlabelled samples."""

import pickle
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep, strong_augmentation
from sklearn_wnll.deep._features.graph_features import GraphFeatures
from sklearn_wnll.deep._features.input_features import InputFeatures
from sklearn_wnll.deep._features.patches import PatchEncoder
from sklearn_wnll.deep._inputs import Standardizer
from sklearn_wnll.deep._network import WNLLNetwork
from sklearn_wnll.deep._training.batches import PseudoLabeledBatches, Samples
from sklearn_wnll.deep._training.callbacks import MovingAverage
from sklearn_wnll.deep._training.pseudo_labels import PseudoLabels
from sklearn_wnll.deep._training.schedules import CosineDecay
from sklearn_wnll.deep.backbones import mlp, resnet20, vgg11

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits():
    """1,000 digits in random order with 5 labels per class, and 797 others."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order].astype(np.float32), y[order]
    return X[:1000], hide_labels(y[:1000], 5, random_state=0), y[:1000], X[1000:], y[1000:]


def make_network(X, backbone):
    prepare = Standardizer(X)
    torch.manual_seed(0)
    return WNLLNetwork(backbone, prepare(torch.from_numpy(X[:2])), 10), prepare


def graph_features(X, network, prepare):
    """Features for a graph of the samples from which the input features are learned."""
    input_features = InputFeatures(mirrored=False, seed=0).fit(X, CPU)(X, CPU)
    return GraphFeatures(network, prepare, CPU, input_features)


def label(samples, features, source, prior=np.full(10, 0.1), n_neighbors=15):  # noqa: B008
    graph = WNLLClassifier(n_neighbors, metric="cosine", unlabeled=-1, random_state=0)
    context = SimpleNamespace(samples=samples, wnll=graph, class_prior=prior, linear_weight=0.0)
    return PseudoLabels(context, features, source)()


def test_unlabelled_samples_lower_the_error(digits):
    X, few, _, new, y = digits
    error = {"linear": {}, "wnll": {}}
    for labels in ("none", "linear", "wnll"):
        model = DeepWNLLClassifier(
            linear_step=LinearStep(30), wnll_step=WNLLStep(1), random_state=0
        )
        if labels == "none":
            model.set_params(pseudo_step__epochs=0)
        else:
            model.set_params(pseudo_step=PseudoLabelStep(15, labels=labels), wnll__n_neighbors=15)
        model.fit(X, few)
        np.testing.assert_array_equal(model.predict(X), model.transduction_)
        for head, found in error.items():
            found[labels] = 1 - model.set_params(head=head).score(new, y)
    assert error["linear"]["wnll"] < 0.75 * error["linear"]["none"]
    assert error["linear"]["wnll"] < error["linear"]["linear"]
    assert error["wnll"]["wnll"] < error["wnll"]["none"]


def test_images_are_labelled_on_a_graph_of_their_patches_too(digits, monkeypatch):
    X, few, _, new, y = digits
    X, new = X.reshape(-1, 1, 8, 8), new.reshape(-1, 1, 8, 8)
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    calls = []
    encode = PatchEncoder.__call__
    monkeypatch.setattr(
        PatchEncoder,
        "__call__",
        lambda self, images, mirrored: calls.append(len(images)) or encode(self, images, mirrored),
    )
    model = DeepWNLLClassifier(
        backbone,
        linear_step=LinearStep(3),
        pseudo_step=PseudoLabelStep(4),
        wnll_step=WNLLStep(0),
        augment=None,
        random_state=0,
    ).fit(X, few)
    # Once to learn the features, and once for all pseudo-label epochs and the final graph.
    assert sum(calls) == 2 * len(X)
    found = model.predict(new)
    assert (found == y).mean() > 0.6
    # Patches know more than so small a network after few updates.
    assert (found == y).mean() > model.set_params(head="linear").score(new, y)
    again = pickle.loads(pickle.dumps(model.set_params(head="wnll")))
    np.testing.assert_array_equal(again.predict(new), found)


def test_without_unlabelled_samples_it_is_the_algorithm_of_the_paper(digits):
    X, _, y, _, _ = digits
    params = {"linear_step": LinearStep(2), "wnll_step": WNLLStep(1), "random_state": 0}
    model = DeepWNLLClassifier(**params).fit(X[:200], y[:200])
    paper = DeepWNLLClassifier(**params, pseudo_step=PseudoLabelStep(0)).fit(X[:200], y[:200])
    assert {row["step"] for row in model.history_} == {"linear", "wnll"}
    for name, value in paper.network_.state_dict().items():
        assert torch.equal(value, model.network_.state_dict()[name])


def test_pseudo_labels_are_mostly_right_and_certain_ones_more_often(digits):
    X, few, truth, _, _ = digits
    network, prepare = make_network(X, nn.Sequential(nn.Identity()))
    features = graph_features(X, network, prepare)
    codes, weights = label(Samples(X, few), features, "wnll")
    right = codes == truth[few == -1]
    assert right.mean() > 0.85
    assert right[weights > np.median(weights)].mean() > right.mean() + 0.02
    assert (weights >= 0).all()
    assert weights.max() <= 3
    # No class has much more weight than another.
    mass = np.bincount(codes, weights)
    assert mass.max() < 1.5 * mass.min()


@pytest.mark.parametrize("source", ["wnll", "linear"])
def test_pseudo_labels_do_not_depend_on_the_order_of_the_samples(digits, source):
    X, few, _, _, _ = digits
    network, prepare = make_network(X, mlp(64))
    order = np.random.default_rng(1).permutation(len(few))
    labels, other = (
        label(Samples(X[rows], few[rows]), graph_features(X[rows], network, prepare), source)
        for rows in (np.arange(len(few)), order)
    )
    place = (np.cumsum(few == -1) - 1)[order[few[order] == -1]]
    assert (labels[0][place] == other[0]).mean() > 0.995  # except near ties
    np.testing.assert_allclose(labels[1][place], other[1], atol=0.02)


@pytest.mark.parametrize("module", [resnet20, vgg11, mlp])
def test_input_features_and_the_buffers_have_the_same_length(module):
    X = np.random.default_rng(0).normal(size=(30, 3, 8, 8)).astype(np.float32)
    X = X.reshape(30, -1) if module is mlp else X
    torch.manual_seed(0)
    network, prepare = make_network(X, module(X.shape[1]))
    make = graph_features(X, network, prepare)
    features, n = make(X), network.linear.in_features
    early, late = np.hsplit(features, [-n])
    np.testing.assert_allclose(np.linalg.norm(early, axis=1), 1, rtol=1e-4)
    active = late.any(axis=1)
    assert active.mean() > 0.9
    np.testing.assert_allclose(np.linalg.norm(late[active], axis=1), 1, rtol=1e-4)
    np.testing.assert_array_equal(early, make.input_features)
    with torch.no_grad():
        expected = network.eval()(prepare(torch.from_numpy(X))).softmax(dim=1).numpy()
    np.testing.assert_allclose(make.distributions(X), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("n_labeled", "n_unlabeled", "expected"),
    [(5, 50, (2, 14, 4)), (40, 10, (13, 3, 4)), (600, 1, (15, 1, 40)), (2, 300, (2, 14, 22))],
)
def test_batches_hold_both_kinds_of_samples_and_an_epoch_all(n_labeled, n_unlabeled, expected):
    codes = np.concatenate([np.arange(n_labeled) % 2, np.full(n_unlabeled, -1)])
    X = np.arange(len(codes), dtype=np.float32)[:, None]
    calls = []

    def all_of_class_one():
        calls.append(1)
        return np.full(n_unlabeled, 1), np.linspace(0.5, 0.9, n_unlabeled)

    batches = PseudoLabeledBatches(Samples(X, codes), 16, all_of_class_one)
    seen = []
    for samples, classes, weights in batches:
        places = samples[:, 0].numpy().astype(int)
        labeled = places < n_labeled
        assert (labeled.sum(), (~labeled).sum()) == expected[:2]
        assert (weights[labeled] == 1).all()
        np.testing.assert_array_equal(classes[labeled], codes[places[labeled]])
        given = np.linspace(0.5, 0.9, n_unlabeled)[places[~labeled] - n_labeled]
        np.testing.assert_allclose(weights[~labeled], given, atol=1e-6)
        assert (classes[~labeled] == 1).all()
        seen.extend(places)
    assert set(seen) == set(range(len(codes)))
    assert len(batches) == expected[2]
    assert len(calls) == 1
    list(batches)
    assert len(calls) == 2


def test_labels_are_kept_for_some_epochs_also_by_a_resumed_training():
    codes, calls = np.array([0, 1, -1, -1]), []

    def label():
        calls.append(len(calls))
        return np.array([len(calls) % 2, 0]), np.array([1.0, len(calls)])

    samples = Samples(np.arange(4, dtype=np.float32)[:, None], codes)
    batches = PseudoLabeledBatches(samples, 4, label, label_epochs=3)
    for _ in range(5):
        list(batches)
    assert (len(calls), batches.mean_weight) == (2, 1.5)
    resumed = PseudoLabeledBatches(samples, 4, label, label_epochs=3)
    resumed.load_state(batches.state())
    list(resumed)
    assert (len(calls), resumed.mean_weight) == (2, 1.5)
    list(resumed)
    assert len(calls) == 3


def short_training():
    return DeepWNLLClassifier(
        linear_step=LinearStep(5),
        pseudo_step=PseudoLabelStep(5),
        wnll_step=WNLLStep(1, n_template_batches=2, n_query_batches=3),
        random_state=0,
    )


@pytest.fixture(scope="module")
def score_of_all_labels(digits):
    X, _, y, new, truth = digits
    return short_training().fit(X, y).score(new, truth)


@pytest.mark.parametrize("source", ["wnll", "linear"])
@pytest.mark.parametrize("n_unlabeled", [1, 2, 4])
def test_a_few_missing_labels_change_little(digits, score_of_all_labels, source, n_unlabeled):
    X, _, y, new, truth = digits
    few = y.copy()
    few[:n_unlabeled] = -1
    model = short_training().set_params(pseudo_step__labels=source).fit(X, few)
    assert model.score(new, truth) > score_of_all_labels - 0.03


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
def test_what_no_label_reaches_weighs_nothing():
    X = np.repeat(np.eye(2, 4, dtype=np.float32), 20, axis=0)  # two directions
    X += 0.01 * np.random.default_rng(0).normal(size=X.shape).astype(np.float32)
    codes = np.where(np.arange(40) < 10, np.arange(40) % 2, -1)
    features = graph_features(X, *make_network(X, nn.Identity()))
    found, weights = label(Samples(X, codes), features, "wnll", prior=None, n_neighbors=5)
    assert len(found) == 30
    np.testing.assert_allclose(weights[10:], 0, atol=1e-9)


def test_the_prior_of_the_classes_is_used_where_unlabelled_samples_are(digits):
    X, few, y, new, _ = digits
    model = short_training().set_params(linear_step__epochs=1, pseudo_step__epochs=1)

    def proba(prior, X, y):
        return model.set_params(class_prior=prior).fit(X, y).predict_proba(new)

    assert np.abs(proba("labeled", X, few) - proba(None, X, few)).max() > 0.01
    every = X[:100], y[:100]
    np.testing.assert_array_equal(proba("labeled", *every), proba(None, *every))
    with pytest.raises(ValueError, match=r"class_prior has shape \(2,\)"):
        proba([0.5, 0.5], X, few)


def test_the_rate_goes_down_to_zero_by_half_a_cosine():
    group = {}
    net = SimpleNamespace(lr=0.4, optimizer_=SimpleNamespace(param_groups=[group]), history=[])
    rates = []
    for _ in range(2):
        net.history.append({"batches": []})
        for _ in range(4):
            net.history[-1]["batches"].append({})
            CosineDecay(2, 4).on_batch_begin(net)
            rates.append(group["lr"])
    np.testing.assert_allclose(rates, 0.2 * (1 + np.cos(np.pi * np.arange(8) / 8)))


def test_the_average_forgets_the_start_and_follows_slowly():
    module, average = nn.Linear(1, 1), nn.Linear(1, 1)
    net = SimpleNamespace(module_=module, history=[{"batches": []}])
    start = average.weight.item()
    follow = MovingAverage(average, 0.9, n_batches=100)
    follow.on_train_begin(net)
    for step in range(1, 60):
        net.history[-1]["batches"].append({})
        nn.init.constant_(module.weight, float(step))
        follow.on_batch_end(net)
        if step == 1:
            first = average.weight.item()
    assert abs(first - (start + 1) / 2) < 1e-6
    # The mean age of the averaged networks is 9 steps.
    assert abs(59 - 9 - average.weight.item()) < 0.5


def tensors(module):
    """The names and tensors of a module's state."""
    return [item for item in module.state_dict().items() if isinstance(item[1], torch.Tensor)]


class Noted(nn.Linear):
    """A layer whose state holds a text."""

    def get_extra_state(self):
        return "note"

    def set_extra_state(self, state):
        pass


def test_the_average_of_a_network_is_that_of_each_of_its_tensors():
    torch.manual_seed(0)
    tied = Noted(4, 4)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), tied, tied)
    average = deepcopy(module)
    expected = {name: value.clone() for name, value in tensors(average)}
    net = SimpleNamespace(module_=module, history=[{"batches": []}])
    follow = MovingAverage(average, 0.6, n_batches=10)
    follow.on_train_begin(net)
    for step in range(1, 6):
        net.history[-1]["batches"].append({})
        with torch.no_grad():
            module(torch.randn(8, 3))
            module[0].weight.add_(torch.randn(4, 3))
            tied.weight.add_(torch.randn(4, 4))
        follow.on_batch_end(net)
        part = max(1 - 0.6, 1 / (1 + step))
        for name, value in tensors(module):
            mean = expected[name]
            expected[name] = mean.lerp(value, part) if mean.is_floating_point() else value.clone()
    for name, value in tensors(average):
        torch.testing.assert_close(value, expected[name])


def test_strong_augmentation_cuts_a_square_and_leaves_each_image_to_itself():
    torch.manual_seed(0)
    images = torch.rand(200, 3, 16, 16) + 1
    changed = strong_augmentation(images, flip=False)
    holes = (changed == 0).all(dim=1).flatten(1).sum(dim=1)
    assert changed.shape == images.shape
    assert (holes > 0).all()
    assert holes.float().mean() < 0.5 * 256
    grey = strong_augmentation(torch.ones(50, 1, 8, 8))
    assert grey.isfinite().all()


@pytest.mark.parametrize("source", ["graph", 3])
def test_an_unknown_source_is_refused(digits, source):
    X, few, _, _, _ = digits
    with pytest.raises(ValueError, match="'labels' parameter of PseudoLabelStep must be"):
        DeepWNLLClassifier(pseudo_step=PseudoLabelStep(labels=source)).fit(X, few)
