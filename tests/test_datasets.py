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


@pytest.mark.parametrize(
    "y",
    [
        np.linspace(0, 1, 40),
        np.arange(40),
        np.arange(40, dtype=np.uint8),
        np.column_stack([np.linspace(0, 1, 40), np.arange(40)]),
        np.eye(40, 3, dtype=int),
        pd.DataFrame(np.eye(40, 3), columns=["a", "b", "c"]),
    ],
)
def test_hide_labels_keeps_some_rows_and_puts_nan_in_the_others(y):
    kept = hide_labels(y, n_rows=7, random_state=0)
    rows = ~np.isnan(kept.reshape(40, -1)).any(axis=1)
    assert rows.sum() == 7
    np.testing.assert_array_equal(kept[rows], np.asarray(y)[rows])
    assert np.isnan(kept[~rows]).all()
    np.testing.assert_array_equal(kept, hide_labels(y, n_rows=7, random_state=0))
    assert not np.array_equal(kept, hide_labels(y, n_rows=7, random_state=1), equal_nan=True)


def test_hide_labels_keeps_rows_of_classes_of_other_types():
    for y, marker in ((["a", "b"] * 10, "-1"), ([True, False] * 10, None)):
        kept = hide_labels(y, n_rows=5, random_state=0)
        labeled = [label != marker for label in kept]
        assert sum(labeled) == 5
        assert kept[labeled].tolist() == np.array(y)[labeled].tolist()
        assert len(encode_labels(kept).codes) == 20


def test_hide_labels_never_uncovers_a_gap_among_numbers_or_several_labels():
    y = np.array([[0.5, np.nan], [np.nan, np.nan], [1.5, 2.5]])
    np.testing.assert_array_equal(hide_labels(y, n_rows=2, random_state=0), y)
    tags = np.array([[0, 1], [-1, -1], [1, -1]])
    found = hide_labels(tags, n_rows=2, random_state=0)
    np.testing.assert_array_equal(found, np.where(tags < 0, np.nan, tags))
    counts = np.array([-1, 0, 3, 5])
    marked = [np.nan, 0, 3, 5]
    np.testing.assert_array_equal(hide_labels(counts, n_rows=3, random_state=0), marked)
    numbers = hide_labels(counts, n_rows=4, target="numbers", random_state=0)
    np.testing.assert_array_equal(numbers, counts)


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        ([0.5, 1.5], {"n_per_class": 1}, "single column of classes.*n_rows=1"),
        ([[0, 1], [1, -1]], {"n_per_class": 1}, "single column of classes.*n_rows=1"),
        ([0, 1], {}, "Pass either n_per_class.*or n_rows"),
        ([0, 1], {"n_per_class": 1, "n_rows": 1}, "Pass either n_per_class.*or n_rows"),
        ([0, 1], {"n_rows": 0}, "n_rows must be at least 1"),
        ([0.5, np.nan], {"n_rows": 2}, "1 labelled rows, fewer than n_rows=2"),
        ([2**60, 2**60 + 1], {"n_rows": 1}, r"beyond 2\*\*53"),
        ([-3, -1, 2, 5], {"n_rows": 1}, "target='numbers'"),
        ([["a", "b"], ["b", "a"]], {"n_rows": 1}, "has to hold numbers"),
    ],
)
def test_hide_labels_says_what_it_cannot_hide(y, params, message):
    with pytest.raises(ValueError, match=message):
        hide_labels(y, **params)
