"""A pool of rows without values or several labels, in ensembles."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    RandomForestClassifier,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wnll import WNLLClassifier, WNLLRegressor
from sklearn_wnll._partial_scores import exact_match_of_given, r2_of_given
from sklearn_wnll.compose import WithUnlabeled

from .clouds import examples

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(300, 2))
Y = np.exp(np.sin(3 * X[:, 0]) + X[:, 1])
TAGS = np.column_stack([X.sum(axis=1) > 1, X[:, 0] > 0.6]).astype(int)
KNOWN = RNG.random(300) < 0.3
WNLL = WNLLRegressor(8)
POOLED = WithUnlabeled(WNLL, X[~KNOWN])
MEMBERS = [("wnll", POOLED), ("linear", LinearRegression())]


@examples(15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans())
def test_a_regressor_is_fitted_as_with_missing_values(seed, n_targets, flat):
    rng = np.random.default_rng(seed)
    rows, y = rng.normal(size=(40, 3)), rng.normal(size=(40, n_targets))
    y[rng.random(y.shape) < 0.3] = np.nan
    y[:3] = rng.normal(size=(3, n_targets))
    y = y[:, 0] if flat else y
    pool, new = rng.normal(size=(20, 3)), rng.normal(size=(5, 3))
    wrapped = WithUnlabeled(WNLLRegressor(7, tol=1e-12), pool).fit(rows, y)
    missing = np.full((20, *y.shape[1:]), np.nan)
    model = WNLLRegressor(7, tol=1e-12).fit(np.vstack([rows, pool]), np.concatenate([y, missing]))
    np.testing.assert_array_equal(wrapped.predict(new), model.predict(new))
    assert is_regressor(wrapped)
    assert not is_classifier(wrapped)
    assert not hasattr(wrapped, "classes_")
    assert not hasattr(wrapped, "predict_proba")


WITH_A_POOL = {
    "VotingRegressor": lambda: VotingRegressor(MEMBERS, weights=[4, 1]),
    "StackingRegressor": lambda: StackingRegressor(MEMBERS, cv=3),
    "BaggingRegressor": lambda: BaggingRegressor(POOLED, n_estimators=3, random_state=0),
    "AdaBoostRegressor": lambda: AdaBoostRegressor(POOLED, n_estimators=3, random_state=0),
    "TransformedTargetRegressor": lambda: TransformedTargetRegressor(
        POOLED, func=np.log, inverse_func=np.exp
    ),
    "MultiOutputRegressor": lambda: MultiOutputRegressor(POOLED),
}


@pytest.mark.parametrize(
    "make",
    [
        *WITH_A_POOL.values(),
        lambda: POOLED,
        lambda: WithUnlabeled(make_pipeline(StandardScaler(), WNLL), X[~KNOWN]),
        lambda: GridSearchCV(POOLED, {"estimator__n_neighbors": [5, 8]}, cv=3, scoring="r2"),
    ],
)
def test_ensembles_of_regressors_are_right_with_a_pool(make):
    model = clone(make())
    y = np.column_stack([Y, -Y]) if isinstance(model, MultiOutputRegressor) else Y
    assert model.fit(X[KNOWN], y[KNOWN]).score(X[~KNOWN], y[~KNOWN]) > 0.9


def test_a_chain_has_columns_that_the_pool_lacks():
    both = np.column_stack([Y, -Y])
    with pytest.raises(ValueError, match=r"X are of shape \(3,\), but those of X_unlabeled of"):
        RegressorChain(POOLED).fit(X[KNOWN], both[KNOWN])


def test_the_page_lists_the_meta_estimators_that_are_tested():
    page = Path(__file__).parents[1] / "docs" / "guide" / "ensembles.md"
    rows = re.findall(r"^\| (`.*?) \| with the pool", page.read_text().split("## Numbers")[1], re.M)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*WITH_A_POOL}


def test_several_targets_are_right_with_a_pool():
    both = np.column_stack([Y, -Y])
    model = clone(POOLED).fit(X[KNOWN], both[KNOWN])
    assert model.score(X[~KNOWN], both[~KNOWN]) > 0.9


@pytest.mark.parametrize(
    "make",
    [
        lambda model: BaggingRegressor(model),
        lambda model: StackingRegressor([("wnll", model)]),
        lambda model: AdaBoostRegressor(model),
        lambda model: TransformedTargetRegressor(model),
        lambda model: MultiOutputRegressor(model),
        lambda model: RegressorChain(model),
    ],
)
def test_without_a_pool_these_refuse_missing_values(make):
    gaps = np.where(KNOWN, Y, np.nan)
    model = make(WNLL)
    several = isinstance(model, (MultiOutputRegressor, RegressorChain))
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(X, np.column_stack([gaps, gaps]) if several else gaps)


def test_a_vote_of_members_that_take_missing_values_needs_no_pool():
    gaps = np.where(KNOWN, Y, np.nan)
    vote = VotingRegressor([("few", WNLL), ("many", WNLLRegressor(15))]).fit(X, gaps)
    assert vote.score(X[~KNOWN], Y[~KNOWN]) > 0.9


def test_plain_folds_are_right_with_a_pool():
    scores = cross_val_score(POOLED, X[KNOWN], Y[KNOWN], cv=4)
    assert scores.mean() > 0.9
    held_out = cross_val_predict(POOLED, X[KNOWN], Y[KNOWN], cv=4)
    assert np.corrcoef(held_out, Y[KNOWN])[0, 1] > 0.95


def test_several_labels_are_right_with_a_pool():
    several = MultiOutputClassifier(WNLLClassifier(8))
    model = WithUnlabeled(several, X[~KNOWN])
    some = np.where(RNG.random(TAGS.shape) < 0.2, -1, TAGS)
    for y in (TAGS, some, np.where(some < 0, np.nan, some)):
        model = clone(model).fit(X[KNOWN], y[KNOWN])
        assert model.score(X[~KNOWN], TAGS[~KNOWN]) > 0.85
        assert model.predict(X).shape == (300, 2)
        assert [c.tolist() for c in model.classes_] == [[0, 1], [0, 1]]
    assert cross_val_score(model, X[KNOWN], TAGS[KNOWN], cv=4, scoring="f1_macro").mean() > 0.75
    expected = clone(several).fit(
        np.vstack([X[KNOWN], X[~KNOWN]]), np.vstack([some[KNOWN], np.full_like(some[~KNOWN], -1)])
    )
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (LinearRegression(), Y, "LinearRegression refuses NaN, which marks the rows of the pool"),
        (TransformedTargetRegressor(WNLL), Y, "TransformedTargetRegressor goes around WithUnlab"),
        (WNLL, np.where(KNOWN, "a", "b"), "WNLLClassifier"),
        (MultiOutputClassifier(WNLLClassifier()), TAGS + 1, r"MultiOutputClassifier\(WithUnlab"),
        (RandomForestClassifier(5), TAGS, "takes no unlabelled rows. Wrap one that does"),
    ],
)
def test_what_cannot_take_the_pool_is_refused_with_the_cure(model, y, message):
    with pytest.raises(ValueError, match=message):
        WithUnlabeled(model, X[~KNOWN]).fit(X[KNOWN], y[KNOWN])


def test_scores_leave_missing_values_out():
    model = POOLED.fit(X[KNOWN], Y[KNOWN])
    gaps = np.where(np.arange(300) % 3 == 0, np.nan, Y)
    given = ~np.isnan(gaps)
    assert model.score(X, gaps) == pytest.approx(r2_of_given(Y[given], model.predict(X)[given]))
    weights = np.where(np.arange(300) < 150, 2.0, 0.0)
    twice = r2_of_given(Y[:150][given[:150]], model.predict(X)[:150][given[:150]])
    assert model.score(X, gaps, sample_weight=weights) == pytest.approx(twice)
    columns = np.array([[1.0, 5.0], [2.0, np.nan], [3.0, 7.0]])
    assert r2_of_given(columns, np.array([[1.0, 7.0], [2.0, 0.0], [3.0, 5.0]])) == -1.0
    columns[:, 1] = np.nan
    with pytest.raises(ValueError, match="A target of y has no value"):
        r2_of_given(columns, columns)
    tags = np.array([[0, 1], [1, 1], [1, np.nan], [np.nan, np.nan]])
    wrong = np.array([[0, 1], [0, 1], [1, 0], [0, 0]])
    assert exact_match_of_given(tags, wrong, sample_weight=[3, 1, 4, 9]) == 0.875
    with pytest.raises(ValueError, match="No row of y has a value"):
        model.score(X, np.full(300, None))
    with pytest.raises(ValueError, match="nothing to score"):
        exact_match_of_given(np.full((1, 2), np.nan), np.array([[0, 1]]))
