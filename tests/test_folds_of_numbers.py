"""Cross-validation of rows with numbers, some of them missing."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wnll import WNLLRegressor
from sklearn_wnll._balanced_folds import balance_numbers
from sklearn_wnll._targets import read_target
from sklearn_wnll.exceptions import AmbiguousLabelsWarning
from sklearn_wnll.model_selection import LabeledFold

from .clouds import examples

FIVE_OF_NUMBERS = LabeledFold(5, target="numbers")


@pytest.fixture(scope="module")
def surface():
    """Points of a square, a smooth function of them, and 80 of its values for two targets."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(400, 2))
    both = np.column_stack([np.exp(np.sin(3 * X[:, 0]) + X[:, 1]), X[:, 0] * X[:, 1]])
    few = np.full((400, 2), np.nan)
    for j in range(2):
        rows = rng.choice(400, 120, replace=False)
        few[rows, j] = both[rows, j]
    return X, both, few


def numbers_with_gaps(seed, n_rows, n_targets):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n_rows, n_targets)).round(rng.integers(0, 4))
    y[rng.random(y.shape) < 0.4] = np.nan
    y[:5] = rng.normal(size=(5, n_targets))
    y = rng.permutation(y)
    return y[:, 0] if n_targets == 1 and rng.random() < 0.5 else y


def columns(y):
    return np.reshape(y, (len(y), -1))


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(6, 40), st.integers(1, 4))
def test_each_row_with_all_values_is_tested_once_and_all_others_train(seed, cv, n_rows, n_targets):
    y = numbers_with_gaps(seed, n_rows, n_targets)
    folds = LabeledFold(cv, target="numbers")
    splits = list(folds.split(np.zeros((n_rows, 1)), y))
    assert len(splits) == cv == folds.get_n_splits()
    complete = np.flatnonzero(~np.isnan(columns(y)).any(axis=1))
    tested = np.concatenate([test for _, test in splits])
    np.testing.assert_array_equal(np.sort(tested), complete)
    for train, test in splits:
        assert len(test)
        np.testing.assert_array_equal(np.sort(np.append(train, test)), np.arange(n_rows))
        assert (np.diff(train) > 0).all()


SPLITTERS = [
    KFold(3),
    KFold(4, shuffle=True, random_state=0),
    RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
    ShuffleSplit(3, test_size=0.4, random_state=0),
    TimeSeriesSplit(3),
    GroupKFold(2),
    LeaveOneGroupOut(),
]


@examples(15)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
@pytest.mark.parametrize("splitter", SPLITTERS, ids=lambda s: type(s).__name__)
@given(seed=st.integers(0, 2**32 - 1), n_targets=st.integers(1, 3))
def test_a_splitter_splits_the_rows_with_all_values(splitter, seed, n_targets):
    y = numbers_with_gaps(seed, 40, n_targets)
    X, groups = np.arange(40.0)[:, None], np.arange(40) % 3
    folds = LabeledFold(splitter, target="numbers")
    splits = list(folds.split(X, y, groups))
    complete = ~np.isnan(columns(y)).any(axis=1)
    partial = ~np.isnan(columns(y)).all(axis=1) & ~complete
    expected = splitter.split(X[complete], columns(y)[complete], groups[complete])
    assert len(splits) == folds.get_n_splits(X, y, groups)
    for (train, test), (inner_train, inner_test) in zip(splits, expected, strict=True):
        np.testing.assert_array_equal(test, np.flatnonzero(complete)[inner_test])
        np.testing.assert_array_equal(
            train[complete[train]], np.sort(np.flatnonzero(complete)[inner_train])
        )
        lost = np.setdiff1d(np.flatnonzero(~complete), train)
        # A row with some values of a tested group would reveal the group.
        assert partial[lost].all()
        assert np.isin(groups[lost], groups[test]).all()
        if isinstance(splitter, (GroupKFold, LeaveOneGroupOut)):
            assert not np.isin(groups[train[~np.isnan(columns(y)[train]).all(axis=1)]],
                               groups[test]).any()  # fmt: skip


def test_without_groups_every_row_with_some_values_trains(surface):
    X, _, few = surface
    incomplete = np.flatnonzero(np.isnan(few).any(axis=1))
    for splitter in (5, KFold(5), TimeSeriesSplit(3)):
        for train, _ in LabeledFold(splitter).split(X, few):
            assert np.isin(incomplete, train).all()


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_groups_are_dropped_as_among_classes(surface):
    X, both, few = surface
    groups = np.arange(400) % 7
    folds = LabeledFold(GroupKFold(3), drop_test_groups=True)
    for train, test in folds.split(X, few, groups):
        assert not np.isin(groups[train], groups[test]).any()
        assert len(train) == np.count_nonzero(~np.isin(groups, groups[test]))
    with pytest.raises(ValueError, match="drop_test_groups=True, but cv=KFold"):
        list(LabeledFold(KFold(3), drop_test_groups=True).split(X, both, groups))


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(12, 60))
def test_each_fold_of_one_target_holds_a_row_of_each_band(seed, n_folds, n_rows):
    values = np.random.default_rng(seed).exponential(size=(n_rows, 1))
    fold = balance_numbers(values, n_folds)
    whole = n_rows // n_folds * n_folds
    bands = fold[values[:, 0].argsort()][:whole].reshape(-1, n_folds)
    assert (np.sort(bands, axis=1) == np.arange(n_folds)).all()
    assert np.ptp(np.bincount(fold, minlength=n_folds)) <= 1


@pytest.mark.parametrize("n_targets", [1, 2, 4])
def test_sorted_values_make_folds_like_each_other(n_targets):
    values = np.sort(np.random.default_rng(0).normal(size=(100, n_targets)), axis=0)
    means = [values[test].mean(axis=0) for _, test in LabeledFold(5).split(values, values)]
    assert np.ptp(means, axis=0).max() < 0.4
    plain = [values[test].mean(axis=0) for _, test in KFold(5).split(values)]
    assert np.ptp(plain, axis=0).min() > 2


SCORERS = ["r2", "neg_mean_absolute_error", "neg_root_mean_squared_error", "explained_variance"]


@pytest.mark.parametrize("several", [False, True])
def test_every_scorer_is_near_the_truth(surface, several):
    X, both, few = surface
    y = few if several else few[:, 0]
    truth = both if several else both[:, 0]
    scores = cross_validate(WNLLRegressor(8), X, y, cv=LabeledFold(5), scoring=SCORERS)
    assert all(np.isfinite(scores[f"test_{name}"]).all() for name in SCORERS)
    hidden = np.isnan(few).all(axis=1)
    model = WNLLRegressor(8).fit(X, y)
    r2 = 1 - ((model.predict(X[hidden]) - truth[hidden]) ** 2).mean() / truth[hidden].var()
    assert abs(scores["test_r2"].mean() - r2) < 0.1


@pytest.mark.parametrize("cv", SPLITTERS[:4], ids=lambda s: type(s).__name__)
def test_splitters_score_too(surface, cv):
    X, _, few = surface
    assert cross_val_score(WNLLRegressor(8), X, few, cv=LabeledFold(cv), scoring="r2").min() > 0.8


# The training parts hold missing values, which only the model's own score leaves out.
@pytest.mark.filterwarnings("ignore:Scoring failed")
def test_searches_and_curves_take_missing_values(surface):
    X, _, few = surface
    y, r2 = few[:, 0], {"cv": LabeledFold(3), "scoring": "r2"}
    model, grid = WNLLRegressor(8), {"n_neighbors": [8, 200]}
    pipeline = make_pipeline(StandardScaler(), model)
    inside = {"wnllregressor__n_neighbors": [8, 200]}
    assert GridSearchCV(pipeline, inside, **r2).fit(X, y).best_score_ > 0.9
    search = RandomizedSearchCV(model, grid, n_iter=2, random_state=0, **r2).fit(X, few)
    assert search.best_params_ == {"n_neighbors": 8}
    score, _, p = permutation_test_score(model, X, y, n_permutations=9, random_state=0, **r2)
    assert score > 0.9
    assert p == pytest.approx(0.1)
    sizes = {"train_sizes": [0.3, 1.0], "shuffle": True, "random_state": 0}
    small, large = learning_curve(model, X, y, **sizes, **r2)[2].mean(axis=1)
    assert small < large
    values = {"param_name": "n_neighbors", "param_range": [8, 200]}
    near, far = validation_curve(model, X, y, **values, **r2)[1].mean(axis=1)
    assert near > far
    noise = np.random.default_rng(0).uniform(size=(len(X), 1))
    selector = SequentialFeatureSelector(model, n_features_to_select=2, **r2)
    assert selector.fit(np.hstack([noise, X]), y).get_support().tolist() == [False, True, True]


def same_folds(y, other, **params):
    """Compare the folds of two y."""
    X = np.zeros((len(other), 1))
    pairs = zip(
        LabeledFold(3, **params).split(X, y), LabeledFold(3, target="numbers").split(X, other),
        strict=True,
    )  # fmt: skip
    return all(np.array_equal(a, b) for pair in pairs for a, b in zip(*pair, strict=True))


VALUES = np.array([0.5, np.nan, 2.0, 3.0, np.nan, 7.25, 8.0, 9.0])


@pytest.mark.parametrize(
    ("y", "params"),
    [
        (VALUES, {}),
        (VALUES.tolist(), {}),
        ([None if np.isnan(v) else v for v in VALUES], {}),
        (pd.Series(VALUES), {}),
        (pd.Series(VALUES).astype("Float64"), {}),
        (VALUES.astype(np.float32), {}),
        (np.ma.array(np.nan_to_num(VALUES), mask=np.isnan(VALUES)), {}),
        (np.nan_to_num(VALUES, nan=-1), {"unlabeled": -1}),
        (np.nan_to_num(VALUES, nan=-9), {"unlabeled": -9, "target": "numbers"}),
    ],
)
def test_numbers_of_any_container_are_recognized(y, params):
    assert same_folds(y, VALUES, **params)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 3)),
           elements=st.sampled_from([np.nan, 0.0, 1.0, 2.0, 0.5, -0.5, 7.0])),
    st.booleans(),
)  # fmt: skip
def test_without_minus_one_every_reading_finds_the_same_gaps(y, flat):
    y = y[:, 0] if flat or y.shape[1] == 1 else y
    try:
        found = read_target(y)
    except ValueError:  # a column without any value
        assert np.isnan(y.reshape(len(y), -1)).all(axis=0).any()
    else:
        np.testing.assert_array_equal(found.given, ~np.isnan(y))


def test_groups_are_routed_and_frames_are_split(surface):
    X, _, few = surface
    groups, folds = np.arange(400) % 5, LabeledFold(GroupKFold(5))
    expected = cross_val_score(WNLLRegressor(), X, few, groups=groups, cv=folds, scoring="r2")
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_validate(
            WNLLRegressor(), X, few, cv=folds, scoring="r2", params={"groups": groups}
        )
    np.testing.assert_array_equal(routed["test_score"], expected)
    frames = pd.DataFrame(X, columns=["a", "b"]), pd.DataFrame(few, columns=["c", "d"])
    scores = cross_val_score(WNLLRegressor(), *frames, groups=groups, cv=folds, scoring="r2")
    np.testing.assert_allclose(scores, expected)


def test_minus_one_is_a_number_among_numbers():
    y = np.array([-1, -0.5, -1, 0.25, 1, 2])
    tested = np.concatenate([test for _, test in LabeledFold(2).split(y[:, None], y)])
    assert sorted(tested) == [0, 1, 2, 3, 4, 5]
    counts = np.array([-1, 0, 1, 2, 3, 4])
    for cv in (LabeledFold(3), LabeledFold(KFold(3))):
        with pytest.raises(ValueError, match=r"class .*pass target='numbers'"):
            list(cv.split(y[:, None], counts))
    splits = LabeledFold(3, target="numbers").split(y[:, None], counts)
    assert sorted(np.concatenate([test for _, test in splits])) == [0, 1, 2, 3, 4, 5]


def test_numbers_of_which_most_are_minus_one_are_doubtful():
    y = np.array([-1] * 10 + [0.5, 1.5, 2.5, 3.5])
    X = y[:, None]
    with pytest.warns(AmbiguousLabelsWarning, match=r"10 of 14 are exactly -1.*unlabeled=-1"):
        next(LabeledFold(2).split(X, y))
    next(LabeledFold(2, target="numbers").split(X, y))
    tested = [test for _, test in LabeledFold(2, unlabeled=-1).split(X, y)]
    assert sorted(np.concatenate(tested)) == [10, 11, 12, 13]


GAPS = np.full((6, 2), np.nan)
GAPS[:3, 0] = GAPS[3:, 1] = 0.5


@pytest.mark.parametrize(
    ("folds", "y", "message"),
    [
        (LabeledFold(2), GAPS, r"No row of y has the labels of all targets.*y\[:, 0\]"),
        (FIVE_OF_NUMBERS, [None] * 6, "No row of y has a value"),
        (LabeledFold(5), [0.5, 1, 2, np.nan], "cv=5 folds, but .* labels: 3. Lower cv to 3"),
        (FIVE_OF_NUMBERS, [2, None, None], "cv=5 folds, but .* labels: 1. Label more"),
        (LabeledFold(1), [0.5, 1.5, np.nan], "at least 2 folds, got 1"),
        (LabeledFold(2, unlabeled=None), [0.5, 1.5, np.nan], "unlabeled=None says"),
        (FIVE_OF_NUMBERS, ["a", "b", "a"], "which is no number|Text not supported"),
        (LabeledFold(2, target="regression"), [0.5, 1.5], "target must be 'auto', 'classes' or"),
        (LabeledFold(2, target="classes"), [0.5, 1.5, 0.5], "continuous"),
        (LabeledFold(3), [3, 5, 7, np.nan], "labelled rows of class 3: 1.*target='numbers'"),
        (LabeledFold(3), [3, -1, 7, 5, np.nan], "both missing values and -1.*target='numbers'"),
        (LabeledFold(2), [[-1, 2], [3, 5], [7, 8]], "several columns of integers, with -1 among"),
    ],
)
def test_what_cannot_be_split_is_said_with_the_cure(folds, y, message):
    with pytest.raises(ValueError, match=message):
        list(folds.split(np.zeros((len(y), 1)), y))
