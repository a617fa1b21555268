"""The layer on clouds and graphs of extreme scales: accurate to the last digits, or a warning."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from sklearn.exceptions import ConvergenceWarning

from sklearn_wnll._tensors import deflation, neighbors
from sklearn_wnll.deep import wnll_interpolate
from sklearn_wnll.deep._layer import points
from sklearn_wnll.deep._layer.system import HarmonicSystem

from ..clouds import examples

SEEDS = st.integers(0, 2**32 - 1)
LABEL_WEIGHTS = [1e-12, 1e-6, 1.0, 30.0, 1e4, 1e8, 1e12]


def eliminated(W, excess, B):
    """Solve ``(diag(W 1 + s) - W) x = B`` for ``W``, ``s``, ``B`` >= 0 without a subtraction.

    W. K. Grassmann, M. I. Taksar and D. P. Heyman, "Regenerative analysis and steady state
    distributions for Markov chains", Oper. Res. 33 (1985). In extended precision.
    """
    W, excess, B = (np.array(part, dtype=np.longdouble) for part in (W, excess, B))
    np.fill_diagonal(W, 0)
    x, pivots = np.zeros_like(B), np.zeros_like(excess)
    for i in range(len(W) - 1, -1, -1):
        pivots[i] = W[i, :i].sum() + excess[i]
        share = W[i, :i] / (pivots[i] or 1)
        excess[:i] += share * excess[i]
        B[:i] += share[:, None] * B[i]
        W[:i, :i] += np.outer(share, W[i, :i])
        np.fill_diagonal(W, 0)
    for i in range(len(W)):
        if pivots[i]:
            x[i] = (B[i] + W[i, :i] @ x[:i]) / pivots[i]
    return x


def dense_lists(X, k):
    """Neighbours and squared distances by differences; None if two tie for the last place."""
    X = X.astype(np.longdouble)
    squares = ((X[:, None] - X) ** 2).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    order = np.argsort(squares, axis=1, kind="stable")
    ordered = np.take_along_axis(squares, order, axis=1)
    k = min(k, len(X) - 1)
    last, left_out = ordered[:, k - 1], ordered[:, k]
    finite = np.isfinite(left_out)
    tied = (left_out - last)[finite] <= 1e-13 * left_out[finite]
    return None if tied.any() else (order[:, :k], ordered[:, :k])


def dense_system(neighbors, W, n_template, mu):
    """Weights among queries, weights to the template, and a mask of queries that are reached."""
    n = len(W)
    D = np.zeros((n, n), dtype=np.longdouble)
    np.add.at(D, (np.arange(n)[:, None], neighbors), W)
    out, back = D[n_template:], D.T[n_template:]
    among = (out + back)[:, n_template:]
    to_template = out[:, :n_template] + np.longdouble(mu) * back[:, :n_template]
    _, component = connected_components(among.astype(float) > 0, directed=False)
    reached = np.isin(component, component[to_template.sum(axis=1) > 0])
    return among, to_template, reached


def dense_values(X, targets, k, scale_neighbor, mu):
    """The interpolation in a few dense lines of extended precision; None if lists have ties."""
    lists = dense_lists(X, k)
    if lists is None:
        return None
    neighbors, squares = lists
    usable = (squares > 0) & (
        np.arange(squares.shape[1]) >= min(scale_neighbor, squares.shape[1]) - 1
    )
    place = usable.argmax(axis=1)[:, None]
    sigma = np.where(usable.any(axis=1)[:, None], np.take_along_axis(squares, place, 1), 1)
    W = np.exp(-squares / sigma)
    W[W < 1e-12] = 0
    among, to_template, reached = dense_system(neighbors, W, len(targets), mu)
    u = eliminated(among, to_template.sum(axis=1), to_template @ targets)
    u[~reached] = targets.mean(axis=0)
    return u.astype(float)


def spoiled(kind, rng, n, d):
    """Clouds for which a product of coordinates, or a mean, loses the digits."""
    X = rng.normal(size=(n, d))
    if kind in ("tight", "mixed"):
        group = rng.integers(0, max(2, n // 12), n)
        spread = 10.0 ** rng.uniform(-14, -1, (n, 1))
        spread = spread[group] if kind == "mixed" else spread[0]
        X = rng.normal(size=(n, d))[group] + spread * X
    elif kind == "far":
        X[rng.integers(n)] = 10.0 ** rng.integers(3, 31)
    elif kind == "islands":
        X += rng.choice([4, 8, 15]) * rng.integers(0, 3, n)[:, None]
    elif kind == "twins":
        X[: n // 2] = X[-(n // 2) :] + 1e-9 * X[: n // 2]
    elif kind == "shells":
        X *= 10.0 ** rng.uniform(-6, 6, (n, 1))
    elif kind == "chain":
        X = rng.permutation(np.cumsum(rng.choice([1, 1.3, 2, 5], n)))[:, None] * np.eye(1, d)
    return X + rng.choice([0.0, 100.0])


@examples(100)
@given(
    SEEDS,
    st.sampled_from(["tight", "mixed", "far", "islands", "twins", "shells", "chain"]),
    st.sampled_from(LABEL_WEIGHTS),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_values_are_those_of_a_dense_elimination_at_any_scale(seed, kind, label_weight, dtype):
    rng = np.random.default_rng(seed)
    n, d = rng.integers(8, 50), rng.choice([1, 2, 3, 8, 64])
    k, m = rng.integers(1, 16), rng.integers(1, n // 3)
    X = torch.tensor(spoiled(kind, rng, n, d), dtype=dtype)
    params = {"n_neighbors": int(k), "scale_neighbor": int(rng.integers(1, k + 1))}
    targets = np.eye(3)[rng.integers(0, 3, m)]
    dense = dense_values(X.double().numpy(), targets, k, params["scale_neighbor"], label_weight)
    if dense is None:
        return
    u = wnll_interpolate(
        X[:m], torch.tensor(targets, dtype=dtype), X[m:], label_weight=label_weight, **params
    )
    np.testing.assert_allclose(u, dense, atol=1e-6)


def log_uniform_graph(rng, n, kind):
    """Neighbour lists and weights from 1e-12 to 1, not made from a cloud."""
    k = rng.integers(1, 8)
    neighbors = np.array([rng.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)])
    W = 10.0 ** rng.uniform(-12, 0, neighbors.shape)
    if kind == "groups":
        group = rng.integers(0, 5, n)
        W = np.where(group[:, None] == group[neighbors], rng.random(W.shape), W * 1e-4)
    W[W < 1e-12] = 0
    return neighbors, W


@pytest.mark.parametrize("few_points", [0, deflation._FEW_POINTS])
@examples(60)
@given(SEEDS, st.sampled_from(["any", "groups"]), st.floats(-6, 12))
def test_weak_edges_are_solved_or_warned_of(few_points, seed, kind, power):
    rng = np.random.default_rng(seed)
    n, mu = int(rng.integers(10, 50)), 10.0**power
    m = int(rng.integers(1, n // 5))
    neighbors, W = log_uniform_graph(rng, n, kind)
    targets, gradient = np.eye(3)[rng.integers(0, 3, m)], rng.normal(size=(n - m, 3))
    among, to_template, reached = dense_system(neighbors, W, m, mu)
    excess = to_template.sum(axis=1)
    dense = eliminated(among, excess, to_template @ targets)
    dense[~reached] = targets.mean(axis=0)
    gradient[~reached] = 0
    up, down = (eliminated(among, excess, part.clip(0)) for part in (gradient, -gradient))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deflation, "_FEW_POINTS", few_points)
        for solve, argument, expected in (
            ("extend", targets, dense),
            ("adjoint", gradient, np.vstack([np.zeros((m, 3)), up - down])),
        ):
            system = HarmonicSystem(
                torch.tensor(neighbors), torch.tensor(W), m, mu, tol=1e-12, max_iter=1000
            )
            size = 1 + np.abs(expected).max(axis=1, keepdims=True)
            try:
                found = getattr(system, solve)(torch.tensor(argument)).numpy()
            except ConvergenceWarning:  # an error here, like all warnings
                continue
            np.testing.assert_allclose(found / size, expected / size, atol=1e-6)


def test_the_inverse_has_all_digits_of_entries_of_any_size():
    rng = np.random.default_rng(0)
    W = np.triu(10.0 ** rng.uniform(-20, 0, (40, 40)), 1)
    W, excess = W + W.T, 10.0 ** rng.uniform(-24, -12, 40)
    found = deflation._inverse(torch.tensor(W), torch.tensor(excess)).numpy()
    np.testing.assert_allclose(found, eliminated(W, excess, np.eye(40)).astype(float), rtol=1e-13)


@pytest.mark.parametrize("far", [1e4, 1e10, 1e15, 1e30, 1e300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_far_point_changes_no_list_of_another(far, dtype):
    X = torch.tensor(np.random.default_rng(0).normal(size=(60, 2)), dtype=dtype)
    alone = points.PointCloud(X, 10)
    far = torch.full((1, 2), min(far, torch.finfo(dtype).max), dtype=dtype)
    together = points.PointCloud(torch.cat([X, far]), 10)
    assert torch.equal(together.neighbors[:-1], alone.neighbors)
    torch.testing.assert_close(
        together.squares[:-1] * together.scale**2, alone.squares * alone.scale**2
    )


@pytest.mark.parametrize("far", [1e20, 1e100, 1e200])
def test_many_far_points_change_no_list_of_the_near_ones(far):
    rng = np.random.default_rng(0)
    near, others = (torch.tensor(rng.normal(size=(30, 2))) for _ in range(2))
    together = points.PointCloud(torch.cat([near, far * others]), 10)
    assert torch.equal(together.neighbors[:30], points.PointCloud(near, 10).neighbors)
    assert (together.squares > 0).all()
    assert together.squares.isfinite().all()


def test_one_far_query_spoils_no_label():
    rng = np.random.default_rng(0)
    X, targets = rng.normal(size=(80, 2)), np.eye(2)[np.arange(20) % 2]
    X[:20, 0] += 3 * targets[:, 1]
    X[-1] = 1e10
    dense = dense_values(X, targets, 10, 5, 4.0)
    u = wnll_interpolate(
        *map(torch.tensor, (X[:20], targets, X[20:])), n_neighbors=10, label_weight=4.0
    )
    np.testing.assert_allclose(u, dense, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14])
def test_neighbors_in_tight_clusters_are_those_of_differences(spread, dtype):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(6, 16)), 20, axis=0) + spread * rng.normal(size=(120, 16))
    X = torch.tensor(X + 3, dtype=dtype)
    cloud = points.PointCloud(X, 10)
    exact = X.double().numpy()
    squares = np.sort(((exact[:, None] - exact) ** 2).sum(axis=2), axis=1)[:, 1:11]
    np.testing.assert_allclose(cloud.squares * cloud.scale**2, squares, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_plain_cloud_needs_no_second_look(dtype, monkeypatch):
    looks = []
    look = neighbors._search

    def counted(cloud, rows, *args):
        looks.append(len(rows))
        return look(cloud, rows, *args)

    monkeypatch.setattr(neighbors, "_search", counted)
    X = torch.tensor(np.random.default_rng(0).normal(size=(500, 16)), dtype=dtype)
    points.PointCloud(X, 15)
    assert sum(looks) < 1.05 * 500


def test_coarse_products_are_seen_and_repaired(monkeypatch):
    def rounded(self, part):
        D = exact(self, part)
        return D.to(torch.bfloat16).to(D)

    exact = neighbors._Products.__call__
    X = torch.tensor(np.random.default_rng(0).normal(size=(300, 8)), dtype=torch.float32)
    expected = points.PointCloud(X, 15).neighbors
    monkeypatch.setattr(neighbors._Products, "__call__", rounded)
    assert torch.equal(points.PointCloud(X, 15).neighbors, expected)


def test_mixed_precision_does_not_reach_the_neighbors():
    X = torch.tensor(np.random.default_rng(0).normal(size=(200, 8)), dtype=torch.float32)
    y = torch.arange(50) % 3
    u = wnll_interpolate(X[:50], y, X[50:])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(wnll_interpolate(X[:50], y, X[50:]), u)


@pytest.mark.parametrize(("spread", "offset"), [(1.0, 0), (1e-3, 0), (1e-9, 0), (1e-3, 1e6)])
def test_the_gradient_keeps_its_digits_in_tight_clusters(spread, offset):
    # It is homogeneous of degree -1: a cloud of half the width has twice the gradient.
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0, 0], [2**20, 0, 0]])
    fine = np.round(rng.normal(size=(40, 3)) * 2**12) / 2**12  # no digit is lost in a sum
    group = np.arange(40) % 2
    gradients = []
    for shrink in (1.0, 2.0 ** -round(-np.log2(spread))):
        # Each group separately: the other is in no list.
        X = torch.tensor(centers[group] * 2.0**-10 * (shrink < 1) + fine * shrink)
        if shrink == 1:
            X[:, 0] += torch.tensor(group * 1e4)
        X = (X + offset).requires_grad_()
        u = wnll_interpolate(X[:10], torch.arange(10) // 2 % 2, X[10:], n_neighbors=6)
        (gradient,) = torch.autograd.grad(u[:, 0].square().sum(), X)
        gradients.append(gradient * shrink)
    lost = 1e-16 * max(1.0, offset) / spread if offset else 0
    size = float(gradients[0].norm())
    np.testing.assert_allclose(gradients[1], gradients[0], atol=(1e-9 + 100 * lost) * size)


@pytest.mark.parametrize("n_points", [3, 40])
@pytest.mark.parametrize(
    "case",
    [
        "all equal",
        "one feature",
        "wide",
        "denormal",
        "huge",
        "huge and tiny",
        "far template",
        "few features and many copies",
    ],
)
@pytest.mark.parametrize("label_weight", ["wnll", 1e-12, 1e12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_finite_at_the_ends_of_the_numbers(
    n_points, case, label_weight, dtype
):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_points, {"one feature": 1, "wide": 5000}.get(case, 3)))
    largest = 3e38 if dtype == torch.float32 else 1.7e308
    if case == "all equal":
        X[:] = 1
    elif case == "denormal":
        X *= 1e-40 if dtype == torch.float32 else 1e-310
    elif case == "huge":
        X = largest * np.sign(X) * rng.random(X.shape)
    elif case == "huge and tiny":
        X *= 10.0 ** rng.integers(-37, 37, (n_points, 1))
    elif case == "far template":
        X[: n_points // 3] += 1e20
    elif case == "few features and many copies":
        X = np.repeat(X[: n_points // 2], 50, axis=0)
    m = max(1, len(X) // 3)
    X = torch.tensor(X, dtype=dtype, requires_grad=True)
    targets = torch.eye(2, dtype=dtype)[torch.arange(m) % 2].requires_grad_()
    u = wnll_interpolate(X[:m], targets, X[m:], n_neighbors=60, label_weight=label_weight)
    assert u.min() > -1e-6
    torch.testing.assert_close(u.sum(dim=1), torch.ones_like(u[:, 0]), rtol=0, atol=1e-6)
    for gradient in torch.autograd.grad(u[:, 0].square().sum(), (X, targets)):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("label_weight", [1e-12, 1e-3, 1e3, 1e12])
def test_the_gradient_is_exact_for_any_label_weight(label_weight):
    rng = np.random.default_rng(0)
    template, query = (torch.tensor(rng.normal(size=(n, 2)), requires_grad=True) for n in (6, 8))
    targets = torch.tensor(rng.dirichlet([1, 1], 6), requires_grad=True)

    def interpolate(*tensors):
        return wnll_interpolate(*tensors, n_neighbors=40, scale_neighbor=3,
                                label_weight=label_weight)  # fmt: skip

    assert torch.autograd.gradcheck(
        interpolate, (template, targets, query), eps=1e-6, atol=1e-6, rtol=1e-5
    )
