"""The type of a label is kept, whatever its container and the marker of the other rows."""

import datetime
import enum
import pickle
import warnings
from decimal import Decimal
from fractions import Fraction
from itertools import compress

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._labels import encode_labels, is_unlabeled
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.model_selection import LabeledFold

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")

MISSING = None, float("nan"), pd.NA, pd.NaT, np.ma.masked


class Size(enum.IntEnum):
    SMALL = 3
    LARGE = 20


class Name(enum.StrEnum):
    FIRST = "b"
    SECOND = "a"


class Color(enum.Enum):
    RED = 1
    BLUE = 2


dates = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))
LABELS = {
    "truth values": st.booleans(),
    "integers": st.integers(0, 5) | st.integers(2**53, 2**53 + 3) | st.integers(2**63, 2**63 + 3),
    "huge integers": st.integers(2**64, 2**64 + 5),
    "floats": st.integers(0, 2**70).map(float),
    "strings": st.text("abc", min_size=1, max_size=3),
    "decimals": st.decimals(0, 1, places=2),
    "fractions": st.fractions(0, 1, max_denominator=5),
    "dates": st.dates(),
    "datetimes": dates,
    "durations": st.timedeltas(),
    "times": st.times(),
    "timestamps": dates.map(pd.Timestamp),
    "periods": st.integers(0, 5).map(lambda month: pd.Period(ordinal=month, freq="M")),
    "intervals": st.integers(0, 5).map(lambda left: pd.Interval(left, left + 1)),
    "tuples": st.tuples(st.integers(0, 2), st.text("ab", max_size=1)),
    "members of an IntEnum": st.sampled_from(Size),
    "members of a StrEnum": st.sampled_from(Name),
}
partly = st.lists(st.tuples(st.booleans(), st.sampled_from(MISSING)), min_size=1, max_size=20)


@given(st.data(), st.sampled_from(sorted(LABELS)), partly)
def test_classes_are_the_sorted_labels_with_their_types_and_codes_give_them_back(
    data, kind, missing
):
    labels = [data.draw(LABELS[kind]) for _ in missing]
    visible = [has_label for has_label, _ in missing]
    assume(any(visible))
    column = [label if seen else gap for label, (seen, gap) in zip(labels, missing, strict=True)]
    y = np.fromiter(column, dtype=object)
    classes, codes = encode_labels(y)
    expected = list(compress(labels, visible))
    found = classes.tolist()
    assert found == sorted(set(expected))
    assert {*map(type, found)} == {*map(type, expected)}
    assert [found[code] for code in codes[visible]] == expected
    assert (codes >= 0).tolist() == visible
    assert is_unlabeled(y).tolist() == (~np.array(visible)).tolist()
    if kind != "tuples":
        assert encode_labels(column).classes.tolist() == found


DTYPES = "int8", "uint8", "int64", "uint64", "float32", "float64", "bool", "U2", "M8[D]", "m8[s]"


@given(st.sampled_from(DTYPES), st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1))
def test_masked_rows_are_unlabelled_whatever_is_beneath_and_the_dtype_stays(dtype, rows):
    values, mask = (np.array(part) for part in zip(*rows, strict=True))
    assume(not mask.all())
    data = values.astype(dtype) if dtype[0] not in "mM" else values.astype(np.int64).astype(dtype)
    if dtype in ("int8", "int64", "float32", "float64"):
        data[mask] = -1
    for y in (np.ma.array(data, mask=mask), np.ma.array(data, mask=mask, hard_mask=True)[:, None]):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A column-vector y was passed")
            classes, codes = encode_labels(y)
        assert classes.dtype == data.dtype
        np.testing.assert_array_equal(classes, np.unique(data[~mask]))
        np.testing.assert_array_equal(codes < 0, mask)
        np.testing.assert_array_equal(classes[codes[~mask]], data[~mask])


def test_a_mask_beside_another_marker():
    y = np.ma.array([7, 0, 1, 99], mask=[1, 0, 0, 0])
    assert is_unlabeled(y, 99).tolist() == [True, False, False, True]
    assert is_unlabeled(y, float("nan")).tolist() == [True, False, False, False]
    assert is_unlabeled(np.ma.array([0, 1, -1])).tolist() == [False, False, True]  # no mask
    with pytest.raises(ValueError, match=r"y is masked in 1 rows.*unlabeled='auto', or y\.data"):
        encode_labels(y, unlabeled=None)
    with pytest.raises(ValueError, match="both missing values and -1"):
        encode_labels(np.ma.array([0, 1, -1], mask=[1, 0, 0]))


@given(
    st.sampled_from(["Int8", "UInt8", "Int64", "UInt64"]),
    st.lists(st.none() | st.integers(0, 9), min_size=1),
)
def test_nullable_integers_keep_their_dtype_up_to_the_largest(dtype, offsets):
    assume(any(offset is not None for offset in offsets))
    top = np.iinfo(dtype.lower()).max - 11
    labels = [None if offset is None else top + offset for offset in offsets]
    for y in (pd.Series(labels, dtype=dtype), pd.array(labels, dtype=dtype)):
        classes, codes = encode_labels(y)
        assert classes.dtype == dtype.lower()
        assert classes.tolist() == sorted({*labels} - {None})
        assert [classes.tolist()[code] if code >= 0 else None for code in codes] == labels


@pytest.mark.parametrize(
    ("y", "classes", "dtype"),
    [
        ([2**53, 2**53 + 1, float("nan")], [2**53, 2**53 + 1], np.int64),
        ([2**64 - 2, 2**64 - 1, -1], [2**64 - 2, 2**64 - 1], np.uint64),
        ([2**63, pd.NA, -5], [-5, 2**63], object),
        ([True, False, -1], [False, True], bool),
        ([True, True, -1], [True], bool),
        ([1, 2.0, None], [1.0, 2.0], np.float64),
        ([2.0**53, 2**53 + 1, None], [2.0**53, 2**53 + 1], object),
        ([np.int8(1), np.int8(2), None], [1, 2], np.int8),
        ([np.uint64(5), 7, None], [5, 7], np.int64),
        ([0.0, 1.0, None], [0.0, 1.0], np.float64),
        (np.array([0.0, 1.0, np.nan]), [0.0, 1.0], np.float64),
        (np.array([True, False, np.nan], dtype=object), [False, True], bool),
        (pd.Categorical([2, None, 1]), [1, 2], np.int64),
        (pd.Categorical.from_codes([0, -1, 1], [2**53 + 1, 2**53]), [2**53, 2**53 + 1], np.int64),
        (pd.Series(pd.Categorical([True, None])), [True], bool),
        (pd.CategoricalIndex(["lo", None, "hi"], ["lo", "hi"], ordered=True), ["hi", "lo"], object),
        (pd.DataFrame({"a": pd.Categorical([2, None, 1])})["a"], [1, 2], np.int64),
        (
            pd.Series(["2020", None], dtype="datetime64[s]"),
            [datetime.datetime(2020, 1, 1)],
            "M8[s]",
        ),
        ([np.datetime64("2020"), np.datetime64("NaT")], [datetime.date(2020, 1, 1)], "M8[Y]"),
        (
            np.array([-1, 5], dtype="m8[D]"),
            [-datetime.timedelta(1), datetime.timedelta(5)],
            "m8[D]",
        ),
    ],
)
def test_the_type_of_classes(y, classes, dtype):
    found, codes = encode_labels(y)
    assert found.dtype == dtype
    assert found.tolist() == classes
    assert {*map(type, found.tolist())} == {*map(type, classes)}
    assert len({*codes.tolist()} - {-1}) == len(classes)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 2 has StringDType")
@pytest.mark.parametrize("missing", [None, float("nan")])
def test_numpys_strings_of_any_length_with_their_missing_value(missing):
    y = np.array(["b", missing, "a"], dtype=np.dtypes.StringDType(na_object=missing))
    classes, codes = encode_labels(y)
    assert classes.tolist() == ["a", "b"]
    assert codes.tolist() == [1, -1, 0]


class OfArrow:
    """Like an Arrow array: numpy turns it into floats."""

    def to_pylist(self):
        return [2**53, None, 2**53 + 1]

    def __array__(self, dtype=None, copy=None):
        return np.array([2**53, np.nan, 2**53 + 1])


def test_arrays_of_arrow_are_read_as_python_values():
    assert encode_labels(OfArrow()).classes.tolist() == [2**53, 2**53 + 1]


def partly_labeled(low, high, missing=None):
    """Two groups of rows, and a label for every second row."""
    X = np.repeat([0.0, 100.0], 8)[:, None] + np.arange(16)[:, None] % 8
    labels = [missing if i % 2 else (low, high)[i // 8] for i in range(16)]
    return X, np.fromiter(labels, dtype=object)


COLUMNS = {
    "truth values": partly_labeled(False, True),
    "large integers": partly_labeled(2**53, 2**53 + 1, float("nan")),
    "unsigned integers": partly_labeled(2**64 - 2, 2**64 - 1),
    "huge integers": partly_labeled(2**70, 2**70 + 1),
    "floats": partly_labeled(1.0, 2.0),
    "strings": partly_labeled("a", "b"),
    "dates": partly_labeled(datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)),
    "timestamps": partly_labeled(pd.Timestamp(2020, 1, 1), pd.Timestamp(2021, 1, 1), pd.NaT),
    "numpy's dates": partly_labeled(np.datetime64("2020", "ns"), np.datetime64("2021", "ns")),
    "durations": partly_labeled(np.timedelta64(-1, "s"), np.timedelta64(5, "s")),
    "periods": partly_labeled(pd.Period("2020", "Y"), pd.Period("2021", "Y"), pd.NA),
    "intervals": partly_labeled(pd.Interval(0, 1), pd.Interval(1, 2)),
    "decimals": partly_labeled(Decimal("1.1"), Decimal("1.2"), Decimal("NaN")),
    "fractions": partly_labeled(Fraction(1, 3), Fraction(2, 3)),
    "members of an IntEnum": partly_labeled(*Size, -1),
    "members of a StrEnum": partly_labeled(*sorted(Name)),
    "tuples": partly_labeled((1, "b"), (2, "a")),
}
WHOLE = {
    **COLUMNS,
    "a Series": (COLUMNS["strings"][0], pd.Series(COLUMNS["strings"][1], dtype="string")),
    "a Categorical": (COLUMNS["floats"][0], pd.Categorical([1, None] * 4 + [2, None] * 4)),
    "a masked array": (
        COLUMNS["floats"][0],
        np.ma.array(np.repeat(np.int8([1, 2]), 8), mask=[0, 1] * 8),
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_labels_of_any_type_go_through_all_that_takes_labels(name):
    X, y = WHOLE[name]
    classes = encode_labels(y).classes
    model = clone(WNLLClassifier(n_neighbors=3)).fit(X, y)
    truth = classes[np.repeat([0, 1], 8)]
    for found in (
        model.transduction_,
        model.predict(X),
        pickle.loads(pickle.dumps(model)).predict(X),
    ):
        assert found.dtype == classes.dtype
        assert found.tolist() == truth.tolist()
    assert model.score(X, y) == model.score(X, truth) == 1
    assert model.score(X, truth[::-1]) == 0
    prior = dict(zip(classes, [0.75, 0.25], strict=True))
    by_name = clone(model).set_params(class_prior=prior).fit(X, y)
    in_order = clone(model).set_params(class_prior=[0.75, 0.25]).fit(X, y)
    assert (by_name.label_distributions_ == in_order.label_distributions_).all()
    assert (cross_val_score(WNLLClassifier(n_neighbors=3), X, y, cv=LabeledFold(2)) == 1).all()
    few = hide_labels(y, 1, random_state=0)
    assert (~is_unlabeled(few)).sum() == 2
    again = WNLLClassifier(n_neighbors=3).fit(X, few)
    assert again.transduction_.tolist() == truth.tolist()
    assert {*map(type, again.classes_.tolist())} == {*map(type, classes.tolist())}


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([Color.RED, Color.BLUE], "type Color, which cannot be hashed and sorted.*label.name"),
        ([{}, {1: 2}], "type dict, which cannot be hashed and sorted"),
        ([frozenset("a"), frozenset("b")], "type frozenset, which cannot be hashed and sorted"),
        ([datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1)], "the types date, datetime"),
        ([True, "a"], "the types bool, str"),
        ([b"a", None, b"b"], r"y holds bytes.*\[label.decode\(\) for label in y\]"),
        (np.array(["a", "b"], dtype="S"), "numpy.char.decode"),
        ([1j, 2j], "y holds complex numbers"),
        (np.array([1j, 2j]), "y holds complex numbers"),
        ([(1, 2), (2, 1)], r"a list of tuples.*pandas.Series\(y\)"),
        (np.zeros(2, dtype=[("a", int), ("b", int)]), r"structured array.*\('a', 'b'\).*y\[name\]"),
        (np.ma.zeros(2, dtype=[("a", int), ("b", int)]), r"structured array.*y\[name\]"),
        (np.eye(3), r"1d array.*shape \(3, 3\).*y.argmax"),
        (np.ma.array(np.eye(3), mask=np.eye(3)), r"1d array.*shape \(3, 3\)"),
        ({1: 0, 2: 1}.values(), "got a dict_values. Pass a list"),
        ([1, 2.5, None], "Unknown label type: continuous"),
        ([2**53 + 1, 2.5], "Unknown label type: continuous"),
        ([2**70, float("inf")], "Input y contains infinity"),
    ],
)
def test_what_cannot_be_a_label_is_refused_with_the_cure(y, message):
    with pytest.raises(ValueError, match=message):
        encode_labels(y)


@pytest.mark.parametrize(
    "y", [[[1], [0], [-1]], pd.DataFrame({"a": [1, 0, -1]}), np.array([[1], [0], [-1]])]
)
def test_a_column_is_read_with_scikit_learns_warning(y):
    with pytest.warns(UserWarning, match="A column-vector y was passed when a 1d array"):
        assert encode_labels(y).codes.tolist() == [1, 0, -1]


def test_a_score_compares_by_value_and_refuses_strings_for_numbers():
    X, y = COLUMNS["floats"]
    model = WNLLClassifier(n_neighbors=3).fit(X, y)
    truth = np.repeat([1, 2], 8)
    assert model.score(X, truth) == model.score(X, truth.astype(np.uint8)) == 1
    assert model.score(X, np.where(truth == 1, 7, 2)) == 0.5  # 7 is no class
    assert model.score(X, truth, sample_weight=truth == 1) == 1
    with pytest.raises(ValueError, match="y are strings, but the fitted ones are not"):
        model.score(X, truth.astype(str))
    with pytest.raises(ValueError, match="y are not strings, but the fitted ones are"):
        WNLLClassifier(n_neighbors=3).fit(X, truth.astype(str)).score(X, truth)


def test_tensors_of_labels_are_read_one_by_one_or_together():
    torch = pytest.importorskip("torch")
    labels = torch.tensor([5, 3, -1], dtype=torch.int8)
    assert encode_labels(labels).classes.dtype == np.int8
    for y in (labels, list(labels), list(labels.numpy()[:, None, None][:, 0, 0])):
        classes, codes = encode_labels(y)
        assert classes.tolist() == [3, 5]
        assert codes.tolist() == [1, 0, -1]


def test_a_network_keeps_the_type_of_labels_and_refuses_a_masked_x():
    pytest.importorskip("torch")
    from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep

    X, y = COLUMNS["dates"]
    model = DeepWNLLClassifier(
        module_params={"hidden": (4,)},
        n_stages=1,
        linear_step=LinearStep(epochs=1),
        wnll_step=WNLLStep(epochs=1),
        random_state=0,
    )
    model.fit(X, y)
    assert {*map(type, [*model.classes_, *model.transduction_, *model.predict(X)])} == {
        datetime.date
    }
    assert model.score(X, y) == 1
    masked = np.ma.array(X, mask=X == 3)
    with pytest.raises(ValueError, match=r"X is masked in 1 entries.*SimpleImputer"):
        model.predict(masked)
    with pytest.raises(ValueError, match="X is masked in 2 entries"):
        clone(model).fit([*masked, *masked], [*y, *y])
    # The codes of the classes, with one of them frequent, are not a user's labels.
    frequent = np.repeat([0, 1, 2], [56, 2, 2])
    clone(model).set_params(unlabeled=None).fit(np.arange(60)[:, None] % 7, frequent)


def test_a_masked_x_is_refused_and_one_without_masked_entries_is_not():
    X, y = COLUMNS["strings"]
    model = WNLLClassifier(n_neighbors=3).fit(np.ma.array(X), y)
    masked = np.ma.array(X, mask=X == 3)
    for call in (lambda: clone(model).fit(masked, y), lambda: model.predict(masked)):
        with pytest.raises(ValueError, match=r"X is masked in 1 entries.*getdata\(X\)"):
            call()
