"""Label weights and class masses that adapt to the labels: ``label_weight="auto"``."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.balance import adaptive_weight, balancing_factors
from sklearn_wnll._extension.class_prior import apply_class_factors, class_factors_of_sum
from sklearn_wnll._extension.folds import deal_folds
from sklearn_wnll._extension.system import harmonic_extension
from sklearn_wnll.datasets import hide_labels

from .clouds import FACTORS, IGNORES_FEW_LABELS, clouds, examples
from .reference import dense_weights, eliminate

pytestmark = IGNORES_FEW_LABELS
quick, moderate = examples(12), examples(60)
adaptive = clouds(label_weights=("auto",))
label_counts = st.lists(st.integers(1, 40), min_size=1, max_size=8).map(np.array)


def fitted(cloud, X=None, y=None, **params):
    X, y = (cloud.X if X is None else X), (cloud.y if y is None else y)
    return WNLLClassifier(**{**cloud.params, **params}).fit(X, y)


@moderate
@given(label_counts, st.integers(0, 10_000), st.integers(0, 200))
def test_the_weight_is_between_a_tenth_of_the_papers_and_the_papers(counts, n_others, n_free):
    n, m = counts.sum() + n_others, counts.sum()
    weight = adaptive_weight(counts, n, n_free)
    assert max(1, n / (10 * m)) <= weight * (1 + 1e-12)
    assert weight <= n / m * (1 + 1e-12)


@moderate
@given(label_counts, st.integers(0, 10_000), st.randoms())
def test_the_weight_depends_on_no_order_of_the_classes(counts, n_others, random):
    other = counts.tolist()
    random.shuffle(other)
    n = counts.sum() + n_others
    weight = adaptive_weight(counts, n, n_others)
    assert adaptive_weight(np.array(other), n, n_others) == pytest.approx(weight)


@moderate
@given(st.integers(1, 40), st.integers(1, 8), st.integers(80, 10_000))
def test_equal_numbers_of_labels_reach_a_tenth_of_the_points(each, n_classes, n_others):
    counts = np.full(n_classes, each)
    n, m = each * n_classes + n_others, each * n_classes
    assert adaptive_weight(counts, n, n_others) == pytest.approx(max(1, n / (10 * m)))


@moderate
@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 10_000))
def test_without_masses_the_weight_falls_from_the_papers_as_labels_become_many(each, classes, more):
    m = each * classes
    few, many = (adaptive_weight(np.full(classes, k), m + more, 0) for k in (each, each + 1))
    assert (few == pytest.approx((m + more) / m)) if each <= 4 else (few >= 1)
    assert many <= few * (1 + 1e-12)
    balanced = [adaptive_weight(np.full(classes, each), m + more, n) for n in range(0, 90, 10)]
    assert (np.diff(balanced) <= 1e-12).all()


@st.composite
def label_masses(draw):
    """Draw masses of labelled points, their classes, and the number of unlabelled rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = rng.integers(1, draw(st.sampled_from([2, 4, 30])), draw(st.integers(2, 6)))
    codes = np.repeat(np.arange(len(counts)), counts)
    masses = rng.gamma(draw(st.sampled_from([0.1, 1, 10])), 30, len(codes))
    return masses, codes, counts


@moderate
@given(label_masses())
def test_permuting_the_classes_permutes_their_factors(drawn):
    masses, codes, counts = drawn
    total = np.bincount(codes, masses)
    factors = balancing_factors(total, masses.sum(), masses, codes, counts)
    order = np.random.default_rng(0).permutation(len(counts))
    other = balancing_factors(
        total[order], masses.sum(), masses, np.argsort(order)[codes], counts[order]
    )
    np.testing.assert_allclose(other, factors[order], rtol=1e-9)


@moderate
@given(label_masses())
def test_factors_are_finite_and_a_class_with_more_mass_gets_a_smaller_one(drawn):
    masses, codes, counts = drawn
    counts = np.full_like(counts, 2)
    total = np.bincount(codes, masses)
    factors = balancing_factors(total, masses.sum(), masses, codes, counts)
    assert np.isfinite(factors).all()
    assert (factors > 0).all()
    by_mass = factors[np.argsort(total)]
    assert (np.diff(by_mass) <= 1e-12 * by_mass.max()).all()


@moderate
@given(st.integers(0, 2**32 - 1), st.integers(20, 60), st.floats(8, 40))
def test_uneven_labels_stand_for_class_sizes_only_if_their_masses_allow_it(seed, few, times):
    rng, counts = np.random.default_rng(seed), np.array([few, int(few * times)])
    codes = np.repeat([0, 1], counts)
    for_each = rng.gamma(4, 25, len(codes))  # rows that a label stands for, if drawn at random
    drawn = balancing_factors(np.bincount(codes, for_each), for_each.sum(), for_each, codes, counts)
    assert abs(np.log(drawn[0] / drawn[1])) < 0.5
    eager = for_each / counts[codes]  # of equally large classes, whatever the numbers of labels
    total = np.bincount(codes, eager)
    kept = balancing_factors(total, eager.sum(), eager, codes, counts)
    whole = class_factors_of_sum(total, eager.sum(), counts / counts.sum(), counts / counts.sum())
    assert abs(np.log(kept[0] / kept[1])) < 0.25 * abs(np.log(whole[0] / whole[1]))


@pytest.mark.parametrize("seed", range(3))
def test_equally_large_classes_keep_their_sizes_if_one_was_labeled_more_eagerly(seed):
    rng = np.random.default_rng(seed)
    codes, place = rng.integers(2, size=1500), rng.normal(size=(1500, 6))
    waves, shift = rng.normal(size=(2, 6, 15)) / 2, rng.uniform(0, 6, size=(2, 15))
    X = np.sin(np.einsum("ij,ijk->ik", place, waves[codes]) + shift[codes])
    few = np.full(len(X), -1)
    for label, count in enumerate([200, 20]):
        few[rng.choice(np.flatnonzero(codes == label), count, replace=False)] = label
    model, plain = (WNLLClassifier(label_weight=each).fit(X, few) for each in ("auto", "wnll"))
    right, known = ((one.transduction_ == codes)[few < 0].mean() for one in (model, plain))
    assert right >= known - 0.02


@pytest.mark.parametrize("n_rows", [0, 100])
def test_no_mass_at_all_is_no_fault(n_rows):
    total = np.full(2, n_rows / 2)
    factors = balancing_factors(total, n_rows, np.zeros(4), np.array([0, 0, 1, 1]), np.full(2, 2))
    np.testing.assert_allclose(factors, 1)


@st.composite
def problems(draw):
    """Draw the weights of a graph of one or two components, and labelled points of one of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(draw(st.integers(12, 50)), 2))
    X[::2] += draw(st.sampled_from([0.0, 1e3]))
    labeled = rng.random(len(X)) < draw(st.sampled_from([0.1, 0.5, 0.9]))
    labeled[::2] = False
    labeled[1] = True
    return dense_weights(X, 6, 4), labeled, draw(st.sampled_from([1.0, 7.0]))


@quick
@given(problems())
def test_masses_of_labels_sum_to_the_points_they_reach_and_agree_with_the_dense_reference(problem):
    W, labeled, mu = problem
    g = np.eye(2)[np.arange(labeled.sum()) % 2]
    options = {"mu": mu, "tol": 1e-12, "max_iter": 5000, "masses": True}
    found = harmonic_extension(sparse.csr_array(W), labeled, g, np.full(2, 0.5), **options)
    free = found.reached & ~labeled
    assert found.masses.sum() == pytest.approx(np.count_nonzero(free), rel=1e-8, abs=1e-9)
    to_labels = (W + mu * W.T)[np.ix_(free, labeled)]
    within = (W + W.T)[np.ix_(free, free)]
    parts = eliminate(within, to_labels.sum(axis=1), to_labels)  # of each point, for each label
    np.testing.assert_allclose(found.masses, parts.sum(axis=0), atol=1e-7)
    np.testing.assert_allclose(found.masses @ g, found.u[free].sum(axis=0), atol=1e-7)


@quick
@given(adaptive)
def test_all_are_distributions_and_labels_stay(cloud):
    model = fitted(cloud)
    new = cloud.X[:5] + 0.3
    for mode in ("transductive", "inductive"):
        model.set_params(predict_mode=mode)
        for u in (model.label_distributions_, model.predict_proba(new)):
            assert ((u >= 0) & (u <= 1)).all()
            np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-12)
        np.testing.assert_array_equal(model.predict_proba(cloud.X), model.label_distributions_)
    labeled = cloud.y >= 0
    np.testing.assert_array_equal(model.transduction_[labeled], cloud.y[labeled])


@quick
@given(adaptive, st.permutations(range(4)))
def test_names_and_order_of_the_classes_change_nothing(cloud, order):
    names = np.array([f"{'dbca'[i]}" for i in order], dtype=object)
    other = np.where(cloud.y >= 0, names[cloud.y], None)
    model, renamed = fitted(cloud), fitted(cloud, y=other, unlabeled="auto")
    columns = np.searchsorted(renamed.classes_, names[model.classes_].astype(str))
    np.testing.assert_allclose(
        renamed.label_distributions_[:, columns], model.label_distributions_, atol=1e-9
    )


@quick
@given(adaptive, st.integers(0, 100), st.sampled_from([1e-3, 8.0]))
def test_the_order_of_rows_and_the_scale_of_features_change_nothing(cloud, seed, scale):
    order = np.random.default_rng(seed).permutation(len(cloud.X))
    model, other = fitted(cloud), fitted(cloud, X=scale * cloud.X[order], y=cloud.y[order])
    np.testing.assert_allclose(
        other.label_distributions_, model.label_distributions_[order], atol=1e-8
    )


@quick
@given(adaptive, st.sampled_from([None, 12]))
def test_it_is_the_weight_that_it_stands_for_times_class_factors(cloud, size):
    # New points joining the graph would change the weight.
    options = {"template_size": size, "random_state": 0, "predict_mode": "inductive"}
    model = fitted(cloud, **options)
    new = np.vstack([cloud.X[:5], cloud.X[:5] + 0.3])
    if size is None:
        counts = np.bincount(cloud.y[cloud.y >= 0])
        weight = adaptive_weight(counts[counts > 0], len(cloud.X), (cloud.y < 0).sum())
        plain = fitted(cloud, label_weight=weight, predict_mode="inductive")
        expected = plain.predict_proba(new)
        if model._answer.class_factors is not None:  # if there are unlabelled rows
            expected = apply_class_factors(expected, model._answer.class_factors)
        reached = plain._distributions(new)[1]
        expected[~reached] = plain.predict_proba(new)[~reached]
        np.testing.assert_allclose(model.predict_proba(new), expected, atol=1e-8)
    for one in model._answer.templates.transductions:
        labeled = one.labels.labeled
        weight = adaptive_weight(one.labels.g.sum(axis=0), len(labeled), (~labeled).sum())
        assert one.weighted.mu == pytest.approx(weight)


@quick
@given(clouds(label_weights=("poisson", *FACTORS)))
def test_other_weights_correct_nothing(cloud):
    model = fitted(cloud)
    assert model._answer.class_factors is None
    assert model._answer.templates.transductions[0].extension.masses is None
    np.testing.assert_array_equal(model.label_distributions_, model._answer.templates.fitted().u)


@quick
@given(adaptive)
def test_a_prior_takes_the_place_of_the_factors(cloud):
    counts = np.bincount(cloud.y[cloud.y >= 0])
    weight = adaptive_weight(counts[counts > 0], len(cloud.X), (cloud.y < 0).sum())
    model = fitted(cloud, class_prior="labeled")
    plain = fitted(cloud, class_prior="labeled", label_weight=weight)
    np.testing.assert_allclose(model.label_distributions_, plain.label_distributions_, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_one_label_for_each_class_gives_classes_of_even_mass(digits, seed):
    X, y, _ = digits
    few = hide_labels(y, 1, random_state=seed)
    hidden = few == -1
    model = WNLLClassifier().fit(X, few)
    weight = adaptive_weight(np.ones(10), len(X), len(X) - 10)
    plain = WNLLClassifier(label_weight=weight).fit(X, few)
    uneven, even = (
        np.abs(one.label_distributions_[hidden].mean(axis=0) - 0.1).max() for one in (plain, model)
    )
    assert even < 0.05
    assert even < 0.6 * uneven


def test_held_out_rows_are_those_of_a_fit_without_their_labels(digits):
    X, y, _ = digits
    X, few = X[:500], hide_labels(y[:500], 4, random_state=0)
    model = WNLLClassifier(held_out=3, random_state=0, tol=1e-9).fit(X, few)
    fold = deal_folds(few, 3, np.random.RandomState(model._answer.templates.extender.seed))
    away = np.flatnonzero(fold == 1)
    left = few.copy()
    left[away] = -1
    other = clone(model).set_params(held_out=None).fit(X, left)
    np.testing.assert_allclose(
        model.held_out_distributions_[away], other.label_distributions_[away], atol=1e-5
    )


@pytest.mark.parametrize("label_noise", [0.2, "auto"])
def test_it_joins_with_labels_of_which_some_are_wrong(few_digits, label_noise):
    X, few = few_digits
    model = WNLLClassifier(label_noise=label_noise, random_state=0).fit(X, few)
    _, codes, counts = model._answer.templates.label_masses
    np.testing.assert_array_equal(np.bincount(codes), counts)
    np.testing.assert_allclose(model.label_distributions_.sum(axis=1), 1)
