"""Labels in dask collections: the same classes and warnings as in one place."""

import numpy as np
import pytest

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.exceptions import AmbiguousLabelsWarning, FewLabelsWarning, UnreachedPointsWarning

from .partitions import IN_ONE_THREAD, da, partitioned

pytestmark = IN_ONE_THREAD


LABELS = {
    "strings": ["a", None, "b", "a", None, "b"],
    "numbers": [0.0, np.nan, 2.0, 0.0, np.nan, 2.0],
    "marker": [5, 9, 7, 7, 9, 5],
    "truth values": [True, None, False, True, None, None],
    "mixed partitions": [1, None, None, None, 2.0, 1],
}


@pytest.mark.parametrize("name", LABELS)
def test_classes_are_those_of_labels_in_one_place(name):
    y = LABELS[name]
    y = np.array(y, dtype=object) if None in y else np.array(y)
    X = np.arange(6.0)[:, None]
    params = {"unlabeled": 9 if name == "marker" else "auto", "n_neighbors": 2}
    whole = WNLLClassifier(**params).fit(X, y)
    model = WNLLClassifier(template_size=6, **params).fit(partitioned(X, 2), partitioned(y, 2))
    np.testing.assert_array_equal(model.classes_, whole.classes_)
    assert model.classes_.dtype == whole.classes_.dtype == model.transduction_.dtype
    np.testing.assert_array_equal(model.transduction_.compute(), whole.transduction_)


def test_masked_labels_are_missing():
    y = np.ma.array([0, 1, 0, 1], mask=[0, 0, 1, 1])
    X = np.array([[0.0], [5.0], [0.1], [5.1]])
    model = WNLLClassifier(template_size=4, n_neighbors=1)
    model.fit(partitioned(X, 2), da.from_array(y, chunks=2))
    np.testing.assert_array_equal(model.transduction_.compute(), [0, 1, 0, 1])


def test_doubts_about_labels_in_all_partitions_are_told():
    X = np.arange(8.0)[:, None]
    y = partitioned(np.array([-1, -1, -1, -1, 1, 1, 1, 1]), 4)
    with pytest.warns(AmbiguousLabelsWarning, match="exactly the values -1 and 1"):
        model = WNLLClassifier(template_size=8, n_neighbors=2).fit(partitioned(X, 4), y)
    np.testing.assert_array_equal(model.classes_, [-1, 1])


@pytest.mark.filterwarnings("default::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.parametrize("lazy", [False, True])
def test_few_labels_are_told_once(lazy):
    X, y = np.arange(6.0)[:, None], np.array([0, -1, 1, -1, 2, -1])
    y = partitioned(y, 3) if lazy else y
    with pytest.warns(FewLabelsWarning, match="3 rows are labelled") as found:
        WNLLClassifier(template_size=6, n_neighbors=2).fit(partitioned(X, 3), y)
    assert len(found) == 1


def test_unreached_rows_are_counted():
    X = np.r_[np.arange(10), 1000 + np.arange(5)][:, None].astype(float)
    y = np.full(15, -1)
    y[[0, 9]] = 0, 1
    model = WNLLClassifier(template_size=15, n_neighbors=2)
    with pytest.warns(UnreachedPointsWarning, match="No label reaches 5 rows of X"):
        model.fit(partitioned(X, 4), y)
    np.testing.assert_array_equal(model.reached_.compute(), X[:, 0] < 1000)
    with pytest.warns(UnreachedPointsWarning, match="No label reaches 1 queries"):
        proba = model.predict_proba([[1002.5], [4.5]])
    np.testing.assert_allclose(proba[0], [0.5, 0.5])
    np.testing.assert_array_equal(model.certainty(partitioned(X[10:], 5)).compute(), 0)
