"""Cross-validation of partly labelled data."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.model_selection import LabeledFold


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
    """Records the data of its fits and scores."""

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
def test_functions_of_scikit_learn_test_on_labelled_rows(few_digits, run):
    NotesItsTest.seen.clear()
    run(NotesItsTest(), *few_digits, cv=LabeledFold(3))
    assert len(NotesItsTest.seen) == (7 if run is search_around_a_pipeline else 3)
    assert set(NotesItsTest.seen) == {500}


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
def test_learning_curves_rise_with_the_rows(few_digits):
    _, _, scores = learning_curve(
        WNLLClassifier(), *few_digits, cv=LabeledFold(3), train_sizes=[0.2, 1.0], shuffle=True,
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
def test_searches_work_around_a_pipeline(few_digits, search):
    grid = {"wnllclassifier__n_neighbors": [8, 15]}
    pipeline = make_pipeline(StandardScaler(with_std=False), WNLLClassifier())
    found = search(pipeline, grid).fit(*few_digits)
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
def test_estimators_that_take_unlabelled_rows_are_scored_well(few_digits, estimator):
    if estimator == "network":
        estimator = short_training()
    scores = cross_val_score(estimator, few_digits[0] / 16, few_digits[1], cv=LabeledFold(2))
    assert scores.mean() > 0.7
    # A scorer that does not know about unlabelled rows agrees, because it sees none.
    again = cross_val_score(
        estimator, few_digits[0] / 16, few_digits[1], cv=LabeledFold(2), scoring="accuracy"
    )
    np.testing.assert_allclose(again, scores)


def test_plain_folds_score_the_marker_as_a_class(few_digits):
    # The purpose of LabeledFold: LabelSpreading never predicts the marker.
    plain = cross_val_score(LabelSpreading(kernel="knn"), *few_digits, cv=3)
    cured = cross_val_score(LabelSpreading(kernel="knn"), *few_digits, cv=LabeledFold(3))
    assert plain.mean() < 0.2 < 0.7 < cured.mean()


def test_any_splitter_is_wrapped(few_digits):
    X, y = few_digits
    folds = LabeledFold(StratifiedShuffleSplit(4, test_size=0.3, random_state=0))
    assert folds.get_n_splits(X, y) == folds.get_n_splits() == 4
    assert [len(test) for _, test in folds.split(X, y)] == [30] * 4
    assert repr(LabeledFold(3)).startswith("LabeledFold(cv=3, drop_test_groups=False, target=")


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
def test_the_class_in_place_of_an_instance_is_refused_with_the_cure(few_digits, run, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        with pytest.raises(TypeError, match=r"Pass an instance: cv=LabeledFold\(\)"):
            run(NotesItsTest(), *few_digits, cv=LabeledFold)
        with pytest.raises(TypeError, match=r"must be a number of folds or a splitter.*GroupKFold"):
            run(NotesItsTest(), *few_digits, cv=LabeledFold(GroupKFold))


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
def test_what_is_no_splitter_is_refused(few_digits, cv):
    with pytest.raises(
        TypeError, match="cv of LabeledFold must be a number of folds or a splitter"
    ):
        next(LabeledFold(cv).split(*few_digits))


@pytest.mark.parametrize(
    ("cv", "y", "message"),
    [
        (3, [0, 0, 0, 1, 1, -1], r"cv=3 folds, but labelled rows of class 1: 2. Lower"),
        (2, [0, 0, 1, -1], r"cv=2 folds, but labelled rows of class 1: 1. Label at least"),
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
