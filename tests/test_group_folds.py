"""Groups in the cross-validation of partly labelled data."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.utils.metadata_routing import UNUSED

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.model_selection import LabeledFold


class LearnsNothing(ClassifierMixin, BaseEstimator):
    def __init__(self, alpha=0):
        self.alpha = alpha

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return 0.5


class ScoresGroups(LearnsNothing):
    """Scores by the number of groups (last column), whose labels it must not have seen."""

    def fit(self, X, y):
        self.groups_ = set(X[np.asarray(y) != -1, -1])
        return super().fit(X, y)

    def score(self, X, y):
        assert not self.groups_ & set(X[:, -1])
        return len(set(X[:, -1]))


def test_groups_are_passed_on(few_digits):
    X, y = few_digits
    groups = np.arange(len(y)) % 4
    for cv in (GroupKFold(4), LeaveOneGroupOut()):
        folds = LabeledFold(cv)
        assert folds.get_n_splits(X, y, groups) == 4
        for train, test in folds.split(X, y, groups):
            assert len(set(groups[test])) == 1
            labeled = train[y[train] != -1]
            assert not set(groups[labeled]) & set(groups[test])
            assert (y[train] == -1).sum() == 500
    scores = cross_val_score(WNLLClassifier(), X, y, groups=groups, cv=LabeledFold(GroupKFold(4)))
    assert scores.mean() > 0.8


GROUP_SPLITTERS = [
    GroupKFold(4),
    LeaveOneGroupOut(),
    LeavePGroupsOut(2),
    StratifiedGroupKFold(4),
    GroupShuffleSplit(3, test_size=0.3, random_state=0),
]


def as_list_of_strings(groups):
    return [f"group {group}" for group in groups]


def as_strings(groups):
    return np.array(as_list_of_strings(groups))


def as_categories(groups):
    return pd.Series(as_list_of_strings(groups), dtype="category")


@pytest.mark.parametrize("kind", [np.array, list, pd.Series, as_list_of_strings, as_strings,
                                  as_categories])  # fmt: skip
@pytest.mark.parametrize("cv", GROUP_SPLITTERS, ids=lambda cv: type(cv).__name__)
@pytest.mark.parametrize("routing", [False, True])
def test_groups_are_routed_to_the_splitter_with_and_without_metadata_routing(
    few_digits, cv, kind, routing
):
    X, y = few_digits
    groups = np.arange(len(y)) % 4
    given = {"groups": kind(groups)}
    # Its score is the number of groups whose labels it has not seen.
    model = ScoresGroups()
    X = np.column_stack([X, groups])
    with sklearn.config_context(enable_metadata_routing=routing):
        passed = {"params": given} if routing else given
        found = cross_validate(model, X, y, cv=LabeledFold(cv), **passed)
        search = GridSearchCV(model, {"alpha": [0]}, cv=LabeledFold(cv)).fit(X, y, **given)
    expected = [len(set(groups[test])) for _, test in LabeledFold(cv).split(X, y, groups)]
    np.testing.assert_array_equal(found["test_score"], expected)
    assert search.best_score_ == np.mean(expected)


def test_groups_are_routed_through_a_search_in_a_cross_validation(few_digits):
    X, y = few_digits
    groups = np.arange(len(y)) % 4
    model = ScoresGroups()
    X = np.column_stack([X, groups])
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(model, {"alpha": [0, 1]}, cv=LabeledFold(GroupKFold(3)))
        scores = cross_validate(
            search, X, y, cv=LabeledFold(LeaveOneGroupOut()), params={"groups": groups}
        )
    np.testing.assert_array_equal(scores["test_score"], [1, 1, 1, 1])


class OwnSplitter:
    """A splitter not derived from scikit-learn's, without metadata requests."""

    def split(self, X, y, groups=None):
        yield from LeaveOneGroupOut().split(X, y, groups)

    def get_n_splits(self, X=None, y=None, groups=None):
        return LeaveOneGroupOut().get_n_splits(X, y, groups)


def test_groups_are_requested_where_the_splitter_requests_them():
    def requested(*args, **kwargs):
        with sklearn.config_context(enable_metadata_routing=True):
            requests = LabeledFold(*args, **kwargs).get_metadata_routing().split.requests
        return requests.get("groups", UNUSED)

    with sklearn.config_context(enable_metadata_routing=True):
        renamed = GroupKFold().set_split_request(groups="patients")
        refusing = GroupKFold().set_split_request(groups=False)
    assert [requested(cv) for cv in GROUP_SPLITTERS] == [True] * len(GROUP_SPLITTERS)
    assert requested(renamed) == requested(LabeledFold(renamed)) == "patients"
    assert requested(refusing) is False
    for cv in (5, np.int64(5), StratifiedKFold(), LeaveOneOut(), OwnSplitter()):
        assert requested(cv) is UNUSED
        assert requested(cv, drop_test_groups=True) is True
    assert requested(renamed, drop_test_groups=True) == "patients"


def test_set_split_request_overrules_the_splitter(few_digits):
    X, y = few_digits
    groups = np.arange(len(y)) % 4
    with sklearn.config_context(enable_metadata_routing=True):
        own = LabeledFold(OwnSplitter()).set_split_request(groups=True)
        assert own.get_metadata_routing().split.requests == {"groups": True}
        scores = cross_validate(
            LearnsNothing(), X, y, cv=own, params={"groups": groups}, scoring=lambda *_: 1
        )
        assert len(scores["test_score"]) == 4
        renamed = LabeledFold(GroupKFold(4)).set_split_request(groups="patients")
        search = GridSearchCV(LearnsNothing(), {"alpha": [0]}, cv=renamed)
        assert search.fit(X, y, patients=groups).best_score_ == 0.5
        with pytest.raises(TypeError, match="not routed"):
            search.fit(X, y, groups=groups)
        with pytest.raises(TypeError, match="not routed"):
            cross_validate(LearnsNothing(), X, y, cv=LabeledFold(5), params={"groups": groups})


@given(st.integers(0, 2**32 - 1), st.sampled_from([GroupKFold(3), StratifiedGroupKFold(3)]))
def test_a_parameter_keeps_unlabelled_rows_of_test_groups_out(seed, cv):
    rng = np.random.default_rng(seed)
    y, groups = rng.integers(-1, 2, 60), rng.integers(0, 6, 60)
    y[:12], groups[:12] = np.arange(12) % 2, np.arange(12) // 2  # each group has both classes
    X = np.zeros((60, 1))
    kept = LabeledFold(cv, unlabeled=-1).split(X, y, groups)
    dropped = LabeledFold(cv, unlabeled=-1, drop_test_groups=True).split(X, y, groups)
    for (all_rows, test), (train, same_test) in zip(kept, dropped, strict=True):
        np.testing.assert_array_equal(test, same_test)
        np.testing.assert_array_equal(train, all_rows[~np.isin(groups[all_rows], groups[test])])
        assert set(np.flatnonzero(y == -1)) <= set(all_rows)


@pytest.mark.parametrize(
    "groups",
    [
        ["a", "b", "a", "b", "a", "b", None, "c"],
        pd.Series(["a", "b", "a", "b", "a", "b", None, "c"]),
        np.array([1, 2, 1, 2, 1, 2, np.nan, 3]),
        [(1, "x"), (2, "x"), (1, "x"), (2, "x"), (1, "x"), (2, "x"), None, (1, "y")],
        np.ma.array([1, 2, 1, 2, 1, 2, 1, 3], mask=np.arange(8) == 6),
    ],
)
def test_unlabelled_rows_of_no_known_group_stay(groups):
    y = [0, 1, 1, 0, -1, -1, -1, -1]
    cv = LeaveOneGroupOut() if not isinstance(groups[0], tuple) else ByEquality()
    folds = LabeledFold(cv, unlabeled=-1, drop_test_groups=True)
    found = [[*map(list, parts)] for parts in folds.split(np.zeros((8, 1)), y, groups)]
    assert found == [[[1, 3, 5, 6, 7], [0, 2]], [[0, 2, 4, 6, 7], [1, 3]]]


@pytest.mark.parametrize("drop", [False, True])
def test_a_labelled_row_whose_group_is_masked_is_refused(drop):
    groups = np.ma.array([1, 2, 1, 2, 1, 2], mask=[False, True, *[False] * 4])
    folds = LabeledFold(LeaveOneGroupOut(), unlabeled=-1, drop_test_groups=drop)
    X, y = np.zeros((6, 1)), [0, 1, 1, 0, -1, -1]
    with pytest.raises(ValueError, match=r"groups is masked in 1 labelled .* groups\.data"):
        next(folds.split(X, y, groups))
    with pytest.raises(ValueError, match="groups is masked in 1 labelled"):
        folds.get_n_splits(X, y, groups)


class ByEquality(OwnSplitter):
    """Takes groups of any type."""

    def split(self, X, y, groups=None):
        numbers = [sorted(set(groups)).index(group) for group in groups]
        yield from super().split(X, y, numbers)


@pytest.mark.parametrize("routing", [False, True])
def test_dropping_test_groups_without_groups_is_refused(few_digits, routing):
    folds = LabeledFold(drop_test_groups=True)
    with (
        sklearn.config_context(enable_metadata_routing=routing),
        pytest.raises(ValueError, match="drop_test_groups=True needs groups"),
    ):
        cross_val_score(WNLLClassifier(), *few_digits, cv=folds, params={})


def test_dropping_test_groups_needs_a_splitter_that_keeps_them_together():
    y, groups = [0, 0, 1, 1, -1], [1, 2, 1, 2, 1]
    folds = LabeledFold(ShuffleSplit(1, test_size=1, random_state=0), drop_test_groups=True)
    with (
        pytest.warns(UserWarning, match="groups parameter is ignored"),
        pytest.raises(ValueError, match="leaves labelled rows of the test groups in the training"),
    ):
        next(folds.split(np.zeros((5, 1)), y, groups))


@pytest.mark.parametrize("cv", [LeaveOneOut(), LeaveOneGroupOut()])
def test_the_number_of_folds_is_that_of_labelled_rows_and_their_groups(cv):
    X, y, groups = np.zeros((5, 1)), [0, -1, 1, -1, -1], [0, 1, 2, 3, 4]
    assert LabeledFold(cv, unlabeled=-1).get_n_splits(X, y, groups) == 2
    for args in ((X, None, None), (None, None, groups), (X, None, groups)):
        with pytest.raises(ValueError, match="LabeledFold needs y"):
            LabeledFold(cv).get_n_splits(*args)
