"""Facts about numbers at the limits: few, tiny, equal, or in other containers than before."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import make_swiss_roll
from sklearn.linear_model import Ridge

from sklearn_wnll import WNLLRegressor
from sklearn_wnll._extension.number_noise import surely_least
from sklearn_wnll._extension.spread import _fit_scale
from sklearn_wnll._numbers import read_numbers

X, T = make_swiss_roll(120, random_state=0)
SOME = np.where(np.arange(120) < 30, T, np.nan)
BOTH = np.column_stack([SOME, np.where(np.arange(120) < 20, -T, np.nan)])


@pytest.mark.parametrize(("first", "then"), [(SOME, BOTH), (BOTH, SOME), (BOTH, SOME[:, None])])
def test_a_warm_start_takes_another_number_of_targets_and_keeps_the_graph(first, then):
    model = WNLLRegressor(warm_start=True).fit(X, first)
    graph = model.graph_
    model.fit(X, then)
    assert model.graph_ is graph
    expected = WNLLRegressor().fit(X, then).transduction_
    np.testing.assert_allclose(model.transduction_, expected, atol=1e-4)


def test_values_of_several_targets_may_follow_a_fit_without_any():
    model = WNLLRegressor().fit(X, np.full(120, None)).relabel(BOTH)
    expected = WNLLRegressor().fit(X, BOTH).transduction_
    np.testing.assert_allclose(model.transduction_, expected, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_marker_is_rounded_as_y_is(dtype):
    y = np.array([-0.1, 2.0, 0.5], dtype=dtype)
    np.testing.assert_array_equal(read_numbers(y, -0.1), [np.nan, 2.0, 0.5])
    table = pd.DataFrame({"a": y, "b": y.astype(np.float64) + 1})
    np.testing.assert_array_equal(np.isnan(read_numbers(table, -0.1)).sum(axis=0), [1, 0])


def test_a_whole_number_beyond_all_floats_is_refused_like_infinity():
    with pytest.raises(ValueError, match="infinity"):
        read_numbers([1, 10**400])


def test_differences_whose_squares_vanish_are_refused():
    with pytest.raises(ValueError, match="Multiply y by a power of ten"):
        read_numbers([[1.0, 0.0], [2.0, 1e-160]])
    np.testing.assert_array_equal(read_numbers([5e-324, None, 5e-324]), [5e-324, np.nan, 5e-324])


def test_equal_values_of_equal_rows_are_kept_exactly():
    y = np.tile(np.where(np.arange(120) < 30, T * 0.1, np.nan), 3)
    model = WNLLRegressor().fit(np.tile(X, (3, 1)), y)
    np.testing.assert_array_equal(model.transduction_[:30], y[:30])


@pytest.mark.parametrize("params", [{"held_out": 3}, {}])
def test_a_target_with_one_value_is_named_if_its_errors_are_asked_for(params):
    y = np.column_stack([SOME, np.where(np.arange(120) == 7, 1.0, np.nan)])
    with pytest.raises(ValueError, match="Values of target 1 cannot be held out") as caught:
        WNLLRegressor(**params).fit(X, y).predict(X, return_std=True)
    assert "abel" not in str(caught.value)


def test_intervals_of_a_constant_have_no_width_whatever_the_coverage():
    model = WNLLRegressor().fit(X, np.where(np.isnan(SOME), np.nan, 2.0))
    assert (model.predict_interval(X + 0.1, np.nextafter(1, 0)) == 2).all()


def test_a_coverage_of_nan_is_refused():
    model = WNLLRegressor().fit(X, SOME)
    with pytest.raises(ValueError, match="coverage"):
        model.predict_interval(X, np.nan)


class Wide(RegressorMixin, BaseEstimator):
    """Predicts two numbers for each row."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros((len(X), 2))


def test_a_regressor_that_predicts_another_number_of_values_is_refused():
    with pytest.raises(ValueError, match=r"estimator predicts an array of shape \(120, 2\)"):
        WNLLRegressor(estimator=Wide()).fit(X, SOME)


@pytest.mark.parametrize("n", [150, 900, 20_000])
def test_the_scale_of_errors_is_found_where_nearly_all_errors_are_zero(n):
    lengths, squares = np.linspace(0, 2, n), np.arange(n) == n // 2
    scale = _fit_scale(lengths, squares.astype(float))
    assert (scale > 0).all()
    assert 0.2 < scale[0] / scale[1] < 5
    wide, narrow = _fit_scale(lengths, 4.0 * squares), scale
    np.testing.assert_allclose(wide, 4 * narrow)


def test_errors_do_not_depend_on_the_tolerance_of_the_values():
    fine, rough = (WNLLRegressor(tol=tol).fit(X, SOME) for tol in (1e-6, 0.5))
    (_, one), (_, two) = (model.predict(X, return_std=True) for model in (fine, rough))
    assert np.median(two[two > 0] / one[two > 0]) < 3
    np.testing.assert_array_equal(two == 0, one == 0)


def test_choices_by_held_out_errors_do_not_depend_on_their_unit():
    errors = np.random.default_rng(0).exponential([[4.0], [1.0], [2.0]], (3, 30))
    for factor in (1e-250, 1e-170, 1.0, 1e290):
        assert surely_least(errors * factor, 0.5) == surely_least(errors, 0.5) == 1
    assert surely_least(np.zeros((3, 30))) == 0


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning")
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_templates_without_a_value_of_a_target_leave_it_to_the_others():
    rare = np.column_stack([SOME, np.where(np.arange(120) == 7, 1.0, np.nan)])
    model = WNLLRegressor(template_size=20, random_state=0).fit(X, rare)
    assert not model.reached_[:, 1].all()
    np.testing.assert_array_equal(model.predict(X + 0.1)[:, 1], 1.0)


def test_rows_are_suggested_on_one_graph_while_another_thread_fits(monkeypatch):
    model = WNLLRegressor().fit(X, SOME)
    expected = model.suggest_labels(5)

    def refit(verbose):
        model.fit(X[:40], SOME[:40])
        return nullcontext()

    monkeypatch.setattr("sklearn_wnll._label_advice.show_progress", refit)
    np.testing.assert_array_equal(model.suggest_labels(5), expected)


def test_a_compact_model_is_of_one_fit_while_another_thread_fits(monkeypatch):
    model = WNLLRegressor(predict_mode="inductive").fit(X, SOME)
    expected, check = model.predict(X + 0.1), WNLLRegressor._check_has_labels

    def refit(self):
        check(self)
        model.fit(X[:, :2], -SOME)

    monkeypatch.setattr(WNLLRegressor, "_check_has_labels", refit)
    compact = model.compact()
    monkeypatch.undo()
    np.testing.assert_array_equal(compact.predict(X + 0.1), expected)


@pytest.mark.parametrize("tol", [0.1, 1.0])
def test_held_out_values_do_not_stay_where_the_solver_starts(tol):
    fine, rough = (
        WNLLRegressor(held_out=4, tol=t, random_state=0).fit(X, SOME) for t in (1e-6, tol)
    )
    assert abs(rough.held_out_score_ - fine.held_out_score_) < 0.02


def test_different_values_of_equal_rows_tell_how_uncertain_the_given_ones_are():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 6, (300, 2)).astype(float)
    truth = X[:, 0] + X[:, 1]
    y = np.where(np.arange(300) < 200, truth + rng.normal(size=300), np.nan)
    model = WNLLRegressor(random_state=0).fit(X, y)
    new = truth + rng.normal(size=300)
    values, std = model.predict(X, return_std=True)
    assert 0.8 < np.sqrt(np.mean((new - values) ** 2)) / std.mean() < 1.3
    low, high = model.predict_interval(X).T
    assert 0.84 < np.mean((low <= new) & (new <= high)) < 0.96


def test_an_estimator_that_needs_more_values_is_named():
    X = np.arange(20.0).reshape(-1, 1)
    y = np.where(np.arange(20) < 5, X[:, 0], np.nan)
    with pytest.raises(ValueError, match="estimator cannot be fitted to 5 of the given values"):
        WNLLRegressor(estimator=NeedsSixValues()).fit(X, y)


class NeedsSixValues(Ridge):
    """A regressor that refuses fewer than six values."""

    def fit(self, X, y):
        if len(y) < 6:
            raise ValueError("Too few values.")
        return super().fit(X, y)
