"""Facts about a regressor beside the graph."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_friedman1, make_swiss_roll
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wnll import WNLLRegressor
from tests.clouds import examples
from tests.test_regressor import close, fitted, tables

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
quick = examples(25)
modes = st.sampled_from(["transductive", "inductive"])


@quick
@given(tables(), modes)
def test_without_weight_the_regressor_changes_nothing(table, mode):
    plain = fitted(table, predict_mode=mode)
    beside = fitted(table, predict_mode=mode, estimator=Ridge(), estimator_weight=0)
    close(beside.transduction_, plain.transduction_, table.y)
    close(beside.predict(table.new), plain.predict(table.new), table.y)


@quick
@given(tables(), st.sampled_from([0.1, 1.0]), modes)
def test_beside_a_regressor_values_stay_within_the_given_ones(table, weight, mode):
    model = fitted(table, predict_mode=mode, estimator=LinearRegression(), estimator_weight=weight)
    low, high = np.nanmin(table.y, axis=0), np.nanmax(table.y, axis=0)
    known = ~np.isnan(table.y)
    np.testing.assert_array_equal(model.transduction_[known], table.y[known])
    np.testing.assert_array_equal(model.predict(table.X), model.transduction_)
    for u in (model.transduction_, model.predict(table.new)):
        assert ((u >= low) & (u <= high)).all()


@quick
@given(tables(), modes)
def test_a_large_weight_leaves_the_regressor_s_predictions(table, mode):
    model = fitted(table, predict_mode=mode, estimator=Ridge(), estimator_weight=1e9)
    free = np.isnan(table.y)
    alone = [one.predict(table.X) for one in model.estimator_]
    expected = np.clip(
        np.column_stack(alone), *(f(table.y, axis=0) for f in (np.nanmin, np.nanmax))
    )
    close(np.where(free, model.transduction_, 0), np.where(free, expected, 0), table.y)


@quick
@given(tables())
def test_an_affine_map_of_the_values_maps_the_answer_beside_a_regressor(table):
    mapped = table._replace(y=-2.0 * table.y + 7)
    one, two = (
        fitted(t, estimator=LinearRegression(), estimator_weight=0.5) for t in (table, mapped)
    )
    close(two.transduction_, -2.0 * one.transduction_ + 7, mapped.y)


@quick
@given(tables())
def test_new_values_beside_a_regressor_give_what_a_new_fit_gives(table):
    params = {"estimator": Ridge(), "estimator_weight": 0.3}
    other = np.where(np.isnan(table.y), 1.0, np.nan)
    other[:2] = [[0.0], [2.0]]
    again = fitted(table, **params).relabel(other)
    new = WNLLRegressor(**{**table.params, **params}).fit(table.X, other)
    close(again.transduction_, new.transduction_, other)
    grown = again.add_rows(table.new)
    gaps = np.full((len(table.new), other.shape[1]), np.nan)
    whole = WNLLRegressor(**{**table.params, **params}).fit(
        np.vstack([table.X, table.new]), np.vstack([other, gaps])
    )
    close(grown.transduction_, whole.transduction_, other)


def friedman(m=200, n=800):
    """Rows of a smooth function of five features, and its values at some."""
    X, t = make_friedman1(n, noise=1, random_state=0)
    y = t.copy()
    y[np.random.default_rng(0).choice(n, n - m, replace=False)] = np.nan
    return X, t, y


def test_a_regressor_that_knows_more_gets_weight():
    X, t, y = friedman()
    plain = WNLLRegressor().fit(X, y)
    model = WNLLRegressor(estimator=make_pipeline(StandardScaler(), Ridge())).fit(X, y)
    assert model.estimator_weight_ >= 1
    hidden = np.isnan(y)
    errors = [np.abs(each.transduction_ - t)[hidden].mean() for each in (plain, model)]
    assert errors[1] < 0.85 * errors[0]


@pytest.mark.parametrize("estimator", [DummyRegressor(), Ridge()])
def test_a_regressor_that_knows_nothing_gets_none(estimator):
    X, t = make_swiss_roll(800, random_state=0)
    y = np.where(np.arange(800) < 60, t, np.nan)
    model = WNLLRegressor(estimator=estimator).fit(X, y)
    assert model.estimator_weight_ == 0
    np.testing.assert_array_equal(model.transduction_, WNLLRegressor().fit(X, y).transduction_)


def test_each_target_has_a_regressor_and_a_weight():
    X, _t, y = friedman()
    other = np.where(np.arange(800) < 100, X[:, 0], np.nan)
    model = WNLLRegressor(estimator=Ridge(), held_out=3).fit(X, np.column_stack([y, other]))
    assert len(model.estimator_) == 2
    assert model.estimator_weight_.shape == (2,)
    assert np.isnan(model.held_out_predictions_).sum() == 600 + 700
    assert np.abs(model.transduction_[:, 1] - X[:, 0]).mean() < 0.05


def test_held_out_values_are_not_seen_by_the_regressor():
    X, _t, y = friedman()
    y = np.random.default_rng(0).permutation(y)  # nothing can be learned
    forest = RandomForestRegressor(30, min_samples_leaf=1, random_state=0)
    model = WNLLRegressor(estimator=forest, estimator_weight=16, held_out=5, random_state=0)
    assert model.fit(X, y).held_out_score_ < 0.1
    low, high = model.predict_interval(X).T
    hidden = np.isnan(y)
    covered = (low <= np.nanmean(y)) & (np.nanmean(y) <= high)
    assert (high - low)[hidden].mean() > 2.5 * np.nanstd(y)
    assert covered[hidden].all()


def test_templates_and_compact_models_keep_the_regressor():
    X, _t, y = friedman()
    params = {"estimator": Ridge(), "estimator_weight": 2.0, "random_state": 0}
    several = WNLLRegressor(template_size=500, query_size=40, **params).fit(X[:700], y[:700])
    one = WNLLRegressor(**params).fit(X[:700], y[:700])
    assert len(several.templates_) > 1
    assert np.abs(several.predict(X[700:]) - one.predict(X[700:])).mean() < 0.5
    one.set_params(predict_mode="inductive")
    np.testing.assert_array_equal(one.compact().predict(X[700:]), one.predict(X[700:]))


def test_what_cannot_be_joined_is_refused():
    X, _t, y = friedman()
    with pytest.raises(ValueError, match="estimator needs features"):
        WNLLRegressor(estimator=Ridge(), metric="precomputed").fit(np.abs(X @ X.T), y)
    with pytest.raises(ValueError, match="estimator learns from the rows"):
        WNLLRegressor().fit(X, y).set_params(estimator=Ridge()).relabel(y)
