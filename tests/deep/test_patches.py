"""Features of samples, not changed by any training."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sklearn_wnll._progress import show_progress
from sklearn_wnll.deep._features.input_features import InputFeatures
from sklearn_wnll.deep._features.patches import PatchEncoder

CPU = torch.device("cpu")


def images(n, shape=(3, 16, 16), seed=0):
    """Smooth random images, as different from noise as photographs are."""
    coarse = np.random.default_rng(seed).normal(size=(n, shape[0], shape[1] // 4, shape[2] // 4))
    fine = np.random.default_rng(seed + 1).normal(size=(n, *shape))
    return (coarse.repeat(4, axis=2).repeat(4, axis=3) + 0.3 * fine).astype(np.float32)


def features(X, *, mirrored=False):
    """Features of samples from which they are learned."""
    return InputFeatures(mirrored=mirrored, seed=0).fit(X, CPU)(X, CPU)


def test_answers_are_those_of_single_whitened_patches():
    X = torch.from_numpy(images(6))
    encoder = PatchEncoder(X, np.random.RandomState(0))
    size = encoder.size
    assert size == 4
    found = encoder(X[:1], mirrored=False)
    filters, shift = encoder._filters.double().numpy(), encoder._shift.double().numpy()
    answers = np.empty((len(filters), 13, 13))
    for row in range(13):
        for column in range(13):
            patch = X[0, :, row : row + size, column : column + size].double().numpy()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + 0.05**2)
            answers[:, row, column] = (filters * patch).sum(axis=(1, 2, 3)) + shift
    quarters = [slice(0, 7), slice(6, 13)]
    expected = [
        np.maximum(sign * answers - 1, 0)[:, rows, columns].mean(axis=(1, 2))
        for sign in (1, -1) for rows in quarters for columns in quarters
    ]  # fmt: skip
    expected = np.stack(expected).reshape(2, 4, -1).transpose(0, 2, 1).ravel()
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_whitened_patches_are_alike_in_all_directions():
    X = torch.from_numpy(images(500))
    encoder = PatchEncoder(X, np.random.RandomState(0))
    answers = torch.nn.functional.conv2d(X, encoder._filters).std(dim=(0, 2, 3))
    assert (answers > 0).all()
    # Patches are smooth, and without whitening the filters' responses would differ in size by far.
    assert answers.quantile(0.9) < 1.3 * answers.quantile(0.1)


@pytest.mark.parametrize(
    "change", [lambda X, part: part * X, lambda X, part: X + part], ids=["contrast", "light"]
)
def test_contrast_and_light_of_an_image_do_not_count(change):
    X = torch.from_numpy(images(60))
    encoder = PatchEncoder(X, np.random.RandomState(0))
    part = torch.linspace(1, 3, 60)[:, None, None, None]
    other = encoder(change(X, part), mirrored=False)
    np.testing.assert_allclose(other, encoder(X, mirrored=False), atol=0.01)
    bound = encoder(X[torch.randperm(60)], mirrored=False) - encoder(X, mirrored=False)
    assert np.abs(bound).max() > 0.3


def test_scale_and_offset_of_all_numbers_do_not_count():
    X = images(60)
    np.testing.assert_allclose(features(X), features(255 * X + 1000), atol=0.02)


def test_features_have_unit_length_and_depend_on_each_sample_alone():
    X = images(80)
    learned = InputFeatures(mirrored=False, seed=0).fit(X, CPU)
    found = learned(X, CPU)
    assert found.shape == (80, 80)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(learned(X[40:41], CPU)[0], found[40], atol=1e-4)
    np.testing.assert_allclose(learned(X[::-1], CPU), found[::-1], atol=1e-4)


def test_there_are_at_most_256_features_of_an_image():
    assert features(images(400)).shape == (400, 256)


@pytest.mark.parametrize(("n", "least"), [(100, 0.75), (300, 0.8), (1000, 0.88)])
def test_components_of_few_images_are_not_noise(n, least):
    X, y = load_digits(return_X_y=True)
    X, y = X[:n].astype(np.float32).reshape(-1, 1, 8, 8), y[:n]
    found = features(X)
    alike = found @ found.T
    np.fill_diagonal(alike, -1)
    assert (y[alike.argmax(axis=1)] == y).mean() > least


@pytest.mark.parametrize("mirrored", [True, False])
def test_a_mirror_image_is_the_same_if_asked_for(mirrored):
    X = images(40)
    learned = InputFeatures(mirrored=mirrored, seed=0).fit(X, CPU)
    same = np.abs(learned(X, CPU) - learned(X[..., ::-1].copy(), CPU)).max() < 1e-3
    assert same == mirrored


@pytest.mark.parametrize(
    "shape",
    [(1, 8, 8), (3, 8, 40), (4, 70, 48), (50, 8, 8), (2000, 8, 8), (1, 28, 28), (1, 8, 600)],
)
def test_images_of_any_size_have_features(shape):
    X = np.random.default_rng(0).normal(size=(12, *shape)).astype(np.float32)
    found = features(X)
    assert found.shape == (12, 12)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("shape", [(5,), (3, 4, 9), (64, 1, 1)])
def test_rows_and_tiny_images_are_their_own_features(shape):
    X = np.random.default_rng(0).normal(size=(30, *shape)).astype(np.float32)
    found = features(X)
    scaled = X.reshape(30, -1)
    scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    np.testing.assert_allclose(found, scaled, atol=1e-5)


def test_images_without_contrast_have_finite_features():
    X = np.zeros((20, 3, 8, 8), dtype=np.float32)
    X[:10] = 1
    assert np.isfinite(features(X)).all()


def test_textures_are_told_apart_whose_pixels_are_not():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    phase = rng.uniform(0, 2 * np.pi, size=(400, 1, 1, 1))
    place = np.indices((16, 16))[y]  # stripes across or along
    X = np.sin(1.5 * place[:, None] + phase) + 0.5 * rng.normal(size=(400, 1, 16, 16))
    X = X.astype(np.float32)
    score = {}
    for name, Z in (("patches", features(X)), ("pixels", X.reshape(400, -1))):
        model = LogisticRegression(C=100, max_iter=1000).fit(Z[:200], y[:200])
        score[name] = model.score(Z[200:], y[200:])
    assert score["patches"] > 0.9
    assert score["pixels"] < 0.75


@pytest.mark.parametrize("standardize", [True, False])
def test_rows_are_scaled_only_if_that_is_asked_for(standardize):
    X = np.random.default_rng(0).normal(3, [1, 5, 50], size=(30, 3)).astype(np.float32)
    learned = InputFeatures(mirrored=False, seed=0, standardize=standardize).fit(X, CPU)
    expected = (X - X.mean(axis=0)) / X.std(axis=0) if standardize else X
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(learned(X, CPU), expected, atol=1e-5)


def test_progress_is_shown_when_asked_for(capsys):
    X = images(40)
    learned = InputFeatures(mirrored=False, seed=0).fit(X, CPU)
    learned(X, CPU)
    assert capsys.readouterr().out == ""
    with show_progress(True):
        learned(X, CPU)
    assert "[wnll] patches [====================] 40 samples" in capsys.readouterr().out
