import datetime
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder

from sklearn_wnll._labels import encode_labels, is_unlabeled, required_labels
from sklearn_wnll.exceptions import AmbiguousLabelsWarning

NAN = float("nan")


@pytest.mark.parametrize(
    ("y", "hidden"),
    [
        ([0, 1, -1], [0, 0, 1]),
        (np.array([0, 1, -1], dtype=np.int8), [0, 0, 1]),
        (np.array([0, 1, 200], dtype=np.uint8), [0, 0, 0]),
        ([0.0, 1.0, -1.0], [0, 0, 1]),
        ([0.0, 1.0, NAN], [0, 0, 1]),
        ([0, None, 1], [0, 1, 0]),
        (["a", "b", None], [0, 0, 1]),
        (["a", NAN, "b"], [0, 1, 0]),
        (["a", "-1", "b"], [0, 1, 0]),
        (np.array(["a", "-1", "b"]), [0, 1, 0]),
        (np.array(["a", "b", None], dtype=object), [0, 0, 1]),
        (np.array([0, 1, -1], dtype=object), [0, 0, 1]),
        ([True, False, True], [0, 0, 0]),
        (pd.Series([0, 1, -1], index=[7, 8, 9]), [0, 0, 1]),
        (pd.Series([0, 1, None], dtype="Int64"), [0, 0, 1]),
        (pd.Series(["a", None, "b"]), [0, 1, 0]),
        (pd.Series(["a", None, "b"], dtype="string"), [0, 1, 0]),
        (pd.Series(["a", None, "b"], dtype="category"), [0, 1, 0]),
    ],
)
def test_automatic_markers(y, hidden):
    assert is_unlabeled(y).tolist() == [bool(h) for h in hidden]
    classes, codes = encode_labels(y)
    assert (codes == -1).tolist() == [bool(h) for h in hidden]
    assert len(classes) == len(set(codes[codes >= 0]))


@pytest.mark.parametrize(
    ("y", "marker", "hidden"),
    [
        ([0, 1, 2], 0, [1, 0, 0]),
        ([0, 1, -1], None, [0, 0, 0]),
        ([-1, 1, 1], -1, [1, 0, 0]),
        (["a", "?", "b"], "?", [0, 1, 0]),
        (["a", "-1", "b"], None, [0, 0, 0]),
        (["a", "", "b"], "", [0, 1, 0]),
        (["auto", "a", None], NAN, [0, 0, 1]),
        ([-1, 1, NAN], NAN, [0, 0, 1]),
        ([-1, -2, 3], -1, [1, 0, 0]),
        ([0, 1, -1], "?", [0, 0, 0]),
    ],
)
def test_an_explicit_marker_always_wins(y, marker, hidden):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_unlabeled(y, marker).tolist() == [bool(h) for h in hidden]


@pytest.mark.parametrize("y", [[-1, 1, 1], [-1.0, 1.0, -1.0], ["-1", "1", "1"]])
def test_exactly_minus_one_and_one_are_two_classes_and_a_warning_says_so(y):
    with pytest.warns(AmbiguousLabelsWarning, match="unlabeled="):
        assert not is_unlabeled(y).any()


@pytest.mark.parametrize("marker", ["", "nan", "None", "?", "unlabeled", "#N/A", "not labelled"])
def test_a_class_that_looks_like_a_marker_is_told(marker):
    with pytest.warns(AmbiguousLabelsWarning, match=f"unlabeled='{re.escape(marker)}' if"):
        classes, codes = encode_labels(["a", marker, "b"])
    assert marker in classes
    assert (codes >= 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_labels(["a", marker, "b"], unlabeled=None)
        encode_labels(["a", marker, "b"], unlabeled=marker)


@pytest.mark.parametrize("marker", ["", "nan", "None", "?", "Unknown", "missing"])
@pytest.mark.parametrize(("other", "name"), [(None, "float('nan')"), ("-1", "'-1'")])
def test_a_class_that_looks_like_a_marker_is_told_beside_another_marker(marker, other, name):
    y = ["a", marker, other, "b"]
    expected = f"y holds {marker!r}, which is read as a class.*unlabeled={name} to silence"
    with pytest.warns(AmbiguousLabelsWarning, match=re.escape(expected).replace(r"\.\*", ".*")):
        classes, _ = encode_labels(y)
    assert marker in classes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_labels(y, unlabeled=NAN if other is None else other)


@pytest.mark.parametrize(
    ("y", "cure"),
    [
        ([0.0, -1.0, NAN], r"unlabeled=float\('nan'\) if -1 is a class"),
        (["a", "-1", None], r"unlabeled=float\('nan'\) if \"-1\" is a class"),
        ([-2, -1, 0, 1], "unlabeled=None if -1 is a class"),
    ],
)
def test_a_marker_that_may_be_a_class_is_refused_with_the_cure(y, cure):
    with pytest.raises(ValueError, match=cure):
        is_unlabeled(y)


@pytest.mark.parametrize(
    ("y", "marker", "message"),
    [
        ([-1, -1], "auto", "Every row of y is unlabelled"),
        ([None, None], "auto", "Every row of y is unlabelled"),
        ([0, 0], 0, "pass unlabeled=None if the marker is a class"),
        ([0.0, 1.0, NAN], None, "y contains NaN or None"),
        (["a", None], None, "y contains NaN or None"),
        ([0.0, 1.0, np.inf], "auto", "Input y contains infinity"),
        ([0.1, 1.7, 2.3], "auto", "Unknown label type: continuous"),
        (np.array([1, "a", 2], dtype=object), "auto", "types int, str"),
        (["a", "b"], -1, "unlabeled='-1'"),
        ([[0, 1], [1, 0]], "auto", "y should be a 1d array"),
    ],
)
def test_bad_labels_are_refused_with_the_cure(y, marker, message):
    with pytest.raises(ValueError, match=message):
        encode_labels(y, marker)


def test_with_known_classes_minus_one_is_what_it_was_in_fit():
    assert is_unlabeled([-1, -1], classes=[-1, 1]).tolist() == [False, False]
    assert is_unlabeled([-1, 1], classes=[0, 1]).tolist() == [True, False]
    assert is_unlabeled(["-1", None, "a"], classes=["a", "b"]).tolist() == [True, True, False]
    assert is_unlabeled([0, 1], unlabeled=0, classes=[1, 2]).tolist() == [True, False]


@given(st.lists(st.integers(0, 5), min_size=1), st.sampled_from([int, float, str]))
def test_codes_give_the_labels_back(y, kind):
    y = np.array([kind(label) for label in y])
    classes, codes = encode_labels(y)
    np.testing.assert_array_equal(classes[codes], y)
    assert (np.diff(classes.astype(float)) > 0).all()


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        ([2**53, 2**53 + 1, None], [2**53, 2**53 + 1]),
        ([True, None, False], [False, True]),
        (pd.Series([1, None, 2], dtype="Int64"), [1, 2]),
        (pd.Series([True, None, False], dtype="boolean"), [False, True]),
    ],
)
def test_labels_beside_missing_ones_keep_their_type(y, classes):
    found, _ = encode_labels(y)
    assert found.tolist() == classes
    assert [type(label) for label in found.tolist()] == [type(label) for label in classes]


def test_missing_dates_are_unlabelled():
    y = np.array(["2020-01-01", "NaT", "2021-01-01"], dtype="datetime64[D]")
    assert is_unlabeled(y).tolist() == [False, True, False]


def test_few_labels_of_many_classes_are_no_mistake():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_labels(np.arange(30))


@given(st.integers(1, 300))
def test_required_labels_is_the_coupon_collectors_number(n_classes):
    draws = sum(n_classes / i for i in range(1, n_classes + 1))
    assert draws <= required_labels(n_classes) + 1e-9 < draws + 1.1


def test_classes_are_strings_of_python_whatever_holds_them():
    classes, codes = encode_labels([*np.array(["b", "a"]), None])
    assert [type(name) for name in classes] == [str, str]
    assert (classes.tolist(), codes.tolist()) == (["a", "b"], [1, 0, -1])


def test_required_labels_needs_a_class():
    with pytest.raises(ValueError, match="n_classes must be at least 1"):
        required_labels(0)


def test_a_marker_that_marks_nothing_beside_the_usual_one_is_told():
    with pytest.warns(AmbiguousLabelsWarning, match="by unlabeled=99, and -1 is read as a class"):
        encode_labels([0, 1, -1, -1], unlabeled=99)
    with pytest.warns(AmbiguousLabelsWarning, match="'-1' is read as a class"):
        encode_labels(["a", "b", "-1"], unlabeled="?")
    with pytest.warns(
        AmbiguousLabelsWarning, match="by unlabeled='\\?', and '' is read as a class"
    ):
        encode_labels(["a", "b", ""], unlabeled="?")
    with pytest.warns(AmbiguousLabelsWarning, match="and 255 is read as a class"):
        _, codes = encode_labels(np.array([0, 1, 255], dtype=np.uint8))
    assert codes.tolist() == [0, 1, 2]
    assert not is_unlabeled(np.array([0, 1, 255], dtype=np.uint8)).any()
    with pytest.warns(AmbiguousLabelsWarning, match="'Unknown' is read as a class"):
        encode_labels(["a", "b", "Unknown"])
    encode_labels(np.arange(256, dtype=np.uint8))
    encode_labels([-1, 1, 1], unlabeled=99)  # two classes
    encode_labels([0, 1, -1], unlabeled=None)


@pytest.mark.parametrize(
    ("y", "marker", "message"),
    [
        ([0, 1, 99], "99", "unlabeled='99' is no label in y, but 99 is"),
        ([0, 1, -1], "-1", "unlabeled='-1' is no label in y, but -1 is"),
        ([datetime.date(1900, 1, 1), datetime.date(2020, 1, 1)], "1900-01-01", "is no label in y"),
        ([0, 1, 0], False, "unlabeled=False is a truth value.*unlabeled=None if every row is"),
        (["a", "b"], True, "unlabeled=True is a number but the labels in y are strings"),
    ],
)
def test_a_marker_of_another_type_than_what_it_may_mean_is_refused(y, marker, message):
    with pytest.raises(ValueError, match=message):
        encode_labels(y, marker)


def test_a_marker_may_be_of_another_type_than_the_labels():
    mixed = np.array(["a", 0, "b"], dtype=object)
    assert encode_labels(mixed, unlabeled=0).codes.tolist() == [0, -1, 1]
    dates = np.array(["1900-01-01", "2020-01-01"], dtype="M8[D]")
    for marker in ("1900-01-01", datetime.date(1900, 1, 1), pd.Timestamp(1900, 1, 1), dates[0]):
        assert is_unlabeled(dates, marker).tolist() == [True, False]
    assert is_unlabeled([True, False, True], False).tolist() == [False, True, False]
    durations = np.array([-1, 5], dtype="m8[s]")
    for y in (durations, list(durations)):
        assert not is_unlabeled(y).any()
        assert is_unlabeled(y, durations[0]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("y", "markers", "hidden"),
    [
        ([0, 1, -1, -2], [-1, -2], [0, 0, 1, 1]),
        ([0, 1, -1, -2], (-1, -2), [0, 0, 1, 1]),
        ([0, 1, -1, -2], {-1, -2}, [0, 0, 1, 1]),
        ([0, 1, -1, -2], np.array([-1, -2]), [0, 0, 1, 1]),
        ([0, 1, -1, -2], pd.Series([-1, -2]), [0, 0, 1, 1]),
        ([0, 1, 99, 1], [99], [0, 0, 1, 0]),
        ([0, 1, 99, 1], np.array(99), [0, 0, 1, 0]),
        (["a", "", "?", "b"], ["", "?"], [0, 1, 1, 0]),
        (["a", None, "?", "b"], ["?", None], [0, 1, 1, 0]),
        ([0.0, 1.0, NAN, -9.0], [NAN, -9], [0, 0, 1, 1]),
        ([0, 1, 2], [], [0, 0, 0]),
        (["a", None, "b"], [None], [0, 1, 0]),
    ],
)
def test_several_markers_are_refused_with_a_cure_that_works(y, markers, hidden):
    with pytest.raises(ValueError, match="unlabeled must be one value") as refusal:
        encode_labels(y, markers)
    message = str(refusal.value)
    names = {"numpy": np, "y": y, "float": float}
    if "numpy.where" in message:
        names["y"] = eval(re.search(r"y = (numpy\.where.*), and pass", message)[1], names)
    marker = eval(re.search(r"pass unlabeled=(.*)\.$", message, re.IGNORECASE)[1], names)
    assert is_unlabeled(names["y"], marker).tolist() == [bool(h) for h in hidden]


def column_of(counts):
    """Labels of classes with the given counts."""
    return np.repeat(np.arange(len(counts)), counts)


FEW_LABELS = [
    [900, *[10] * 9],
    [10, 5, 985],
    [5, 1747, *[5] * 9],  # digits
    [135, 5, 5, 5],  # irises
    [1597, *[20] * 10],
    [99_000, *[10] * 100],
    [56, 2, 2],
    [950, 2, 17, 9, 6],
]
ORDINARY = [
    [9500, 500],
    [99_000, 1000],
    [49, 1],
    [999, 1],  # a single other class would be nothing to learn
    [9_700, 200, 100],
    [99_000, 400, 350, 250],
    [3648, 46, 38, 30],
    [82, 10, 8],
    [185, 10, 5],
    [1000, 30, 2],
    [47, 1, 1],
    [10] * 10,
    [1] * 60,
    [500, *[10] * 30],
    [200],
]


@pytest.mark.parametrize("counts", FEW_LABELS)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, float, "U3", object])
def test_a_class_as_frequent_as_unlabelled_rows_are_is_told_whatever_its_name(counts, dtype):
    y = column_of(counts).astype(dtype)
    label = repr(y.tolist()[np.argmax(column_of(counts) == np.argmax(counts))])
    expected = (
        f"the class {label} holds {max(counts)} of {sum(counts)} rows.*Pass unlabeled={label}"
    )
    with pytest.warns(AmbiguousLabelsWarning, match=expected) as told:
        encode_labels(y)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_labels(y, unlabeled=None)
        codes = encode_labels(y, unlabeled=eval(label)).codes
    assert np.count_nonzero(codes < 0) == max(counts)


@pytest.mark.parametrize("counts", ORDINARY)
def test_ordinary_classes_of_different_frequency_are_not_told(counts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_labels(column_of(counts))


def test_a_frequent_class_beside_unlabelled_rows_is_not_told_and_an_absent_marker_is_no_excuse():
    y = column_of([900, 10, 10])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_labels([*y.tolist(), None])
    with pytest.warns(AmbiguousLabelsWarning, match="by unlabeled=99, but the class 0 holds 900"):
        encode_labels(y, unlabeled=99)


def test_what_an_encoder_makes_of_the_empty_string_is_told():
    names = np.array(["", "cat", "dog"])[column_of([200, 5, 5])]
    with pytest.warns(AmbiguousLabelsWarning, match="the class 0 holds 200 of 210 rows"):
        encode_labels(LabelEncoder().fit_transform(names))
    with pytest.warns(AmbiguousLabelsWarning, match="'' is read as a class") as told:
        encode_labels(names)
    assert len(told) == 1
