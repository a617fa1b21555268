"""Wrong labels: soft clamping, and suspects."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.folds import deal_folds
from sklearn_wnll._extension.noise import find_trust
from sklearn_wnll._extension.system import harmonic_extension
from sklearn_wnll.datasets import hide_labels

from .clouds import clouds, examples
from .reference import dense_weights

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.SingleLabelWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
]
quick = examples(15)


def fit(cloud, **params):
    return WNLLClassifier(**{"random_state": 0, **cloud.params, **params}).fit(cloud.X, cloud.y)


def with_errors(y, n_per_class, part=0.2, seed=0):
    """A few labels, and the rows where they are made wrong."""
    few = hide_labels(y, n_per_class, random_state=seed)
    labeled, rng = np.flatnonzero(few >= 0), np.random.default_rng(seed)
    wrong = rng.choice(labeled, round(part * len(labeled)), replace=False)
    few[wrong] = (few[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return few, wrong


@quick
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 7.0]))
def test_soft_clamping_minimizes_its_energy(seed, mu):
    rng = np.random.default_rng(seed)
    n, m, c = 30, 6, 3
    W, labeled = dense_weights(rng.normal(size=(n, 2)), 5, 3), np.arange(n) < m
    g, fidelity = np.eye(c)[rng.integers(0, c, m)], rng.uniform(0.1, 10, m)
    found = harmonic_extension(
        sparse.csr_array(W), labeled, g, g.mean(axis=0), mu=mu, fidelity=fidelity, tol=1e-13
    )
    assume(found.reached.all())
    T = np.where(labeled, mu, 1.0)[:, None] * W
    T = T + T.T
    pull = np.zeros(n)
    pull[:m] = fidelity * (W + W.T).sum(axis=1)[:m]
    right = pull[:, None] * np.vstack([g, np.zeros((n - m, c))])
    expected = np.linalg.solve(np.diag(T.sum(axis=1) + pull) - T, right)
    np.testing.assert_allclose(found.u, expected, atol=1e-8)


@quick
@given(clouds(), st.sampled_from(["transductive", "inductive"]))
def test_next_to_no_noise_is_the_clamped_solution(cloud, mode):
    clamped, soft = (fit(cloud, label_noise=noise, predict_mode=mode) for noise in (0, 1e-12))
    np.testing.assert_allclose(soft.label_distributions_, clamped.label_distributions_, atol=1e-5)
    new = cloud.X[:5] + 0.01
    np.testing.assert_allclose(soft.predict_proba(new), clamped.predict_proba(new), atol=1e-5)


@quick
@given(clouds(), st.sampled_from([0.3, "auto"]))
def test_fitted_rows_keep_their_fitted_value_and_all_are_distributions(cloud, noise):
    model = fit(cloud, label_noise=noise)
    u = model.label_distributions_
    assert ((u >= 0) & (u <= 1)).all()
    np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-12)
    for mode in ("transductive", "inductive"):
        model.set_params(predict_mode=mode)
        np.testing.assert_array_equal(model.predict_proba(cloud.X), u)
    assert 0 <= model.label_noise_ < 0.61


@quick
@given(clouds(), st.sampled_from([0.3, "auto"]))
def test_renaming_the_classes_permutes_everything(cloud, noise):
    names = np.array([3, 0, 2, 1])
    renamed = cloud._replace(y=np.where(cloud.y >= 0, names[cloud.y], -1))
    one, two = (fit(each, label_noise=noise) for each in (cloud, renamed))
    order = np.searchsorted(two.classes_, names[one.classes_])
    np.testing.assert_allclose(
        one.label_distributions_, two.label_distributions_[:, order], atol=1e-7
    )
    assert one.label_noise_ == pytest.approx(two.label_noise_, abs=1e-9)


@examples(6)
@given(clouds(), st.integers(0, 2**32 - 1), st.sampled_from([0.2, "auto"]))
def test_a_label_has_no_part_in_what_is_held_out_of_its_row(cloud, seed, noise):
    labeled, rng = np.flatnonzero(cloud.y >= 0), np.random.default_rng(seed)
    assume(2 <= len(labeled) <= 8)
    classes, row = np.unique(cloud.y[labeled]), rng.choice(labeled)
    changed = cloud.y.copy()
    changed[row] = rng.choice(classes)
    assume(set(changed) >= set(classes))
    one, two = (
        fit(cloud._replace(y=y), held_out=len(y), label_noise=noise) for y in (cloud.y, changed)
    )
    np.testing.assert_allclose(
        one.held_out_distributions_[row], two.held_out_distributions_[row], atol=1e-8
    )


@pytest.mark.parametrize("noise", [0.2, "auto"])
def test_a_held_out_row_has_what_a_fit_without_its_fold_would_find(digits, noise):
    X, y, _ = digits
    few, _ = with_errors(y, 20)
    model = WNLLClassifier(label_noise=noise, held_out=5, random_state=0).fit(X, few)
    fold = deal_folds(few, 5, np.random.RandomState(model._answer.templates.extender.seed))
    left = np.where(fold == 0, -1, few)
    other = WNLLClassifier(label_noise=noise, random_state=0).fit(X, left)
    # Held-out distributions have a looser tolerance.
    np.testing.assert_allclose(
        model.held_out_distributions_[fold == 0], other.label_distributions_[fold == 0], atol=0.03
    )


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(0.01, 0.5))
def test_a_label_counts_the_more_the_others_speak_for_it(seed, n_classes, noise):
    rng = np.random.default_rng(seed)
    u, codes = rng.dirichlet(np.ones(n_classes), 40), rng.integers(0, n_classes, 40)
    known = rng.random(40) < 0.9
    strength = find_trust(u, codes, known, noise).strength
    same = np.flatnonzero(known)
    if n_classes == 2:
        order = np.argsort(u[same, codes[same]])
        assert (np.diff(strength[same][order]) >= -1e-9 * strength.max()).all()
    assert (strength >= 0).all()
    assert (strength <= 1 / noise + 1e-9).all()
    np.testing.assert_allclose(strength[~known], (1 - noise) ** 1.5 / noise)


@pytest.mark.parametrize("n_per_class", [5, 20])
def test_auto_finds_how_many_labels_are_wrong_and_repairs_most(digits, n_per_class):
    X, y, _ = digits
    few, wrong = with_errors(y, n_per_class)
    soft, hard = (
        WNLLClassifier(label_noise=noise, random_state=0).fit(X, few) for noise in ("auto", 0)
    )
    hidden, labeled = few < 0, few >= 0
    assert abs(soft.label_noise_ - 0.2) < 0.08
    assert (soft.transduction_ == y)[hidden].mean() > (hard.transduction_ == y)[hidden].mean()
    assert (soft.transduction_ == y)[labeled].mean() > 0.8
    assert (soft.transduction_ == y)[wrong].mean() > 0.5
    assert soft.score(X[labeled], few[labeled]) < 1  # it contradicts some labels
    np.testing.assert_array_equal(hard.transduction_[labeled], few[labeled])


def test_auto_finds_no_wrong_labels_where_there_are_none(digits):
    X, y, _ = digits
    few = hide_labels(y, 20, random_state=0)
    soft, hard = (
        WNLLClassifier(label_noise=noise, random_state=0).fit(X, few) for noise in ("auto", 0)
    )
    assert soft.label_noise_ < 0.02
    right = [(model.transduction_ == y)[few < 0].mean() for model in (soft, hard)]
    assert right[0] > right[1] - 0.002


def test_wrong_labels_are_the_first_suspects(digits):
    X, y, _ = digits
    few, wrong = with_errors(y, 20)
    model = WNLLClassifier(random_state=0).fit(X, few)
    rows, proposals, strengths = model.suspect_labels(len(wrong), return_proposals=True)
    assert np.isin(wrong, rows).mean() >= 0.85
    assert (proposals == y[rows]).mean() > 0.8
    assert (few[rows] >= 0).all()
    assert (proposals != few[rows]).all()
    assert ((strengths > 0) & (strengths <= 1)).all()
    assert (np.diff(strengths) <= 0).all()
    np.testing.assert_array_equal(model.suspect_labels(5), rows[:5])


def test_the_only_label_of_a_class_is_never_suspected(digits):
    X, y, _ = digits
    few = hide_labels(y, 5, random_state=0)
    alone = np.flatnonzero(few == 7)
    few[alone[1:]] = -1
    rows = WNLLClassifier(random_state=0).fit(X, few).suspect_labels(100)
    assert alone[0] not in rows
    one_each = hide_labels(y, 1, random_state=0)
    assert not len(WNLLClassifier(random_state=0).fit(X, one_each).suspect_labels(100))


def test_held_out_folds_are_those_of_the_suspects(digits):
    X, y, _ = digits
    few, _ = with_errors(y, 5)
    model = WNLLClassifier(held_out=10, random_state=0).fit(X, few)
    rows = model.suspect_labels(1000)
    found = model.classes_[model.held_out_distributions_[rows].argmax(axis=1)]
    assert len(rows) == round(np.count_nonzero(few >= 0) * (1 - model.held_out_score_))
    assert (found != few[rows]).all()


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
def test_a_wrong_number_of_suspects_is_refused(moons, n):
    X, _, few = moons
    with pytest.raises(ValueError, match="n must be an integer of at least 1"):
        WNLLClassifier().fit(X, few).suspect_labels(n)


@pytest.mark.parametrize("noise", [-0.1, 1.0, "much", None])
def test_a_wrong_label_noise_is_refused(moons, noise):
    X, _, few = moons
    with pytest.raises(ValueError, match="The 'label_noise' parameter"):
        WNLLClassifier(label_noise=noise).fit(X, few)


@pytest.mark.parametrize("label_weight", ["wnll", "laplace", "poisson"])
def test_equal_rows_with_other_labels_and_no_neighbor_keep_the_mean_of_these(label_weight):
    model = WNLLClassifier(label_noise=0.2, label_weight=label_weight, n_neighbors=1)
    model.fit(np.zeros((5, 1)), [0, 1, None, None, 0])
    np.testing.assert_allclose(model.label_distributions_, [[2 / 3, 1 / 3]] * 5)
