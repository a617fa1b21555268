import pytest
import torch
from torch import nn

from sklearn_wnll.deep import backbones
from sklearn_wnll.deep.backbones import mlp

# With a linear head for 10 classes. ResNet-20 to 110: He et al. (2016), table 6, in millions
# 0.27, 0.46, 0.66, 0.85, 1.7. The others: counted for common implementations for CIFAR-10
# (pre-activation networks without a final normalization have 2 numbers fewer for each of the last
# channels).
COUNTS = {
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "preact_resnet18": 11_171_146 + 2 * 512,
    "preact_resnet34": 21_279_306 + 2 * 512,
    "preact_resnet50": 23_509_066 + 2 * 2048,
    "vgg11": 9_231_114,
    "vgg13": 9_416_010,
    "vgg16": 14_728_266,
    "vgg19": 20_040_522,
}


@pytest.mark.parametrize("name", COUNTS)
def test_backbones_have_as_many_parameters_as_published(name):
    with torch.device("meta"):
        backbone = getattr(backbones, name)()
        width = backbone(torch.zeros(2, 3, 32, 32)).shape[1]
        head = nn.Linear(width, 10)
    counts = [parameter.numel() for part in (backbone, head) for parameter in part.parameters()]
    assert sum(counts) == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_backbones_take_other_channels_and_small_images(name):
    with torch.device("meta"):
        features = getattr(backbones, name)(in_channels=1)(torch.zeros(2, 1, 8, 8))
    assert features.ndim == 2


def test_an_mlp_has_the_widths_that_are_asked_for():
    assert mlp(7, hidden=(30, 20))(torch.zeros(5, 7)).shape == (5, 20)


def test_every_backbone_is_tested():
    assert {*COUNTS, "mlp"} == set(backbones.__all__)
