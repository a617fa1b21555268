"""Held-out labels: predictions for their rows, and their accuracy."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.held_out import deal_folds
from sklearn_wnll.exceptions import SingleLabelWarning

from .clouds import clouds, examples
from .reference import dense_values

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.SingleLabelWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]
quick = examples(12)


def fit(cloud, **params):
    """Fit with labels held out; at least two rows must be labelled."""
    assume(np.count_nonzero(cloud.y >= 0) > 1)
    params = {"random_state": 0, "held_out": 3, **cloud.params, **params}
    return WNLLClassifier(**params).fit(cloud.X, cloud.y)


@quick
@given(clouds())
def test_folds_of_one_label_each_equal_the_dense_leave_one_out(cloud):
    labeled = cloud.y >= 0
    model = fit(cloud, held_out=len(cloud.y))
    W, codes = model.graph_.toarray(), np.searchsorted(model.classes_, cloud.y)
    for row in np.flatnonzero(labeled):
        others = labeled & (np.arange(len(labeled)) != row)
        g = np.eye(len(model.classes_))[codes[others]]
        u = dense_values(W, others, g, cloud.params["label_weight"])[0][row]
        # If no label reaches the row, these are the frequencies of the others.
        expected = u if u.sum() > 0.5 else g.mean(axis=0)
        np.testing.assert_allclose(model.held_out_distributions_[row], expected, atol=1e-8)


@quick
@given(clouds(), st.sampled_from([None, "labeled", "equal"]), st.sampled_from([None, 10]))
def test_a_held_out_row_has_what_a_fit_without_its_fold_would_find(cloud, prior, size):
    assume(cloud.params["label_weight"] != "poisson" or size is None)
    n_classes = len(np.unique(cloud.y[cloud.y >= 0]))
    prior = np.full(n_classes, 1 / n_classes) if prior == "equal" else prior
    model = fit(cloud, class_prior=prior, held_out=2)
    labeled = np.flatnonzero(cloud.y >= 0)
    fold = deal_folds(cloud.y, 2, np.random.RandomState(model._answer.templates.extender.seed))
    for number in range(2):
        left, away = cloud.y.copy(), labeled[fold[labeled] == number]
        left[away] = -1
        # A class without any label left would be unknown to that fit.
        assume(set(left) == set(cloud.y) | {-1})
        other = WNLLClassifier(**{**cloud.params, "class_prior": prior}).fit(cloud.X, left)
        np.testing.assert_allclose(
            model.held_out_distributions_[away], other.label_distributions_[away], atol=1e-8
        )


@quick
@given(clouds(), st.integers(0, 2**32 - 1))
def test_a_label_has_no_part_in_what_is_held_out_of_its_row(cloud, seed):
    labeled, rng = np.flatnonzero(cloud.y >= 0), np.random.default_rng(seed)
    classes = np.unique(cloud.y[labeled])
    row = rng.choice(labeled)
    changed = cloud.y.copy()
    changed[row] = rng.choice(classes)
    assume(set(changed) >= set(classes))
    one, two = (fit(cloud._replace(y=y), held_out=len(y)) for y in (cloud.y, changed))
    np.testing.assert_allclose(
        one.held_out_distributions_[row], two.held_out_distributions_[row], atol=1e-12
    )


@quick
@given(clouds(), st.integers(2, 6))
def test_renaming_the_classes_permutes_what_is_held_out(cloud, n_folds):
    names = np.array([3, 0, 2, 1])
    renamed = cloud._replace(y=np.where(cloud.y >= 0, names[cloud.y], -1))
    one, two = (fit(each, held_out=n_folds) for each in (cloud, renamed))
    order = np.searchsorted(two.classes_, names[one.classes_])
    largest = np.sort(one.held_out_distributions_[cloud.y >= 0], axis=1)[:, -2:]
    if (np.diff(largest) > 1e-7).all():  # in a tie, the first class wins
        assert one.held_out_score_ == two.held_out_score_
    np.testing.assert_allclose(
        one.held_out_distributions_, two.held_out_distributions_[:, order], atol=1e-8
    )


@quick
@given(clouds(grid=True), st.sampled_from([None, 12]))
def test_equal_rows_are_held_out_together(cloud, size):
    labeled = np.flatnonzero(cloud.y >= 0)
    assume(len(np.unique(cloud.X[labeled], axis=0)) > 1)
    model = fit(cloud, held_out=50, template_size=size)
    u = model.held_out_distributions_
    _, point = np.unique(cloud.X[labeled], axis=0, return_inverse=True)
    for same in (labeled[point == number] for number in range(point.max() + 1)):
        np.testing.assert_array_equal(u[same], np.tile(u[same[0]], (len(same), 1)))


@given(st.lists(st.integers(-1, 4), min_size=2, max_size=60), st.integers(2, 70), st.integers(0, 9))
def test_folds_hold_the_classes_in_proportion(codes, n_folds, seed):
    codes = np.array(codes)
    n_labeled = np.count_nonzero(codes >= 0)
    assume(n_labeled)
    fold = deal_folds(codes, n_folds, np.random.RandomState(seed))
    np.testing.assert_array_equal(fold < 0, codes < 0)
    for members in (codes >= 0, *(codes == c for c in range(5))):
        counts = np.bincount(fold[members], minlength=min(n_folds, n_labeled))
        assert np.ptp(counts) <= 1
    assert len(np.unique(fold[codes >= 0])) == min(n_folds, n_labeled)


def test_the_score_is_the_accuracy_on_labelled_rows_and_others_have_none(digits):
    X, y, few = digits
    model = WNLLClassifier(held_out=5, random_state=0).fit(X, few)
    u, labeled = model.held_out_distributions_, few >= 0
    assert np.isnan(u[~labeled]).all()
    assert u.shape == model.label_distributions_.shape
    right = model.classes_[u[labeled].argmax(axis=1)] == few[labeled]
    assert model.held_out_score_ == right.mean()
    assert abs(model.held_out_score_ - (model.transduction_ == y)[~labeled].mean()) < 0.05


def test_templates_hold_out_together(digits):
    X, _, few = digits
    whole, parts = (
        WNLLClassifier(held_out=5, random_state=0, template_size=size, n_jobs=jobs).fit(X, few)
        for size, jobs in ((None, None), (600, 2))
    )
    assert len(parts.templates_) > 2
    difference = np.abs(whole.held_out_distributions_ - parts.held_out_distributions_)
    assert np.nanmean(difference) < 0.05


def test_a_template_without_a_label_left_has_no_say():
    X = np.r_[np.zeros((20, 1)), np.ones((20, 1))] + 0.01 * np.arange(40)[:, None]
    y = np.full(40, -1)
    y[:8], y[20:28] = 0, 1
    model = WNLLClassifier(held_out=4, template_size=4, random_state=0, n_neighbors=2).fit(X, y)
    u = model.held_out_distributions_[y >= 0]
    np.testing.assert_allclose(u.sum(axis=1), 1)


def test_nothing_is_held_out_unless_asked_for(few_digits):
    model = WNLLClassifier().fit(*few_digits)
    assert not hasattr(model, "held_out_distributions_")
    assert not hasattr(model, "held_out_score_")
    assert model.temperature_ == 1


def test_one_labelled_row_cannot_be_held_out():
    X, y = np.arange(20.0)[:, None], np.full(20, -1)
    y[3] = 0
    with pytest.raises(ValueError, match="Label another row, or pass held_out=None"):
        WNLLClassifier(held_out=2).fit(X, y)
    X[4], y[4] = X[3], 0
    with pytest.raises(ValueError, match="only one sample is labelled"):
        WNLLClassifier(calibrate=True).fit(X, y)


@pytest.mark.parametrize("params", [{"held_out": 1}, {"held_out": True}, {"calibrate": 2}])
def test_wrong_values_are_refused(few_digits, params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        WNLLClassifier(**params).fit(*few_digits)


def test_a_class_with_one_label_cannot_be_right_and_this_is_said(moons):
    X, y, _ = moons
    few = np.full(200, -1)
    few[[(y == 0).argmax(), (y == 1).argmax()]] = 0, 1
    with pytest.warns(SingleLabelWarning, match="the only ones of their class: 2"):
        model = WNLLClassifier(held_out=2, calibrate=True).fit(X, few)
    assert model.held_out_score_ == 0
    assert model.temperature_ == 1
