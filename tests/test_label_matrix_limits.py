"""Several labels of each row: hostile inputs, gaps in templates, other readers of ``y``."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import make_multilabel_classification

from sklearn_wnll import WNLLClassifier, WNLLRegressor
from sklearn_wnll.compose import WithUnlabeled
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import AmbiguousLabelsWarning, FewLabelsWarning


@pytest.fixture(scope="module")
def rows():
    """Rows with three labels."""
    return make_multilabel_classification(200, n_classes=3, random_state=0)


@pytest.mark.parametrize("model", [WNLLClassifier, WNLLRegressor])
def test_a_template_without_a_label_of_some_column_predicts_new_rows_quietly(rows, model):
    X, Y = rows
    Y = Y.astype(float)
    Y[3:, 2], Y[:3, 2] = np.nan, [1, 0, 1]
    fitted = model(template_size=60, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        fitted.fit(X, Y)
        assert not fitted.reached_[:, 2].all()
        assert np.isfinite(fitted.predict(X + 0.1)).all()


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
@pytest.mark.parametrize("params", [{"held_out": 3}, {"calibrate": True}])
def test_a_label_known_of_one_row_cannot_be_held_out(rows, params):
    X, Y = rows
    Y = np.where(np.arange(200)[:, None] < 50, Y, -1)
    Y[1:, 1] = -1
    with pytest.raises(ValueError, match="Column 1 of y is known for only one distinct row"):
        WNLLClassifier(**params).fit(X, Y)


SETS = [["a", "b"], ["c"], []], [["c"], ["a", "b"], []], [["a", "b"], ["c", "d"], ["a", "c"]]


@pytest.mark.parametrize(
    "y", [*SETS, pd.Series(SETS[0]), [{"a", "b"}, {"c"}, set()], [[0, 1], [1], [0, 0]]]
)
def test_lists_of_labels_are_refused_with_the_cure(y):
    with pytest.raises(ValueError, match=r"MultiLabelBinarizer\(\).fit_transform\(y\)"):
        WNLLClassifier().fit([[0.0], [1.0], [2.0]], y)


def test_messages_show_the_wrong_cell_and_how_to_pass_rows_of_0_and_1():
    X = [[0.0], [1.0]]
    with pytest.raises(ValueError, match=r"y\[0, 1\] is 0.99999999\."):
        WNLLClassifier().fit(X, [[0, 0.99999999], [1, 0]])
    with pytest.raises(ValueError, match="several labels per row, pass lists"):
        WNLLClassifier().fit(X, [(0, 1), (1, 0)])


def test_a_classifier_of_one_label_scores_one_label(rows):
    X, Y = rows
    model = WNLLClassifier().fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="y has several columns, but one label per row was fitted"):
        model.score(X, Y)


def test_sparse_labels_are_hidden_and_pooled(rows):
    X, Y = rows
    found = hide_labels(sparse.csr_array(Y), n_rows=20, random_state=0)
    np.testing.assert_array_equal(found, hide_labels(Y, n_rows=20, random_state=0))
    pooled = WithUnlabeled(WNLLClassifier(), X[60:])
    expected = pooled.fit(X[:60], Y[:60]).predict_proba(X + 0.1)
    found = pooled.fit(X[:60], sparse.csr_array(Y[:60])).predict_proba(X + 0.1)
    np.testing.assert_array_equal(found, expected)


def test_missing_values_and_minus_one_cannot_both_mark_labels(rows):
    X, Y = rows
    mixed = np.where(np.arange(200)[:, None] < 60, Y, -1).astype(float)
    mixed[100:] = np.nan
    for y in (mixed, pd.DataFrame(mixed)):
        with pytest.raises(ValueError, match="both missing values and -1"):
            WNLLClassifier().fit(X, y)
    masked = np.ma.masked_invalid(mixed)  # a mask always marks
    expected = WNLLClassifier().fit(X, masked.filled(-1)).transduction_
    np.testing.assert_array_equal(WNLLClassifier().fit(X, masked).transduction_, expected)


def test_a_label_without_contrast_and_one_hot_classes_are_doubtful():
    X = np.arange(40.0).reshape(-1, 1)
    y = np.column_stack([np.arange(40) % 2, np.ones(40), np.zeros(40)])
    with pytest.warns(FewLabelsWarning, match=r"\[2\] hold only 0 and \[1\] hold only 1"):
        WNLLClassifier().fit(X, y)
    with pytest.warns(AmbiguousLabelsWarning, match="exactly one 1"):
        WNLLClassifier().fit(X, np.eye(4)[np.arange(40) % 4])


def test_integers_that_are_mostly_minus_one_are_doubtful_numbers():
    X, y = np.arange(20.0).reshape(-1, 1), np.where(np.arange(20) < 4, 3, -1)
    with pytest.warns(AmbiguousLabelsWarning, match="unlabeled=None"):
        WNLLRegressor().fit(X, y)
