import datetime

import numpy as np
import pandas as pd
import pytest

from sklearn_wnll._labels import encode_labels
from sklearn_wnll.datasets import hide_labels


@pytest.mark.parametrize("y", [np.repeat([0, 3, 7], 20), np.repeat(["a", "b", "c"], 20)])
@pytest.mark.parametrize("n", [1, 5, 20])
def test_hide_labels_keeps_n_right_labels_per_class(y, n):
    kept = hide_labels(y, n, random_state=0)
    hidden = kept == ("-1" if y.dtype.kind == "U" else -1)
    assert (~hidden).sum() == 3 * n
    assert (kept[~hidden] == y[~hidden]).all()
    assert all((kept == label).sum() == n for label in np.unique(y))


def test_hide_labels_repeats_itself_and_differs_between_seeds():
    y = np.repeat([0, 1], 50)
    np.testing.assert_array_equal(hide_labels(y, 5, 0), hide_labels(y, 5, 0))
    assert (hide_labels(y, 5, 0) != hide_labels(y, 5, 1)).any()


def test_hide_labels_works_where_minus_one_does_not_fit_and_leaves_y_alone():
    y = np.repeat(np.array([0, 200], dtype=np.uint8), 5)
    kept = hide_labels(y, 2, random_state=0)
    assert sorted(set(kept.tolist())) == [-1, 0, 200]
    assert (y >= 0).all()


def test_hide_labels_refuses_a_class_that_is_its_marker():
    with pytest.raises(ValueError, match="y holds -1 as a class"):
        hide_labels([-1, 1] * 5, 2)
    with pytest.raises(ValueError, match="y holds '-1' as a class"):
        hide_labels(["-1", "1"] * 5, 2)


def test_hide_labels_keeps_the_type_where_the_marker_fits():
    for dtype, kept in ((np.int8, np.int8), (float, float), ("M8[D]", "M8[D]"), ("m8[s]", "m8[s]")):
        assert hide_labels(np.array([0, 1] * 5).astype(dtype), 2).dtype == kept


@pytest.mark.parametrize(
    ("y", "marker", "dtype"),
    [
        (np.array([0, 1] * 5, dtype=np.uint64), -1, np.int64),
        (np.array([2**64 - 2, 2**64 - 1] * 5, dtype=np.uint64), -1, object),
        ([False, True] * 5, None, object),
        ([datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)] * 5, None, object),
        (pd.Categorical([1, 2, None] * 5), -1, np.int64),
        (pd.Series(["a", "b", None] * 5, dtype="string"), "-1", object),
        (np.ma.array([3, 4, -1] * 5, mask=[0, 0, 1] * 5), -1, np.int64),
    ],
)
def test_hide_labels_keeps_the_labels_where_another_type_holds_the_marker(y, marker, dtype):
    kept = hide_labels(y, 2, random_state=0)
    assert kept.dtype == dtype
    classes = encode_labels(y).classes.tolist()
    for label in classes:
        assert [type(found) for found in kept.tolist() if found == label] == 2 * [type(label)]
    assert sum(found is marker or found == marker for found in kept.tolist()) == len(kept) - 4
    assert encode_labels(kept).classes.tolist() == classes


def test_hide_labels_never_uncovers_a_row_that_was_unlabelled():
    y = np.array([0, 1] * 10 + [-1] * 10)
    assert (hide_labels(y, 10, random_state=0) == y).all()
    assert (hide_labels(y, 3, random_state=0)[20:] == -1).all()


def test_hide_labels_says_which_class_has_too_few():
    with pytest.raises(ValueError, match="Class 1 has 2 labels, fewer than n_per_class=3"):
        hide_labels([0, 0, 0, 1, 1], 3)
    with pytest.raises(ValueError, match="n_per_class must be at least 1"):
        hide_labels([0, 1], 0)
