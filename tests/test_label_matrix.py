"""Several labels of each row at once: containers, errors, options, sessions."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wnll import WNLLClassifier

MODES = "transductive", "inductive"


@pytest.fixture(scope="module")
def rows():
    """Scaled rows with five labels, and the labels of 150 of them."""
    X, Y = make_multilabel_classification(600, n_classes=5, random_state=0)
    few = np.full(Y.shape, -1)
    few[:150] = Y[:150]
    return StandardScaler().fit_transform(X), Y, few


def assert_close(u, v):
    np.testing.assert_allclose(u, v, atol=1e-6)


def test_labels_are_found_better_than_by_their_frequency(rows):
    X, Y, few = rows
    model, hidden = WNLLClassifier().fit(X, few), Y[150:]
    right = (model.transduction_[150:] == hidden).mean()
    assert right > np.maximum(hidden.mean(axis=0), 1 - hidden.mean(axis=0)).mean() + 0.05
    assert abs(model.transduction_[150:].mean() - Y[:150].mean()) < 0.05


CONTAINERS = {
    "lists": lambda Y: [[None if v == -1 else int(v) for v in row] for row in Y],
    "list of arrays": lambda Y: list(Y),
    "floats": lambda Y: np.where(Y == -1, np.nan, Y),
    "objects": lambda Y: np.where(Y == -1, None, Y.astype(object)),
    "truth values": lambda Y: [[None if v == -1 else bool(v) for v in row] for row in Y],
    "masked": lambda Y: np.ma.masked_array(Y == 1, mask=Y == -1),
    "DataFrame": lambda Y: pd.DataFrame(np.where(Y == -1, np.nan, Y)),
    "nullable": lambda Y: pd.DataFrame(Y).astype("Int8").mask(Y == -1).astype("boolean"),
    "integers": lambda Y: pd.DataFrame(Y).astype("Int8"),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_of_labels_are_equivalent(rows, container):
    X, _, few = rows
    expected = WNLLClassifier().fit(X, few).label_distributions_
    found = WNLLClassifier().fit(X, CONTAINERS[container](few)).label_distributions_
    np.testing.assert_array_equal(found, expected)


def test_sparse_matrices_and_tensors_hold_labels(rows):
    X, Y, few = rows
    expected = WNLLClassifier().fit(X, Y).predict_proba(X[:9] + 0.1)
    for labels in (sparse.csr_array(Y), sparse.csc_matrix(Y)):
        found = WNLLClassifier().fit(X, labels).predict_proba(X[:9] + 0.1)
        np.testing.assert_array_equal(found, expected)
    torch = pytest.importorskip("torch")
    for labels in (torch.tensor(few), list(torch.tensor(few))):
        found = WNLLClassifier().fit(X, labels).transduction_
        np.testing.assert_array_equal(found, WNLLClassifier().fit(X, few).transduction_)


def test_another_number_can_be_the_marker(rows):
    X, _, few = rows
    other = WNLLClassifier(unlabeled=9).fit(X, np.where(few == -1, 9, few))
    np.testing.assert_array_equal(other.transduction_, WNLLClassifier().fit(X, few).transduction_)


@pytest.mark.parametrize(
    ("Y", "params", "message"),
    [
        ([[0, 1], [2, 0]], {}, r"y\[1, 0\] is 2.*MultiOutputClassifier"),
        ([[0, 1], [0.5, 0]], {}, r"y\[1, 0\] is 0.5"),
        ([["a", "b"], ["b", "a"]], {}, "each cell says whether the row has a label"),
        ([[-1, 1], [1, -1]], {}, r"exactly -1 and 1. Pass \(y == 1\)"),
        ([[0, 1], [-1, 0]], {"unlabeled": "?"}, r"unlabeled='\?' is no number"),
        ([[0, 1], [None, 0]], {"unlabeled": None}, "unlabeled=None"),
        ([[0, 1], [1, 1], [1, 0]], {}, "X has 2 rows and y 3"),
        ([[0, -1], [1, -1]], {}, "Column 1 of y holds no label"),
        ([[0, 1], [1, 0]], {"class_prior": {0: 0.5, 1: 0.5}}, "labels of y have no names"),
        ([[0, 1], [1, 0]], {"class_prior": [0.2, 0.3, 0.5]}, "each of the 2 columns"),
        ([[0, 1], [1, 0]], {"class_prior": [0.0, 0.3]}, "between 0 and 1"),
        ([[0, 1], [1, 0]], {"volume_constraint": True}, "class_prior is None"),
    ],
)
def test_wrong_labels_and_parameters_are_refused_with_the_cure(Y, params, message):
    with pytest.raises(ValueError, match=message):
        WNLLClassifier(**params).fit([[0.0], [1.0]], Y)


def test_score_counts_rows_whose_given_cells_are_all_right(rows):
    X, Y, few = rows
    model, new, truth = WNLLClassifier().fit(X, few), X[150:] + 0.01, Y[150:]
    right = model.predict(new) == truth
    assert model.score(new, truth) == pytest.approx(right.all(axis=1).mean())
    gaps = truth.astype(float)
    gaps[::2, 0], gaps[:50] = np.nan, np.nan
    expected = (right | np.isnan(gaps)).all(axis=1)[50:]
    assert model.score(new, gaps) == pytest.approx(expected.mean())
    weights = np.arange(len(new))
    weighted = np.average(expected, weights=weights[50:])
    assert model.score(new, gaps, sample_weight=weights) == pytest.approx(weighted)
    with pytest.raises(ValueError, match="nothing to score"):
        model.score(new, np.full(truth.shape, -1))
    for wrong in (truth[:, :2], truth[:, 0]):
        with pytest.raises(ValueError, match="should have 5 columns"):
            model.score(new, wrong)


def test_held_out_labels_estimate_the_accuracy_and_calibrate(rows):
    X, Y, few = rows
    few = np.where(few == -1, np.nan, few)
    few[:20, 0] = np.nan  # a gap of its own
    plain = WNLLClassifier(random_state=0, held_out=5).fit(X, few)
    u, known = plain.held_out_distributions_, ~np.isnan(few)
    np.testing.assert_array_equal(np.isnan(u), ~known)
    assert plain.held_out_score_ == ((u > 0.5) == (few == 1))[known].mean()
    assert abs(plain.held_out_score_ - (plain.transduction_ == Y)[~known].mean()) < 0.08
    model = WNLLClassifier(random_state=0, calibrate=True).fit(X, few)
    assert model.temperature_.shape == (5,)
    assert not (model.temperature_ == 1).any()
    np.testing.assert_array_equal(model.transduction_, plain.transduction_)


def test_a_held_out_label_does_not_influence_its_own_prediction(rows):
    X, _, few = rows
    other = few.copy()
    other[3] = 1 - other[3]
    base, changed = (
        WNLLClassifier(random_state=0, held_out=5, tol=1e-10).fit(X, y).held_out_distributions_
        for y in (few, other)
    )
    np.testing.assert_allclose(base[3], changed[3], atol=1e-6)
    assert not np.allclose(base[:150], changed[:150], atol=1e-3)


def test_the_prior_moves_the_sizes_of_the_labels(rows):
    X, _, few = rows
    prior = [0.1, 0.3, 0.5, 0.7, 0.9]
    model = WNLLClassifier(class_prior=prior).fit(X, few)
    np.testing.assert_array_equal(model.class_sizes_, prior)
    assert (np.diff(model.transduction_[150:].mean(axis=0)) > 0).all()
    assert not hasattr(WNLLClassifier().fit(X, few), "class_sizes_")


def assert_same_label(model, two, X, column):
    """Check that a label of ``model`` is that of a classifier of two classes."""
    tolerance = {"rtol": 0, "atol": 1e-3}
    for got, expected in (
        (model.label_distributions_, two.label_distributions_),
        (model.predict_proba(X[:20] + 0.1), two.predict_proba(X[:20] + 0.1)),
    ):
        np.testing.assert_allclose(got[:, column], expected[:, 1], **tolerance)
    assert model.temperature_[column] == pytest.approx(two.temperature_, rel=0.05)
    assert model.label_noise_[column] == pytest.approx(two.label_noise_, abs=1e-3)
    if hasattr(two, "held_out_score_"):
        held_out = model.held_out_distributions_[:, column], two.held_out_distributions_[:, 1]
        np.testing.assert_allclose(*held_out, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    "params",
    [
        {"estimator": LogisticRegression(), "held_out": 3},
        {"label_noise": "auto", "calibrate": True},
        {"volume_constraint": True},
        {"class_prior": "estimated"},
    ],
)
def test_options_that_need_a_system_for_each_label_are_those_of_two_classes(rows, params):
    X, _, few = rows
    params = {"class_prior": "labeled", "label_weight": "wnll", "random_state": 0, **params}
    model, two = (WNLLClassifier(**params).fit(X, y) for y in (few, few[:, 2]))
    assert_same_label(model, two, X, 2)
    if "estimator" in params:
        assert model.estimator_weight_[2] == two.estimator_weight_
        np.testing.assert_allclose(model.estimator_[2].coef_, two.estimator_.coef_, atol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
def test_a_label_that_no_row_has_gets_no_estimator(rows):
    X, _, few = rows
    few = np.where((few != -1) & (np.arange(5) == 1), 0, few)
    model = WNLLClassifier(estimator=LogisticRegression(), random_state=0).fit(X, few)
    assert model.estimator_[1] is None
    assert model.estimator_weight_[1] == 0
    assert (model.transduction_[:, 1] == 0).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("estimator", [None, LogisticRegression()])
def test_templates_batches_compact_copies_and_pickles_work(rows, mode, estimator):
    X, _, few = rows
    params = {"predict_mode": mode, "random_state": 0, "estimator": estimator}
    whole = WNLLClassifier(**params).fit(X, few)
    n_jobs = 2 if estimator is None else None  # processes take seconds to start
    model = WNLLClassifier(template_size=250, query_size=50, n_jobs=n_jobs, **params).fit(X, few)
    assert len(model.templates_) > 1
    new = X + 0.05
    loaded, found = pickle.loads(pickle.dumps(model)), model.predict_proba(new)
    np.testing.assert_array_equal(loaded.predict_proba(new), found)
    assert np.corrcoef(found.ravel(), whole.predict_proba(new).ravel())[0, 1] > 0.8
    small = whole.compact()
    assert len(pickle.dumps(small)) < len(pickle.dumps(whole))
    whole.set_params(predict_mode="inductive")
    np.testing.assert_allclose(small.predict_proba(new), whole.predict_proba(new), atol=1e-12)


def test_a_session_may_turn_from_one_label_to_several_and_back(rows):
    X, _, few = rows
    model = WNLLClassifier(tol=1e-10).fit(X, few[:, 0])
    for labels in (few, few[:, :3], few[:, 1], np.full(few.shape, -1), few):
        model.relabel(labels)
        whole = WNLLClassifier(tol=1e-10).fit(X, labels)
        assert_close(model.label_distributions_, whole.label_distributions_)
    warm = clone(model).set_params(warm_start=True).fit(X, few)
    graph = warm.graph_
    warm.fit(X, np.where(few == -1, -1, 1 - few))
    assert warm.graph_ is graph
    assert_close(warm.label_distributions_, 1 - model.label_distributions_)


def test_suggested_rows_lack_a_label(rows):
    X, _, few = rows
    few = few.copy()
    few[100:150, 2] = -1
    few[10] = -1
    model = WNLLClassifier().fit(X, few)
    chosen = model.suggest_labels(400)
    assert not np.isin(chosen, np.flatnonzero((few != -1).all(axis=1))).any()
    sure = model.certainty(X)
    assert sure.shape == (600,)
    np.testing.assert_array_equal(sure[:100] == 1, np.arange(100) != 10)
    with pytest.raises(ValueError, match=r"one label per row.*held_out_distributions_"):
        model.suspect_labels()


@pytest.mark.parametrize("n_labels", [2, 5])
def test_the_scorers_of_scikit_learn_take_the_predictions(rows, n_labels):
    X, Y, _ = rows
    model = make_pipeline(StandardScaler(), WNLLClassifier(predict_mode="inductive"))
    for scoring in ("f1_macro", "f1_micro", "average_precision", "roc_auc", "accuracy", None):
        scores = cross_val_score(model, X, Y[:, :n_labels], scoring=scoring, cv=3)
        assert ((scores > 0.1) & (scores < 1)).all()
    for method, kind in (("predict", "i"), ("predict_proba", "f")):
        predicted = cross_val_predict(model, X, Y[:, :n_labels], method=method, cv=3)
        assert (predicted.shape, predicted.dtype.kind) == ((600, n_labels), kind)
    search = GridSearchCV(WNLLClassifier(), {"n_neighbors": [5, 15]}, scoring="f1_macro", cv=3)
    assert search.fit(X, Y[:, :n_labels]).best_score_ > 0.4


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")
def test_rows_that_no_label_reaches_get_the_frequencies():
    X = np.array([[0.0], [0.1], [0.2], [0.3], [9.0], [9.1], [9.2]])
    Y = [[0, 1], [1, -1], [-1, 1], [0, 1], [-1, -1], [-1, -1], [-1, -1]]
    with pytest.warns(UserWarning, match="No label reaches 3 rows"):
        model = WNLLClassifier(n_neighbors=2).fit(X, Y)
    assert not model.reached_[4:].any()
    np.testing.assert_allclose(model.label_distributions_[4:], [[1 / 3, 1]] * 3)
    with pytest.warns(UserWarning, match="No label reaches"):
        assert model.certainty([[9.05]])[0] == 0
    with pytest.warns(UserWarning, match="No label reaches"):
        prior = WNLLClassifier(n_neighbors=2, class_prior=[0.2, 0.6]).fit(X, Y)
    np.testing.assert_allclose(prior.label_distributions_[4:], [[0.2, 0.6]] * 3)


def test_displays_and_networks_take_one_label_per_row(rows):
    X, Y, few = rows
    pytest.importorskip("matplotlib")
    from sklearn_wnll.plotting import LabelBudgetDisplay, LabelingDisplay, TransductionDisplay

    model = WNLLClassifier().fit(X, few)
    for show in (
        lambda: TransductionDisplay.from_estimator(model, X[:, :2]),
        lambda: LabelingDisplay().add(model, few),
        lambda: LabelBudgetDisplay.from_estimator(WNLLClassifier(), X, Y),
    ):
        with pytest.raises(ValueError, match=r"one label per row|several labels per row"):
            show()
    pytest.importorskip("skorch")
    from sklearn_wnll import DeepWNLLClassifier

    with pytest.raises(ValueError, match="Only WNLLClassifier takes several labels per row"):
        DeepWNLLClassifier().fit(X, few)
