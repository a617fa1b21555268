"""Methods, parameters and errors of an estimator of rows in dask collections."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sklearn_wnll import WNLLClassifier

from .partitions import IN_ONE_THREAD, da, dask, partitioned, same

pytestmark = IN_ONE_THREAD


def test_scores_are_those_of_arrays(jittered):
    X, y, few = jittered
    model = WNLLClassifier(template_size=500, random_state=0).fit(partitioned(X, 300), few)
    expected = np.mean(model.transduction_.compute() == y)
    assert model.score(partitioned(X, 300), partitioned(y, 200)) == pytest.approx(expected)
    assert model.score(X, y) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"template_size": None}, "template_size=None is a choice for rows in one place"),
        ({"template_size": "auto"}, "template_size='auto' is a choice for rows in one place"),
        ({"metric": "precomputed"}, "metric='precomputed' needs all rows in one place"),
        ({"estimator": LogisticRegression()}, "estimator=LogisticRegression.* needs all rows"),
        ({"held_out": 3}, "held_out=3 needs all rows"),
        ({"calibrate": True}, "calibrate=True needs all rows"),
        ({"class_prior": "estimated"}, "class_prior='estimated' needs .* Pass 'labeled'"),
        ({"class_prior": "labeled", "volume_constraint": True}, "volume_constraint=True needs"),
        ({"warm_start": True}, "warm_start=True needs all rows"),
        ({"template_size": 150}, "100 of 600 rows are labelled.* Pass template_size=200 or more"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_parameters_that_need_all_rows_are_refused(few_digits, params, message):
    X, few = few_digits
    model = WNLLClassifier(**{"template_size": 300, **params})
    with pytest.raises(ValueError, match=message):
        model.fit(partitioned(X, 200), few)


def frame_of_arrays(X, y):
    return partitioned(X, 200), partitioned(y, 200)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X.rechunk((200, 30)), y), r"chunks of columns .* X.rechunk\(\{1: -1\}\)"),
        (lambda X, y: (X[:, 0], y), "of shape .* Pass a dask.array of shape"),
        (lambda X, y: (X, y[:-1]), "X has 600 rows and y 599"),
        (lambda X, y: (X, y[:-1].compute()), "X has 600 rows and y 599"),
        (lambda X, y: (X[X[:, 0] >= 0], y[:-1]), "200 rows of X and 199 entries of y"),
        (lambda X, y: (X[X[:, 0] >= 0], y.rechunk(300)), "X has 3 partitions and y 2"),
        (lambda X, y: (X, da.stack([y == 1, y == 2], axis=1)), "y must be one column"),
        (lambda X, y: (X, np.eye(2)[(y.compute() == 1).astype(int)]), "y must be one column"),
        (lambda X, y: (X, None), "requires y to be passed"),
        (lambda X, y: (X[X[:, 0] > 99], y[X[:, 0] > 99]), "a dask collection without rows"),
        (lambda X, y: (X[:0], y[:0].compute()), "a dask collection without rows"),
        (lambda X, y: (X[X[:, 0] >= 0], y[y > 99]), "X has 600 rows and y 0 entries"),
        (lambda X, y: (X[X[:, 0] > 99], y.compute()), "X has 0 rows and y 600"),
        (lambda X, y: (X, da.full_like(y, -1)), "Every row of y is unlabelled"),
        (lambda X, y: (X, y + 0.5), "Unknown label type: continuous"),
        (lambda X, y: (da.where(X == 3, np.nan, X), y), "Input X contains NaN"),
    ],
)
def test_collections_that_do_not_fit_are_refused(few_digits, change, message):
    X, y = change(*(partitioned(each, 200) for each in few_digits))
    with pytest.raises(ValueError, match=message):
        WNLLClassifier(template_size=300).fit(X, y)


def test_partitions_that_are_not_as_announced_are_refused(small):
    model, X, y = small
    rows = partitioned(X, 30)
    fewer = rows.map_blocks(lambda part: part[:, :1], dtype=float, meta=rows._meta)
    message = "partition of X holds 1 features, but X itself says 3.* pass chunks="
    with pytest.raises(ValueError, match=message):
        clone(model).fit(fewer, y)
    with pytest.raises(ValueError, match=message):
        model.predict(fewer).compute()
    first = da.concatenate([rows[:30].map_blocks(lambda part: part[:, :1], dtype=float), rows[30:]])
    with pytest.raises(ValueError, match=message):
        clone(model).fit(first, y)


@pytest.fixture(scope="module")
def small():
    """A model of three templates, and the rows and labels it was fitted to."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = rng.normal(size=(120, 3)) + 4 * y[:, None]
    few = np.where(np.arange(120) < 10, y, -1)
    with dask.config.set(scheduler="synchronous"):
        model = WNLLClassifier(template_size=60, n_neighbors=5, random_state=0)
        return model.fit(partitioned(X, 25), few), X, few


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("relabel", lambda X, y: (y,)),
        ("add_rows", lambda X, y: (X,)),
        ("suggest_labels", lambda X, y: (3,)),
        ("suspect_labels", lambda X, y: (3,)),
        ("compact", lambda X, y: ()),
    ],
)
def test_methods_that_need_one_graph_say_so(small, method, args):
    model, X, y = small
    with pytest.raises(
        ValueError, match=rf"{method} needs one graph of all rows.* dask collection"
    ):
        getattr(model, method)(*args(X, y))


def test_queries_are_checked_before_anything_is_computed(small):
    model, X, _ = small
    with pytest.raises(ValueError, match="X has 2 features, but WNLLClassifier is expecting 3"):
        model.predict(partitioned(X[:, :2], 50))
    with pytest.raises(ValueError, match="X has 2 features"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="chunks of columns"):
        model.predict(partitioned(X, 50).rechunk((50, 1)))
    with pytest.raises(ValueError, match="not fitted"):
        WNLLClassifier().predict(partitioned(X, 50))


def test_results_are_lazy_and_partitioned_as_the_queries(small):
    model, X, _ = small

    def fail(rows):
        raise RuntimeError("computed")

    rows = partitioned(X, 70, 50)
    broken = rows.map_blocks(fail, dtype=float, meta=rows._meta)
    for method, shape in (("predict", ()), ("predict_proba", (2,)), ("certainty", ())):
        lazy = getattr(model, method)(broken)
        assert lazy.chunks[0] == (70, 50)
        assert lazy.shape == (120, *shape)
        with pytest.raises(RuntimeError, match="computed"):
            lazy.compute()


@pytest.mark.parametrize("warm_start", [False, True])
def test_other_rows_fit_anew(small, warm_start):
    model, X, y = small
    model = pickle.loads(pickle.dumps(model))
    model.set_params(template_size=None, warm_start=warm_start).fit(X, y)
    assert isinstance(model.label_distributions_, np.ndarray)
    assert model.graph_ is not None
    model.relabel(y)


def test_delayed_rows_and_labels_are_computed(small):
    model, X, y = small
    delayed = WNLLClassifier(n_neighbors=5).fit(dask.delayed(X), dask.delayed(y))
    whole = WNLLClassifier(n_neighbors=5).fit(X, y)
    np.testing.assert_array_equal(delayed.label_distributions_, whole.label_distributions_)
    queries = X + 0.1
    np.testing.assert_array_equal(
        delayed.predict_proba(dask.delayed(queries)), whole.predict_proba(queries)
    )
    labels = dask.delayed(y)
    same(model, clone(model).fit(partitioned(X, 25), labels))


def test_a_failed_fit_changes_nothing(small):
    model, X, y = small
    before = dict(vars(model))
    with pytest.raises(ValueError, match="Inconsistent"):
        model.fit(partitioned(X, 50), y[:-1])
    assert vars(model) == before


def test_saved_models_answer_as_before(small, tmp_path):
    model, X, _ = small
    queries = X + 0.2
    joblib.dump(model, tmp_path / "model.joblib")
    model.save_templates(tmp_path / "folder")
    names = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert names == ["model.joblib", *(f"template-0000{i}.joblib" for i in range(3))]
    (tmp_path / "folder").rename(tmp_path / "moved")
    loaded = WNLLClassifier.load_templates(tmp_path / "moved")
    whole, copied = joblib.load(tmp_path / "model.joblib"), pickle.loads(pickle.dumps(loaded))
    for other in (whole, loaded, copied):
        same(model, other)
        np.testing.assert_array_equal(model.predict_proba(queries), other.predict_proba(queries))
        lazy = other.predict(partitioned(queries, 40))
        np.testing.assert_array_equal(model.predict(partitioned(queries, 40)), lazy)
        assert other.get_params() == model.get_params()
    with pytest.raises(ValueError, match="is not empty"):
        loaded.save_templates(tmp_path / "moved")
    loaded.save_templates(tmp_path / "again")
    same(model, WNLLClassifier.load_templates(tmp_path / "again"))
    with pytest.raises(FileNotFoundError, match="folder holds no model"):
        WNLLClassifier.load_templates(tmp_path / "folder")
    with pytest.raises(RuntimeError, match=r"WNLLClassifier.load_templates\(folder\)"):
        joblib.load(tmp_path / "moved" / "model.joblib").predict(queries)
    with pytest.raises(ValueError, match="fitted to arrays"):
        WNLLClassifier().fit([[0.0], [1.0]], [0, 1]).save_templates(tmp_path / "none")


WITHOUT_DASK = """
import sys
import numpy as np
from sklearn_wnll import WNLLClassifier
X = np.arange(20.0)[:, None]
model = WNLLClassifier(template_size=10, random_state=0).fit(X, [0, *[-1] * 18, 1])
model.predict(X + 0.1)
assert not {"dask", "distributed"} & set(sys.modules), "imported"
"""


def test_arrays_import_no_dask():
    subprocess.run([sys.executable, "-W", "ignore", "-c", WITHOUT_DASK], check=True)
