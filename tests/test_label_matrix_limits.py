"""Several labels of each row: hostile inputs, gaps in templates, other readers of ``y``."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification

from sklearn_wnll import WNLLClassifier, WNLLRegressor


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


@pytest.mark.parametrize("params", [{"held_out": 3}, {"calibrate": True}])
def test_a_label_known_of_one_row_cannot_be_held_out(rows, params):
    X, Y = rows
    Y = np.where(np.arange(200)[:, None] < 50, Y, -1)
    Y[1:, 1] = -1
    with pytest.raises(ValueError, match="Column 1 of y is known for only one distinct row"):
        WNLLClassifier(**params).fit(X, Y)


def test_a_classifier_of_one_label_scores_one_label(rows):
    X, Y = rows
    model = WNLLClassifier().fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="y has several columns, but one label per row was fitted"):
        model.score(X, Y)
