import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._certainty import certainty
from sklearn_wnll.datasets import hide_labels

from .clouds import clouds, examples


def test_certainty_is_one_for_one_class_and_zero_for_all_alike():
    u = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(certainty(u), [1, 0, 0.5])
    np.testing.assert_array_equal(certainty(np.ones((3, 1))), 1)


@pytest.mark.filterwarnings("ignore")
@examples(50)
@given(clouds(), st.sampled_from(["transductive", "inductive"]))
def test_certainty_is_that_of_the_distribution_and_zero_where_no_label_reaches(cloud, mode):
    model = WNLLClassifier(predict_mode=mode, **cloud.params).fit(cloud.X, cloud.y)
    found = model.certainty(cloud.X)
    expected = certainty(model.label_distributions_)
    np.testing.assert_array_equal(found, np.where(model.reached_, expected, 0))
    queries = cloud.X[:3] + 0.01
    u, found = model.predict_proba(queries), model.certainty(queries)
    frequencies = np.bincount(cloud.y[cloud.y >= 0])
    frequencies = frequencies[frequencies > 0] / frequencies.sum()
    unreached = found != certainty(u)  # these have the frequencies of the classes
    np.testing.assert_array_equal(found[unreached], 0)
    np.testing.assert_allclose(u[unreached], np.tile(frequencies, (unreached.sum(), 1)))


def test_a_query_that_no_label_reaches_has_no_certainty():
    X = np.concatenate([np.arange(20.0), 1000 + np.arange(20.0)])[:, None]
    y = np.full(40, -1)
    y[0] = 3  # of one class, its frequency is 1
    model = WNLLClassifier(n_neighbors=2, scale_neighbor=2, unlabeled=-1)
    with pytest.warns(UserWarning, match="No label reaches"):
        model.fit(X, y)
    with pytest.warns(UserWarning, match="No label reaches"):
        found = model.certainty(np.array([[0.5], [1000.5]]))
    np.testing.assert_array_equal(found, [1, 0])


def test_what_is_certain_is_right_more_often():
    X, y = load_digits(return_X_y=True)
    few = hide_labels(y, 3, random_state=0)
    model = WNLLClassifier().fit(X, few)
    hidden = few == -1
    right = (model.transduction_ == y)[hidden]
    order = model.certainty(X)[hidden].argsort()
    assert right[order[-500:]].mean() > right[order[:500]].mean() + 0.2
