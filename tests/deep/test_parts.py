"""Inputs, augmentation, batches and the network."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_wnll._graph.rows import row_keys
from sklearn_wnll.deep import crop_and_flip
from sklearn_wnll.deep._inputs import Standardizer, as_samples
from sklearn_wnll.deep._network import WNLLNetwork
from sklearn_wnll.deep._training.batches import Batches, Samples, TemplateQueryBatches


def samples(counts, n_unlabeled=0):
    codes = np.repeat(np.arange(len(counts)), counts)
    codes = np.concatenate([codes, np.full(n_unlabeled, -1)])
    return Samples(np.arange(len(codes), dtype=np.float32)[:, None], codes)


def pairs(data, **params):
    defaults = {
        "template_fraction": 0.2,
        "n_template_batches": 5,
        "n_query_batches": 10,
        "min_template": 1,
    }
    return list(TemplateQueryBatches(data, **{**defaults, **params}).pairs(lambda X: X))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 3, 8, 9), (5, 3, 8, 9)),
        ((5, 8, 9, 3), (5, 3, 8, 9)),
        ((5, 8, 9, 1), (5, 1, 8, 9)),
        ((5, 3, 9, 3), (5, 3, 9, 3)),
        ((5, 6, 4, 4), (5, 6, 4, 4)),
        ((5, 8, 1, 1), (5, 8, 1, 1)),
        ((5, 12, 9, 8), (5, 12, 9, 8)),
        ((5, 8), (5, 8)),
    ],
)
def test_images_get_their_channels_first(shape, expected):
    X = np.random.default_rng(0).random(shape)
    assert as_samples(X).shape == expected
    assert as_samples(torch.tensor(X)).shape == expected
    assert np.shape(as_samples(list(X))) == expected


@pytest.mark.parametrize(
    ("shape", "cure"), [((5, 8, 8), "grey images"), ((5, 1, 3, 8, 8), "channels of all axes")]
)
def test_other_shapes_are_refused_with_the_cure(shape, cure):
    with pytest.raises(ValueError, match=rf"X has shape .* makes {cure}"):
        as_samples(np.zeros(shape))


@pytest.mark.parametrize("shape", [(50, 4), (50, 3, 4, 4)])
def test_samples_are_standardized_by_feature_or_channel(shape):
    X = np.random.default_rng(0).normal(5, 3, size=shape).astype(np.float32)
    X[:, 1] = 7  # constant
    Z = Standardizer(X)(torch.from_numpy(X)).movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(Z.mean(dim=0), torch.zeros(shape[1]), atol=1e-5, rtol=0)
    spread = Z.std(dim=0, correction=0)
    assert spread[1] < 1e-5
    torch.testing.assert_close(spread[[0, 2]], torch.ones(2), atol=1e-5, rtol=0)
    assert torch.equal(Standardizer(X, enabled=False)(torch.from_numpy(X)), torch.from_numpy(X))


def test_images_of_bytes_are_brought_to_one_if_not_standardized():
    X = np.full((2, 3, 4, 4), 255, dtype=np.uint8)
    assert (Standardizer(X, enabled=False)(torch.from_numpy(X)) == 1).all()


def test_cropping_and_flipping_moves_pixels():
    images = torch.zeros(400, 2, 11, 11)
    images[:, 0, 5, 5] = images[:, 1, 5, 6] = 1
    changed = crop_and_flip(images, padding=4)
    assert changed.shape == images.shape
    # Each image still holds both points side by side, in one of 9 x 9 places and either order.
    (_, row, column), (_, other_row, other_column) = (
        torch.nonzero(part).T for part in changed.unbind(1)
    )
    assert torch.equal(row, other_row)
    assert row.unique().tolist() == column.unique().tolist() == list(range(1, 10))
    assert (other_column - column).unique().tolist() == [-1, 1]
    # By default, small images are shifted less.
    rows = torch.nonzero(crop_and_flip(images)[:, 0])[:, 1]
    assert rows.unique().tolist() == [4, 5, 6]


def test_batches_hold_every_labeled_sample_once():
    data = samples([60, 41], n_unlabeled=30)
    torch.manual_seed(0)
    batches = [X[:, 0] for X, _ in Batches(data, 25)]
    assert [len(batch) for batch in batches] == [21, 20, 20, 20, 20]
    assert sorted(torch.cat(batches).tolist()) == list(range(101))
    assert not torch.equal(batches[0], next(iter(Batches(data, 25)))[0][:, 0])


def test_every_query_meets_every_template_batch():
    found = pairs(samples([100, 100, 50], n_unlabeled=60))
    assert len(found) == 50
    templates = {tuple(template[0][:, 0].tolist()) for _, template in found}
    queries = {tuple(query[0][:, 0].tolist()) for query, _ in found}
    assert len(templates) == 5
    assert len(queries) == 10
    both = [place for batch in templates | queries for place in batch]
    assert sorted(both) == list(range(310))
    for _, codes in (template for _, template in found):
        assert np.bincount(codes).tolist() == [4, 4, 2]
    for _, codes in (query for query, _ in found):
        assert np.bincount(codes + 1).min() >= 3


@pytest.mark.parametrize("n_per_class", [1, 2, 3, 7])
def test_every_query_batch_has_labels(n_per_class):
    for seed in range(5):
        torch.manual_seed(seed)
        found = pairs(samples([n_per_class] * 10, n_unlabeled=300))
        counts = [int((codes >= 0).sum()) for (_, codes), _ in found]
        assert min(counts) >= 1
        assert max(counts) <= min(counts) + 1


def test_a_rare_class_is_a_template_now_and_then():
    data = samples([50, 50, 1])
    hits = 0
    for seed in range(40):
        torch.manual_seed(seed)
        hits += any((codes == 2).any() for _, (_, codes) in pairs(data))
    assert 1 < hits < 25  # about 8 of 40


def test_there_are_fewer_batches_where_there_are_few_samples():
    found = pairs(samples([10, 10]), min_template=3)
    assert [len(codes) for _, (_, codes) in found] == [4] * 10
    assert [(len(q[1]), len(t[1])) for q, t in pairs(samples([1, 1]))] == [(1, 1)]
    assert len(Batches(samples([2, 1]), 2)) == 1


def test_a_wnll_step_lets_the_buffer_learn_and_no_batch_normalization():
    network = WNLLNetwork(
        nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6)),
        torch.zeros(2, 4),
        3,
        buffer=lambda width: nn.Sequential(nn.Linear(width, 5), nn.BatchNorm1d(5), nn.Dropout()),
    )
    network.backbone[0].bias.requires_grad_(False)
    network.train_buffer_only()
    assert {name for name, m in network.named_modules() if m.training} == {
        "buffer",
        "buffer.0",
        "buffer.2",
    }
    with network.learning(buffer_only=True):
        learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learning == {f"buffer.{i}.{kind}" for i in (0, 1) for kind in ("weight", "bias")}
    # Layers frozen by the user stay frozen.
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert frozen == ["backbone.0.bias"]


def test_finding_the_width_of_features_leaves_the_module_as_it_was():
    backbone = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    network = WNLLNetwork(backbone, torch.rand(2, 4), 3, buffer=lambda width: nn.Linear(width, 9))
    network.eval()
    assert network(torch.rand(5, 4)).shape == (5, 3)
    assert network.features(torch.rand(5, 4)).shape == (5, 9)
    for name, value in before.items():
        assert torch.equal(backbone.state_dict()[name], value)


def test_samples_are_told_apart_by_their_values_as_float32():
    X = np.random.default_rng(0).integers(0, 3, size=(3000, 6)).astype(np.uint8)
    single = np.dtype(np.float32)
    keys = row_keys(X, single)
    np.testing.assert_array_equal(keys, row_keys(X.astype(np.float64), single))
    assert len(np.unique(keys, axis=0)) == len({tuple(row) for row in X})
    zeros = np.array([[-0.0], [0.0]])
    assert (row_keys(zeros[:1]) == row_keys(zeros[1:])).all()
