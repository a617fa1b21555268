"""Random clouds for the property tests."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from scipy import sparse

MANY = 200  # cases that the profile "many" draws
# Warnings that are issued for a few labels of random points.
IGNORES_FEW_LABELS = [
    pytest.mark.filterwarnings(f"ignore::sklearn_wnll.exceptions.{name}Warning")
    for name in ("CollapsedClasses", "FewLabels", "SingleLabel", "UnreachedPoints")
]


def examples(n):
    """Settings of a test: ``n`` cases with the profile "many", fewer with the others."""
    return settings(max_examples=max(2, round(n * settings.default.max_examples / MANY)))


def normal_classes(n, *, n_classes, n_features):
    """Random rows of classes, each around a center, and their codes."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(n_classes, n_features))
    code = rng.integers(n_classes, size=n)
    return (centers[code] + 0.5 * rng.normal(size=(n, n_features))).astype(np.float32), code


def sparse_rows(n, d, density, seed=0):
    """Random sparse rows."""
    rng = np.random.default_rng(seed)
    return sparse.csr_array(rng.random((n, d)) * (rng.random((n, d)) < density))


class Cloud(NamedTuple):
    """Points, their labels (-1 if unlabelled) and parameters of a classifier."""

    X: np.ndarray
    y: np.ndarray
    params: dict


FACTORS = "wnll", "laplace", 0.5, 20.0


@st.composite
def clouds(draw, *, grid=False, min_points=12, label_weights=("poisson", *FACTORS)):
    """Draw Gaussian points of up to 4 classes, at least one of them labelled.

    On a grid, many points and many distances are equal; off it, none are.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(min_points, 50))
    d = draw(st.integers(1, 5))
    n_classes = draw(st.integers(1, 4))
    X = rng.normal(size=(n, d))
    if grid:
        X = np.round(X)
    y = rng.integers(0, n_classes, size=n)
    hidden = rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.6, 0.9]))
    hidden[rng.integers(n)] = False
    y[hidden] = -1
    scale_neighbor = draw(st.integers(4, 8))
    params = {
        "n_neighbors": draw(st.integers(scale_neighbor, 15)),
        "scale_neighbor": scale_neighbor,
        "label_weight": draw(st.sampled_from(label_weights)),
        "unlabeled": -1,  # y may happen to hold just -1 and 1
        "tol": 1e-13,
        "max_iter": 5000,
    }
    return Cloud(X, y, params)


def assert_distributions(u):
    """Check that rows are distributions."""
    assert np.isfinite(u).all()
    assert ((u >= 0) & (u <= 1)).all()
    np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-12)


def assert_consistent(model, cloud):
    """Check that a model returns distributions, and rows of its cloud keep value and label."""
    new = np.vstack([cloud.X[:4], cloud.X[:4] + 0.3])
    for mode in ("transductive", "inductive"):
        model.set_params(predict_mode=mode)
        np.testing.assert_array_equal(model.predict_proba(cloud.X), model.label_distributions_)
        u = model.predict_proba(new)
        np.testing.assert_array_equal(u[:4], model.label_distributions_[:4])
        assert ((u >= 0) & (u <= 1)).all()
        np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-12)
    labeled = cloud.y >= 0
    np.testing.assert_array_equal(model.transduction_[labeled], cloud.y[labeled])
