"""Features of samples that no training changes."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from sklearn_wnll.deep.inputs import Standardizer
from sklearn_wnll.deep.patches import PatchEncoder, SampleFeatures

CPU = torch.device("cpu")


def images(n, shape=(3, 16, 16), seed=0):
    """Smooth random images, as unlike noise as photographs are."""
    coarse = np.random.default_rng(seed).normal(size=(n, shape[0], shape[1] // 4, shape[2] // 4))
    fine = np.random.default_rng(seed + 1).normal(size=(n, *shape))
    return (coarse.repeat(4, axis=2).repeat(4, axis=3) + 0.3 * fine).astype(np.float32)


def fitted(X, *, mirrored=False, **options):
    return SampleFeatures(Standardizer(X), CPU, mirrored=mirrored, seed=0, **options).fit(X)


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
    # One filter's answers do not have a much larger spread than another's, as they would have if
    # patches were compared as they are, with all their smoothness.
    assert answers.quantile(0.9) < 2 * answers.quantile(0.1)


@pytest.mark.parametrize("change", [lambda X: 3 * X, lambda X: X + 5], ids=["contrast", "light"])
def test_contrast_and_light_of_all_images_do_not_count(change):
    X = images(60)
    np.testing.assert_allclose(fitted(X)(X), fitted(change(X))(change(X)), atol=1e-3)


def test_features_have_unit_length_and_depend_on_each_sample_alone():
    X = images(80)
    own = fitted(X)
    found = own(X)
    assert found.shape == (80, 80)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(own(X[40:41])[0], found[40], atol=1e-4)
    np.testing.assert_allclose(own(torch.from_numpy(X[::-1].copy())), found[::-1], atol=1e-4)


def test_there_are_at_most_256_features_of_an_image():
    X = images(400)
    assert fitted(X)(X[:3]).shape == (3, 256)


@pytest.mark.parametrize("mirrored", [True, False])
def test_a_mirror_image_is_the_same_if_asked_for(mirrored):
    X = images(40)
    own = fitted(X, mirrored=mirrored)
    same = np.abs(own(X) - own(np.ascontiguousarray(X[..., ::-1]))).max() < 1e-3
    assert same == mirrored


@pytest.mark.parametrize(
    "shape",
    [(1, 8, 8), (3, 8, 40), (4, 70, 48), (50, 8, 8), (2000, 8, 8), (1, 28, 28), (1, 8, 600)],
)
def test_images_of_any_size_have_features(shape):
    X = np.random.default_rng(0).normal(size=(12, *shape)).astype(np.float32)
    found = fitted(X)(X)
    assert found.shape == (12, 12)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("shape", [(5,), (3, 4, 9), (64, 1, 1)])
def test_rows_and_tiny_images_are_their_own_features(shape):
    X = np.random.default_rng(0).normal(size=(30, *shape)).astype(np.float32)
    found = fitted(X)(X)
    scaled = X.reshape(30, -1)
    scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    np.testing.assert_allclose(found, scaled, atol=1e-5)


def test_images_without_contrast_have_finite_features():
    X = np.zeros((20, 3, 8, 8), dtype=np.float32)
    X[:10] = 1
    assert np.isfinite(fitted(X)(X)).all()


def test_textures_are_told_apart_whose_pixels_are_not():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    phase = rng.uniform(0, 2 * np.pi, size=(400, 1, 1, 1))
    place = np.indices((16, 16))[y]  # stripes across or along
    X = np.sin(1.5 * place[:, None] + phase) + 0.5 * rng.normal(size=(400, 1, 16, 16))
    X = X.astype(np.float32)
    score = {}
    for name, features in (("patches", fitted(X)(X)), ("pixels", X.reshape(400, -1))):
        model = LogisticRegression(C=100, max_iter=1000).fit(features[:200], y[:200])
        score[name] = model.score(features[200:], y[200:])
    assert score["patches"] > 0.9
    assert score["pixels"] < 0.75


def test_progress_is_shown_when_asked_for(capsys):
    X = images(40)
    fitted(X)(X)
    assert capsys.readouterr().out == ""
    fitted(X, verbose=1)(X)
    assert "[wnll] patches [====================] 40 samples" in capsys.readouterr().out
