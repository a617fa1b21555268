"""Cross-validation of rows with several labels, some of them missing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._balanced_folds import balance_classes
from sklearn_wnll.model_selection import LabeledFold

SEVERAL = MultiOutputClassifier(WNLLClassifier(8))


def labels_with_gaps(seed, n_rows, n_labels):
    """Rows of 0, 1 and -1; some have all labels, and each label is 0 and 1 in some."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (n_rows, n_labels))
    y[rng.random(y.shape) < 0.3] = -1
    y[:4] = [[0], [1], [0], [1]]
    return rng.permutation(y)


@pytest.fixture(scope="module")
def regions():
    """Points of a square, in which of two regions they are, and half of the labels."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(400, 2))
    truth = np.column_stack([X.sum(axis=1) > 1, X[:, 0] > 0.6]).astype(int)
    return X, truth, np.where(rng.random(truth.shape) < 0.4, truth, -1)


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(8, 40), st.integers(2, 5))
def test_each_row_with_all_labels_is_tested_once_and_all_others_train(seed, cv, n_rows, n_labels):
    y = labels_with_gaps(seed, n_rows, n_labels)
    splits = list(LabeledFold(cv).split(np.zeros((n_rows, 1)), y))
    tested = np.concatenate([test for _, test in splits])
    np.testing.assert_array_equal(np.sort(tested), np.flatnonzero((y >= 0).all(axis=1)))
    for train, test in splits:
        assert len(test)
        np.testing.assert_array_equal(np.sort(np.append(train, test)), np.arange(n_rows))


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 6))
def test_no_fold_is_empty_and_a_label_on_as_many_rows_as_folds_is_in_each(seed, n_folds, n_labels):
    rng = np.random.default_rng(seed)
    codes = (rng.random((rng.integers(n_folds, 60), n_labels)) < 0.3).astype(int)
    fold = balance_classes(codes, n_folds)
    assert np.bincount(fold, minlength=n_folds).all()
    rarest = codes[:, codes.sum(axis=0).argmin()]
    if n_folds <= rarest.sum() <= len(codes) / 2 and n_labels == 1:
        assert np.bincount(fold[rarest == 1], minlength=n_folds).all()


def test_labels_are_spread_more_evenly_than_by_plain_folds():
    spread = {"plain": [], "balanced": []}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y = (rng.random((60, 8)) < rng.uniform(0.05, 0.5, 8)).astype(int)
        for name, cv in (("plain", KFold(5)), ("balanced", LabeledFold(5))):
            held = [y[test].sum(axis=0) for _, test in cv.split(y, y)]
            spread[name].append(np.std(held, axis=0).mean())
    assert np.mean(spread["balanced"]) < 0.6 * np.mean(spread["plain"])


@pytest.mark.parametrize(
    "scoring",
    ["f1_macro", "f1_samples", "accuracy", "jaccard_macro", "average_precision", "roc_auc"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_scorers_of_several_labels_work(regions, scoring):
    X, _, few = regions
    scores = cross_val_score(
        SEVERAL, X, few, cv=LabeledFold(4), scoring=scoring, error_score="raise"
    )
    assert scores.mean() > (0.3 if scoring == "f1_samples" else 0.7)


def test_searches_and_several_scorers_work(regions):
    X, truth, few = regions
    scores = cross_validate(SEVERAL, X, few, cv=LabeledFold(4), scoring=["f1_macro", "accuracy"])
    hidden = (few < 0).all(axis=1)
    accuracy = (SEVERAL.fit(X, few).predict(X[hidden]) == truth[hidden]).all(axis=1).mean()
    assert abs(scores["test_accuracy"].mean() - accuracy) < 0.1
    grid = {"estimator__n_neighbors": [8, 200]}
    search = GridSearchCV(SEVERAL, grid, cv=LabeledFold(3), scoring="f1_macro").fit(X, few)
    assert search.best_params_ == {"estimator__n_neighbors": 8}


LABELS = np.array([[0, 1], [1, -1], [1, 0], [-1, 1], [1, 1], [0, 0], [0, 1], [1, 0]])
MISSING = np.where(LABELS < 0, np.nan, LABELS)


@pytest.mark.parametrize(
    ("y", "params"),
    [
        (LABELS.tolist(), {}),
        (MISSING, {}),
        ([[None if v < 0 else int(v) for v in row] for row in LABELS], {}),
        ([[None if v < 0 else ["no", "yes"][v] for v in row] for row in LABELS], {}),
        (pd.DataFrame(LABELS, columns=["sea", "ship"]), {}),
        (pd.DataFrame(MISSING, columns=["sea", "ship"]).astype("Int64"), {}),
        (np.where(LABELS < 0, None, LABELS.astype(bool)), {}),
        (np.ma.array(LABELS, mask=LABELS < 0), {}),
        (np.where(LABELS < 0, 9, LABELS), {"unlabeled": 9}),
        (np.where(LABELS < 0, -1, LABELS + 3), {"target": "classes"}),
    ],
)
def test_several_labels_of_any_container_are_recognized(y, params):
    X = np.zeros((8, 1))
    pairs = zip(LabeledFold(2, **params).split(X, y), LabeledFold(2).split(X, LABELS), strict=True)
    for found, expected in pairs:
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_tensors_and_tuples_are_read_as_rows_of_labels():
    torch = pytest.importorskip("torch", reason="needs the extra [deep]")
    expected = [test.tolist() for _, test in LabeledFold(2).split(LABELS, LABELS)]
    for y in (torch.tensor(LABELS), [tuple(row) for row in LABELS.tolist()]):
        assert [test.tolist() for _, test in LabeledFold(2).split(LABELS, y)] == expected


class Notes:
    """A splitter that notes the labels it gets."""

    def split(self, X, y, groups=None):
        self.seen = y
        return KFold(2).split(X)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


def test_a_splitter_gets_the_labels_of_rows_with_all_of_them():
    y, splitter = np.array([[1, 1], [1, 0], [1, -1]]), Notes()
    list(LabeledFold(splitter).split(np.zeros((3, 1)), y))
    np.testing.assert_array_equal(splitter.seen, [[1, 1], [1, 0]])


def test_rows_with_some_labels_of_a_tested_group_do_not_train():
    y = np.array([[0, 1], [1, 0], [0, -1], [-1, 1], [-1, -1], [1, 1]])
    groups = [1, 2, 1, 2, 1, 3]
    splits = list(LabeledFold(GroupKFold(3)).split(np.zeros((6, 1)), y, groups))
    assert {tuple(test): set(train) for train, test in splits} == {
        (0,): {1, 3, 4, 5},
        (1,): {0, 2, 4, 5},
        (5,): {0, 1, 2, 3, 4},
    }
    masked = np.ma.array(groups, mask=[0, 0, 1, 0, 1, 0])
    with pytest.raises(ValueError, match="groups is masked in 1 labelled"):
        list(LabeledFold(GroupKFold(3)).split(np.zeros((6, 1)), y, masked))


@pytest.mark.parametrize(
    ("folds", "y", "message"),
    [
        (LabeledFold(2), [[0, -1], [-1, 1]], r"No row of y has the labels of all targets.*y\[:, 0"),
        (LabeledFold(3), [[0, 1], [1, 0], [-1, 1]], "cv=3 folds, but .* labels: 2. Lower cv to 2"),
        (LabeledFold(2), [[-1, 1], [1, 1], [1, -1]], "nothing but -1 and 1.*unlabeled=-1"),
        (LabeledFold(2), [[0, 1], [1, -1], [0, np.nan]], "both missing values and -1"),
        (LabeledFold(2), [[0, -1], [1, -1]], "Column 1 of y: Every row of y is unlabelled"),
        (LabeledFold(StratifiedKFold(2)), [[0, 1], [1, 1], [1, -1]], "multilabel-indicator"),
    ],
)
def test_what_cannot_be_split_is_said_with_the_cure(folds, y, message):
    with pytest.raises(ValueError, match=message):
        list(folds.split(np.zeros((len(y), 1)), y))
