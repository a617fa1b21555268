"""Rows in a dask.dataframe."""

from copy import copy
from importlib import import_module

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from sklearn_wnll import WNLLClassifier, WNLLRegressor

from .partitions import IN_ONE_THREAD, computed, partitioned

# dask is not always up to date with pandas
pytestmark = [*IN_ONE_THREAD, pytest.mark.filterwarnings("ignore:The inplace keyword")]


@pytest.fixture
def dd():
    pytest.importorskip("pyarrow", reason="dask.dataframe needs pyarrow")
    return import_module("dask.dataframe")


@pytest.fixture
def frame(jittered):
    pd = pytest.importorskip("pandas")
    X, _, few = jittered
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(64)]).astype({"x3": "float32"})
    frame["label"] = np.array([None, *"abcdefghij"], dtype=object)[few + 1]
    return frame


@pytest.mark.parametrize("parquet", [False, True])
def test_frames_are_as_arrays(dd, frame, jittered, tmp_path, parquet):
    rows = dd.from_pandas(frame, npartitions=4)
    if parquet:
        rows.to_parquet(tmp_path)
        rows = dd.read_parquet(tmp_path)
    features = rows.drop(columns="label")
    model = WNLLClassifier(template_size=600, random_state=0).fit(features, rows["label"])
    sizes = rows.map_partitions(len).compute().tolist()
    X = frame.drop(columns="label").to_numpy()
    known = WNLLClassifier(template_size=600, random_state=0)
    known.fit(partitioned(X, *sizes), frame["label"].to_numpy())
    for name, values in computed(model).items():
        np.testing.assert_array_equal(values, computed(known)[name])
    assert model.feature_names_in_.tolist() == features.columns.tolist()
    lazy = model.predict(features)
    assert len(lazy.chunks[0]) == rows.npartitions
    np.testing.assert_array_equal(lazy.compute(), model.transduction_.compute())
    np.testing.assert_array_equal(
        model.predict(frame.drop(columns="label")), model.transduction_.compute()
    )
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(features.rename(columns={"x1": "x99"}))


@pytest.mark.parametrize("kind", [WNLLClassifier, WNLLRegressor])
def test_an_estimator_fitted_to_frames_gets_frames(dd, frame, jittered, kind):
    few = jittered[2][:300]
    features = frame.drop(columns="label")[:300]
    some = ColumnTransformer([("some", "passthrough", list(features.columns[:40]))])
    last = LogisticRegression(max_iter=500) if kind is WNLLClassifier else Ridge()
    model = kind(estimator=make_pipeline(some, last), random_state=0)
    y = few if kind is WNLLClassifier else np.where(few < 0, np.nan, few)
    model.fit(features, y)
    queries = features + 0.1
    lazy = dd.from_pandas(queries, npartitions=3)
    expected = model.predict(queries)
    np.testing.assert_array_equal(model.predict(lazy), expected)
    np.testing.assert_array_equal(np.concatenate([*model.predict(iter([lazy]))]), expected)
    grown = [copy(model).add_rows(rows).transduction_ for rows in (queries, lazy)]
    np.testing.assert_array_equal(*grown)
    if kind is WNLLRegressor:  # which computes its rows
        other = clone(model).fit(dd.from_pandas(features, 2), y)
        np.testing.assert_array_equal(other.predict(lazy), expected)


def test_columns_of_partitions_in_another_order_are_refused(dd, frame):
    features = frame.drop(columns="label")
    parts = [features[:900], features[900:][features.columns[::-1]]]
    meta = {"meta": features[:0], "enforce_metadata": False}
    rows = dd.from_map(lambda i: parts[i], range(2), **meta)
    model = WNLLClassifier(template_size=600, random_state=0)
    with pytest.raises(ValueError, match="feature names should match"):
        model.fit(rows, frame["label"])
    model.fit(dd.from_pandas(features, npartitions=2), frame["label"])
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(rows).compute()


def test_empty_partitions(dd, frame):
    rows = dd.from_pandas(frame.assign(number=np.arange(len(frame))), npartitions=5)
    some = rows[rows["number"] < 800]
    model = WNLLClassifier(template_size=500, random_state=0)
    model.fit(some.drop(columns="label"), some["label"])
    assert model.transduction_.compute().shape == (800,)


def test_frames_of_several_labels_are_refused(dd, frame):
    rows = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(ValueError, match="y must be one column"):
        WNLLClassifier(template_size=600).fit(rows.drop(columns="label"), rows[["label", "x1"]])
