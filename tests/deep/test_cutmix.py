"""Squares of images exchanged in pseudo-label steps."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, strong_augmentation
from sklearn_wnll.deep._augmentation import exchange_squares

CPU = torch.device("cpu")


def test_without_a_cut_only_the_hole_is_missing():
    torch.manual_seed(0)
    images = torch.rand(20, 3, 16, 16) + 1
    torch.manual_seed(1)
    whole = strong_augmentation(images, flip=False, padding=0, cut=False)
    torch.manual_seed(1)
    cut = strong_augmentation(images, flip=False, padding=0)
    hole = (cut == 0).all(dim=1, keepdim=True).expand_as(cut)
    assert hole.any()
    torch.testing.assert_close(cut[~hole], whole[~hole])
    assert (whole[hole] != 0).all()


@given(seed=st.integers(0, 2**31), height=st.integers(2, 12), width=st.integers(2, 12))
def test_exchanged_squares_are_the_other_images_and_shares_are_their_area(seed, height, width):
    torch.manual_seed(seed)
    images = torch.arange(5.0 * 2 * height * width).reshape(5, 2, height, width)
    before = images.clone()
    mixed, other, share = exchange_squares(images)
    torch.testing.assert_close(images, before)
    torch.testing.assert_close(other.sort().values, torch.arange(5))
    theirs = mixed == images[other]
    assert ((mixed == images) | theirs).all()
    for i in range(5):
        if other[i] != i:
            assert theirs[i].float().mean().item() == pytest.approx(1 - share)
            inside = theirs[i, 0].nonzero()
            if len(inside):  # a rectangle of at most half of each side, rounded up
                sides = inside.amax(dim=0) - inside.amin(dim=0) + 1
                assert sides.prod() == len(inside)
                assert (sides <= torch.tensor([height // 2 + 1, width // 2 + 1])).all()
    assert 0 < share <= 1


class _Mean(torch.nn.Module):
    """Logits of two classes: the mean of an image, and 0."""

    def forward(self, x):
        return torch.stack([x.mean(dim=(1, 2, 3)), torch.zeros(len(x))], dim=1)


def test_a_mixed_image_learns_both_labels_by_their_shares():
    step = PseudoLabelStep(cutmix=True)
    x, codes = torch.rand(6, 1, 8, 8), torch.tensor([0, 1, 0, 1, 1, 0])
    weights = torch.linspace(0, 1, 6)
    net = SimpleNamespace(module_=_Mean(), inputs=lambda X: X, device=CPU, context=None)
    torch.manual_seed(3)
    loss, logits = step.loss(net, (x, codes, weights))
    torch.manual_seed(3)
    mixed, other, share = exchange_squares(x)
    p = _Mean()(mixed).softmax(dim=1)
    torch.testing.assert_close(logits.softmax(dim=1), p)
    each = range(6)
    own = [-weights[i] * p[i, codes[i]].log() for i in each]
    theirs = [-weights[other[i]] * p[i, codes[other[i]]].log() for i in each]
    expected = sum(share * a + (1 - share) * b for a, b in zip(own, theirs, strict=True)) / 6
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("cutmix", [True, False, "auto"])
@pytest.mark.parametrize("strong", [strong_augmentation, None])
def test_images_are_mixed_if_asked_for_or_strongly_augmented(cutmix, strong):
    step, context = PseudoLabelStep(cutmix=cutmix), SimpleNamespace(augment_strongly=strong)
    mixes = strong is not None if cutmix == "auto" else cutmix
    assert step._mixes(context) == mixes
    augment = step.augment(context)
    if strong is None:
        assert augment is None
    else:
        holes = (augment(torch.ones(9, 1, 8, 8), padding=0) == 0).any()
        assert holes != mixes


def test_mixing_rows_is_refused():
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 3 - 1
    model = DeepWNLLClassifier(
        linear_step=LinearStep(epochs=1), pseudo_step=PseudoLabelStep(epochs=1, cutmix=True)
    )
    with pytest.raises(
        ValueError, match=r"cutmix=True of the pseudo_step needs images .* \(20, 3\)"
    ):
        model.fit(X, y)
