import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import make_blobs

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._active import most_useful_points
from sklearn_wnll._certainty import certainty
from sklearn_wnll.datasets import hide_labels

from .clouds import examples
from .threads import threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


@st.composite
def graphs(draw):
    """Random directed weights, labelled points and uncertainties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(2, 30))
    W = rng.random((n, n)) * (rng.random((n, n)) < draw(st.sampled_from([0.1, 0.3, 1.0])))
    np.fill_diagonal(W, 0)
    return W, rng.random(n) < draw(st.sampled_from([0.0, 0.2, 0.5])), rng.random(n)


def dense_gains(W, labeled, uncertainty, end=0.03):
    """The gain of each point by the formula, from walks rather than from a system."""
    T = W + W.T
    d = T.sum(axis=1)
    step = T / np.where(d > 0, d, 1)[:, None] / (1 + end)
    step[labeled] = 0
    visits = np.linalg.inv(np.eye(len(d)) - step)  # a sum over all lengths of walks
    v = visits @ labeled
    s = (visits * ~labeled) @ uncertainty / (1 + end)
    return np.where(labeled, -np.inf, d * (1 - v) * s)


def covered(W, labeled, uncertainty, end=0.03):
    """The uncertainty, weighted by degree, of walks that end at a labelled point."""
    T = W + W.T
    step = T / T.sum(axis=1)[:, None] / (1 + end)
    step[labeled] = 0
    v = np.linalg.inv(np.eye(len(T)) - step) @ labeled
    return (T.sum(axis=1) * uncertainty) @ v


@examples(100)
@given(graphs())
def test_each_choice_has_nearly_the_largest_gain_of_the_dense_formula(graph):
    W, labeled, uncertainty = graph
    found = most_useful_points(sparse.csr_array(W), labeled, uncertainty, 5)
    assert len(found) == min(5, (~labeled).sum())
    labeled = labeled.copy()
    for point in found:
        gains = dense_gains(W, labeled, uncertainty)
        assert gains[point] >= 0.95 * gains.max()
        labeled[point] = True


@examples(50)
@given(graphs())
def test_choices_are_distinct_unlabelled_and_the_first_of_more(graph):
    W, labeled, uncertainty = graph
    many = most_useful_points(sparse.csr_array(W), labeled, uncertainty, 100)
    assert sorted(many) == np.flatnonzero(~labeled).tolist()
    few = most_useful_points(sparse.csr_array(W), labeled, uncertainty, 2)
    np.testing.assert_array_equal(few, many[:2])


def test_forty_choices_cover_what_forty_of_the_largest_gain_do(moons):
    X, _, few = moons
    W = WNLLClassifier().fit(X, few).graph_
    uncertainty = np.random.default_rng(0).random(len(X))
    exact = few != -1
    for _ in range(40):
        exact[dense_gains(W.toarray(), exact, uncertainty).argmax()] = True
    found = few != -1
    found[most_useful_points(W, found, uncertainty, 40)] = True
    best = covered(W.toarray(), exact, uncertainty)
    assert abs(covered(W.toarray(), found, uncertainty) - best) < 0.01 * best


def test_they_are_spread_over_blobs_that_no_label_reaches():
    X, y = make_blobs([60] * 4, centers=[[0, 0], [90, 0], [0, 90], [90, 90]], random_state=0)
    few = np.where((y == 0) & (np.arange(len(y)) < 100), 0, -1)
    few[np.flatnonzero(y == 1)[:2]] = 1
    with pytest.warns(UserWarning, match="No label reaches"):
        model = WNLLClassifier(unlabeled=-1).fit(X, few)
    assert set(y[model.suggest_labels(2)]) == {2, 3}


def test_what_is_certain_is_not_asked_for():
    W = sparse.csr_array(np.ones((6, 6)) - np.eye(6))
    uncertainty = np.array([0, 0, 0, 0, 0, 1.0])
    assert most_useful_points(W, np.arange(6) < 1, uncertainty, 1) == [5]


def test_it_does_not_depend_on_scale_order_and_threads(jittered):
    X, _, few = jittered
    found = WNLLClassifier().fit(X, few).suggest_labels(4)
    order = np.random.default_rng(0).permutation(len(X))
    with threads(1):
        shuffled = WNLLClassifier().fit(5 * X[order], few[order]).suggest_labels(4)
    np.testing.assert_array_equal(order[shuffled], found)


def test_a_first_class_alone_does_not_make_all_certain():
    X, y = make_blobs([60] * 3, centers=[[0, 0], [90, 0], [0, 90]], random_state=0)
    few = np.where((y == 0) & (np.arange(len(y)) < 90), 0, -1)
    with pytest.warns(UserWarning, match="No label reaches"):
        model = WNLLClassifier(unlabeled=-1).fit(X, few)
    assert set(y[model.suggest_labels(2)]) == {1, 2}


def test_equal_rows_are_asked_for_once(digits):
    X, _, few = digits
    twice = WNLLClassifier().fit(np.concatenate([X, X]), np.concatenate([few, few]))
    rows = twice.suggest_labels(20) % len(X)
    assert len(set(rows)) == 20
    assert (few[rows] == -1).all()
    np.testing.assert_array_equal(rows, WNLLClassifier().fit(X, few).suggest_labels(20))


def test_asking_beats_labels_at_random(digits):
    X, y, _ = digits
    right = {"asked": [], "random": []}
    for seed in range(3):
        rng = np.random.RandomState(seed)
        start = hide_labels(y, 1, random_state=seed)
        for way, scores in right.items():
            few = start.copy()
            for _ in range(2):
                model = WNLLClassifier().fit(X, few)
                rows = model.suggest_labels(10)
                if way == "random":
                    rows = rng.choice(np.flatnonzero(few == -1), 10, replace=False)
                few[rows] = y[rows]
            model = WNLLClassifier().fit(X, few)
            scores.append((model.transduction_ == y)[few == -1].mean())
    assert np.mean(right["asked"]) > np.mean(right["random"]) + 0.02


def test_uncertainty_is_that_of_the_estimator(digits):
    X, _, few = digits
    model = WNLLClassifier().fit(X, few)
    labeled = np.zeros(model.graph_.shape[0], dtype=bool)
    labeled[model.point_index_[few != -1]] = True
    u = np.empty((len(labeled), 10))
    u[model.point_index_] = model.label_distributions_
    expected = most_useful_points(model.graph_, labeled, 1 - certainty(u), 5)
    np.testing.assert_array_equal(model.point_index_[model.suggest_labels(5)], expected)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3", None])
def test_a_number_that_is_none_is_refused(digits, n):
    model = WNLLClassifier().fit(digits[0], digits[2])
    with pytest.raises(ValueError, match="n must be an integer of at least 1"):
        model.suggest_labels(n)


def test_several_templates_are_refused(digits):
    model = WNLLClassifier(template_size=500, random_state=0).fit(digits[0], digits[2])
    with pytest.raises(ValueError, match="template_size=None"):
        model.suggest_labels(3)


def test_nothing_is_left_to_label(digits):
    X, y, _ = digits
    assert WNLLClassifier().fit(X, y).suggest_labels(3).shape == (0,)
