"""Fitted points in the plane: the drawing shows the computed values."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb, to_rgba_array
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._certainty import certainty
from sklearn_wnll.plotting import TransductionDisplay
from sklearn_wnll.plotting._style import COLORS, LINES, MARKERS


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


def test_rows_of_zeros_are_not_certain():
    u = np.array([[1.0, 0.0], [0.0, 0.0]])
    display = TransductionDisplay(np.zeros((2, 2)), u).plot(min_alpha=0.2)
    np.testing.assert_array_equal(display.certainty, [1, 0])
    np.testing.assert_allclose(display.points_.get_facecolors()[:, 3], [1, 0.2])


@pytest.mark.parametrize("name", ["reached", "labeled"])
@pytest.mark.parametrize("values", [[True], [0, 1, 1], [[True, False, True]]])
def test_masks_of_a_wrong_length_or_type_are_refused(name, values):
    with pytest.raises(ValueError, match=f"{name} must hold True or False for each of 3 rows"):
        TransductionDisplay(np.zeros((3, 2)), np.full((3, 2), 0.5), **{name: values})


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
