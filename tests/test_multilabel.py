"""Several labels of each row at once: properties."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from sklearn_wnll import WNLLClassifier

from .clouds import FACTORS, IGNORES_FEW_LABELS, examples
from .reference import dense_values, dense_weights

quick = examples(30)
ROUNDING = 2**-53
MODES = "transductive", "inductive"
pytestmark = [
    *IGNORES_FEW_LABELS,
    # Random labels may look like one-hot encoded classes.
    pytest.mark.filterwarnings("ignore:Each row of y has exactly one 1"),
]


class Case(NamedTuple):
    """Points, a matrix of 0, 1 and NaN, and parameters of a classifier."""

    X: np.ndarray
    Y: np.ndarray
    params: dict

    def fit(self, **params):
        return WNLLClassifier(**{**self.params, **params}).fit(self.X, self.Y)


@st.composite
def cases(draw, *, grid=False, label_weights=("auto", "poisson", *FACTORS)):
    """Draw points with up to 4 labels; gaps are whole rows, single cells, or both."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, k = draw(st.integers(12, 40)), draw(st.integers(1, 4)), draw(st.integers(2, 4))
    X = rng.normal(size=(n, d))
    if grid:
        X = np.round(X)
    Y = (rng.random((n, k)) < rng.choice([0.1, 0.4, 0.8], size=k)).astype(float)
    rows, cells = draw(st.sampled_from([(0.5, 0.0), (0.0, 0.5), (0.4, 0.3), (0.8, 0.0)]))
    gaps = (rng.random(n) < rows)[:, None] | (rng.random((n, k)) < cells)
    gaps[rng.integers(n)] = False
    Y[gaps] = np.nan
    params = {
        "n_neighbors": draw(st.integers(4, 12)),
        "label_weight": draw(st.sampled_from(label_weights)),
        "class_prior": draw(st.sampled_from([None, "labeled"])),
        "tol": 1e-13,
        "max_iter": 5000,
    }
    return Case(X, Y, params)


def assert_close(u, v):
    np.testing.assert_allclose(u, v, atol=1e-8)


@quick
@given(cases(grid=True), st.sampled_from(MODES))
def test_given_cells_keep_their_label_and_fitted_rows_their_value(case, mode):
    model = case.fit(predict_mode=mode)
    u, k = model.label_distributions_, case.Y.shape[1]
    assert model.classes_.tolist() == [[0, 1]] * k
    assert u.shape == model.transduction_.shape == model.reached_.shape == case.Y.shape
    assert ((u >= 0) & (u <= 1)).all()
    np.testing.assert_allclose(model.predict_proba(case.X), u, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(model.predict(case.X), model.transduction_)
    alone = np.array([(x == case.X).all(axis=1).sum() == 1 for x in case.X])
    kept = ~np.isnan(case.Y) & alone[:, None]
    np.testing.assert_array_equal(u[kept], case.Y[kept])
    new = model.predict_proba(case.X + 0.123)
    assert new.shape == u.shape
    assert ((new > 0) & (new < 1)).all()  # as scikit-learn checks


@quick
@given(cases(), st.sampled_from(MODES))
def test_a_label_does_not_depend_on_the_others(case, mode):
    model, twice = case.fit(predict_mode=mode), case._replace(Y=case.Y[:, [0, 0]])
    alone = twice.fit(predict_mode=mode)
    assert_close(alone.label_distributions_[:, 0], model.label_distributions_[:, 0])
    new = case.X[:5] + 0.3
    assert_close(alone.predict_proba(new)[:, 0], model.predict_proba(new)[:, 0])


@quick
@given(cases(label_weights=("poisson", *FACTORS)))
def test_a_label_is_that_of_a_classifier_of_two_classes(case):
    model, column = case.fit(), case.Y[:, 0]
    assume(len(np.unique(column[~np.isnan(column)])) == 2)
    two = WNLLClassifier(**case.params).fit(case.X, column)
    assert_close(two.label_distributions_[:, 1], model.label_distributions_[:, 0])
    new = case.X[:5] + 0.3
    assert_close(two.predict_proba(new)[:, 1], model.predict_proba(new)[:, 0])
    np.testing.assert_array_equal(two.reached_, model.reached_[:, 0])


@quick
@given(cases(), st.randoms(use_true_random=False))
def test_permuting_the_columns_permutes_the_labels(case, random):
    order = random.sample(range(case.Y.shape[1]), case.Y.shape[1])
    other = case._replace(Y=case.Y[:, order]).fit()
    assert_close(other.label_distributions_, case.fit().label_distributions_[:, order])


@quick
@given(cases())
def test_exchanging_0_and_1_complements_the_probabilities(case):
    model, other = case.fit(), case._replace(Y=1 - case.Y).fit()
    assert_close(other.label_distributions_, 1 - model.label_distributions_)
    assert_close(other.predict_proba(case.X + 0.2), 1 - model.predict_proba(case.X + 0.2))


@quick
@given(cases(), st.sampled_from([0.0, 1.0]), st.sampled_from(MODES))
def test_a_label_that_is_always_the_same_stays_so(case, value, mode):
    Y = case.Y.copy()
    Y[:, 1] = np.where(np.isnan(Y[:, 1]), np.nan, value)
    model = case._replace(Y=Y).fit(predict_mode=mode)
    assert (model.label_distributions_[:, 1] == value).all()
    new = model.predict_proba(case.X + 0.3)[:, 1]
    np.testing.assert_allclose(new, value, rtol=0, atol=ROUNDING)


@quick
@given(cases(label_weights=FACTORS))
def test_labels_equal_the_dense_reference(case):
    n_neighbors = case.params["n_neighbors"]
    model = case.fit(class_prior=None)
    W = dense_weights(case.X, n_neighbors, -(-n_neighbors // 2))
    for column, u in zip(case.Y.T, model.label_distributions_.T, strict=True):
        known = ~np.isnan(column)
        g = np.column_stack([1 - column[known], column[known]])
        expected, _ = dense_values(W, known, g, case.params["label_weight"])
        reached = expected.sum(axis=1) > 0
        assert_close(u[reached], expected[reached, 1])
        assert_close(u[~reached], column[known].mean())


@quick
@given(cases())
def test_queries_that_join_get_the_values_of_a_fit_with_them(case):
    model = case._replace(X=case.X[5:], Y=case.Y[5:])
    assume((~np.isnan(case.Y[5:])).any(axis=0).all())
    Y = np.vstack([np.full((5, case.Y.shape[1]), np.nan), case.Y[5:]])
    weight = {"label_weight": 3.0, "class_prior": None}  # corrections would differ
    together = case._replace(Y=Y).fit(**weight)
    assert_close(model.fit(**weight).predict_proba(case.X[:5]), together.label_distributions_[:5])


@examples(20)
@given(cases(), st.sampled_from(["prior", "label_noise", "estimator"]))
def test_relabel_and_add_rows_equal_fit(case, option):
    changed = {
        "prior": {},
        "label_noise": {"label_noise": 0.1},
        "estimator": {"estimator": LogisticRegression(), "estimator_weight": 0.5},
    }[option]
    case = case._replace(params={**case.params, **changed, "random_state": 0})
    model = case._replace(X=case.X[:-3], Y=np.full_like(case.Y[:-3], -1)).fit()
    assert model.classes_.shape == (0, 2)
    assert len(model.suggest_labels(2)) == 2
    model.add_rows(case.X[-3:]).relabel(case.Y)
    whole = case.fit()
    assert_close(model.label_distributions_, whole.label_distributions_)
    assert_close(model.predict_proba(case.X + 0.3), whole.predict_proba(case.X + 0.3))
