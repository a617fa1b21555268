"""Displays: what is drawn is what was computed."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config
from matplotlib.colors import to_rgb, to_rgba_array
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_moons
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from skorch.callbacks import Callback
from torch import nn

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll.certainty import certainty
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.plotting import LabelBudgetDisplay, StageHistoryDisplay, TransductionDisplay
from sklearn_wnll.plotting.style import COLORS, LINES, MARKERS


@pytest.fixture(scope="module")
def moons():
    """200 points of two moons, and their labels of which 3 per class are left."""
    X, y = make_moons(200, noise=0.1, random_state=0)
    return X, y, hide_labels(y, 3, random_state=0)


@pytest.fixture(scope="module")
def fitted(moons):
    X, _, few = moons
    return WNLLClassifier(10).fit(X, few)


def legend_names(legend):
    return [text.get_text() for text in legend.get_texts()]


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_the_package_does_not_import_matplotlib():
    code = "import sklearn_wnll, sklearn_wnll.plotting, sys; print('matplotlib' in sys.modules)"
    assert run_python(code).stdout == "False\n"


def test_without_matplotlib_the_error_names_the_extra(monkeypatch, fitted, moons):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'from_estimator needs .* "sklearn-wnll\[plot\]"'):
        TransductionDisplay.from_estimator(fitted, moons[0])


def test_colours_and_shapes_together_tell_90_classes_apart():
    looks = {(COLORS[c % len(COLORS)], MARKERS[c % len(MARKERS)]) for c in range(90)}
    assert len(looks) == 90
    assert len(set(COLORS)) == len(COLORS)
    assert len(set(LINES)) == len(LINES)


# Transduction


def test_every_row_is_drawn_where_it_is(fitted, moons):
    display = TransductionDisplay.from_estimator(fitted, moons[0])
    np.testing.assert_array_equal(display.points_.get_offsets(), moons[0])
    assert display.points_ in display.ax_.collections
    assert display.points_.get_rasterized()
    assert display.ax_.get_xlabel() == "feature 0"


def test_colours_and_shapes_follow_the_predicted_class(fitted, moons):
    display = TransductionDisplay.from_estimator(fitted, moons[0])
    codes = np.searchsorted(fitted.classes_, fitted.transduction_)
    assert set(codes) == {0, 1}
    np.testing.assert_array_equal(
        display.points_.get_facecolors()[:, :3], to_rgba_array(COLORS)[codes][:, :3]
    )
    paths = display.points_.get_paths()
    assert len(paths) == len(codes)
    shapes = [{len(paths[row].vertices) for row in np.flatnonzero(codes == c)} for c in (0, 1)]
    assert shapes[0].isdisjoint(shapes[1])  # a circle and a square


def test_alpha_follows_certainty(fitted, moons):
    display = TransductionDisplay.from_estimator(fitted, moons[0], min_alpha=0.3)
    expected = certainty(fitted.label_distributions_)
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(display.points_.get_facecolors()[:, 3], 0.3 + 0.7 * expected)


def test_unreached_rows_are_not_certain():
    X = np.concatenate([np.arange(20), 1000 + np.arange(20)])[:, None] + 0.1
    y = np.full(40, -1)
    y[[0, 1, 2]] = [0, 0, 1]
    with pytest.warns(UserWarning, match="No label reaches"):
        model = WNLLClassifier(5, scale_neighbor=5).fit(X, y)
    places = np.column_stack([X[:, 0], X[:, 0]])
    display = TransductionDisplay.from_estimator(model, X, embedding=places)
    assert certainty(model.label_distributions_)[20:].min() > 0.05
    np.testing.assert_array_equal(display.certainty[20:], 0)
    assert display.certainty[:20].max() > 0.5
    np.testing.assert_allclose(display.points_.get_facecolors()[20:, 3], 0.15)


def test_labelled_rows_are_marked_bigger_and_outlined(fitted, moons):
    X, y, few = moons
    display = TransductionDisplay.from_estimator(fitted, X, few, size=5)
    marks = display.labeled_points_
    np.testing.assert_array_equal(marks.get_offsets(), X[few != -1])
    assert marks.get_sizes()[0] > display.points_.get_sizes()[0] == 5
    np.testing.assert_array_equal(marks.get_edgecolors()[0, :3], to_rgb("black"))
    np.testing.assert_array_equal(marks.get_facecolors(), to_rgba_array(COLORS)[y[few != -1]])
    assert marks.get_zorder() > display.points_.get_zorder()
    assert legend_names(display.legend_) == ["0", "1", "labelled"]


def test_without_y_nothing_is_marked(fitted, moons):
    display = TransductionDisplay.from_estimator(fitted, moons[0])
    assert display.labeled is None
    assert display.labeled_points_ is None
    assert legend_names(display.legend_) == ["0", "1"]


def test_the_marker_is_that_of_the_estimator(moons):
    X, _, few = moons
    few = np.where(few == -1, 7, few)
    model = WNLLClassifier(unlabeled=7).fit(X, few)
    display = TransductionDisplay.from_estimator(model, X, few)
    np.testing.assert_array_equal(display.labeled, few != 7)
    assert display.labeled.sum() == 6


def test_each_edge_of_the_graph_is_drawn_once(fitted, moons):
    X = moons[0]
    display = TransductionDisplay.from_estimator(fitted, X, edges=True)
    both = fitted.graph_ + fitted.graph_.T
    expected = sparse.triu(both, 1).nnz
    assert len(display.edges_.get_segments()) == expected > 1000
    i, j = (int(place) for place in np.argwhere(both.toarray() > 0)[0])
    segments = np.array(display.edges_.get_segments())
    forward = (segments == X[[i, j]]).all(axis=(1, 2))
    backward = (segments == X[[j, i]]).all(axis=(1, 2))
    assert (forward | backward).sum() == 1
    assert display.edges_.get_rasterized()
    assert display.edges_.get_zorder() < display.points_.get_zorder()


def test_edges_of_equal_rows_are_those_of_their_point(moons):
    X, _, few = moons
    X, few = np.concatenate([X[50:60], X]), np.concatenate([few[50:60], few])
    model = WNLLClassifier(10).fit(X, few)
    display = TransductionDisplay.from_estimator(model, X, edges=True)
    assert model.graph_.shape == (200, 200)
    dense = np.zeros((210, 210), dtype=bool)
    dense[*display.edges.T] = True
    _, first = np.unique(model.point_index_, return_index=True)
    both = (model.graph_ + model.graph_.T).toarray() > 0
    np.fill_diagonal(both, False)
    np.testing.assert_array_equal((dense | dense.T)[np.ix_(first, first)], both)
    assert dense.sum() == both.sum() // 2


def test_there_are_no_edges_unless_asked_for(fitted, moons):
    assert TransductionDisplay.from_estimator(fitted, moons[0]).edges_ is None


def test_edges_of_several_templates_are_refused(moons):
    X, _, few = moons
    model = WNLLClassifier(template_size=100).fit(X, few)
    with pytest.raises(ValueError, match=r"edges=True .* template_size=None"):
        TransductionDisplay.from_estimator(model, X, edges=True)


def test_a_deep_estimator_is_drawn_without_edges(digits):
    X, y = (part[:300] for part in digits[:2])
    few = hide_labels(y, 5, random_state=0)
    images = X.reshape(-1, 1, 8, 8)
    model = DeepWNLLClassifier(
        module=nn.Flatten, max_epochs=1, n_stages=1, augment=None,
        random_state=0,
    ).fit(images, few)  # fmt: skip
    display = TransductionDisplay.from_estimator(model, images, few)
    np.testing.assert_allclose(display.embedding, PCA(2, random_state=0).fit_transform(X))
    assert display.axis_names == ["principal component 1", "principal component 2"]
    np.testing.assert_array_equal(model.classes_[display.codes], model.transduction_)
    with pytest.raises(ValueError, match="edges=True needs the attribute graph_, which DeepWNLL"):
        TransductionDisplay.from_estimator(model, images, edges=True)


def test_two_features_are_their_own_places_and_give_their_names(moons):
    X, _, few = moons
    frame = pd.DataFrame(X, columns=["width", "height"])
    model = WNLLClassifier().fit(frame, few)
    display = TransductionDisplay.from_estimator(model, frame)
    np.testing.assert_array_equal(display.embedding, X)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("width", "height")


def test_sparse_rows_have_the_components_of_the_dense_ones(digits):
    X, y = (part[:200] for part in digits[:2])
    model = WNLLClassifier().fit(sparse.csr_array(X), y)
    display = TransductionDisplay.from_estimator(model, sparse.csr_array(X))
    expected = PCA(2, random_state=0).fit_transform(X)
    signs = np.sign((display.embedding * expected).sum(axis=0))
    np.testing.assert_allclose(display.embedding * signs, expected, atol=1e-6)


def test_a_given_embedding_is_taken_and_has_no_ticks(fitted, moons):
    places = np.random.default_rng(0).normal(size=(200, 2))
    display = TransductionDisplay.from_estimator(fitted, moons[0], embedding=places.tolist())
    np.testing.assert_array_equal(display.points_.get_offsets(), places)
    assert len(display.ax_.get_xticks()) == 0


def test_a_pipeline_is_drawn_by_its_last_step(moons):
    X, _, few = moons
    pipeline = make_pipeline(StandardScaler(), WNLLClassifier()).fit(X, few)
    display = TransductionDisplay.from_estimator(pipeline, X, few)
    np.testing.assert_allclose(display.embedding, StandardScaler().fit_transform(X))
    np.testing.assert_array_equal(display.distributions, pipeline[-1].label_distributions_)


def test_label_spreading_is_drawn_as_well(moons):
    X, _, few = moons
    model = LabelSpreading().fit(X, few)
    display = TransductionDisplay.from_estimator(model, X, few)
    np.testing.assert_array_equal(model.classes_[display.codes], model.transduction_)
    assert display.labeled.sum() == 6


def test_predictions_equal_those_of_the_estimator(fitted, moons):
    X, _, few = moons
    ours = TransductionDisplay.from_estimator(fitted, X, few)
    given = TransductionDisplay.from_predictions(
        X, fitted.predict_proba(X), y=few, classes=["left", "right"]
    )
    np.testing.assert_array_equal(given.points_.get_facecolors(), ours.points_.get_facecolors())
    np.testing.assert_array_equal(given.labeled, ours.labeled)
    assert legend_names(given.legend_) == ["left", "right", "labelled"]


def test_more_than_20_classes_have_no_legend():
    places, u = np.random.default_rng(0).normal(size=(21, 2)), np.eye(21)
    assert TransductionDisplay(places, u).plot().legend_ is None
    assert TransductionDisplay(places, u[:, 1:] + 0.01).plot().legend_ is not None
    assert TransductionDisplay(places, u[:, 1:] + 0.01).plot(legend=False).legend_ is None


def test_what_is_drawn_in_is_given_and_kept(fitted, moons):
    figure, (left, right) = plt.subplots(1, 2)
    display = TransductionDisplay.from_estimator(fitted, moons[0], ax=right)
    assert isinstance(display, TransductionDisplay)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.has_data()
    assert display.plot(left) is display
    assert display.ax_ is left
    assert len(left.collections) == len(right.collections) == 1
    assert plt.get_fignums() == [figure.number]
    display.plot()
    assert display.figure_ is not figure


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embedding": np.zeros((200, 3))}, r"embedding has shape \(200, 3\), .* \(200, 2\)"),
        ({"embedding": np.zeros((199, 2))}, r"embedding has shape \(199, 2\)"),
        ({"y": np.zeros(5)}, "y has 5 entries for 200 rows"),
        ({"X": np.zeros((5, 2))}, "X has 5 rows, but the estimator was fitted to 200.*from_predic"),
    ],
)
def test_errors_name_the_argument(fitted, moons, arguments, message):
    with pytest.raises(ValueError, match=message):
        TransductionDisplay.from_estimator(fitted, **{"X": moons[0], **arguments})


def test_estimators_without_distributions_are_refused(moons):
    X, y, _ = moons
    with pytest.raises(ValueError, match="LogisticRegression has no label_distributions_"):
        TransductionDisplay.from_estimator(LogisticRegression().fit(X, y), X)


def test_distances_and_single_features_need_an_embedding(moons):
    X, _, few = moons
    distances = np.linalg.norm(X[:, None] - X, axis=2)
    model = WNLLClassifier(metric="precomputed").fit(distances, few)
    with pytest.raises(ValueError, match="embedding must be given with metric='precomputed'"):
        TransductionDisplay.from_estimator(model, distances)
    assert TransductionDisplay.from_estimator(model, distances, embedding=X).points_ is not None
    with pytest.raises(ValueError, match=r"embedding must be given for X of shape \(200, 1\)"):
        TransductionDisplay.from_predictions(X[:, :1], model.label_distributions_)


def test_names_of_the_wrong_number_are_refused():
    with pytest.raises(ValueError, match=r"classes has shape \(3,\), but .* 2 columns"):
        TransductionDisplay(np.zeros((4, 2)), np.full((4, 2), 0.5), classes=["a", "b", "c"])


# Label budget

BUDGETS = {"labels_per_class": (2, 5), "n_draws": 3, "random_state": 0}


def draws(y):
    """The labels of each draw for each number, as the display draws them for BUDGETS."""
    seeds = np.random.RandomState(0).randint(2**31 - 1, size=3)
    return [[hide_labels(y, n, random_state=seed) for seed in seeds] for n in (2, 5)]


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
        "spreading": lambda few: estimators["spreading"].fit(X, few).transduction_,
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
    """Predicts something else than its transduction, as the other head of a network does."""

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


# Stage history


def epoch(stage, step, loss, **more):
    return {"stage": stage, "step": step, "epoch": 1, "train_loss": loss, "lr": 0.1, **more}


@pytest.fixture
def history():
    """Two stages of four steps, of which the linear and the WNLL ones recorded accuracies."""
    return [
        epoch(1, "linear", 2.0, linear_acc=0.5),
        epoch(1, "linear", 1.0, linear_acc=0.6, wnll_acc=0.7),
        epoch(1, "wnll", 0.5, linear_acc=0.6, wnll_acc=0.8),
        epoch(2, "pseudo", 1.5, pseudo_weight=0.4),
        epoch(2, "pseudo", 1.2, pseudo_weight=0.5),
        epoch(2, "wnll", 0.4, linear_acc=0.8, wnll_acc=0.9),
    ]


def test_each_step_has_a_line_of_its_losses(history):
    display = StageHistoryDisplay(history).plot()
    xy = [line.get_xydata().tolist() for line in display.loss_lines_]
    assert xy == [[[1, 2.0], [2, 1.0]], [[3, 0.5]], [[4, 1.5], [5, 1.2]], [[6, 0.4]]]
    assert legend_names(display.legend_) == ["linear step", "WNLL step", "pseudo-label step"]
    colors = [line.get_color() for line in display.loss_lines_]
    assert colors[1] == colors[3]
    assert len(set(colors)) == 3
    assert len({line.get_marker() for line in display.loss_lines_}) == 3
    assert display.ax_.get_yscale() == "log"


def test_steps_are_shaded_and_stages_named(history):
    display = StageHistoryDisplay(history).plot()
    for ax in (display.ax_, display.score_ax_):
        spans = [(patch.get_x(), patch.get_width()) for patch in ax.patches]
        assert spans == [(0.5, 2), (2.5, 1), (3.5, 2), (5.5, 1)]
    assert [patch.get_facecolor()[:3] for patch in display.ax_.patches] == [
        to_rgb(line.get_color()) for line in display.loss_lines_
    ]
    (top,) = display.ax_.child_axes
    ticks = dict(zip(top.get_xticks(), top.get_xticklabels(), strict=True))
    assert {place: text.get_text() for place, text in ticks.items()} == {2: "stage 1", 5: "stage 2"}


def test_recorded_accuracies_are_drawn(history):
    display = StageHistoryDisplay(history).plot()
    assert list(display.score_lines_) == ["linear_acc", "wnll_acc"]
    line = display.score_lines_["wnll_acc"]
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 0.7, 0.8, np.nan, np.nan, 0.9])
    np.testing.assert_array_equal(line.get_xdata(), range(1, 7))
    assert line in display.score_ax_.lines
    other = display.score_lines_["linear_acc"]
    for look in ("get_color", "get_marker", "get_linestyle"):
        assert getattr(line, look)() != getattr(other, look)()
    assert display.score_ax_ is not display.ax_
    assert (display.ax_.get_xlabel(), display.score_ax_.get_xlabel()) == ("", "epoch")
    assert display.score_ax_.yaxis.get_major_formatter()(0.5) == "50 %"


def test_any_recorded_column_may_be_asked_for(history):
    display = StageHistoryDisplay(history, columns=["pseudo_weight"]).plot()
    assert list(display.score_lines_) == ["pseudo_weight"]
    assert display.score_ax_.get_ylabel() == "recorded value"
    assert StageHistoryDisplay(history, columns=[]).plot().score_ax_ is None
    with pytest.raises(ValueError, match=r"columns holds 'f1', which .* linear_acc, lr,"):
        StageHistoryDisplay(history, columns=["f1"]).plot()


def test_without_accuracies_there_is_the_loss_alone():
    display = StageHistoryDisplay([epoch(1, "linear", 1.0), epoch(1, "linear", 0.0)]).plot()
    assert display.score_ax_ is None
    assert display.score_lines_ == {}
    assert display.figure_.axes == [display.ax_]
    assert display.ax_.get_yscale() == "linear"  # no logarithm of 0
    assert display.ax_.get_xlabel() == "epoch"


def test_a_history_is_drawn_in_one_or_two_given_axes(history):
    figure, axes = plt.subplots(1, 3)
    display = StageHistoryDisplay(history)
    assert display.plot(axes[0]) is display
    assert (display.ax_, display.score_ax_, display.figure_) == (axes[0], None, figure)
    assert display.score_lines_ == {}
    display.plot(axes[1:])
    assert (display.ax_, display.score_ax_) == tuple(axes[1:])
    assert [ax.get_xlabel() for ax in axes] == ["epoch"] * 3
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match="ax must be one or two Axes, got 3"):
        display.plot(axes)


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match="history is empty"):
        StageHistoryDisplay([])


def test_an_estimator_without_history_is_refused(fitted):
    with pytest.raises(ValueError, match="WNLLClassifier has no history_"):
        StageHistoryDisplay.from_estimator(fitted)


class RecordsAccuracy(Callback):
    """Records the accuracy of the linear head."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def on_epoch_end(self, net, **kwargs):
        with torch.no_grad():
            logits = net.module_.eval()(net.prepare(torch.tensor(self.X)))
        net.history.record("linear_acc", np.mean(logits.argmax(dim=1).numpy() == self.y))


def test_what_a_callback_records_is_drawn(digits):
    X, y = (part[:300] for part in digits[:2])
    X = X.astype(np.float32)
    model = DeepWNLLClassifier(
        max_epochs=3, wnll_epochs=1, pseudo_epochs=2, pseudo_neighbors=15, random_state=0,
        callbacks=[RecordsAccuracy(X, y)],
    ).fit(X, hide_labels(y, 5, random_state=0))  # fmt: skip
    display = StageHistoryDisplay.from_estimator(model)
    assert [len(line.get_xdata()) for line in display.loss_lines_] == [3, 1, 2, 1]
    losses = np.concatenate([line.get_ydata() for line in display.loss_lines_])
    np.testing.assert_array_equal(losses, [row["train_loss"] for row in model.history_])
    accuracy = display.score_lines_["linear_acc"].get_ydata()
    assert accuracy[-1] == model.set_params(head="linear").score(X, y) > 0.3
