import multiprocessing
import os
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from scipy import sparse
from sklearn.neighbors import KNeighborsTransformer

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.dealing import deal_templates

from .clouds import clouds, examples

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]


@given(st.integers(2, 300), st.integers(1, 5), st.integers(2, 60), st.integers(0, 1000))
def test_templates_hold_every_point_and_the_classes_in_proportion(n, n_classes, size, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n)
    codes[rng.random(n) < rng.choice([0, 0.3, 0.9])] = -1
    codes[rng.integers(n)] = 0
    templates = deal_templates(codes, size, np.random.RandomState(seed))
    counted = np.bincount(np.concatenate(templates), minlength=n)
    assert (counted[codes < 0] == 1).all()
    assert (counted[codes >= 0] >= 1).all()
    labeled = np.count_nonzero(codes >= 0)
    share = np.bincount(codes[codes >= 0], minlength=n_classes) / labeled
    for template in templates:
        assert len(np.unique(template)) == len(template) <= size
        inside = codes[template][codes[template] >= 0]
        assert len(inside) > 0
        counts = np.bincount(inside, minlength=n_classes)
        assert (abs(counts - share * len(inside)) <= 2).all()
        if 2 * labeled <= size:
            assert len(inside) == labeled


@examples(30)
@given(clouds(), st.integers(1, 20))
def test_a_template_and_a_batch_of_all_rows_change_nothing(cloud, n_new):
    plain = WNLLClassifier(**cloud.params).fit(cloud.X, cloud.y)
    whole = WNLLClassifier(**cloud.params, template_size=60, query_size=60).fit(cloud.X, cloud.y)
    np.testing.assert_array_equal(plain.label_distributions_, whole.label_distributions_)
    new = cloud.X[:n_new] + 0.1
    np.testing.assert_array_equal(plain.predict_proba(new), whole.predict_proba(new))
    assert whole.graph_ is not None


@pytest.mark.slow
@examples(20)
@given(clouds(grid=True), st.sampled_from([2, 7, 20]), st.sampled_from([1, 3, 50]), st.booleans())
def test_templates_and_batches_keep_the_rules_for_fitted_and_for_equal_rows(
    cloud, template_size, query_size, inductive
):
    model = WNLLClassifier(
        **cloud.params,
        template_size=template_size,
        query_size=query_size,
        predict_mode="inductive" if inductive else "transductive",
        random_state=0,
    ).fit(cloud.X, cloud.y)
    np.testing.assert_array_equal(model.predict(cloud.X), model.transduction_)
    proba = model.predict_proba(np.vstack([cloud.X + 0.3, cloud.X[::-1] + 0.3]))
    n = len(cloud.X)
    np.testing.assert_array_equal(proba[:n], proba[n:][::-1])
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-8)


def test_predictions_are_the_mean_of_all_pairs_of_templates_and_batches(digits):
    X, y, few = digits
    params = {"label_weight": "wnll"}  # an adaptive one sees all templates at once
    model = WNLLClassifier(template_size=600, query_size=100, random_state=0, **params)
    model.fit(X[:1500], few[:1500])
    assert len(model.templates_) == 3
    assert model.graph_ is None
    order = np.random.RandomState(model._answer.templates.extender.seed).permutation(297)
    batch = 1500 + np.sort(order[:99])
    single = WNLLClassifier(**params)
    expected = np.mean(
        [single.fit(X[rows], few[rows]).predict_proba(X[batch]) for rows in model.templates_],
        axis=0,
    )
    np.testing.assert_allclose(model.predict_proba(X[1500:])[batch - 1500], expected, atol=1e-4)
    assert np.mean(model.predict(X[1500:]) == y[1500:]) > 0.85


def test_sparse_rows_are_dealt_too(jittered):
    X, _, few = jittered
    params = {"template_size": 600, "query_size": 100, "random_state": 0, "neighbors": "exact"}
    dense = WNLLClassifier(**params).fit(X[:1500], few[:1500])
    rows = sparse.csr_matrix(X)
    thin = WNLLClassifier(**params).fit(rows[:1500], few[:1500])
    for one, two in zip(dense.templates_, thin.templates_, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(
        dense.predict_proba(X[1500:]), thin.predict_proba(rows[1500:]), atol=1e-4
    )


def test_precomputed_distances_are_not_dealt():
    with pytest.raises(ValueError, match="template_size cannot be used with metric='precomputed'"):
        WNLLClassifier(metric="precomputed", template_size=5).fit(
            np.zeros((9, 9)), np.arange(9) % 2
        )


def test_query_batches_of_precomputed_distances():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 2, 60)
    distances = np.linalg.norm(X[:, None] - X[:40], axis=2)
    model = WNLLClassifier(metric="precomputed", query_size=7, random_state=0)
    proba = model.fit(distances[:40], y[:40]).predict_proba(distances[40:])
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_of_templates_is_printed(digits, capfd, n_jobs):
    X, _, few = digits
    model = WNLLClassifier(
        template_size=600, query_size=100, verbose=1, random_state=0, n_jobs=n_jobs
    )
    model.fit(X[:1500], few[:1500]).predict(X[1500:])
    printed = capfd.readouterr().out
    assert "[wnll] templates [====================] 3 solved" in printed
    assert f"[wnll] batches [====================] {6 if n_jobs else 9} solved" in printed
    # Progress bars of parallel jobs would overwrite each other.
    assert ("[wnll] solver" in printed) == (n_jobs is None)


class FragileNeighbors(KNeighborsTransformer):
    """A neighbour search that, the first time in a worker process, kills the process."""

    def __init__(self, n_neighbors=15, *, flag=None):
        super().__init__(n_neighbors=n_neighbors)
        self.flag = flag

    def transform(self, X):
        """Die once."""
        if multiprocessing.parent_process() is not None:
            try:
                os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
            except FileExistsError:
                pass
        return super().transform(X)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_same_result(jittered, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra [distributed]")
    X, _, few = jittered
    flag = tmp_path / "killed"
    model = WNLLClassifier(
        neighbors=FragileNeighbors(flag=str(flag)),
        template_size=600,
        query_size=100,
        random_state=0,
    )
    alone = model.fit(X[:1500], few[:1500]).predict_proba(X[1500:])
    assert not flag.exists()
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as hub,
        distributed.Client(hub),
        parallel_config(backend="dask"),
    ):
        spread = model.fit(X[:1500], few[:1500]).predict_proba(X[1500:])
    assert flag.exists()  # a worker has been killed
    np.testing.assert_array_equal(spread, alone)
