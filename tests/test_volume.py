"""Classes of given sizes: ``volume_constraint=True``."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.point_labels import PointLabels
from sklearn_wnll._extension.system import Unary
from sklearn_wnll._extension.volume import Walk, size_labels, sized_unary
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.model_selection import LabeledFold

from .clouds import assert_consistent, clouds, examples
from .reference import dense_weights

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.SingleLabelWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]
quick, moderate = examples(12), examples(60)
SIZED = {"volume_constraint": True, "class_prior": "labeled"}


@parametrize_with_checks(
    [
        WNLLClassifier(**SIZED),
        WNLLClassifier(volume_constraint=True, class_prior="estimated", estimator=GaussianNB()),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_sizes_that_nobody_gives_are_refused(few_digits):
    message = "volume_constraint=True .* class_prior is None. Pass class_prior='labeled'"
    with pytest.raises(ValueError, match=message):
        WNLLClassifier(volume_constraint=True).fit(*few_digits)


@moderate
@given(st.integers(0, 2**32 - 1), st.integers(2, 3), st.integers(3, 7))
def test_no_other_classes_of_the_same_sizes_are_more_likely(seed, n_classes, n):
    rng = np.random.default_rng(seed)
    u, aim = rng.dirichlet(np.ones(n_classes), n), n * rng.dirichlet(np.full(n_classes, 3))
    _, codes = size_labels(u, np.ones(n), aim, aim)
    sizes = np.bincount(codes, minlength=n_classes)
    assert np.abs(sizes - aim).max() <= n_classes
    logs = np.log(np.maximum(u, 1e-7))
    best = max(
        logs[np.arange(n), list(other)].sum()
        for other in itertools.product(range(n_classes), repeat=n)
        if (np.bincount(other, minlength=n_classes) == sizes).all()
    )
    assert logs[np.arange(n), codes].sum() == pytest.approx(best, abs=1e-4)


@moderate
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_bounds_that_hold_already_change_nothing(seed, n_classes):
    rng = np.random.default_rng(seed)
    u = rng.dirichlet(np.ones(n_classes), 40)
    own = np.bincount(u.argmax(axis=1), minlength=n_classes)
    offsets, codes = size_labels(u, np.ones(40), own * rng.random(n_classes), own + 3)
    np.testing.assert_array_equal(codes, u.argmax(axis=1))
    np.testing.assert_array_equal(offsets, 0)


@moderate
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_sizes_come_out_within_their_bounds(seed, n_classes):
    rng = np.random.default_rng(seed)
    u = rng.dirichlet(np.ones(n_classes), 1000)
    aim = 1000 * rng.dirichlet(np.full(n_classes, 3))
    low, high = (aim, aim) if seed % 2 else (0.9 * aim, 1.2 * aim)
    sizes = np.bincount(size_labels(u, np.ones(1000), low, high)[1], minlength=n_classes)
    slack = np.maximum(2, 0.006 * aim)
    assert (sizes >= low - slack).all()
    assert (sizes <= high + slack).all()


@moderate
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_equal_rows_count_as_often_as_they_occur(seed, n_classes):
    rng = np.random.default_rng(seed)
    u, counts = rng.dirichlet(np.ones(n_classes), 20), rng.integers(1, 5, 20)
    aim = counts.sum() * rng.dirichlet(np.full(n_classes, 3))
    _, codes = size_labels(u, counts, aim, aim)
    _, each = size_labels(np.repeat(u, counts, axis=0), np.ones(counts.sum()), aim, aim)
    np.testing.assert_array_equal(each, np.repeat(codes, counts))


@moderate
@given(st.integers(0, 2**32 - 1))
def test_a_walk_gives_distributions_and_holds_the_labels(seed):
    rng = np.random.default_rng(seed)
    W = sparse.csr_array(dense_weights(rng.normal(size=(25, 2)), 5, 3))
    labeled = np.arange(25) < 4
    g = sparse.csr_array(rng.dirichlet(np.ones(3), 4))
    codes, p = rng.integers(0, 3, 25), rng.dirichlet(np.ones(3), 25)
    for strength in (None, 0.3, 1e9):
        unary = None if strength is None else Unary(p, np.full(25, strength))
        u = Walk.of(W, PointLabels(labeled, g, unary=unary))(codes, 6, 0.1)
        np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(u[labeled], g.toarray(), rtol=1e-6)
    np.testing.assert_allclose(u[~labeled], p[~labeled], atol=1e-5)  # 6 steps of laziness 0.1


def test_points_that_do_not_count_are_not_pulled():
    X = np.random.default_rng(0).normal(size=(30, 2))
    labels = PointLabels(np.arange(30) < 4, sparse.csr_array(np.eye(2)[[0, 1, 0, 1]]))
    counts = np.where(np.arange(30) < 10, 0, 2)
    u = np.full((30, 2), 0.5)
    term = sized_unary(
        sparse.csr_array(dense_weights(X)), labels, u, u.argmax(axis=1), counts, np.full(2, 20.0)
    )
    np.testing.assert_array_equal(term.strength > 0, counts > 0)
    np.testing.assert_array_equal(np.sort(term.p, axis=1), np.tile([0, 1], (30, 1)))


@quick
@given(
    clouds(label_weights=("auto", "poisson", 5.0)),
    st.sampled_from(["labeled", "estimated", "given"]),
    st.sampled_from([None, 9]),
)
def test_all_are_distributions_and_fitted_rows_keep_theirs(cloud, prior, size):
    if prior == "given":
        n_classes = len(set(cloud.y) - {-1})
        prior = np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum()
    model = WNLLClassifier(
        **cloud.params,
        volume_constraint=True,
        class_prior=prior,
        template_size=size,
        random_state=0,
    ).fit(cloud.X, cloud.y)
    assert_consistent(model, cloud)
    assert model.class_sizes_.sum() == pytest.approx(1)


@quick
@given(clouds(label_weights=("auto",)), st.permutations(range(4)))
def test_names_and_order_of_the_classes_change_nothing(cloud, order):
    names = np.array(["dbca"[i] for i in order], dtype=object)
    other = np.where(cloud.y >= 0, names[cloud.y], None)
    params = {**cloud.params, **SIZED, "unlabeled": "auto"}
    model, renamed = (
        WNLLClassifier(**{**params, "unlabeled": unlabeled}).fit(cloud.X, y)
        for unlabeled, y in ((-1, cloud.y), ("auto", other))
    )
    columns = np.searchsorted(renamed.classes_, names[model.classes_].astype(str))
    np.testing.assert_allclose(
        renamed.label_distributions_[:, columns], model.label_distributions_, atol=1e-6
    )


@pytest.mark.parametrize("each", [1, 5])
def test_right_sizes_come_out_and_help(digits, each):
    X, y, _ = digits
    few = hide_labels(y, each, random_state=3)
    prior, hidden = np.bincount(y) / len(y), few == -1
    plain = WNLLClassifier(class_prior=prior).fit(X, few)
    model = WNLLClassifier(class_prior=prior, volume_constraint=True).fit(X, few)
    far, near = (
        np.abs(np.bincount(one.transduction_, minlength=10) / len(y) - prior).sum()
        for one in (plain, model)
    )
    assert near < min(0.25, far)
    right = [(one.transduction_ == y)[hidden].mean() for one in (plain, model)]
    assert right[1] > right[0] - 0.003
    new = X[:200] + 0.5
    for mode in ("transductive", "inductive"):
        model.set_params(predict_mode=mode)
        assert (model.predict(new) == model.transduction_[:200]).mean() > 0.95


@pytest.mark.parametrize("seed", range(2))
def test_sizes_that_are_wrong_give_way(digits, seed):
    X, y, _ = digits
    few = hide_labels(y, 4, random_state=seed)
    prior = np.random.default_rng(seed).permutation(np.geomspace(1, 60, 10))
    prior, hidden = prior / prior.sum(), few == -1
    plain = WNLLClassifier(class_prior=prior).fit(X, few)
    model = WNLLClassifier(class_prior=prior, volume_constraint=True).fit(X, few)
    own, sizes = (np.bincount(m.transduction_[hidden], minlength=10) for m in (plain, model))
    assert (sizes <= 2.1 * np.maximum(own, prior * len(y)) + 2).all()


def test_sizes_that_are_wrong_by_a_factor_of_two_do_no_harm(digits):
    X, y, _ = digits
    gains = []
    for seed in range(4):
        few = hide_labels(y, 4, random_state=seed)
        prior = np.bincount(y) * 2 ** np.random.default_rng(seed).uniform(-1, 1, 10)
        prior, hidden = prior / prior.sum(), few == -1
        plain, model = (
            WNLLClassifier(class_prior=prior, volume_constraint=sized).fit(X, few)
            for sized in (False, True)
        )
        gains.append(np.mean((model.transduction_ == y)[hidden]))
        gains[-1] -= np.mean((plain.transduction_ == y)[hidden])
    assert np.mean(gains) > -0.003


@pytest.mark.parametrize("kind", [dict, pd.Series])
def test_a_prior_with_names_is_sorted_by_them(kind):
    X, y = make_blobs([50, 150], centers=[[0, 0], [3, 0]], random_state=0)
    words = np.where(np.arange(200) % 10, None, np.array(["rare", "many"], dtype=object)[y])
    model = WNLLClassifier(volume_constraint=True, class_prior=[0.75, 0.25]).fit(X, words)
    for names in ({"many": 0.75, "rare": 0.25}, {"rare": 0.25, "many": 0.75}):
        other = clone(model).set_params(class_prior=kind(names)).fit(X, words)
        np.testing.assert_array_equal(other.label_distributions_, model.label_distributions_)
        np.testing.assert_array_equal(other.class_sizes_, [0.75, 0.25])


def test_rows_that_equal_a_labelled_one_count_for_its_class():
    rng = np.random.default_rng(0)
    X = np.concatenate([np.zeros((50, 2)), rng.normal(size=(50, 2))])
    few = np.full(100, -1)
    few[[0, 50]] = 0, 1
    model = WNLLClassifier(volume_constraint=True, class_prior=[0.5, 0.5], unlabeled=-1)
    sizes = np.bincount(model.fit(X, few).transduction_)
    assert sizes[0] < 60


def test_rows_that_no_label_reaches_get_the_prior():
    X, y = make_blobs(90, centers=[[0, 0], [2, 0], [90, 90]], random_state=0)
    few = np.where(y < 2, np.where(np.arange(90) % 5, -1, y), -1)
    prior = np.array([0.3, 0.7])
    model = WNLLClassifier(volume_constraint=True, class_prior=prior, unlabeled=-1).fit(X, few)
    np.testing.assert_array_equal(model.reached_, y < 2)
    np.testing.assert_allclose(model.label_distributions_[y == 2], [prior] * 30)
    np.testing.assert_allclose(model.predict_proba([[90.5, 90.0]]), [prior])


def test_if_all_rows_are_labelled_it_changes_nothing(digits):
    X, y, _ = digits
    prior = np.linspace(1, 3, 10) / 20
    plain, model = (
        WNLLClassifier(class_prior=prior, volume_constraint=sized).fit(X[:300], y[:300])
        for sized in (False, True)
    )
    np.testing.assert_array_equal(model.predict_proba(X[300:]), plain.predict_proba(X[300:]))


@pytest.mark.parametrize("y", [[5, None, None, None], ["c", "a", "b", "d"], [0, 1, None, None]])
@pytest.mark.parametrize("prior", ["labeled", "estimated"])
def test_few_rows_and_one_class_are_no_fault(y, prior):
    X = np.arange(8.0).reshape(4, 2)
    model = WNLLClassifier(volume_constraint=True, class_prior=prior).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X + 0.1).sum(axis=1), 1)


def test_a_template_that_loses_its_labels_is_no_fault():
    X, y = make_blobs(60, centers=2, random_state=0)
    few = np.where(np.arange(60) < 15, y, -1)
    model = WNLLClassifier(**SIZED, template_size=15, held_out=2, unlabeled=-1, random_state=0)
    for estimator in (None, GaussianNB()):
        model.set_params(estimator=estimator).fit(X, few)
        assert np.isfinite(model.held_out_distributions_[few >= 0]).all()


def test_held_out_rows_are_those_of_a_fit_without_their_labels(few_digits):
    X, few = few_digits
    prior = np.full(10, 0.1)
    model = WNLLClassifier(
        volume_constraint=True, class_prior=prior, held_out=3, random_state=0, tol=1e-9
    ).fit(X, few)
    labeled = few >= 0
    assert model.held_out_score_ > 0.8
    away = np.random.default_rng(0).permutation(np.flatnonzero(labeled))[:30]
    assert (model.held_out_distributions_[away].argmax(axis=1) == few[away]).mean() > 0.8


def test_jobs_and_pickles_change_nothing(few_digits):
    X, few = few_digits
    model = WNLLClassifier(**SIZED, template_size=300, random_state=0)
    one = clone(model).fit(X, few)
    with parallel_config("threading"):
        two = clone(model).set_params(n_jobs=2).fit(X, few)
    np.testing.assert_array_equal(two.label_distributions_, one.label_distributions_)
    served = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(served.predict_proba(X[:9] + 1), one.predict_proba(X[:9] + 1))


def test_nothing_is_kept_of_the_rows_twice(few_digits):
    X, few = few_digits
    plain = WNLLClassifier(class_prior="labeled").fit(X, few)
    model = WNLLClassifier(**SIZED).fit(X, few)
    assert model._answer.recipe.companion is None
    more = len(pickle.dumps(model)) - len(pickle.dumps(plain))
    assert more < 100 * len(X) + 10_000  # a term of 10 classes, and less than the rows


def test_it_works_in_pipelines_and_searches(few_digits):
    X, few = few_digits
    pipeline = make_pipeline(StandardScaler(), WNLLClassifier(**SIZED))
    grid = {"wnllclassifier__volume_constraint": [False, True]}
    search = GridSearchCV(pipeline, grid, cv=LabeledFold(3)).fit(X, few)
    assert search.best_score_ > 0.8


def test_what_an_earlier_fit_found_is_gone(few_digits):
    X, few = few_digits
    model = WNLLClassifier(
        **SIZED, estimator=LogisticRegression(max_iter=200), held_out=2, random_state=0
    ).fit(X, few)
    found = "class_sizes_", "estimator_", "estimator_weight_", "held_out_score_"
    assert all(hasattr(model, name) for name in found)
    none = {"class_prior": None, "volume_constraint": False, "estimator": None, "held_out": None}
    model.set_params(**none).fit(X, few)
    assert not any(hasattr(model, name) for name in found)


def test_many_classes_of_few_rows_are_no_burden():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 5)), np.arange(1000) % 300
    few = np.where(np.arange(1000) < 300, y, -1)
    model = WNLLClassifier(**SIZED).fit(X, few)
    assert np.bincount(model.transduction_, minlength=300).max() < 30
