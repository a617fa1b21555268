"""Every search, metric, weight and solver, and the torch layer, match the dense reference."""

from contextlib import contextmanager, nullcontext
from itertools import product
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.neighbors import KNeighborsTransformer

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension import conjugate_gradient, deflation
from sklearn_wnll._extension.label_weights import poisson_weights
from sklearn_wnll._extension.system import harmonic_extension
from sklearn_wnll._graph.metrics import METRICS
from sklearn_wnll._graph.search import cell_search

from .clouds import clouds, examples
from .reference import (
    OF_TRUTH_VALUES,
    dense_distances,
    dense_extension,
    dense_poisson_weights,
    dense_query_weights,
    dense_values,
    dense_weights,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]

SEARCHES = "exact", "cells", "transformer", "precomputed dense", "precomputed sparse"
WEIGHTS = "wnll", "laplace", "poisson", 0.01, 7.0, 1e4


@contextmanager
def as_if_many_points():
    """Let the solver grow clusters and work in blocks, as it does with thousands of points."""
    with (
        mock.patch.multiple(deflation, _FEW_POINTS=10, _CLUSTER_SIZE=5),
        mock.patch.object(conjugate_gradient, "_BLOCK_ROWS", 7),
    ):
        yield


SOLVERS = {"few points": nullcontext, "many points": as_if_many_points}

CASES = [
    *product(SEARCHES, ["euclidean"], WEIGHTS, SOLVERS),
    *product(
        ["exact", "precomputed dense", "precomputed sparse"], METRICS, ["wnll"], ["few points"]
    ),
    *product(["cells", "transformer"], ["cosine", "correlation"], ["wnll"], ["few points"]),
    *(
        pytest.param(*case, marks=pytest.mark.slow)  # pynndescent compiles
        for case in product(["pynndescent"], ["manhattan"], WEIGHTS, SOLVERS)
    ),
]


def rows_and_labels(search, metric):
    """Random rows, some of them equal but with different labels, and new rows."""
    rng = np.random.default_rng(0)
    # If groups are far apart, cells lose no neighbours.
    n_groups, size = (3, 60) if search == "cells" else (1, 50)
    d = {"haversine": 2, **dict.fromkeys(OF_TRUTH_VALUES, 40)}.get(metric, 9)
    X = np.abs(rng.normal(size=(n_groups * size, d)))
    if metric == "hamming":
        X = X.round()
    if metric in OF_TRUTH_VALUES:
        X *= rng.random(X.shape) < 0.5
    X += 100 * np.repeat(np.eye(d)[:n_groups] * (n_groups > 1), size, axis=0)
    X, new = X[::2], X[1::2]
    y = np.where(rng.random(len(X)) < 0.7, -1, rng.integers(0, 3, len(X)))
    y[:3] = 0, 1, 2
    # Distances between new rows are not among those that are given.
    new = new[: 1 if search.startswith("precomputed") else 9]
    return np.vstack([X, X[[0, 0, 1]]]), np.append(y, [1, -1, 1]), new


def expected(X, y, new, label_weight, *graph):
    """Distributions of the fitted rows and of new ones, transductive and inductive."""
    points, index = np.unique(X, axis=0, return_inverse=True)
    votes = np.zeros((len(points), 3))
    np.add.at(votes, (index[y >= 0], y[y >= 0]), 1)
    labeled = votes.any(axis=1)
    g = votes[labeled] / votes[labeled].sum(axis=1, keepdims=True)
    u, counts = dense_values(dense_weights(points, *graph), labeled, g, label_weight)
    mean = dense_query_weights(new, points, *graph) * counts
    W = dense_weights(np.vstack([points, new]), *graph)
    together, _ = dense_values(W, np.append(labeled, [False] * len(new)), g, label_weight)
    return u[index], together[len(points) :], mean @ u / mean.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("search", "metric", "label_weight", "solver"), CASES)
def test_every_search_metric_weight_and_solver_agrees_with_the_dense_reference(
    search, metric, label_weight, solver
):
    X, y, new = rows_and_labels(search, metric)
    # If many distances are equal, let all points be neighbours, so the nearest are unambiguous.
    k = 500 if metric in ("hamming", *OF_TRUTH_VALUES) else 9
    values, *predicted = expected(X, y, new, label_weight, k, (k + 1) // 2, metric)
    params = {
        "exact": {"neighbors": "exact", "metric": metric},
        "cells": {"neighbors": "approximate", "metric": metric},
        "pynndescent": {"neighbors": "approximate", "metric": metric},
        "transformer": {"neighbors": KNeighborsTransformer(n_neighbors=k, metric=metric)},
    }.get(search, {"metric": "precomputed"})
    if search.startswith("precomputed"):
        new, X = (dense_distances(rows, X, metric) for rows in (new, X))
        X[X < 1e-15] = 0  # rounding, between equal rows
    if search == "precomputed sparse":
        new, X = (
            sparse.csr_array((D.ravel(), np.indices(D.shape).reshape(2, -1)), shape=D.shape)
            for D in (new, X)
        )
    model = WNLLClassifier(
        k, label_weight=label_weight, tol=1e-13, max_iter=5000, random_state=0, **params
    )
    with SOLVERS[solver](), mock.patch.object(cell_search, "_CELL_SIZE", 20):
        model.fit(X, y)
        assert model.reached_.all()
        np.testing.assert_allclose(model.label_distributions_, values, atol=1e-8)
        for mode, u in zip(("transductive", "inductive"), predicted, strict=True):
            model.set_params(predict_mode=mode)
            np.testing.assert_allclose(model.predict_proba(new), u, atol=1e-8)
            np.testing.assert_array_equal(model.predict_proba(X), model.label_distributions_)


@examples(100)
@given(clouds(), st.sampled_from(sorted(SOLVERS)))
def test_any_cloud_agrees_with_the_dense_reference(cloud, solver):
    with SOLVERS[solver]():
        model = WNLLClassifier(**cloud.params).fit(cloud.X, cloud.y)
    assume(model.reached_.all())
    labeled = cloud.y >= 0
    g = (cloud.y[labeled, None] == model.classes_).astype(float)
    W = dense_weights(cloud.X, cloud.params["n_neighbors"], cloud.params["scale_neighbor"])
    u, _ = dense_values(W, labeled, g, cloud.params["label_weight"])
    np.testing.assert_allclose(model.label_distributions_, u, atol=1e-8)


@st.composite
def graphs(draw):
    """Draw two clouds, which are two components if far apart, and soft labels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(draw(st.integers(12, 60)), 2))
    X[::2] += draw(st.sampled_from([1.0, 1e3]))
    labeled = rng.random(len(X)) < 0.2
    labeled[:3] = True, True, False
    return dense_weights(X, 6, 4), labeled, rng.dirichlet(np.ones(3), size=labeled.sum())


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("mu", [0.01, 0.3, 1.0, 7.0, 1e4])
@examples(20)
@given(graphs())
def test_the_extension_of_soft_labels_agrees_with_the_dense_reference(mu, solver, graph):
    W, labeled, g = graph
    with SOLVERS[solver]():
        result = harmonic_extension(sparse.csr_array(W), labeled, g, g[0], mu=mu, tol=1e-13)
    assume(result.reached.all())
    np.testing.assert_allclose(result.u, dense_extension(W, labeled, g, mu), atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@examples(50)
@given(graphs())
def test_poisson_weights_agree_with_the_dense_reference(solver, graph):
    W, labeled, _ = graph
    with SOLVERS[solver]():
        found = poisson_weights(sparse.csr_array(W), labeled, tol=1e-12)
    assert found.converged
    np.testing.assert_allclose(found.point_weights, dense_poisson_weights(W, labeled), rtol=1e-6)


@pytest.mark.parametrize(("n_neighbors", "scale_neighbor"), [(9, None), (15, 8), (6, 6), (500, 1)])
@pytest.mark.parametrize("label_weight", [weight for weight in WEIGHTS if weight != "poisson"])
def test_the_torch_layer_agrees_with_the_dense_reference(n_neighbors, scale_neighbor, label_weight):
    torch = pytest.importorskip("torch", reason="needs the extra [deep]")
    from sklearn_wnll.deep import wnll_interpolate

    rng = np.random.default_rng(0)
    X, labeled, g = rng.normal(size=(60, 3)), np.arange(60) < 12, rng.dirichlet(np.ones(3), 12)
    found = wnll_interpolate(
        *map(torch.tensor, (X[labeled], g, X[~labeled])),
        n_neighbors=n_neighbors, scale_neighbor=scale_neighbor, label_weight=label_weight,
    )  # fmt: skip
    W = dense_weights(X, n_neighbors, scale_neighbor or (n_neighbors + 1) // 2)
    u, _ = dense_values(W, labeled, g, label_weight)
    np.testing.assert_allclose(found.numpy(), u[~labeled], atol=1e-8)
