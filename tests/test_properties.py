"""Facts that hold for every cloud of points."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sklearn_wnll import WNLLClassifier

from .clouds import clouds, examples

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]
MODES = ["transductive", "inductive"]
quick = examples(30)


def fit(cloud, **params):
    return WNLLClassifier(**{**cloud.params, **params}).fit(cloud.X, cloud.y)


def assert_same(model, other, order=slice(None)):
    np.testing.assert_allclose(
        model.label_distributions_[order], other.label_distributions_, atol=1e-8
    )


@quick
@given(clouds(grid=True), clouds(grid=True), st.sampled_from(MODES))
def test_distributions_are_in_the_unit_interval_and_sum_to_one(cloud, other, mode):
    model = fit(cloud, predict_mode=mode)
    queries = np.resize(other.X, (7, cloud.X.shape[1]))
    for u in (model.label_distributions_, model.predict_proba(queries)):
        assert ((u >= 0) & (u <= 1)).all()
        np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-12)


@quick
@given(clouds())
def test_labelled_points_keep_their_labels(cloud):
    model = fit(cloud)
    labeled = cloud.y >= 0
    np.testing.assert_array_equal(model.transduction_[labeled], cloud.y[labeled])
    assert (model.label_distributions_[labeled].max(axis=1) == 1).all()


@quick
@given(clouds(), st.sampled_from([1.0, "laplace"]))
def test_weight_one_is_the_graph_laplacian(cloud, weight):
    model = fit(cloud, label_weight=weight)
    T = model.graph_.toarray() + model.graph_.toarray().T
    u, unlabeled = model.label_distributions_, cloud.y < 0
    # Each unlabelled value is the mean of its neighbours' by the symmetric weights.
    mean = T @ u / T.sum(axis=1, keepdims=True)
    free = unlabeled & model.reached_
    np.testing.assert_allclose(u[free], mean[free], atol=1e-8)


@quick
@given(clouds(), st.sampled_from([1e-150, 1e-8, 0.3, 7.0, 1e8, 1e150]))
def test_scaling_all_points_changes_nothing(cloud, scale):
    assert_same(fit(cloud._replace(X=cloud.X * scale)), fit(cloud))


@quick
@given(clouds(), st.floats(-100, 100))
def test_shifting_all_points_changes_nothing(cloud, shift):
    assert_same(fit(cloud._replace(X=cloud.X + shift)), fit(cloud))


@quick
@given(clouds(), st.integers(0, 2**32 - 1))
def test_rotating_all_points_changes_nothing(cloud, seed):
    d = cloud.X.shape[1]
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    assert_same(fit(cloud._replace(X=cloud.X @ rotation)), fit(cloud))


@quick
@given(clouds(), st.randoms(use_true_random=False))
def test_permuting_the_points_permutes_the_distributions(cloud, random):
    order = random.sample(range(len(cloud.y)), len(cloud.y))
    assert_same(fit(cloud), fit(cloud._replace(X=cloud.X[order], y=cloud.y[order])), order)


@quick
@given(clouds(), st.permutations([0, 1, 2, 3]))
def test_renaming_the_classes_renames_the_columns(cloud, names):
    renamed = np.where(cloud.y >= 0, np.array(names)[cloud.y], -1)
    model, other = fit(cloud), fit(cloud._replace(y=renamed))
    columns = np.searchsorted(other.classes_, np.array(names)[model.classes_])
    np.testing.assert_allclose(
        model.label_distributions_, other.label_distributions_[:, columns], atol=1e-8
    )


@quick
@given(clouds(grid=True), st.sampled_from(MODES), st.data())
def test_predicting_fitted_points_gives_the_transduction(cloud, mode, data):
    model = fit(cloud, predict_mode=mode)
    np.testing.assert_array_equal(model.predict(cloud.X), model.transduction_)
    rows = data.draw(st.lists(st.integers(0, len(cloud.y) - 1), min_size=1))
    elsewhere = np.vstack([cloud.X[rows], cloud.X[:3] + 0.123])
    np.testing.assert_array_equal(
        model.predict_proba(elsewhere)[: len(rows)], model.label_distributions_[rows]
    )


@quick
@given(clouds(), st.integers(1, 9))
def test_transductive_predict_equals_fitting_the_queries_as_unlabelled(cloud, n_queries):
    fitted = cloud._replace(X=cloud.X[n_queries:], y=cloud.y[n_queries:])
    assume((fitted.y >= 0).any())
    y = np.concatenate([np.full(n_queries, -1), fitted.y])
    together = fit(cloud._replace(y=y))
    np.testing.assert_allclose(
        fit(fitted).predict_proba(cloud.X[:n_queries]),
        together.label_distributions_[:n_queries],
        atol=1e-8,
    )


@quick
@given(clouds(), st.integers(2, 9))
def test_inductive_predictions_do_not_depend_on_the_batch(cloud, n_queries):
    fitted = cloud._replace(X=cloud.X[n_queries:], y=cloud.y[n_queries:])
    assume((fitted.y >= 0).any())
    model = fit(fitted, predict_mode="inductive")
    together = model.predict_proba(cloud.X[:n_queries])
    alone = np.vstack([model.predict_proba(row[None]) for row in cloud.X[:n_queries]])
    np.testing.assert_allclose(together, alone, atol=1e-12)


@quick
@given(clouds())
def test_equal_queries_get_equal_answers(cloud):
    model = fit(cloud)
    u = model.predict_proba(np.repeat(cloud.X[:2] + 0.1, 3, axis=0))
    assert (u == np.repeat(u[[0, 3]], 3, axis=0)).all()
