"""Rows suggested before the first label."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import make_blobs

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._regions import central_points
from sklearn_wnll.plotting import TransductionDisplay

from .clouds import examples
from .threads import threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")


def graph_of(X):
    """The default graph of distinct rows."""
    return WNLLClassifier().fit(X, np.arange(len(X)) % 2).graph_


@st.composite
def graphs(draw):
    """Random directed weights; some have points without edges."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 60))
    W = rng.random((n, n)) * (rng.random((n, n)) < draw(st.sampled_from([0, 0.03, 0.2, 1.0])))
    np.fill_diagonal(W, 0)
    return sparse.csr_array(W)


@examples(30)
@given(graphs(), st.sampled_from([1, 2, 5, 20, 40, 100]))
def test_they_are_distinct_and_as_many_as_asked_for_or_all(W, n):
    rows = central_points(W, n)
    assert len(set(rows)) == len(rows) == min(n, W.shape[0])
    assert set(rows) <= set(range(W.shape[0]))


@examples(15)
@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_each_of_several_equal_clusters_gets_one(k, seed):
    rng = np.random.default_rng(seed)
    W = sparse.csr_array(sparse.block_diag([rng.uniform(0.5, 1, (9, 9)) for _ in range(k)]))
    W.setdiag(0)
    W.eliminate_zeros()
    assert sorted(central_points(W, k) // 9) == list(range(k))


def test_each_blob_has_one_away_from_its_rim_the_largest_first():
    centers = np.array([[0, 0], [30, 0], [0, 30]])
    X, y = make_blobs([200, 150, 100], centers=centers, cluster_std=2.0, random_state=0)
    rows = central_points(graph_of(X), 3)
    np.testing.assert_array_equal(y[rows], [0, 1, 2])  # the largest region first
    distance = np.linalg.norm(X[rows] - centers, axis=1)
    for row, near in enumerate(distance):
        own = np.linalg.norm(X[y == row] - centers[row], axis=1)
        assert near < np.quantile(own, 0.75)


def test_a_few_outliers_are_no_region():
    X, y = make_blobs([150, 150, 8], centers=[[0, 0], [30, 0], [0, 90]], random_state=0)
    assert set(y[central_points(graph_of(X), 2)]) == {0, 1}


def test_they_do_not_depend_on_order_and_threads(jittered):
    W = graph_of(jittered[0])
    order = np.random.default_rng(0).permutation(W.shape[0])
    with threads(1):
        shuffled = central_points(W[order][:, order], 40)
    np.testing.assert_array_equal(order[shuffled], central_points(W, 40))


def test_ten_of_them_beat_ten_at_random_by_far(digits):
    X, y, _ = digits

    def accuracy(rows):
        few = np.full(len(y), -1)
        few[rows] = y[rows]
        return (WNLLClassifier().fit(X, few).transduction_ == y)[few == -1].mean()

    rows = central_points(graph_of(X), 10)
    assert len(set(y[rows])) >= 9
    random = [
        accuracy(np.random.RandomState(seed).choice(len(y), 10, replace=False)) for seed in range(3)
    ]
    assert accuracy(rows) > np.mean(random) + 0.15


def test_rows_without_a_class_are_not_drawn(moons):
    model = WNLLClassifier().fit(moons[0], np.full(200, -1))
    with pytest.raises(ValueError, match=r"without any label.*relabel\(y\)"):
        TransductionDisplay.from_estimator(model, moons[0])
