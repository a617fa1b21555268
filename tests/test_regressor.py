"""Facts about the extension of numbers."""

import pickle
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, make_swiss_roll
from sklearn.metrics import r2_score

from sklearn_wnll import WNLLClassifier, WNLLRegressor
from sklearn_wnll._extension.dealing import deal_templates
from sklearn_wnll.exceptions import UnreachedPointsWarning
from tests.clouds import IGNORES_FEW_LABELS, clouds, examples
from tests.reference import dense_values, dense_weights

pytestmark = IGNORES_FEW_LABELS
quick = examples(30)


class Table(NamedTuple):
    """Rows, values with gaps (n, k), new rows, and parameters of a regressor."""

    X: np.ndarray
    y: np.ndarray
    new: np.ndarray
    params: dict


@st.composite
def tables(draw, *, grid=False, n_targets=None):
    """Draw rows with values of one or several targets; each has a value at least once."""
    cloud = draw(clouds(grid=grid))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k = len(cloud.X), draw(st.integers(1, 4)) if n_targets is None else n_targets
    y = rng.normal(size=(n, k)) * 10.0 ** rng.integers(-3, 4, k) + rng.normal(size=k)
    hidden = rng.random(n) < draw(st.sampled_from([0.0, 0.5, 0.8]))
    own = rng.random((n, k)) < draw(st.sampled_from([0.0, 0.3]))
    gaps = hidden[:, None] | own
    gaps[rng.integers(n, size=k), np.arange(k)] = False
    new = cloud.X[rng.integers(n, size=6)] + rng.normal(scale=0.2, size=(6, cloud.X.shape[1]))
    params = {name: value for name, value in cloud.params.items() if name != "unlabeled"}
    return Table(cloud.X, np.where(gaps, np.nan, y), new, params)


def fitted(table, **params):
    """Fit a regressor to a table."""
    return WNLLRegressor(**{**table.params, **params}).fit(table.X, table.y)


def span(y):
    """The range of each target."""
    return np.nanmax(y, axis=0) - np.nanmin(y, axis=0)


def close(a, b, y, tol=1e-6):
    """Check that values agree up to a part of each target's range."""
    scale = np.where(span(y) > 0, span(y), 1) + np.abs(np.nanmax(y, axis=0)) * 1e-9
    np.testing.assert_array_less(np.abs(a - b) / scale, tol)


@quick
@given(tables(grid=True), st.sampled_from(["transductive", "inductive"]))
def test_no_value_lies_outside_the_given_ones(table, mode):
    model = fitted(table, predict_mode=mode)
    low, high = np.nanmin(table.y, axis=0), np.nanmax(table.y, axis=0)
    for u in (model.transduction_, model.predict(table.new)):
        assert ((u >= low) & (u <= high)).all()


@quick
@given(tables(), st.floats(-1e100, 1e100), st.sampled_from(["transductive", "inductive"]))
def test_a_constant_stays_exactly_constant(table, constant, mode):
    table = table._replace(y=np.where(np.isnan(table.y), np.nan, constant))
    model = fitted(table, predict_mode=mode)
    assert (model.transduction_ == constant).all()
    assert (model.predict(table.new) == constant).all()


@quick
@given(tables(), st.sampled_from(["transductive", "inductive"]))
def test_a_row_with_a_value_keeps_it_and_a_fitted_row_its_fitted_value(table, mode):
    model = fitted(table, predict_mode=mode)
    known = ~np.isnan(table.y)
    np.testing.assert_array_equal(model.transduction_[known], table.y[known])
    np.testing.assert_array_equal(model.predict(table.X), model.transduction_)
    both = model.predict(np.vstack([table.new, table.X[:3]]))
    np.testing.assert_array_equal(both[-3:], model.transduction_[:3])


@quick
@given(tables(), st.floats(0.01, 100), st.booleans(), st.floats(-1e3, 1e3))
def test_an_affine_map_of_the_values_maps_the_answer(table, factor, negative, shift):
    factor = -factor if negative else factor
    mapped = table._replace(y=factor * table.y + shift)
    one, two = fitted(table), fitted(mapped)
    close(two.transduction_, factor * one.transduction_ + shift, mapped.y)
    close(two.predict(table.new), factor * one.predict(table.new) + shift, mapped.y)


@quick
@given(tables(), st.sampled_from([1 / 1024, 0.5, 16.0]))
def test_scaling_all_rows_changes_nothing(table, factor):
    model = fitted(table)
    scaled = WNLLRegressor(**table.params).fit(factor * table.X, table.y)
    close(scaled.transduction_, model.transduction_, table.y)
    close(scaled.predict(factor * table.new), model.predict(table.new), table.y)


@examples(20)
@given(tables())
def test_each_target_gets_what_it_gets_alone(table):
    model = fitted(table)
    for target in range(table.y.shape[1]):
        y = table.y[:, target]
        alone = WNLLRegressor(**table.params).fit(table.X, y)
        assert alone.transduction_.shape == y.shape
        close(model.transduction_[:, target], alone.transduction_, y)
        close(model.predict(table.new)[:, target], alone.predict(table.new), y)


@quick
@given(tables(n_targets=1))
def test_values_agree_with_the_dense_reference(table):
    model, y = fitted(table), table.y[:, 0]
    known = ~np.isnan(y)
    W = dense_weights(table.X, table.params["n_neighbors"], table.params["scale_neighbor"])
    u, _ = dense_values(W, known, y[known, None], table.params["label_weight"])
    reached = model.reached_[:, 0]
    close(model.transduction_[reached], u[reached], table.y)
    np.testing.assert_allclose(model.transduction_[~reached], y[known].mean(), rtol=1e-12)


@examples(20)
@given(tables(), st.integers(0, 2**32 - 1))
def test_other_values_on_the_same_graph_give_what_a_new_fit_gives(table, seed):
    rng = np.random.default_rng(seed)
    other = rng.normal(size=table.y.shape)
    other[rng.random(table.y.shape) < 0.6] = np.nan
    other[0] = 1.0
    again = fitted(table).relabel(other)
    warm = fitted(table, warm_start=True).fit(table.X, other)
    new = WNLLRegressor(**table.params).fit(table.X, other)
    for model in (again, warm):
        close(model.transduction_, new.transduction_, other)
        close(model.predict(table.new), new.predict(table.new), other)


@quick
@given(tables())
def test_added_rows_give_what_a_fit_with_all_rows_gives(table):
    grown = fitted(table).add_rows(table.new)
    gaps = np.full((len(table.new), table.y.shape[1]), np.nan)
    whole = WNLLRegressor(**table.params).fit(
        np.vstack([table.X, table.new]), np.vstack([table.y, gaps])
    )
    close(grown.transduction_, whole.transduction_, table.y)


@examples(10)
@given(tables())
def test_a_compact_model_predicts_the_same_inductively(table):
    model = fitted(table, predict_mode="inductive")
    expected = model.predict(table.new)
    small = pickle.loads(pickle.dumps(model.compact()))
    np.testing.assert_array_equal(small.predict(table.new), expected)
    assert not hasattr(small, "transduction_")


def roll(n=600, m=60, seed=0):
    """A rolled sheet, its angle, and the angle at some rows only."""
    X, t = make_swiss_roll(n, random_state=seed)
    y = np.full(n, np.nan)
    given = np.random.default_rng(seed).choice(n, m, replace=False)
    y[given] = t[given]
    return X, t, y


def test_equal_rows_share_the_mean_of_their_values():
    X, _, y = roll()
    X[1], y[0], y[1] = X[0], 1.0, 3.0
    model = WNLLRegressor().fit(X, y)
    np.testing.assert_array_equal(model.transduction_[:2], [2.0, 2.0])


def test_rows_that_no_value_reaches_get_the_mean_and_a_warning():
    X = np.vstack([np.linspace(0, 1, 10), np.linspace(100, 101, 10)]).reshape(-1, 1)
    y = np.full(20, np.nan)
    y[[0, 9]] = 1.0, 4.0
    with pytest.warns(UnreachedPointsWarning, match="No value reaches 10 rows of X"):
        model = WNLLRegressor(n_neighbors=3).fit(X, y)
    assert (model.transduction_[10:] == 2.5).all()
    assert not model.reached_[10:].any()
    assert model.reached_[:10].all()


def test_templates_and_batches_stay_near_the_one_graph():
    X, _, y = roll(1200, 200)
    one = WNLLRegressor(random_state=0).fit(X, y)
    several = WNLLRegressor(template_size=500, query_size=50, random_state=0).fit(X, y)
    assert len(several.templates_) > 1
    assert several.graph_ is None
    np.testing.assert_array_equal(several.transduction_[~np.isnan(y)], y[~np.isnan(y)])
    new, _ = make_swiss_roll(200, random_state=1)
    assert np.abs(several.predict(new) - one.predict(new)).mean() < 0.1


def test_templates_take_all_targets_into_account():
    X, _, y = roll(900, 200)
    given = np.flatnonzero(~np.isnan(y))
    Y = np.column_stack([y, y])
    Y[given[::2], 0], Y[given[1::2], 1] = np.nan, np.nan
    model = WNLLRegressor(template_size=500, random_state=0).fit(X, Y)
    codes = np.where(np.isnan(Y).all(axis=1), -1, 0)
    dealt = deal_templates(codes, 500, np.random.RandomState(model._kept.seed))
    assert [part.tolist() for part in model.templates_] == [part.tolist() for part in dealt]


def test_the_score_is_r2_on_rows_with_a_value():
    X, t, y = roll()
    model = WNLLRegressor().fit(X[:400], y[:400])
    truth = np.where(np.arange(200) < 150, t[400:], np.nan)
    expected = r2_score(truth[:150], model.predict(X[400:])[:150])
    assert model.score(X[400:], truth) == pytest.approx(expected)
    weights = np.arange(200.0)
    weighted = model.score(X[400:], truth, sample_weight=weights)
    expected = r2_score(truth[:150], model.predict(X[400:])[:150], sample_weight=weights[:150])
    assert weighted == pytest.approx(expected)
    with pytest.raises(ValueError, match="no row has a value"):
        model.score(X[400:], np.full(200, np.nan))


def test_held_out_values_are_predicted_without_themselves():
    X, t, y = roll()
    model = WNLLRegressor(held_out=5, random_state=0).fit(X, np.column_stack([y, -y]))
    known = ~np.isnan(y)
    predictions = model.held_out_predictions_
    assert (np.isnan(predictions).any(axis=1) == ~known).all()
    assert model.held_out_score_ == pytest.approx(r2_score(y[known], predictions[known, 0]))
    assert 0.9 < model.held_out_score_ < 1
    true = 1 - np.mean((model.transduction_[~known, 0] - t[~known]) ** 2) / t[~known].var()
    assert abs(model.held_out_score_ - true) < 0.05


def test_diabetes_is_predicted_better_than_by_the_mean():
    X, y = load_diabetes(return_X_y=True)
    partly = y.copy()
    partly[np.random.default_rng(0).random(len(y)) < 0.5] = np.nan
    model = WNLLRegressor(label_noise="auto", random_state=0).fit(X, partly)
    hidden = np.isnan(partly)
    assert r2_score(y[hidden], model.transduction_[hidden]) > 0.3


@quick
@given(tables(n_targets=1), st.sampled_from(["transductive", "inductive"]))
def test_zeros_and_ones_are_the_probabilities_of_two_classes(table, mode):
    known, y = ~np.isnan(table.y[:, 0]), table.y[:, 0]
    above = np.where(known, (y > np.median(y[known])).astype(float), np.nan)
    params = {**table.params, "predict_mode": mode}
    numbers = WNLLRegressor(**params).fit(table.X, above)
    classes = WNLLClassifier(**params).fit(table.X, above)
    if len(classes.classes_) == 2:
        u = classes.label_distributions_[:, 1]
        np.testing.assert_allclose(numbers.transduction_, u, atol=1e-9)
        found = classes.predict_proba(table.new)[:, 1]
        np.testing.assert_allclose(numbers.predict(table.new), found, atol=1e-9)
