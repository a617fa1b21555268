import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._graph.search import ExactSearch
from sklearn_wnll._tensors.neighbors import nearest_neighbors
from sklearn_wnll.deep import wnll_interpolate
from sklearn_wnll.deep._layer import gradients, points

from ..clouds import FACTORS, clouds, examples
from ..reference import dense_extension, dense_weights


def cloud(n_template=12, n_query=14, d=3, seed=0, dtype=torch.float64):
    """Random points and soft targets of three classes, all requiring a gradient."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(n_template, d)), rng.dirichlet([1, 1, 1], n_template)
    parts = *parts, rng.normal(size=(n_query, d))
    return [torch.tensor(part, dtype=dtype, requires_grad=True) for part in parts]


def has_gradient(function, *tensors):
    return torch.autograd.gradcheck(function, tensors, eps=1e-6, atol=1e-6, rtol=1e-5)


@examples(100)
@given(clouds(label_weights=FACTORS))
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
def test_it_agrees_with_the_classifier_and_the_dense_reference(cloud):
    labeled = cloud.y >= 0
    if labeled.all():
        labeled[1:] = False
    y = np.where(labeled, cloud.y, -1)
    model = WNLLClassifier(**cloud.params).fit(cloud.X, y)
    codes = np.searchsorted(model.classes_, y[labeled])
    params = {
        key: cloud.params[key]
        for key in ("n_neighbors", "scale_neighbor", "label_weight", "max_iter")
    }
    u = wnll_interpolate(
        torch.tensor(cloud.X[labeled]), torch.tensor(codes), torch.tensor(cloud.X[~labeled]),
        n_classes=len(model.classes_), tol=1e-13, **params,
    ).numpy()  # fmt: skip
    np.testing.assert_allclose(u, model.label_distributions_[~labeled], atol=1e-8)
    if model.reached_.all():
        W = dense_weights(cloud.X, params["n_neighbors"], params["scale_neighbor"])
        mu = {"wnll": len(y) / labeled.sum(), "laplace": 1.0}.get(
            params["label_weight"], params["label_weight"]
        )
        g = np.eye(len(model.classes_))[codes]
        dense = dense_extension(W, labeled, g, mu)[~labeled]
        np.testing.assert_allclose(u, dense, atol=1e-8)


@pytest.mark.parametrize("label_weight", ["wnll", "laplace", 30.0])
@pytest.mark.parametrize(("n_neighbors", "scale_neighbor"), [(6, 3), (6, 6), (4, 1), (40, 8)])
def test_the_exact_gradient_is_that_of_the_values(n_neighbors, scale_neighbor, label_weight):
    def interpolate(*tensors):
        return wnll_interpolate(
            *tensors,
            n_neighbors=n_neighbors,
            scale_neighbor=scale_neighbor,
            label_weight=label_weight,
        )

    assert has_gradient(interpolate, *cloud(8, 9, d=2))


def test_the_gradient_holds_where_points_are_equal_and_where_no_label_reaches():
    template, targets, query = (part.detach() for part in cloud(6, 8))
    # Pairs of equal points: two template points, two queries, and one of each; and a distant
    # group of queries. All are in all lists, so none can leave one, and no scale is one of two
    # equal distances, where it would have a kink.
    pairs = 3 * torch.eye(3, dtype=torch.float64)
    template = torch.cat([template, pairs[[0, 0, 1]]])
    targets = torch.cat([targets, targets[:3]])
    query = torch.cat([query, pairs[[1, 2, 2]], 1000 + query])
    tensors = [part.clone().requires_grad_() for part in (template, targets, query)]

    def interpolate(*tensors):
        return wnll_interpolate(*tensors, n_neighbors=50, scale_neighbor=2)

    points = torch.cat([template, query])
    differences = (points[:, None] - points).norm(dim=2).sort(dim=1).values.diff(dim=1)
    assert (differences[:, 0] == 0).sum() == 6
    assert differences[:, 1:3].min() > 1e-3
    u = interpolate(*tensors)
    torch.testing.assert_close(u[-8:], targets.mean(dim=0).expand(8, -1))
    assert (u[:-8] - targets.mean(dim=0)).abs().max() > 0.1
    assert has_gradient(interpolate, *tensors)


def test_only_what_wants_a_gradient_gets_one():
    template, targets, query = cloud()
    u = wnll_interpolate(template.detach(), targets.detach(), query)
    (gradient,) = torch.autograd.grad(u[:, 0].sum(), query)
    assert gradient.abs().max() > 0
    u = wnll_interpolate(template.detach(), targets, query.detach())
    (gradient,) = torch.autograd.grad(u[:, 0].sum(), targets)
    # The values are means of the targets, class by class.
    np.testing.assert_allclose(gradient[:, 0].sum(), len(u))
    assert (gradient[:, 1:] == 0).all()


@examples(100)
@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_values_are_distributions_and_do_not_change_with_position_size_and_order(seed, power):
    template, targets, query = (part.detach() for part in cloud(10, 20, seed=seed))
    u = wnll_interpolate(template, targets, query)
    assert (u > -1e-9).all()
    np.testing.assert_allclose(u.sum(dim=1), 1, atol=1e-9)
    rng = np.random.default_rng(seed)
    turn = torch.tensor(np.linalg.qr(rng.normal(size=(3, 3)))[0])
    order, other = torch.tensor(rng.permutation(20)), torch.tensor(rng.permutation(10))
    moved = wnll_interpolate(
        10**power * template[other] @ turn + 5, targets[other], 10**power * query[order] @ turn + 5
    )
    np.testing.assert_allclose(moved, u[order], atol=1e-8)


@examples(100)
@given(st.integers(0, 2**32 - 1))
def test_gradients_know_that_shifts_and_scales_change_nothing(seed):
    template, targets, query = cloud(10, 20, seed=seed)
    u = wnll_interpolate(template, targets, query)
    weight = torch.tensor(np.random.default_rng(seed).normal(size=u.shape))
    gradients = torch.autograd.grad((u * weight).sum(), (template, query))
    points, gradient = torch.cat([template, query]), torch.cat(gradients)
    size = gradient.abs().sum()
    assert gradient.sum(dim=0).abs().max() < 1e-10 * size
    assert (points * gradient).sum().abs() < 1e-8 * size


def test_single_precision_is_enough():
    template, targets, query = (part.detach() for part in cloud(200, 800, 20))
    u = wnll_interpolate(template, targets, query)
    single = wnll_interpolate(template.float(), targets.float(), query.float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, u, atol=1e-4)


@pytest.mark.parametrize("gap", [10, 15, 18])
def test_single_precision_solves_where_little_joins_a_group_to_the_labels(gap):
    template, targets, query = cloud(40, 12)
    query.data[6:, 0] += gap
    u = wnll_interpolate(template, targets, query, n_neighbors=20)
    single = [part.detach().float().requires_grad_() for part in (template, targets, query)]
    found = wnll_interpolate(*single, n_neighbors=20)
    np.testing.assert_allclose(found.detach(), u.detach(), atol=1e-2)
    np.testing.assert_allclose(found.detach().sum(dim=1), 1, atol=1e-2)
    for loss in (u[:, 0].square().sum(), found[:, 0].square().sum()):
        loss.backward()
    np.testing.assert_allclose(single[2].grad, query.grad, atol=1e-2 * float(query.grad.norm()))


@pytest.mark.parametrize("spread", [1e-2, 1e-3, 1e-4])
def test_single_precision_finds_the_neighbors_in_tight_clusters(spread):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(10, 64)), 60, axis=0) + spread * rng.normal(size=(600, 64))
    X = torch.tensor(X, dtype=torch.float32)
    neighbors = points.PointCloud(X, 15).neighbors
    exact, _ = nearest_neighbors(X.double(), 15)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(neighbors, exact, strict=True)])
    assert recall > 0.999


def test_stopping_early_is_said_forward_and_backward():
    n = 300
    chain = torch.arange(n, dtype=torch.float64)[:, None].requires_grad_()
    with pytest.warns(ConvergenceWarning, match="stopped after max_iter=20"):
        u = wnll_interpolate(
            chain[[0, -1]], torch.tensor([0, 1]), chain[1:-1], n_neighbors=2, scale_neighbor=1,
            label_weight="laplace", max_iter=20,
        )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match="stopped after max_iter=20"):
        u[:, 0].sum().backward()


def test_hard_targets_are_soft_ones_with_all_weight_on_a_class():
    template, _, query = cloud()
    codes = torch.arange(12) % 3
    hard = wnll_interpolate(template, codes, query, n_classes=4)
    soft = wnll_interpolate(template, torch.eye(4)[codes], query)
    assert torch.equal(hard, soft)


def test_many_equal_points_have_finite_values_and_gradients():
    template, targets, query = cloud(4, 5)
    many = torch.cat([query, query[:1].expand(30, -1)])
    u = wnll_interpolate(template, targets, many)
    gradients = torch.autograd.grad(u[:, 0].sum(), (template, targets, query))
    assert u.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)
    all_equal = wnll_interpolate(template[:1].expand(20, -1), targets[:1].expand(20, -1), many * 0)
    torch.testing.assert_close(all_equal, targets[:1].expand(35, -1))


# Number of neighbours, and two queries before and after one moves; templates are at 0 and 1.
JUMPS = {
    "a tie for the last place": (2, [[0.5 - 1e-9, 0.9], [0.5 + 1e-9, 0.9]]),
    "a length scale of 0": (3, [[0.4, 0.4 + 1e-9], [0.4, 0.4]]),
    "an edge of a weight of 1e-12": (2, [[6.2564, 7.2564], [6.2566, 7.2566]]),
}


def at(places, n_neighbors):
    template = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    query = torch.as_tensor(places, dtype=torch.float64)[:, None]
    return wnll_interpolate(
        template, torch.tensor([0, 1]), query, n_neighbors=n_neighbors, scale_neighbor=1
    )


@pytest.mark.parametrize("name", JUMPS)
def test_the_result_jumps_where_the_notes_say(name):
    n_neighbors, (before, after) = JUMPS[name]
    assert (at(before, n_neighbors) - at(after, n_neighbors)).abs().max() > 0.01


@examples(30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_away_from_those_places_the_result_is_continuous(seed, n):
    # All points are in all lists, none are equal, and no weight is near 1e-12.
    places = (np.arange(1, n + 1) + np.random.default_rng(seed).uniform(-0.3, 0.3, n)) / (n + 1)
    moved = places + 1e-9 * np.eye(n)[0]
    torch.testing.assert_close(at(places, 20), at(moved, 20), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_template", [1, 2])
@pytest.mark.parametrize("n_query", [0, 1])
def test_the_smallest_clouds_have_values(n_template, n_query):
    template, targets, query = cloud(n_template, n_query)
    u = wnll_interpolate(template, targets, query)
    assert u.shape == (n_query, 3)
    np.testing.assert_allclose(u.sum(dim=1).detach(), 1)


def test_lists_are_those_of_an_exact_search():
    X = np.random.default_rng(0).normal(size=(3000, 5))  # two blocks
    neighbors, squares = nearest_neighbors(torch.tensor(X), 10)
    exact = ExactSearch("euclidean").fit(X).lists(10)
    np.testing.assert_array_equal(neighbors, exact.indices)
    np.testing.assert_allclose(squares.sqrt(), exact.distances)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_point_is_removed_from_its_list_by_index_and_its_copies_stay(dtype):
    X = torch.tensor(np.random.default_rng(0).normal(size=(80, 3)))
    X[20:40] = X[20]
    X[40:] = X[:40]
    neighbors, squares = nearest_neighbors(X, 6, dtype)
    assert (neighbors != torch.arange(80)[:, None]).all()
    assert (squares[:, 0] == 0).all()
    assert (squares[20:40] == 0).all()
    assert torch.equal(neighbors[:20, 0], torch.arange(40, 60))


def test_a_second_derivative_is_refused():
    template, targets, query = cloud()
    u = wnll_interpolate(template, targets, query)
    with pytest.raises(RuntimeError, match="has no second derivative"):
        torch.autograd.grad(u[:, 0].sum(), query, create_graph=True)


def test_the_surrogate_has_the_values_and_lends_its_gradient():
    template, targets, query = cloud()
    logits = torch.rand(14, 3, dtype=torch.float64, requires_grad=True)
    exact = wnll_interpolate(template, targets, query)
    u = wnll_interpolate(template, targets, query, gradient="surrogate", surrogate=logits)
    assert torch.equal(u, exact)
    # The gradient of a softmax with the values of the interpolation.
    same = exact.detach().log().requires_grad_()
    weight = torch.rand(14, 3, dtype=torch.float64)
    found = torch.autograd.grad((u * weight).sum(), (logits, query), allow_unused=True)
    (expected,) = torch.autograd.grad((same.softmax(dim=1) * weight).sum(), same)
    torch.testing.assert_close(found[0], expected)
    assert found[1] is None


def test_a_rule_is_added_without_touching_the_forward_pass(monkeypatch):
    def detached(solved, template, targets, query, surrogate):
        return solved.u

    monkeypatch.setitem(gradients.GRADIENTS, "none", detached)
    template, targets, query = cloud()
    u = wnll_interpolate(template, targets, query, gradient="none")
    assert not u.requires_grad
    assert torch.equal(u, wnll_interpolate(template, targets, query))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"template": torch.zeros(3)}, "template must be a float32 or float64 tensor of shape"),
        ({"query": torch.zeros(3, 3, dtype=torch.long)}, "query must be a float32 or float64"),
        ({"query": torch.zeros(3, 3)}, "same dtype, device and number of features"),
        ({"query": torch.zeros(3, 2, dtype=torch.float64)}, "same dtype, device and number"),
        ({"query": torch.full((3, 3), torch.nan)}, "query holds NaN or infinity"),
        ({"template": torch.zeros(0, 3, dtype=torch.float64)}, "template is empty"),
        ({"template_targets": torch.zeros(11, 3)}, "for each of the 12 template points"),
        ({"template_targets": torch.zeros(12)}, "classes as integers"),
        ({"template_targets": torch.full((12,), -1)}, "classes as integers from 0 on"),
        ({"template_targets": torch.arange(12), "n_classes": 5}, "class 11, but n_classes=5"),
        ({"label_weight": "foo"}, "label_weight must be 'wnll', 'laplace' or a positive number"),
        ({"label_weight": float("nan")}, "label_weight must be"),
        ({"scale_neighbor": 16}, "scale_neighbor=16 is not in 1 to n_neighbors=15"),
        ({"gradient": "none"}, "gradient must be one of"),
        ({"gradient": "surrogate"}, "needs surrogate="),
        ({"gradient": "surrogate", "surrogate": torch.zeros(2, 2)}, "needs surrogate="),
        ({"surrogate": torch.zeros(14, 3)}, "surrogate is of use only"),
    ],
)
def test_bad_arguments_are_named(change, message):
    names = "template", "template_targets", "query"
    with pytest.raises(ValueError, match=message):
        wnll_interpolate(**{**dict(zip(names, cloud(), strict=True)), **change})
