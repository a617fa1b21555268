"""A picture of a labelling session: the drawing shows the rounds."""

import json
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._active import settled_by_next
from sklearn_wnll.plotting import LabelingDisplay
from sklearn_wnll.plotting._labeling import _wilson

from .clouds import examples

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.SingleLabelWarning")


@pytest.fixture(scope="module")
def fitted(moons):
    X, _, few = moons
    return WNLLClassifier(10, held_out=3, random_state=0).fit(X, few)


def legend_names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_without_matplotlib_the_error_names_the_extra(monkeypatch, fitted, moons):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    display = LabelingDisplay().add(fitted, moons[2])
    with pytest.raises(ImportError, match=r'LabelingDisplay.plot needs .* "sklearn-wnll\[plot\]"'):
        display.plot()
    with pytest.raises(ImportError, match=r"LabelingDisplay.from_estimator needs"):
        LabelingDisplay.from_estimator(fitted, moons[0], moons[2])


def test_a_round_is_the_labels_the_held_out_score_and_the_gain(fitted, moons):
    (row,) = LabelingDisplay().add(fitted, moons[2]).history
    assert (row["n_labels"], row["n_scored"]) == (6, 6)
    assert row["score"] == fitted.held_out_score_
    assert 1 < row["gain"] < 194


def test_rounds_are_drawn_one_after_the_other(moons):
    X, y, few = moons
    few = few.copy()
    model = WNLLClassifier(held_out=3, random_state=0).fit(X, few)
    display = LabelingDisplay().add(model, few)
    for _ in range(3):
        rows = model.suggest_labels(4)
        few[rows] = y[rows]
        assert display.add(model.relabel(few), few) is display
    display.plot()
    np.testing.assert_array_equal(display.score_line_.get_xdata(), [6, 10, 14, 18])
    np.testing.assert_array_equal(
        display.score_line_.get_ydata(), [row["score"] for row in display.history]
    )
    np.testing.assert_array_equal(
        display.gain_line_.get_ydata(), [row["gain"] for row in display.history]
    )
    assert display.history[-1]["gain"] < display.history[0]["gain"]
    assert [ax.get_xlabel() for ax in display.axes_] == ["labels", "labels"]
    assert display.axes_[0].get_xlim() == display.axes_[1].get_xlim()
    assert all(tick == int(tick) for tick in display.axes_[0].get_xticks())


def test_a_history_that_was_written_to_a_file_goes_on(fitted, moons):
    before = LabelingDisplay().add(fitted, moons[2])
    after = LabelingDisplay(json.loads(json.dumps(before.history))).add(fitted, moons[2])
    assert after.history == before.history * 2
    assert len(before.history) == 1
    assert len(after.plot().gain_line_.get_xdata()) == 2


def test_without_a_label_nothing_is_known_but_the_gain(moons):
    X = moons[0]
    none = np.full(len(X), -1)
    model = WNLLClassifier(held_out=3).fit(X, none)
    rows = model.suggest_labels(3)
    display = LabelingDisplay.from_estimator(model, X, none, next_rows=rows)
    (row,) = display.history
    assert row["n_labels"] == row["n_scored"] == 0
    assert np.isnan(row["score"])
    assert row["gain"] > 10
    assert display.score_line_ is None
    assert [ax.get_ylabel() for ax in display.axes_] == [
        "gain of the next label, in rows",
        "feature 1",
    ]
    assert legend_names(display.axes_[-1]) == ["unknown", "to label next"]


def test_rounds_without_held_out_labels_leave_no_gap_in_the_score(moons):
    X, _, few = moons
    plain = WNLLClassifier().fit(X, few)
    scored = WNLLClassifier(held_out=3, random_state=0).fit(X, few)
    display = LabelingDisplay().add(scored, few).add(plain, few).add(scored, few).plot()
    assert np.isnan(display.history[1]["score"])
    np.testing.assert_array_equal(display.score_line_.get_ydata(), [scored.held_out_score_] * 2)
    assert len(display.gain_line_.get_ydata()) == 3


def test_several_templates_have_no_gain(moons):
    X, _, few = moons
    model = WNLLClassifier(template_size=100, held_out=3).fit(X, few)
    display = LabelingDisplay().add(model, few).plot()
    assert np.isnan(display.history[0]["gain"])
    assert display.gain_line_ is None
    assert len(display.axes_) == 1


def test_the_score_of_some_rows_is_that_of_their_held_out_labels(moons):
    X, y, few = moons
    few = few.copy()
    few[:40] = y[:40]
    few[0] = 1 - y[0]  # a mistake, which the others outvote
    model = WNLLClassifier(held_out=3, random_state=0).fit(X, few)
    score = LabelingDisplay().add(model, few, scored_rows=[0]).history[0]
    assert (score["score"], score["n_scored"]) == (0.0, 1)
    right = model.held_out_distributions_[:40].argmax(axis=1) == few[:40]
    row = LabelingDisplay().add(model, few, scored_rows=np.arange(40)).history[0]
    assert row["score"] == right.mean() < 1


def test_labels_may_be_strings_in_a_series(moons):
    X, _, few = moons
    names = pd.Series(np.array(["up", "down", "?"], dtype=object)[few], index=np.arange(200) + 7)
    model = WNLLClassifier(held_out=3, unlabeled="?", random_state=0).fit(X, names)
    row = LabelingDisplay().add(model, names).history[0]
    assert row["n_labels"] == 6
    assert row["score"] == model.held_out_score_


def test_the_next_rows_are_marked_where_they_are(fitted, moons):
    X, _, few = moons
    rows = fitted.suggest_labels(4)
    display = LabelingDisplay.from_estimator(fitted, X, few, next_rows=rows)
    np.testing.assert_array_equal(display.next_points_.get_offsets(), X[rows])
    np.testing.assert_array_equal(display.next_rows, rows)
    np.testing.assert_array_equal(display.transduction_.points_.get_offsets(), X)
    assert display.next_points_.get_zorder() > display.transduction_.labeled_points_.get_zorder()
    assert legend_names(display.axes_[2]) == ["0", "1", "labelled", "to label next"]
    assert display.axes_[2].get_xlabel() == "feature 0"


def test_rows_of_more_features_are_drawn_only_in_a_given_embedding(few_digits):
    X, few = few_digits
    model = WNLLClassifier(held_out=3, random_state=0).fit(X, few)
    display = LabelingDisplay.from_estimator(model, X, few, next_rows=[1])
    assert display.next_points_ is None
    assert len(display.axes_) == 2
    places = np.random.default_rng(0).normal(size=(600, 2))
    display = LabelingDisplay.from_estimator(model, X, few, next_rows=[1], embedding=places)
    np.testing.assert_array_equal(display.next_points_.get_offsets(), places[[1]])
    assert len(display.axes_) == 3


def test_axes_are_taken_in_their_order_and_what_has_none_is_not_drawn(fitted, moons):
    X, _, few = moons
    figure, (first, second) = plt.subplots(1, 2)
    display = LabelingDisplay.from_estimator(fitted, X, few, ax=first)
    assert display.axes_ == [first]
    assert display.figure_ is figure
    assert display.gain_line_ is None
    assert display.next_points_ is None
    assert not second.has_data()
    display.plot([second, first])
    assert display.score_line_ in second.lines
    assert display.gain_line_ in first.lines
    assert plt.get_fignums() == [figure.number]


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_band_holds_the_score_and_is_never_empty(n, part):
    score = np.array([round(part * n) / n])
    low, high = _wilson(score, np.array([n]))
    assert -1e-12 <= low[0] <= score[0] + 1e-12
    assert score[0] - 1e-12 <= high[0] <= 1 + 1e-12
    assert high[0] - low[0] > 0.5 / (n + 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": [0, 1]}, "y has 2 entries for 200 rows"),
        ({"next_rows": [200]}, "next_rows must lie between 0 and 199, got 200 to 200"),
        ({"next_rows": [0.5]}, r"next_rows must be positions of rows, got shape \(1,\) of float64"),
        ({"next_rows": [[1]]}, r"next_rows must be positions of rows, got shape \(1, 1\)"),
        ({"scored_rows": [-1]}, "scored_rows must lie between 0 and 199"),
        ({"scored_rows": np.arange(200)}, "scored_rows holds rows that have no label in y"),
        ({"embedding": np.zeros((3, 2))}, r"embedding has shape \(3, 2\), .* \(200, 2\)"),
    ],
)
def test_errors_name_the_argument_and_no_round_is_added(fitted, moons, arguments, message):
    X, _, few = moons
    display = LabelingDisplay(embedding=arguments.pop("embedding", X))
    with pytest.raises(ValueError, match=message):
        display.add(fitted, **{"y": few, **arguments})
    assert display.history == []


def test_what_cannot_be_drawn_is_refused(moons):
    X, _, few = moons
    with pytest.raises(ValueError, match=r"history is empty.*Call add\(estimator, y\)"):
        LabelingDisplay().plot()
    model = WNLLClassifier(template_size=100).fit(X, few)
    with pytest.raises(ValueError, match=r"neither a score nor a gain\. Fit with held_out=5"):
        LabelingDisplay().add(model, few).plot()


def test_equal_rows_are_one_point_of_the_gain(moons):
    X, _, few = moons
    once = WNLLClassifier(10).fit(X, few)
    twice = WNLLClassifier(10).fit(np.concatenate([X[60:], X]), np.append(few[60:], few))
    # The points are in another order, and the label weight is that of more rows.
    gains = [
        LabelingDisplay().add(model, y).history[0]["gain"]
        for model, y in ((once, few), (twice, np.append(few[60:], few)))
    ]
    assert gains[1] == pytest.approx(gains[0], rel=0.1)


@examples(50)
@given(st.integers(2, 12), st.integers(0, 11))
def test_a_label_settles_no_more_than_is_uncertain(n, seed):
    rng = np.random.default_rng(seed)
    dense = rng.random((n, n)) * (rng.random((n, n)) < 0.5)
    np.fill_diagonal(dense, 0)
    dense[np.arange(n), np.arange(n) - 1] = 1  # a circle: no point stands alone
    labeled, uncertainty = rng.random(n) < 0.3, rng.random(n)
    W = sparse.csr_array(dense)
    degree = dense.sum(axis=0) + dense.sum(axis=1)
    settled = settled_by_next(W, labeled, uncertainty)
    uncertain = (degree * uncertainty)[~labeled].sum() / degree.mean()
    assert 0 <= settled <= 1.05 * uncertain + 1e-12
    assert settled_by_next(W, np.ones(n, dtype=bool), uncertainty) == 0
