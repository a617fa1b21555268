"""The same input has the same result and the same gradients, bit for bit."""

import numpy as np
import pytest
import torch

from sklearn_wnll._tensors import sparse
from sklearn_wnll._tensors.components import connected_components
from sklearn_wnll._tensors.sparse import SparseRows
from sklearn_wnll.deep import wnll_interpolate


@pytest.fixture
def _deterministic():
    """PyTorch's deterministic algorithms; missing ones raise."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(params=[1, 2])
def _threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def values_and_gradients(gap):
    """Values and gradients of a cloud of two groups, a gap apart."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 12))
    X[300:, 0] += gap
    template, query = (torch.tensor(part, requires_grad=True) for part in (X[:100], X[100:]))
    targets = torch.tensor(rng.dirichlet([1, 1, 1], 100), requires_grad=True)
    u = wnll_interpolate(template, targets, query, n_neighbors=20)
    loss = (u * torch.tensor(rng.normal(size=u.shape))).sum()
    return u, *torch.autograd.grad(loss, (template, targets, query))


@pytest.mark.usefixtures("_threads", "_deterministic")
@pytest.mark.parametrize("gap", [0, 18])
def test_two_runs_agree_in_all_bits_by_deterministic_algorithms(gap):
    for a, b in zip(values_and_gradients(gap), values_and_gradients(gap), strict=True):
        assert torch.equal(a, b)


@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("gap", [0, 18])
def test_sums_in_one_order_have_the_values_of_products(gap, monkeypatch):
    products = values_and_gradients(gap)
    monkeypatch.setattr(sparse, "_adds_entries", lambda X: True)
    for a, b in zip(products, values_and_gradients(gap), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("by_entries", [False, True])
def test_a_sparse_matrix_multiplies_as_the_dense_one(by_entries, monkeypatch):
    monkeypatch.setattr(sparse, "_adds_entries", lambda X: by_entries)
    rng = np.random.default_rng(0)
    row, column = np.sort(rng.integers(0, 20, 70)), rng.integers(0, 30, 70)
    value, dense = rng.normal(size=70), np.zeros((20, 30))
    np.add.at(dense, (row, column), value)
    matrix = SparseRows(*map(torch.tensor, (row, column, value)), (20, 30))
    X, Y = rng.normal(size=(30, 4)), rng.normal(size=(20, 4))
    np.testing.assert_allclose(matrix @ torch.tensor(X), dense @ X)
    np.testing.assert_allclose(matrix.T @ torch.tensor(Y), dense.T @ Y)


@pytest.mark.parametrize("n_edges", [0, 30, 60, 300])
def test_components_are_named_by_their_smallest_points(n_edges):
    from scipy import sparse as scipy_sparse
    from scipy.sparse import csgraph

    rng = np.random.default_rng(0)
    ends = rng.integers(0, 80, (2, n_edges))
    graph = scipy_sparse.coo_array((np.ones(n_edges), tuple(ends)), shape=(80, 80))
    _, component = csgraph.connected_components(graph, directed=False)
    smallest = np.array([np.flatnonzero(component == name)[0] for name in component])
    row, column = torch.tensor(np.hstack([ends, ends[::-1]]))
    np.testing.assert_array_equal(connected_components(row, column, 80), smallest)


def test_a_long_path_in_any_order_is_one_component():
    for order in (torch.arange(5000), torch.randperm(5000)):
        ends = torch.stack([order[:-1], order[1:]])
        label = connected_components(*torch.cat([ends, ends.flip(0)], dim=1), 5000)
        assert (label == 0).all()
