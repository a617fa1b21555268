"""Facts about numbers read from users' containers."""

import numpy as np
import pandas as pd
import pytest

from sklearn_wnll import WNLLRegressor
from sklearn_wnll._numbers import read_numbers

FULL = [1.5, np.nan, -2.0]


@pytest.mark.parametrize(
    "y",
    [
        FULL,
        [1.5, None, -2],
        np.array(FULL, dtype=np.float32),
        np.array([1.5, None, -2], dtype=object),
        np.ma.array([1.5, 7.0, -2.0], mask=[False, True, False]),
        pd.Series(FULL, index=[7, 3, 5]),
        pd.Series([1.5, None, -2], dtype="Float64"),
        pd.Series([1.5, pd.NA, -2], dtype=object),
        pd.array([1.5, pd.NA, -2], dtype="Float32"),
    ],
    ids=lambda y: f"{type(y).__name__}-{getattr(y, 'dtype', '')}",
)
def test_a_column_of_any_container_is_read(y):
    found = read_numbers(y)
    np.testing.assert_array_equal(found, np.array(FULL))
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    "y",
    [
        [[1.0, None], [None, 2.0]],
        np.array([[1.0, np.nan], [np.nan, 2.0]]),
        np.array([[1, None], [None, 2]], dtype=object),
        np.ma.array([[1.0, 9.0], [9.0, 2.0]], mask=[[False, True], [True, False]]),
        pd.DataFrame({"a": [1.0, None], "b": pd.array([pd.NA, 2], dtype="Int64")}),
    ],
    ids=lambda y: type(y).__name__,
)
def test_several_targets_of_any_container_are_read(y):
    np.testing.assert_array_equal(read_numbers(y), [[1.0, np.nan], [np.nan, 2.0]])


def test_integers_and_truth_values_are_numbers():
    np.testing.assert_array_equal(read_numbers([3, -1, 0]), [3.0, -1.0, 0.0])
    np.testing.assert_array_equal(read_numbers([True, False]), [1.0, 0.0])


def test_the_caller_s_array_is_never_changed():
    y = np.array([1.0, -999.0])
    read_numbers(y, -999)
    np.testing.assert_array_equal(y, [1.0, -999.0])


def test_a_number_may_be_the_marker():
    np.testing.assert_array_equal(read_numbers([5, -999, 2], -999), [5.0, np.nan, 2.0])
    with pytest.raises(ValueError, match="NaN, which unlabeled=-999 does not mark"):
        read_numbers([5.0, -999, np.nan], -999)


@pytest.mark.parametrize(
    ("y", "unlabeled", "message"),
    [
        (["a", "b"], "auto", "WNLLClassifier"),
        (np.array(["1.5", None], dtype=object), "auto", "'1.5', which is no number"),
        ([1 + 2j], "auto", "Complex data not supported"),
        ([1.0, np.inf], "auto", "infinity"),
        ([1.0, 1e200], "auto", "power of ten"),
        ([1.0, np.nan], None, "unlabeled=None says that every row"),
        ([1.0, 2.0], "missing", "is no number"),
        (np.zeros((2, 2, 2)), "auto", r"got shape \(2, 2, 2\)"),
        ([[1.0], [1.0, 2.0]], "auto", "different lengths"),
        ([], "auto", "got shape"),
        ([np.nan, np.nan], "auto", "no row has a value"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "auto", "Dates not supported"),
    ],
)
def test_what_is_no_number_is_refused_with_the_cure(y, unlabeled, message):
    with pytest.raises(ValueError, match=message):
        read_numbers(y, unlabeled)


def test_a_target_without_a_value_is_refused():
    X = np.arange(6.0).reshape(-1, 1)
    y = np.column_stack([X[:, 0], np.full(6, np.nan)])
    with pytest.raises(ValueError, match="Column 1 of y holds no value"):
        WNLLRegressor().fit(X, y)


def test_a_wrong_length_is_refused():
    with pytest.raises(ValueError, match="X has 3 rows and y 2 entries"):
        WNLLRegressor().fit(np.zeros((3, 1)), [1.0, 2.0])


def test_a_relabelled_model_keeps_its_number_of_targets():
    X = np.arange(6.0).reshape(-1, 1)
    model = WNLLRegressor().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="y holds 2 targets, but the fitted one 1"):
        model.relabel(np.column_stack([X, X]))
