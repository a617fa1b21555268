"""The parts of a graph on a device, in tensors of the CPU."""

from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from sklearn_wnll._extension import deflation
from sklearn_wnll._extension.deflation import GraphSolver
from sklearn_wnll._extension.label_weights import poisson_weights
from sklearn_wnll._extension.system import harmonic_extension
from sklearn_wnll._graph.rows import row_keys
from sklearn_wnll._graph.search.exact import ExactSearch
from sklearn_wnll._graph.weights import graph_laplacian

from .clouds import examples
from .reference import dense_values, dense_weights

torch = pytest.importorskip("torch", reason="needs the extra [deep]")

from sklearn_wnll._tensors import solver  # noqa: E402
from sklearn_wnll._tensors.matrix import TensorMatrix  # noqa: E402
from sklearn_wnll._tensors.rows import TensorPoints  # noqa: E402
from sklearn_wnll._tensors.search import CellTensorSearch, ExactTensorSearch  # noqa: E402

SEEDS = st.integers(0, 2**32 - 1)


def clusters(many):
    """Let the solver grow clusters, as it does with thousands of points, or not."""
    sizes = {"_FEW_POINTS": 5, "_CLUSTER_SIZE": 5}
    return mock.patch.multiple(deflation, **sizes) if many else nullcontext()


def weights(seed, n, weak=1.0):
    """Random weights of a graph in two groups, tied weakly if ``weak`` is small."""
    X = np.random.default_rng(seed).normal(size=(n, 3))
    W = dense_weights(X, 6, 3)
    half = np.arange(n) < n // 2
    W[half[:, None] != half] *= weak
    return W


@examples(100)
@given(SEEDS, st.integers(10, 60), st.sampled_from([1.0, 1e-4, 1e-9, 0.0]), st.booleans())
def test_the_solver_agrees_with_elimination(seed, n, weak, many):
    W, rng = weights(seed, n, weak), np.random.default_rng(seed)
    labeled = np.arange(n) < 3
    g = rng.dirichlet(np.ones(3), 3)
    expected, _ = dense_values(W, labeled, g, 5.0)
    device = TensorMatrix.of(sparse.csr_array(W), "cpu")
    with clusters(many):
        found = harmonic_extension(device, labeled, g, g.mean(axis=0), mu=5.0, tol=1e-10)
    reached = found.reached
    np.testing.assert_allclose(found.u[reached], expected[reached], rtol=0, atol=1e-6)
    assert found.converged


@examples(60)
@given(SEEDS, st.integers(10, 60), st.sampled_from([1.0, 1e-4, 0.0]), st.booleans())
def test_poisson_weights_agree_with_the_sparse_backend(seed, n, weak, many):
    W, labeled = sparse.csr_array(weights(seed, n, weak)), np.arange(n) < 3
    expected = poisson_weights(W, labeled, tol=1e-11)
    with clusters(many):
        found = poisson_weights(TensorMatrix.of(W, "cpu"), labeled, tol=1e-11)
    np.testing.assert_allclose(found.point_weights, expected.point_weights, rtol=1e-6, atol=1e-6)


def test_more_groups_than_can_be_inverted_are_solved_too():
    W = sparse.block_diag([np.ones((3, 3)) - np.eye(3)] * 12).tolil()
    for first in range(0, 33, 3):
        W[first, first + 3] = 1e-5
    A = graph_laplacian(sparse.csr_array(W)) + sparse.diags_array([1.0] + [0.0] * 35)
    row_sums, b = np.eye(36)[0], np.eye(36)[:, :1]
    for most in (solver.MAX_GROUPS, 4):
        with mock.patch.object(solver, "MAX_GROUPS", most):
            system = GraphSolver(TensorMatrix.of(sparse.csr_array(A), "cpu"), row_sums)
            found = system.solve(b, np.zeros((36, 1)), tol=1e-9, max_iter=5000)
        np.testing.assert_allclose(found.x, 1, rtol=1e-5)


@examples(100)
@given(SEEDS)
def test_a_matrix_of_a_device_computes_as_scipy_does(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 12, 2)
    W, square = (
        sparse.csr_array(rng.random(shape) * (rng.random(shape) < 0.4))
        for shape in ((n, m), (n, n))
    )
    D, S = TensorMatrix.of(W, "cpu"), TensorMatrix.of(square, "cpu")
    rows = np.sort(rng.choice(n, rng.integers(0, n + 1), replace=False))
    columns = rng.random(m) < 0.5
    a, b, x = rng.normal(size=n), rng.normal(size=m), rng.normal(size=(m, 2))

    def same(ours, theirs):
        theirs = theirs.to_scipy() if isinstance(theirs, TensorMatrix) else theirs
        ours, theirs = (
            part.toarray() if sparse.issparse(part) else part for part in (ours, theirs)
        )
        np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-12)

    same(W, D)
    assert (D.nnz, D.shape) == (W.nnz, W.shape)
    same(W.T, D.T)
    same(2.5 * W, np.float64(2.5) * D)
    same(W @ x, D @ x)
    same(W @ x[:, 0], D @ x[:, 0])
    same((W @ sparse.csc_array(x)), D @ sparse.csc_array(x))
    same(W[rows], D[rows])
    same(W[rows][:, np.flatnonzero(columns)], D[rows][:, np.flatnonzero(columns)])
    same(W[1:, :2], D[1:, :2])
    same(square + square.T, S + S.T)
    same(W.sum(axis=0), D.sum(axis=0))
    same(W.sum(axis=1), D.sum(axis=1))
    same(square.diagonal(), S.diagonal())
    same(square + sparse.diags_array(a), S.plus_diagonal(a))
    same(sparse.diags_array(a) @ W @ sparse.diags_array(b), D.scaled(a, b))
    labels = connected_components(square, directed=False)[1]
    pairs = np.unique(np.column_stack([labels, S.components()]), axis=0)
    assert len(pairs) == labels.max() + 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_have_the_same_keys_in_tensors(dtype):
    X = np.random.default_rng(0).normal(size=(50, 7)).astype(dtype)
    X[3], X[4, 2], X[5] = X[2], -0.0, X[9]
    keys = TensorPoints(torch.from_numpy(X)).keys
    np.testing.assert_array_equal(keys, np.delete(row_keys(X), [3, 9], axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_exact_search_finds_what_the_search_of_arrays_finds(dtype):
    rng = np.random.default_rng(0)
    X, Q = (rng.normal(size=(n, 5)).astype(dtype) + 100 for n in (400, 30))
    ours, theirs = ExactSearch("euclidean").fit(X), ExactTensorSearch().fit(torch.from_numpy(X))
    lists = theirs.lists(7)
    for a, b in (
        (ours.lists(7), lists),
        (ours.query(Q, 7), theirs.query(torch.from_numpy(Q), 7)),
        (ours.query(Q, 400), theirs.query(torch.from_numpy(Q), 400)),
        (
            ours.add_queries(ours.lists(7), Q, 7),
            theirs.add_queries(lists, torch.from_numpy(Q), 7),
        ),
    ):
        np.testing.assert_array_equal(a.indices, b.indices)
        np.testing.assert_allclose(a.distances, b.distances, rtol=1e-6)


def test_cells_hold_nearly_all_neighbors_and_lists_are_full():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(30, 8)) * 4
    X = torch.from_numpy(centers[rng.integers(30, size=6000)] + rng.normal(size=(6000, 8)))
    X = torch.cat([X, 1000 + torch.from_numpy(rng.normal(size=(5, 8)))])  # fewer than a list
    exact, cells = ExactTensorSearch().fit(X), CellTensorSearch(0).fit(X)
    for of_cells, of_all in (
        (cells.lists(10), exact.lists(10)),
        (cells.query(X[:500] + 0.1, 10), exact.query(X[:500] + 0.1, 10)),
    ):
        kept = [np.isin(a, b).mean() for a, b in zip(of_all.indices, of_cells.indices, strict=True)]
        assert np.mean(kept) > 0.96
        assert (of_cells.indices >= 0).all()
        assert (np.diff(of_cells.distances, axis=1) >= 0).all()
    np.testing.assert_array_equal(cells.lists(4).indices[-5:], exact.lists(4).indices[-5:])


def test_a_far_point_costs_no_neighbors():
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.normal(size=(4000, 3)))
    X[7] = 1e10
    exact, cells = ExactTensorSearch().fit(X).lists(8), CellTensorSearch(0).fit(X).lists(8)
    kept = [np.isin(a, b).mean() for a, b in zip(exact.indices, cells.indices, strict=True)]
    assert np.mean(kept) > 0.95


def test_a_query_in_an_empty_cell_has_neighbors():
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.integers(0, 20, (5666, 1)) + 1e-3 * rng.normal(size=(5666, 1)))
    for seed in range(8):
        search = CellTensorSearch(seed).fit(X)
        cells = search._cells.get(15)
        queries = cells._centers[cells._size == 0].double() + cells._shift
        if len(queries):
            break
    cells._nearby = cells._nearby[:, :1]
    found = search.query(queries, 15)
    expected = ExactTensorSearch().fit(X).query(queries, 15)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("ratio", [14, 20])
def test_weakly_tied_groups_far_from_labels_converge_as_in_the_sparse_backend(ratio):
    n_groups, size = 60, 7
    rng = np.random.default_rng(0)
    place = np.indices((10, 6)).reshape(2, -1).T[:n_groups]
    X = np.repeat(ratio * place, size, axis=0) + rng.normal(size=(n_groups * size, 2)) / 2
    W, labeled = sparse.csr_array(dense_weights(X, 9, 5)), np.arange(len(X)) % 70 == 0
    g = np.eye(2)[np.arange(labeled.sum()) % 2]
    options = {"mu": 50.0, "masses": True, "tol": 1e-6}
    ours, theirs = (
        harmonic_extension(matrix, labeled, g, np.full(2, 0.5), **options)
        for matrix in (W, TensorMatrix.of(W, "cpu"))
    )
    assert (ours.converged, theirs.converged) == (True, True)
    np.testing.assert_allclose(theirs.u, ours.u, atol=1e-3)
    np.testing.assert_allclose(theirs.masses, ours.masses, rtol=1e-3)
