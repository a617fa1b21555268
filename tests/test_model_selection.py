"""Cross-validation of partly labelled data."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    HalvingGridSearchCV,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.utils.metadata_routing import UNUSED

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.model_selection import LabeledFold


@pytest.fixture(scope="module")
def digits():
    """600 digits, of which 10 of each class have a label."""
    X, y = load_digits(return_X_y=True)
    return X[:600], hide_labels(y[:600], 10, random_state=0)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 4))
def test_folds_part_the_labelled_rows_and_keep_the_others(seed, n_folds, n_classes):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(-1, n_classes), rng.integers(n_folds, 12, n_classes + 1))
    y = rng.permutation(y)
    folds = LabeledFold(n_folds, unlabeled=-1)
    splits = list(folds.split(np.zeros((len(y), 1)), y))
    assert len(splits) == n_folds == folds.get_n_splits()
    tested = np.concatenate([test for _, test in splits])
    np.testing.assert_array_equal(np.sort(tested), np.flatnonzero(y >= 0))
    for train, test in splits:
        np.testing.assert_array_equal(np.sort(np.append(train, test)), np.arange(len(y)))
        assert set(y[train]) == set(y)
        assert (np.diff(train) > 0).all()


@pytest.mark.parametrize(
    ("y", "unlabeled"),
    [
        (["a", None, "b", "a", None, "b"], "auto"),
        (np.array(["a", "-1", "b", "a", "-1", "b"]), "auto"),
        ([1.0, np.nan, 2.0, 1.0, np.nan, 2.0], "auto"),
        ([5, 9, 6, 5, 9, 6], 9),
        (pd.Series(["a", None, "b", "a", None, "b"]), "auto"),
        (pd.Series(["a", None, "b", "a", None, "b"], dtype="category"), "auto"),
    ],
)
def test_any_marker_will_do(y, unlabeled):
    for train, test in LabeledFold(2, unlabeled=unlabeled).split(np.zeros((6, 1)), y):
        assert {1, 4} <= set(train.tolist())
        assert not {1, 4} & set(test.tolist())


class NotesItsTest(ClassifierMixin, BaseEstimator):
    """Notes what it is fitted with and scored on."""

    seen: list = []  # noqa: RUF012

    def __init__(self, alpha=0):
        self.alpha = alpha

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seen.append(np.count_nonzero(np.asarray(y) == -1))
        return self

    def score(self, X, y):
        assert (np.asarray(y) != -1).all()
        return 0.5


def search_around_a_pipeline(model, X, y, cv):
    grid = {"notesitstest__alpha": [0, 1]}
    GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=cv).fit(X, y)


@pytest.mark.parametrize("run", [cross_val_score, cross_validate, search_around_a_pipeline])
def test_functions_of_scikit_learn_test_on_labelled_rows(digits, run):
    NotesItsTest.seen.clear()
    run(NotesItsTest(), *digits, cv=LabeledFold(3))
    assert len(NotesItsTest.seen) == (7 if run is search_around_a_pipeline else 3)
    assert set(NotesItsTest.seen) == {500}


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
def test_learning_curves_rise_with_the_rows(digits):
    _, _, scores = learning_curve(
        WNLLClassifier(), *digits, cv=LabeledFold(3), train_sizes=[0.2, 1.0], shuffle=True,
        random_state=0,
    )  # fmt: skip
    few, all_rows = scores.mean(axis=1)
    assert few < all_rows
    assert all_rows > 0.85


@pytest.mark.parametrize(
    "search",
    [
        lambda model, grid: GridSearchCV(model, grid, cv=LabeledFold(3)),
        lambda model, grid: RandomizedSearchCV(model, grid, n_iter=2, cv=LabeledFold(3)),
        lambda model, grid: HalvingGridSearchCV(
            model, grid, cv=LabeledFold(3), min_resources=500, random_state=0
        ),
    ],
)
def test_searches_work_around_a_pipeline(digits, search):
    grid = {"wnllclassifier__n_neighbors": [8, 15]}
    pipeline = make_pipeline(StandardScaler(with_std=False), WNLLClassifier())
    found = search(pipeline, grid).fit(*digits)
    assert found.best_score_ > 0.85


def short_training():
    """A network that trains for a second."""
    for name in ("torch", "skorch"):
        pytest.importorskip(name, reason="needs the extra [deep]")
    from sklearn_wnll.deep import DeepWNLLClassifier

    model = DeepWNLLClassifier(random_state=0)
    return model.set_params(linear_step__epochs=20, pseudo_step__epochs=3, wnll_step__epochs=1)


@pytest.mark.parametrize(
    "estimator",
    [
        WNLLClassifier(),
        LabelSpreading(kernel="knn"),
        SelfTrainingClassifier(LogisticRegression(max_iter=500)),
        "network",
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_that_take_unlabelled_rows_are_scored_well(digits, estimator):
    if estimator == "network":
        estimator = short_training()
    scores = cross_val_score(estimator, digits[0] / 16, digits[1], cv=LabeledFold(2))
    assert scores.mean() > 0.7
    # A scorer that does not know of unlabelled rows agrees: it sees none.
    again = cross_val_score(
        estimator, digits[0] / 16, digits[1], cv=LabeledFold(2), scoring="accuracy"
    )
    np.testing.assert_allclose(again, scores)


def test_plain_folds_score_the_marker_as_a_class(digits):
    # What LabeledFold is for: LabelSpreading never predicts the marker.
    plain = cross_val_score(LabelSpreading(kernel="knn"), *digits, cv=3)
    cured = cross_val_score(LabelSpreading(kernel="knn"), *digits, cv=LabeledFold(3))
    assert plain.mean() < 0.2 < 0.7 < cured.mean()


def test_groups_are_passed_on(digits):
    X, y = digits
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


def test_any_splitter_is_wrapped(digits):
    X, y = digits
    folds = LabeledFold(StratifiedShuffleSplit(4, test_size=0.3, random_state=0))
    assert folds.get_n_splits(X, y) == folds.get_n_splits() == 4
    assert [len(test) for _, test in folds.split(X, y)] == [30] * 4
    assert repr(LabeledFold(3)) == "LabeledFold(cv=3, drop_test_groups=False, unlabeled='auto')"


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
    digits, cv, kind, routing
):
    X, y = digits
    groups = np.arange(len(y)) % 4
    given = {"groups": kind(groups)}
    # Its score is the number of groups whose labels it was not shown.
    model = ScoresGroups()
    X = np.column_stack([X, groups])
    with sklearn.config_context(enable_metadata_routing=routing):
        passed = {"params": given} if routing else given
        found = cross_validate(model, X, y, cv=LabeledFold(cv), **passed)
        search = GridSearchCV(model, {"alpha": [0]}, cv=LabeledFold(cv)).fit(X, y, **given)
    expected = [len(set(groups[test])) for _, test in LabeledFold(cv).split(X, y, groups)]
    np.testing.assert_array_equal(found["test_score"], expected)
    assert search.best_score_ == np.mean(expected)


class ScoresGroups(NotesItsTest):
    """Scores the test part by its groups (the last column), none of whose labels it has seen."""

    def fit(self, X, y):
        self.classes_, self.groups_ = np.unique(y), set(X[np.asarray(y) != -1, -1])
        return self

    def score(self, X, y):
        assert not self.groups_ & set(X[:, -1])
        return len(set(X[:, -1]))


def test_groups_are_routed_through_a_search_in_a_cross_validation(digits):
    X, y = digits
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
    """A splitter that is not derived from scikit-learn's, which says nothing of its requests."""

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


def test_set_split_request_overrules_the_splitter(digits):
    X, y = digits
    groups = np.arange(len(y)) % 4
    with sklearn.config_context(enable_metadata_routing=True):
        own = LabeledFold(OwnSplitter()).set_split_request(groups=True)
        assert own.get_metadata_routing().split.requests == {"groups": True}
        scores = cross_validate(
            NotesItsTest(), X, y, cv=own, params={"groups": groups}, scoring=lambda *_: 1
        )
        assert len(scores["test_score"]) == 4
        renamed = LabeledFold(GroupKFold(4)).set_split_request(groups="patients")
        search = GridSearchCV(NotesItsTest(), {"alpha": [0]}, cv=renamed)
        assert search.fit(X, y, patients=groups).best_score_ == 0.5
        with pytest.raises(TypeError, match="not routed"):
            search.fit(X, y, groups=groups)
        with pytest.raises(TypeError, match="not routed"):
            cross_validate(NotesItsTest(), X, y, cv=LabeledFold(5), params={"groups": groups})


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
    ],
)
def test_unlabelled_rows_of_no_known_group_stay(groups):
    y = [0, 1, 1, 0, -1, -1, -1, -1]
    cv = LeaveOneGroupOut() if not isinstance(groups[0], tuple) else ByEquality()
    folds = LabeledFold(cv, unlabeled=-1, drop_test_groups=True)
    found = [[*map(list, parts)] for parts in folds.split(np.zeros((8, 1)), y, groups)]
    assert found == [[[1, 3, 5, 6, 7], [0, 2]], [[0, 2, 4, 6, 7], [1, 3]]]


class ByEquality(OwnSplitter):
    """Takes groups of any type."""

    def split(self, X, y, groups=None):
        numbers = [sorted(set(groups)).index(group) for group in groups]
        yield from super().split(X, y, numbers)


@pytest.mark.parametrize("routing", [False, True])
def test_dropping_test_groups_without_groups_is_refused(digits, routing):
    folds = LabeledFold(drop_test_groups=True)
    with (
        sklearn.config_context(enable_metadata_routing=routing),
        pytest.raises(ValueError, match="drop_test_groups=True needs groups"),
    ):
        cross_val_score(WNLLClassifier(), *digits, cv=folds)


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


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize(
    "run",
    [
        cross_val_score,
        cross_validate,
        search_around_a_pipeline,
        lambda *args, cv: cv.get_n_splits(),
    ],
)
def test_the_class_in_place_of_an_instance_is_refused_with_the_cure(digits, run, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        with pytest.raises(TypeError, match=r"Pass an instance: cv=LabeledFold\(\)"):
            run(NotesItsTest(), *digits, cv=LabeledFold)
        with pytest.raises(TypeError, match=r"must be a number of folds or a splitter.*GroupKFold"):
            run(NotesItsTest(), *digits, cv=LabeledFold(GroupKFold))


@pytest.mark.parametrize("cv", [3, StratifiedKFold(3, shuffle=True, random_state=0)])
def test_the_folds_are_the_same_whatever_the_labels_are_called(cv):
    codes = np.random.default_rng(0).permutation(np.repeat([-1, 0, 1, 2], 9))
    expected = list(LabeledFold(cv).split(np.zeros((36, 1)), codes))
    for names in (["a", "b", "c"], [20, 30, 70], [0.0, 1.0, 2.0]):
        y = pd.Series([None if code < 0 else names[code] for code in codes], dtype=object)
        found = LabeledFold(cv).split(np.zeros((36, 1)), y)
        for parts, same in zip(expected, found, strict=True):
            np.testing.assert_array_equal(parts[0], same[0])
            np.testing.assert_array_equal(parts[1], same[1])


@pytest.mark.parametrize("cv", ["5", None, 2.5, [([0], [1])], WNLLClassifier()])
def test_what_is_no_splitter_is_refused(digits, cv):
    with pytest.raises(
        TypeError, match="cv of LabeledFold must be a number of folds or a splitter"
    ):
        next(LabeledFold(cv).split(*digits))


@pytest.mark.parametrize(
    ("cv", "y", "message"),
    [
        (3, [0, 0, 0, 1, 1, -1], r"cv=3 folds, but of class 1 only 2 rows are labelled. Lower"),
        (2, [0, 0, 1, -1], r"cv=2 folds, but of class 1 only 1 rows are labelled. Label at least"),
        (KFold(2), [0, 0, 1, 1, -1], r"training part holds no labelled row of class .*0"),
        (ShuffleSplit(1, test_size=3, random_state=0), [0, 1, 2, 0, -1], "Pass a stratified"),
        (2, None, "LabeledFold needs y"),
        (1, [0, 0, 1, 1, -1], "at least 2 folds, got 1"),
        (2, [-1, -1], "Every row of y is unlabelled"),
    ],
)
def test_what_cannot_be_split_is_said_with_the_cure(cv, y, message):
    X = np.zeros((2 if y is None else len(y), 1))
    with pytest.raises(ValueError, match=message):
        list(LabeledFold(cv, unlabeled=-1).split(X, y))
