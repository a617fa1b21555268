"""Class sizes from the data: ``class_prior="estimated"``."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.class_sizes import estimate_sizes
from sklearn_wnll.datasets import hide_labels

from .clouds import clouds, examples

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.SingleLabelWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]
quick, moderate = examples(12), examples(60)
# The fraction of each class of the digits that is kept.
PARTS = np.array([0.08, 0.15, 0.25, 0.4, 0.6, 0.8, 1, 1, 1, 1])


@parametrize_with_checks([WNLLClassifier(class_prior="estimated")])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@st.composite
def counts_of_classes(draw):
    """Draw counts of classes: walked to, predicted, and predicted for held-out labels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_classes = draw(st.integers(2, 8))
    counts = np.full(n_classes, float(draw(st.integers(3, 20))))
    walked, predicted = (
        rng.multinomial(1000, rng.dirichlet(np.full(n_classes, 2))).astype(float) for _ in range(2)
    )
    spread = draw(st.sampled_from([3, 1000]))
    held_out = rng.multinomial(counts.sum(), rng.dirichlet(np.full(n_classes, spread)))
    return counts, walked, predicted, held_out.astype(float)


def estimate(counts, walked, predicted, held_out):
    return estimate_sizes(counts, walked, predicted, lambda: held_out)


@moderate
@given(counts_of_classes())
def test_sizes_are_positive_and_sum_to_one_and_lie_between_the_labels_and_the_walks(drawn):
    walked = drawn[1]
    sizes = estimate(*drawn)
    assert sizes.sum() == pytest.approx(1)
    assert (sizes > 0).all()
    found = (walked + 1) / (walked.sum() + len(walked))
    assert sizes.max() / sizes.min() <= found.max() / found.min() * (1 + 1e-9)
    order = np.argsort(walked)
    assert (np.diff(sizes[order]) >= -1e-12).all()


@moderate
@given(counts_of_classes())
def test_permuting_the_classes_permutes_the_sizes(drawn):
    order = np.random.default_rng(0).permutation(len(drawn[0]))
    permuted = estimate(*(each[order] for each in drawn))
    np.testing.assert_allclose(permuted, estimate(*drawn)[order], rtol=1e-9)


@moderate
@given(counts_of_classes())
def test_predictions_as_uneven_as_those_of_held_out_labels_tell_nothing(drawn):
    counts, walked, predicted, _ = drawn
    sizes = estimate(counts, walked, predicted, predicted)
    np.testing.assert_allclose(sizes, counts / counts.sum())


@pytest.mark.parametrize("counts", [[30.0, 10.0], [2.0, 2.0], [5.0], [1.0, 9.0, 5.0]], ids=str)
def test_labels_that_are_few_or_not_equal_in_number_are_not_asked(counts):
    counts = np.array(counts)
    assert estimate_sizes(counts, 9 * counts, 9 * counts, lambda: pytest.fail("asked")) is None


@quick
@given(clouds(label_weights=("auto", "poisson", 5.0)), st.sampled_from([None, 12]))
def test_sizes_are_positive_and_sum_to_one(cloud, size):
    params = {**cloud.params, "template_size": size, "random_state": 0}
    model = WNLLClassifier(**params, class_prior="estimated").fit(cloud.X, cloud.y)
    assert model.class_sizes_.shape == model.classes_.shape
    assert (model.class_sizes_ > 0).all()
    assert model.class_sizes_.sum() == pytest.approx(1)
    np.testing.assert_array_equal(model.predict_proba(cloud.X), model.label_distributions_)
    unreached = model.label_distributions_[~model.reached_]
    np.testing.assert_allclose(unreached, np.tile(model.class_sizes_, (len(unreached), 1)))


def test_where_nothing_can_be_said_they_are_the_frequencies_of_the_labels(digits):
    X, y, _ = digits
    X, y = X[:500], y[:500]
    one_each, all_labeled = hide_labels(y, 1, random_state=0), y
    random = np.where(np.random.default_rng(0).random(500) < 0.2, y, -1)
    for labels in (one_each, all_labeled, random):
        plain = WNLLClassifier().fit(X, labels)
        model = WNLLClassifier(class_prior="estimated").fit(X, labels)
        counts = np.bincount(labels[labels >= 0])
        np.testing.assert_allclose(model.class_sizes_, counts / counts.sum())
        np.testing.assert_array_equal(model.label_distributions_, plain.label_distributions_)


def test_a_prior_that_is_given_is_what_is_told(few_digits):
    X, few = few_digits
    prior = np.linspace(1, 2, 10) / 15
    np.testing.assert_allclose(WNLLClassifier(class_prior=prior).fit(X, few).class_sizes_, prior)
    labeled = WNLLClassifier(class_prior="labeled").fit(X, few).class_sizes_
    np.testing.assert_allclose(labeled, 0.1)
    assert not hasattr(WNLLClassifier().fit(X, few), "class_sizes_")


def test_sizes_that_are_overwritten_change_no_prediction(few_digits):
    X, few = few_digits
    alone = np.full((1, 64), 1e9)
    rows = np.vstack([X, alone, alone + 1])
    model = WNLLClassifier(1, class_prior="labeled").fit(rows, np.append(few, [-1, -1]))
    before = model.predict_proba(alone)
    model.class_sizes_[:] = np.eye(10)[0]
    np.testing.assert_array_equal(model.predict_proba(alone + 0.5), before)


def test_equal_labels_on_one_point_say_nothing_of_sizes():
    X = np.r_[np.zeros(6), np.arange(1.0, 20)][:, None]
    model = WNLLClassifier(class_prior="estimated").fit(X, [0, 1] * 3 + 19 * [None])
    np.testing.assert_array_equal(model.class_sizes_, [0.5, 0.5])


@pytest.mark.parametrize("seed", range(3))
def test_balanced_classes_stay_balanced(digits, seed):
    X, y, _ = digits
    few = hide_labels(y, 5, random_state=seed)
    model = WNLLClassifier(class_prior="estimated").fit(X, few)
    assert model.class_sizes_.max() < 1.25 * model.class_sizes_.min()


def uneven(digits, seed):
    """A subset of the digits with classes of 1 to 16 %, and ten labels per class."""
    X, y, _ = digits
    rng = np.random.default_rng(seed)
    keep = rng.random(len(y)) < PARTS[rng.permutation(10)][y]
    X, y = X[keep], y[keep]
    return X, y, hide_labels(y, 10, random_state=seed)


@pytest.mark.parametrize("seed", range(3))
def test_uneven_classes_are_estimated_within_a_factor_of_one_and_a_half(digits, seed):
    X, y, few = uneven(digits, seed)
    true = np.bincount(y) / len(y)
    model = WNLLClassifier(class_prior="estimated").fit(X, few)
    ratio = (model.class_sizes_ / true)[true > 0.03]
    assert ratio.max() < 1.5
    assert ratio.min() > 1 / 1.5


def test_the_estimate_is_a_prior_like_any_other(digits):
    X, _, few = uneven(digits, 0)
    for sized in (False, True):
        params = {"volume_constraint": sized, "random_state": 0, "tol": 1e-10}
        model = WNLLClassifier(class_prior="estimated", **params).fit(X, few)
        other = WNLLClassifier(class_prior=model.class_sizes_, **params).fit(X, few)
        np.testing.assert_allclose(
            model.label_distributions_, other.label_distributions_, atol=1e-7
        )


@examples(6)
@given(st.permutations(range(3)), st.integers(0, 99))
def test_names_of_classes_change_nothing(order, seed):
    X, y = make_blobs([20, 60, 90], centers=[[0, 0], [4, 0], [0, 4]], random_state=seed)
    names = np.array(["b", "a", "c"], dtype=object)[list(order)]
    few = hide_labels(y, 4, random_state=seed)
    model = WNLLClassifier(class_prior="estimated", random_state=0)
    renamed = clone(model).fit(X, np.where(few >= 0, names[few], None))
    model.fit(X, few)
    columns = np.searchsorted(renamed.classes_, names.astype(str))
    np.testing.assert_allclose(renamed.class_sizes_[columns], model.class_sizes_, atol=1e-9)
