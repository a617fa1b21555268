"""Accuracy against the number of labels: the drawing matches a direct computation."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.plotting import LabelBudgetDisplay


def legend_names(legend):
    return [text.get_text() for text in legend.get_texts()]


BUDGETS = {"labels_per_class": (2, 5), "n_draws": 3, "random_state": 0}


def draws(y):
    """The labels of each draw for each number, as the display draws them for BUDGETS."""
    seeds = np.random.RandomState(0).randint(2**31 - 1, size=3)
    return [[hide_labels(y, n, random_state=seed) for seed in seeds] for n in (2, 5)]


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # LabelSpreading's own
def test_scores_are_those_of_hidden_rows(moons):
    X, y, _ = moons
    estimators = {
        "wnll": WNLLClassifier(),
        "spreading": LabelSpreading(kernel="knn", n_neighbors=7),
        "self-training": SelfTrainingClassifier(LogisticRegression()),
        "nearest": KNeighborsClassifier(1),
    }
    display = LabelBudgetDisplay.from_estimators(
        estimators, X, y, supervised=["nearest"], **BUDGETS
    )
    fits = {
        "wnll": lambda few: WNLLClassifier().fit(X, few).transduction_,
        "spreading": lambda few: estimators["spreading"].fit(X, few).predict(X),
        "self-training": lambda few: estimators["self-training"].fit(X, few).predict(X),
        "nearest": lambda few: KNeighborsClassifier(1).fit(X[few >= 0], few[few >= 0]).predict(X),
    }
    assert list(display.scores) == list(estimators)
    for name, fit in fits.items():
        expected = [[np.mean((fit(few) == y)[few == -1]) for few in row] for row in draws(y)]
        np.testing.assert_array_equal(display.scores[name], expected, err_msg=name)
    assert len({values.mean() for values in display.scores.values()}) == 4


def test_lines_are_mean_and_standard_deviation_of_the_scores():
    scores = {"a": [[0.5, 0.7], [0.8, 0.8]], "b": [[0.2, 0.4], [0.6, 0.7]]}
    display = LabelBudgetDisplay([1, 10], scores).plot()
    line, _, (bars,) = display.errorbars_["a"]
    np.testing.assert_allclose(line.get_xydata(), [[1, 0.6], [10, 0.8]])
    np.testing.assert_allclose(bars.get_segments()[0], [[1, 0.5], [1, 0.7]])
    assert legend_names(display.legend_) == ["a", "b"]
    other = display.errorbars_["b"][0]
    for look in ("get_color", "get_marker", "get_linestyle"):
        assert getattr(line, look)() != getattr(other, look)()


def test_ticks_are_the_numbers_of_labels_on_a_log_axis():
    ax = LabelBudgetDisplay([1, 2, 20], {"a": np.ones((3, 1))}).plot().ax_
    assert ax.get_xscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "20"]
    assert len(ax.get_xticks(minor=True)) == 0


def test_the_draws_depend_on_the_seed_alone(moons):
    X, y, _ = moons
    one, same = (LabelBudgetDisplay.from_estimator(WNLLClassifier(), X, y, **BUDGETS) for _ in "ab")
    np.testing.assert_array_equal(one.scores["WNLLClassifier"], same.scores["WNLLClassifier"])
    other = LabelBudgetDisplay.from_estimator(
        WNLLClassifier(), X, y, name="WNLL", **{**BUDGETS, "random_state": 1}
    )
    assert (one.scores["WNLLClassifier"] != other.scores["WNLL"]).any()
    with parallel_config("threading"):
        parallel = LabelBudgetDisplay.from_estimator(WNLLClassifier(), X, y, n_jobs=2, **BUDGETS)
    np.testing.assert_array_equal(one.scores["WNLLClassifier"], parallel.scores["WNLLClassifier"])


def test_rows_without_a_label_are_fitted_and_not_scored(moons):
    X, y, _ = moons
    known = np.where(np.arange(200) % 4 == 0, y, -1)
    display = LabelBudgetDisplay.from_estimator(WNLLClassifier(), X, known, **BUDGETS)
    expected = [
        [
            np.mean((WNLLClassifier().fit(X, few).transduction_ == y)[(few == -1) & (known >= 0)])
            for few in row
        ]
        for row in draws(known)
    ]
    np.testing.assert_array_equal(display.scores["WNLLClassifier"], expected)


def test_strings_score_as_numbers_do(moons):
    X, y, _ = moons
    names = np.array(["left", "right"])[y]
    estimators = {"wnll": WNLLClassifier(), "nearest": KNeighborsClassifier(1)}
    strings, numbers = (
        LabelBudgetDisplay.from_estimators(estimators, X, y, supervised=["nearest"], **BUDGETS)
        for y in (names, y)
    )
    for name in estimators:
        np.testing.assert_array_equal(strings.scores[name], numbers.scores[name])


def test_frames_and_pipelines_are_taken(moons):
    X, y, _ = moons
    pipeline = make_pipeline(StandardScaler(), WNLLClassifier())
    display = LabelBudgetDisplay.from_estimator(
        pipeline, pd.DataFrame(X, columns=["a", "b"]), pd.Series(y), name="scaled", **BUDGETS
    )
    expected = LabelBudgetDisplay.from_estimator(
        WNLLClassifier(), StandardScaler().fit_transform(X), y, name="scaled", **BUDGETS
    )
    np.testing.assert_array_equal(display.scores["scaled"], expected.scores["scaled"])


class LinearHead(WNLLClassifier):
    """Predicts differently from its transduction, like the other head of a network."""

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def test_our_own_estimators_are_scored_by_what_they_predict(moons):
    X, y, _ = moons
    display = LabelBudgetDisplay.from_estimator(LinearHead(), X, y, **BUDGETS)
    np.testing.assert_array_equal(display.scores["LinearHead"], 0.5)


class Constant(ClassifierMixin, BaseEstimator):
    """Predicts the first class."""

    def fit(self, X, y):
        self.classes_ = np.unique(y[y >= 0])
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def test_the_estimator_that_is_given_stays_unfitted(moons):
    X, y, _ = moons
    estimator = Constant()
    LabelBudgetDisplay.from_estimator(estimator, X, y, **BUDGETS)
    assert not vars(estimator)


@pytest.mark.parametrize("as_strings", [False, True])
def test_who_takes_the_marker_for_a_class_is_refused(moons, as_strings):
    X, y, _ = moons
    y = np.array(["left", "right"])[y] if as_strings else y
    with pytest.raises(ValueError, match=r"'1-NN' takes the marker .* pass supervised=\['1-NN'\]"):
        LabelBudgetDisplay.from_estimator(KNeighborsClassifier(1), X, y, name="1-NN", **BUDGETS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels_per_class": ()}, "labels_per_class must be integers of at least 1"),
        ({"labels_per_class": (0, 1)}, "labels_per_class must be integers of at least 1"),
        ({"labels_per_class": (1, 101)}, "labels_per_class holds 101, but class 0 has 100 labels"),
        ({"labels_per_class": (1, 100)}, "labels_per_class holds 100, which hides no label"),
        ({"n_draws": 0}, "n_draws must be an integer of at least 1, got 0"),
        ({"supervised": ["b"]}, r"supervised=\['b'\] must be a list of names among \['a'\]"),
        ({"supervised": "a"}, "supervised='a' must be a list"),
        ({"estimators": WNLLClassifier()}, "estimators must be a dict .* from_estimator"),
        ({"estimators": {}}, "estimators must be a dict of one or more"),
    ],
)
def test_label_budget_errors_name_the_argument(moons, arguments, message):
    X, y, _ = moons
    arguments = {"estimators": {"a": WNLLClassifier()}, **arguments}
    with pytest.raises(ValueError, match=message):
        LabelBudgetDisplay.from_estimators(X=X, y=y, **arguments)


def test_scores_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"scores\['a'\] has shape \(3, 2\), .* \(2, n_draws\)"):
        LabelBudgetDisplay([1, 2], {"a": np.ones((3, 2))})


def test_a_label_budget_is_drawn_where_it_is_told_to():
    figure, (left, right) = plt.subplots(1, 2)
    display = LabelBudgetDisplay([1, 2], {"a": np.ones((2, 3))})
    assert display.plot(right) is display
    assert (display.ax_, display.figure_) == (right, figure)
    assert right.has_data()
    assert not left.has_data()
    assert plt.get_fignums() == [figure.number]
