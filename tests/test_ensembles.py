"""scikit-learn's meta-estimators take the marker for a class; a pool avoids that."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.compose import WithUnlabeled
from sklearn_wnll.exceptions import AmbiguousLabelsWarning
from sklearn_wnll.model_selection import LabeledFold

from .pool import FEW, HIDDEN, LABELED, X, Y, with_bayes

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]


def search(kind, model, **kwargs):
    """A search for the number of neighbours, inside a wrapper too."""
    name = next(n for n in model.get_params() if n.rpartition("__")[2] == "n_neighbors")
    return kind(model, {name: [8, 15]}, **kwargs)


# How each is made around a model. Those of the first kind are fitted with all rows and markers ...
AS_IT_IS = {
    "Pipeline": lambda m: make_pipeline(StandardScaler(with_std=False), m),
    "GridSearchCV": lambda m: search(GridSearchCV, m, cv=LabeledFold(3)),
    "RandomizedSearchCV": lambda m: search(RandomizedSearchCV, m, n_iter=2, cv=LabeledFold(3)),
    "HalvingGridSearchCV": lambda m: search(
        HalvingGridSearchCV, m, cv=LabeledFold(3), min_resources=200, random_state=0
    ),
    "FrozenEstimator": lambda m: FrozenEstimator(m.fit(X, FEW)),
    "SelfTrainingClassifier": SelfTrainingClassifier,
}
OF_SEVERAL_TARGETS = {
    "MultiOutputClassifier": MultiOutputClassifier,
    "ClassifierChain": ClassifierChain,
}
# ... of the second with labelled rows, around a wrapped model ...
WITH_A_POOL = {
    "VotingClassifier": lambda m: VotingClassifier(with_bayes(m), weights=[2, 1]),
    "StackingClassifier": lambda m: StackingClassifier(with_bayes(m), cv=3),
    "BaggingClassifier": lambda m: BaggingClassifier(m, 5, random_state=0),
    "OneVsRestClassifier": OneVsRestClassifier,
    "OneVsOneClassifier": OneVsOneClassifier,
    "OutputCodeClassifier": lambda m: OutputCodeClassifier(m, code_size=3, random_state=0),
    "CalibratedClassifierCV": lambda m: CalibratedClassifierCV(m, cv=3),
}
OF_TWO_CLASSES = {
    "TunedThresholdClassifierCV": lambda m: TunedThresholdClassifierCV(m, cv=3),
    "FixedThresholdClassifier": FixedThresholdClassifier,
}
# ... and of the last not at all.
NOT = {
    "AdaBoostClassifier": AdaBoostClassifier,
    "RFECV": lambda m: RFECV(m, cv=LabeledFold(3)),
}


@pytest.mark.parametrize("make", AS_IT_IS.values(), ids=AS_IT_IS)
def test_these_pass_the_marker_on(make):
    model = make(WNLLClassifier()).fit(X, FEW)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2, 3])
    assert np.mean(model.predict(X[HIDDEN]) == Y[HIDDEN]) > 0.9


@pytest.mark.parametrize("make", OF_SEVERAL_TARGETS.values(), ids=OF_SEVERAL_TARGETS)
def test_these_pass_the_markers_of_each_target_on(make):
    even = np.where(np.random.default_rng(0).random(len(Y)) < 0.8, -1, Y % 2)
    model = make(WNLLClassifier()).fit(X, np.column_stack([FEW, even]))
    predicted = model.predict(X[HIDDEN])
    assert np.mean(predicted == np.column_stack([Y, Y % 2])[HIDDEN]) > 0.9


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning")
def test_a_selector_of_features_passes_the_marker_on():
    selector = SequentialFeatureSelector(
        WNLLClassifier(), n_features_to_select=1, cv=LabeledFold(3)
    )
    columns = np.column_stack([np.random.default_rng(0).normal(size=len(Y)), 10 * Y, X[:, 0]])
    np.testing.assert_array_equal(selector.fit(columns, FEW).get_support(), [False, True, False])


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning")
@pytest.mark.parametrize("make", WITH_A_POOL.values(), ids=WITH_A_POOL)
def test_these_take_the_marker_for_a_class(make):
    # This is the purpose of the pool.
    assert -1 in make(WNLLClassifier()).fit(X, FEW).classes_


@pytest.mark.parametrize("name", ["VotingClassifier", "StackingClassifier", "BaggingClassifier"])
def test_a_member_that_sees_the_marker_as_a_class_warns(name):
    with pytest.warns(AmbiguousLabelsWarning, match="which an encoder has made a class"):
        WITH_A_POOL[name](WNLLClassifier()).fit(X, FEW)


@pytest.mark.parametrize("pool", [X[HIDDEN], X], ids=["hidden rows", "all rows"])
@pytest.mark.parametrize("make", WITH_A_POOL.values(), ids=WITH_A_POOL)
def test_with_a_pool_these_are_right(make, pool):
    model = make(WithUnlabeled(WNLLClassifier(), pool)).fit(X[LABELED], Y[LABELED])
    np.testing.assert_array_equal(model.classes_, [0, 1, 2, 3])
    assert np.mean(model.predict(X[HIDDEN]) == Y[HIDDEN]) > 0.9


@pytest.mark.parametrize("make", OF_TWO_CLASSES.values(), ids=OF_TWO_CLASSES)
def test_with_a_pool_these_of_two_classes_are_right(make):
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        make(WNLLClassifier()).fit(X, np.where(LABELED, Y % 2, -1))
    model = make(WithUnlabeled(WNLLClassifier(), X[HIDDEN])).fit(X[LABELED], Y[LABELED] % 2)
    assert np.mean(model.predict(X[HIDDEN]) == Y[HIDDEN] % 2) > 0.9


@pytest.mark.parametrize("kind", [GridSearchCV, RandomizedSearchCV])
def test_a_search_with_plain_folds_is_right_around_a_pool(kind):
    model = search(kind, WithUnlabeled(WNLLClassifier(), X[HIDDEN]), cv=3)
    model.set_params(**{"n_iter": 2} if kind is RandomizedSearchCV else {})
    assert np.mean(model.fit(X[LABELED], Y[LABELED]).predict(X[HIDDEN]) == Y[HIDDEN]) > 0.9


@pytest.mark.parametrize("make", NOT.values(), ids=NOT)
def test_these_refuse_a_model_without_weights_of_rows_or_columns(make):
    for model, labels in ((WNLLClassifier(), FEW), (WithUnlabeled(WNLLClassifier(), X), Y)):
        with pytest.raises(ValueError, match=r"doesn't support sample_weight|should have `coef_`"):
            make(model).fit(X, labels)


POOLED = WithUnlabeled(WNLLClassifier(), X)


@pytest.mark.parametrize(
    ("model", "rows", "y"),
    [
        (BaggingClassifier(POOLED, max_features=0.5, random_state=0), X, Y),
        (ClassifierChain(POOLED), X, np.column_stack([Y, Y])),
        (make_pipeline(TfidfVectorizer(), POOLED), ["a text", "another"] * 150, Y),
    ],
    ids=["bagging", "chain", "pipeline"],
)
def test_a_step_that_changes_the_columns_before_the_pool_is_refused(model, rows, y):
    with pytest.raises(ValueError, match="put WithUnlabeled around that step too"):
        model.fit(rows, y)


def test_the_page_lists_the_meta_estimators_that_are_tested():
    page = Path(__file__).parents[1] / "docs" / "guide" / "ensembles.md"
    of_classes, listed = page.read_text().split("## Numbers")[0], {}
    for row in re.findall(r"^\| `.*", of_classes, re.MULTILINE):
        names, kind, _ = (cell.strip() for cell in row.strip("|").split("|"))
        listed.setdefault(kind, set()).update(re.findall(r"`(\w+)`", names))
    assert listed == {
        "as it is": {*AS_IT_IS, *OF_SEVERAL_TARGETS, "SequentialFeatureSelector"},
        "with the pool": {*WITH_A_POOL, *OF_TWO_CLASSES},
        "no": {*NOT},
    }


def test_plain_functions_of_model_selection_are_right_with_a_pool():
    model = WithUnlabeled(WNLLClassifier(), X[HIDDEN])
    scores = cross_val_score(model, X[LABELED], Y[LABELED], cv=5, scoring="f1_macro")
    folds = LabeledFold(5)
    expected = cross_val_score(WNLLClassifier(), X, FEW, cv=folds, scoring="f1_macro")
    np.testing.assert_allclose(scores, expected)
    predicted = cross_val_predict(model, X[LABELED], Y[LABELED], cv=5)
    assert np.mean(predicted == Y[LABELED]) > 0.85
