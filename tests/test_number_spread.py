"""Facts about noise in given numbers, errors of predicted ones, and rows to measure next."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_friedman1, make_swiss_roll

from sklearn_wnll import WNLLRegressor
from sklearn_wnll._active import _END, steadying_points
from tests.clouds import examples
from tests.test_regressor import close, fitted, tables

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
quick, few = examples(30), examples(5)  # the noise of values takes 40 solutions


def roll(n, m, noise=0.0, seed=0):
    """A rolled sheet, its angle, and noisy angles at some rows."""
    X, t = make_swiss_roll(n, random_state=seed)
    rng = np.random.default_rng(seed)
    y = np.full(n, np.nan)
    some = rng.choice(n, m, replace=False)
    y[some] = t[some] + noise * rng.normal(size=m)
    return X, t, y


@few
@given(tables(), st.sampled_from(["auto", 0.2]), st.booleans())
def test_an_affine_map_of_noisy_values_maps_the_answer(table, noise, negative):
    mapped = table._replace(y=(-3.0 if negative else 3.0) * table.y + 5)
    one = fitted(table, label_noise=noise, random_state=0)
    two = fitted(mapped, label_noise=noise, random_state=0)
    np.testing.assert_allclose(one.label_noise_, two.label_noise_, rtol=1e-6)
    close(two.transduction_, (-3.0 if negative else 3.0) * one.transduction_ + 5, mapped.y, 1e-5)


@few
@given(tables(), st.sampled_from([0.0, "auto", 0.3]))
def test_noisy_values_stay_within_the_given_ones_and_a_constant_constant(table, noise):
    model = fitted(table, label_noise=noise, random_state=0)
    assert (model.transduction_ >= np.nanmin(table.y, axis=0)).all()
    assert (model.transduction_ <= np.nanmax(table.y, axis=0)).all()
    np.testing.assert_array_equal(model.predict(table.X), model.transduction_)
    constant = table._replace(y=np.where(np.isnan(table.y), np.nan, 0.1))
    assert (fitted(constant, label_noise=noise).transduction_ == 0.1).all()


def test_noise_is_found_where_there_is_some_and_then_smoothed():
    X, t, y = roll(1500, 200, noise=2.0)
    clamped = WNLLRegressor(random_state=0).fit(X, y)
    smooth = WNLLRegressor(label_noise="auto", random_state=0).fit(X, y)
    assert clamped.label_noise_ == 0
    assert 0.1 < smooth.label_noise_ < 0.4  # it is 4 / 11 of the variance
    errors = [np.abs(model.transduction_ - t).mean() for model in (smooth, clamped)]
    assert errors[0] < 0.8 * errors[1]
    assert not (smooth.transduction_ == y)[~np.isnan(y)].any()


def test_values_without_noise_stay_clamped():
    X, _, y = roll(1500, 200)
    model = WNLLRegressor(label_noise="auto", random_state=0).fit(X, y)
    assert model.label_noise_ == 0
    np.testing.assert_array_equal(model.transduction_[~np.isnan(y)], y[~np.isnan(y)])


@examples(10)
@given(tables(), st.sampled_from(["transductive", "inductive"]))
def test_only_given_values_are_certain(table, mode):
    known = ~np.isnan(table.y)
    if (known.sum(axis=0) < 5).any():
        return
    model = fitted(table, predict_mode=mode, random_state=0)
    values, std = model.predict(table.X, return_std=True)
    np.testing.assert_array_equal(values, model.predict(table.X))
    assert np.isfinite(std).all()
    np.testing.assert_array_equal(std == 0, known)
    narrow, wide = (model.predict_interval(table.X, coverage) for coverage in (0.5, 0.9))
    assert narrow.shape == (*table.y.shape, 2)
    assert (wide[..., 0] <= narrow[..., 0]).all()
    assert (wide[..., 1] >= narrow[..., 1]).all()
    np.testing.assert_allclose(wide.mean(axis=-1), values, rtol=1e-9)


@pytest.mark.parametrize("set_", ["roll", "friedman"])
def test_intervals_hold_about_as_many_values_as_asked(set_):
    covered = []
    for seed in range(5):
        X, t, y = roll(1000, 100, seed=seed)
        if set_ == "friedman":
            X, t = make_friedman1(1000, noise=1, random_state=seed)
            y = np.where(np.isnan(y), np.nan, t)
        model = WNLLRegressor(random_state=seed).fit(X[:800], y[:800])
        low, high = model.predict_interval(X[800:], 0.8).T
        covered.append(np.mean((low <= t[800:]) & (t[800:] <= high)))
    assert 0.72 < np.mean(covered) < 0.9


def test_the_standard_deviation_grows_with_the_distance_to_values():
    X, t, y = roll(1000, 100)
    y[t > 11] = np.nan
    model = WNLLRegressor(random_state=0).fit(X, y)
    _, std = model.predict(X, return_std=True)
    hidden = np.isnan(y)
    assert std[hidden & (t > 12.5)].mean() > 2 * std[hidden & (t < 10)].mean()


def test_a_compact_model_knows_the_same_errors():
    X, _, y = roll(600, 60)
    model = WNLLRegressor(predict_mode="inductive", random_state=0).fit(X[:500], y[:500])
    expected = model.predict_interval(X[500:])
    np.testing.assert_array_equal(model.compact().predict_interval(X[500:]), expected)


def test_a_single_value_tells_nothing_about_errors():
    model = WNLLRegressor().fit(np.arange(9.0).reshape(-1, 1), [2.0] + [None] * 8)
    with pytest.raises(ValueError, match="held out"):
        model.predict([[3.0]], return_std=True)
    assert model.predict([[3.0]]) == 2.0


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1, 2, "0.9", None])
def test_a_coverage_that_is_none_is_refused(coverage):
    model = WNLLRegressor().fit(np.arange(9.0).reshape(-1, 1), np.arange(9.0))
    with pytest.raises((TypeError, ValueError), match="coverage"):
        model.predict_interval([[3.5]], coverage)


@quick
@given(tables(n_targets=1))
def test_the_suggested_rows_reduce_the_variance_most_by_brute_force(table):
    model = fitted(table)
    W, known = model.graph_, np.zeros(model.graph_.shape[0], dtype=bool)
    known[model.point_index_[~np.isnan(table.y[:, 0])]] = True
    free = np.flatnonzero(~known)
    if len(free) < 2 or len(free) > 16:
        return
    T = (W + W.T).toarray()
    G = np.linalg.inv(((1 + _END) * np.diag(T.sum(axis=1)) - T)[np.ix_(free, free)])
    reduced = (G**2).sum(axis=0) / np.diag(G)
    chosen = steadying_points(W, [known], np.ones(len(known)), 1)[0]
    assert reduced[free == chosen][0] > 0.95 * reduced.max()


def test_rows_are_suggested_until_each_has_its_values():
    X, t, y = roll(300, 20)
    Y = np.column_stack([y, np.where(np.arange(300) < 10, t, np.nan)])
    model = WNLLRegressor().fit(X, Y)
    rows = model.suggest_labels(300)
    assert len(set(rows)) == len(rows)
    assert set(rows) == set(np.flatnonzero(np.isnan(Y).any(axis=1)))
    np.testing.assert_array_equal(model.suggest_labels(7), rows[:7])


def test_without_any_value_rows_can_only_be_suggested():
    X, t, _ = roll(300, 20)
    model = WNLLRegressor().fit(X, np.full(300, None))
    rows = model.suggest_labels(10)
    assert len(rows) == 10
    with pytest.raises(ValueError, match="fitted without any value"):
        model.predict(X)
    y = np.full(300, np.nan)
    y[rows] = t[rows]
    assert np.abs(model.relabel(y).transduction_ - t).mean() < 1


def test_a_known_noise_smooths_as_well_as_one_that_is_found():
    X, _, y = roll(1000, 100, noise=1.0)
    auto = WNLLRegressor(label_noise="auto", random_state=0).fit(X, y)
    known = WNLLRegressor(label_noise=1 / np.nanvar(y), random_state=0).fit(X, y)
    np.testing.assert_array_equal(known.transduction_, auto.transduction_)
    few = y.copy()
    few[np.flatnonzero(~np.isnan(y))[8:]] = np.nan
    assert WNLLRegressor(label_noise="auto", random_state=0).fit(X, few).label_noise_ == 0
    smooth = WNLLRegressor(label_noise=0.3, random_state=0).fit(X, few)
    assert smooth.label_noise_ == 0.3
    assert not (smooth.transduction_ == few)[~np.isnan(few)].any()
