"""A fitted model shares no memory with the caller's arrays, and takes them in any format."""

import copy
import gc
import types
from functools import partial
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsTransformer, kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._graph.metrics import METRICS, SPARSE_METRICS
from sklearn_wnll._graph.search import cell_search

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")

MODES = "transductive", "inductive"
TRANSFORMER = KNeighborsTransformer(n_neighbors=8)
APPROXIMATE = "euclidean", "cosine", "correlation"


def rows(metric, kind, dtype):
    """Distinct rows, valid for the metric."""
    X = np.random.default_rng(0).random((60, 30))
    X *= np.random.default_rng(1).random(X.shape) < 0.5
    if metric == "haversine":
        X = np.random.default_rng(0).random((60, 2))
    if metric == "precomputed":
        X = kneighbors_graph(X, 20, mode="distance") if kind == "sparse" else cdist(X, X)
    if metric == "hamming":
        X = X.round(1)
    if kind == "sparse":
        return sparse.csr_array(X, dtype=dtype)
    return np.array(X, dtype=dtype, order=kind[0].upper())


def labels():
    y = np.random.default_rng(0).integers(0, 3, 60)
    y[20:] = -1
    return y


def arrays_of(X):
    return (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,)


def overwrite(X):
    for array in arrays_of(X):
        array[...] = array[::-1].copy()


def reachable_arrays(model):
    """All arrays that a model holds, directly or not."""
    skipped = type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType
    seen, found, left = set(), [], [vars(model)]
    while left:
        thing = left.pop()
        if id(thing) in seen or isinstance(thing, skipped):
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            found.append(thing)
        left.extend(gc.get_referents(thing))
        left.append(getattr(thing, "__dict__", None))
    return found


def answers(model, queries):
    return [copy.copy(model).set_params(predict_mode=mode).predict_proba(queries) for mode in MODES]


DENSE = ("C order", np.float64), ("F order", np.float32)
SPARSE = ("sparse", np.float64), ("sparse", np.float32)
CASES = [
    *((metric, "exact", *kind) for metric in METRICS for kind in DENSE),
    *((metric, "exact", *kind) for metric in SPARSE_METRICS for kind in SPARSE),
    *((metric, "approximate", *kind) for metric in APPROXIMATE for kind in DENSE),
    *(("euclidean", TRANSFORMER, *kind) for kind in (*DENSE, *SPARSE)),
    *(("precomputed", "exact", *kind) for kind in (*DENSE, *SPARSE)),
]


def name_of(part):
    return part.__name__ if isinstance(part, type) else str(part).split("(")[0]


@pytest.mark.parametrize(("metric", "neighbors", "kind", "dtype"), CASES, ids=name_of)
def test_overwriting_x_after_fit_changes_no_prediction(metric, neighbors, kind, dtype):
    X, y = rows(metric, kind, dtype), labels()
    queries = X[::3] if metric == "precomputed" else X[::3] * dtype(1.25)
    given, marked = X.copy(), y.copy()
    params = {"metric": metric, "neighbors": neighbors, "n_neighbors": 8, "random_state": 0}
    with mock.patch.object(cell_search, "_CELL_SIZE", 10):
        untouched = WNLLClassifier(**params).fit(X.copy(), y)
        model = WNLLClassifier(**params).fit(given, marked)
        expected = answers(untouched, queries)
        for array, original in zip(arrays_of(given), arrays_of(X), strict=True):
            np.testing.assert_array_equal(array, original)
        for array in (*arrays_of(given), marked):
            for held in reachable_arrays(model):
                assert not np.shares_memory(array, held)
        overwrite(given)
        marked[...] = 1
        for found, true in zip(answers(model, queries), expected, strict=True):
            np.testing.assert_array_equal(found, true)
    for name in ("transduction_", "label_distributions_", "classes_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(untouched, name))


@pytest.mark.parametrize("metric", ["euclidean", "hamming", "haversine"])
def test_a_model_holds_no_memory_map(metric, tmp_path):
    X, y = rows(metric, "C order", np.float64), labels()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r+")
    model = WNLLClassifier(metric=metric, n_neighbors=8).fit(mapped, y)
    expected = answers(model, X * 1.25)
    mapped[...] = 0
    np.testing.assert_array_equal(answers(model, X * 1.25), expected)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    WNLLClassifier(metric=metric, n_neighbors=8, label_weight=2.0).fit(X, y).predict(mapped)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "precomputed"])
def test_a_sparse_x_keeps_its_order_and_its_entries(metric):
    X = rows(metric, "sparse", np.float64)
    X.indices, X.data = X.indices.copy(), X.data.copy()
    for row in range(60):  # each row backwards, and its first entry in two parts
        part = slice(X.indptr[row], X.indptr[row + 1])
        X.indices[part], X.data[part] = X.indices[part][::-1].copy(), X.data[part][::-1].copy()
    X = sparse.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
    before = [part.copy() for part in arrays_of(X)]
    model = WNLLClassifier(metric=metric, n_neighbors=8).fit(X, labels())
    answers(model, X)
    for array, original in zip(arrays_of(X), before, strict=True):
        np.testing.assert_array_equal(array, original)


@pytest.mark.parametrize("kind", ["C order", "sparse"])
def test_a_transformer_that_changes_its_rows_in_place_is_refused(kind):
    scaler = MaxAbsScaler(copy=False) if kind == "sparse" else StandardScaler(copy=False)
    X, y = rows("euclidean", kind, np.float64), labels()
    given = X.copy()
    model = WNLLClassifier(neighbors=make_pipeline(scaler, TRANSFORMER), n_neighbors=8)
    with pytest.raises(ValueError, match=r"neighbors=.*in place.*copy=True"):
        model.fit(given, y)
    np.testing.assert_array_equal(arrays_of(given)[0], arrays_of(X)[0])
    scaler.copy = True
    model.fit(given, y)


def test_what_predict_proba_returns_may_be_overwritten():
    X, y = rows("euclidean", "C order", np.float64), labels()
    model = WNLLClassifier(n_neighbors=8).fit(X, y)
    queries = np.vstack([X[:20], X[:20] * 1.25])
    expected = answers(model, queries)
    for returned in (*answers(model, queries), model.predict(queries), model.certainty(queries)):
        returned[...] = 0
    np.testing.assert_array_equal(answers(model, queries), expected)


def test_attributes_that_are_overwritten_change_no_prediction():
    X, y = rows("precomputed", "C order", np.float64), labels()
    model = WNLLClassifier(metric="precomputed", n_neighbors=8).fit(X, y)
    expected = answers(model, X)
    for name in ("transduction_", "label_distributions_", "reached_", "point_index_"):
        getattr(model, name)[...] = 0
    model.graph_.data[...] = 0
    np.testing.assert_array_equal(answers(model, X), expected)


class Holder:
    """A container that returns its own array."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


@pytest.mark.parametrize("metric", ["euclidean", "hamming"])
@pytest.mark.parametrize("make", [pd.DataFrame, Holder, memoryview])
def test_overwriting_what_a_container_holds_changes_no_prediction(make, metric):
    X, y = rows(metric, "C order", np.float64), labels()
    held = X.copy()
    given = make(held, copy=False) if make is pd.DataFrame else make(held)
    model = WNLLClassifier(metric=metric, n_neighbors=8).fit(given, y)
    names = getattr(given, "columns", None)
    queries = X * 1.25 if names is None else pd.DataFrame(X * 1.25, columns=names)
    expected = answers(model, queries)
    np.testing.assert_array_equal(held, X)
    held[...] = held[::-1].copy()
    np.testing.assert_array_equal(answers(model, queries), expected)


def doubled(X):
    """Each entry in two halves."""
    part = X.tocoo()
    places = np.tile(part.row, 2), np.tile(part.col, 2)
    return sparse.coo_array((np.tile(part.data / 2, 2), places), shape=X.shape)


FORMATS = {
    **{name: partial(sparse.csr_array.asformat, format=name) for name in ("csc", "coo", "dia")},
    **{name: partial(sparse.csr_array.asformat, format=name) for name in ("dok", "lil", "bsr")},
    "matrix": sparse.csr_matrix,
    "halves": doubled,
    "integers": lambda X: X.astype(np.int64),
    "longdouble": lambda X: X.astype(np.longdouble),
    "zeros stored": lambda X: sparse.csr_array(X.tobsr((3, 3))),
    "dense": lambda X: X.toarray(),
    "float16": lambda X: X.toarray().astype(np.float16),
    "other byte order": lambda X: X.toarray().astype(">f4"),
    "objects": lambda X: X.toarray().astype(object),
}


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("kind", FORMATS)
def test_rows_are_the_same_in_any_format(kind, metric):
    X, y = sparse.csr_array(np.round(2000 * rows(metric, "C order", np.float64))), labels()
    expected = WNLLClassifier(metric=metric, n_neighbors=8).fit(X, y)
    model = WNLLClassifier(metric=metric, n_neighbors=8).fit(FORMATS[kind](X), y)
    np.testing.assert_allclose(
        model.label_distributions_, expected.label_distributions_, atol=1e-12
    )
    np.testing.assert_array_equal(model.predict(FORMATS[kind](X)), model.transduction_)


@pytest.mark.parametrize("kind", ["csc", "coo", "dok", "lil", "matrix", "longdouble"])
def test_a_graph_of_distances_is_the_same_in_any_format(kind):
    X, y = sparse.csr_array(rows("precomputed", "sparse", np.float64)), labels()
    expected = WNLLClassifier(metric="precomputed", n_neighbors=8).fit(X, y)
    model = WNLLClassifier(metric="precomputed", n_neighbors=8).fit(FORMATS[kind](X), y)
    np.testing.assert_array_equal(model.label_distributions_, expected.label_distributions_)


def test_blocks_of_distances_are_refused_since_they_store_zeros_that_are_none():
    X, y = sparse.csr_array(rows("precomputed", "sparse", np.float64)), labels()
    model = WNLLClassifier(metric="precomputed", n_neighbors=8)
    with pytest.raises(ValueError, match=r"BSR.*eliminate_zeros"):
        model.fit(X.tobsr((2, 2)), y)
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"BSR.*eliminate_zeros"):
        model.predict(X.tobsr((2, 2)))


@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
def test_nan_that_is_stored_in_a_sparse_x_is_refused(metric):
    X, y = rows(metric, "sparse", np.float64), labels()
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        WNLLClassifier(metric=metric, n_neighbors=8).fit(X, y)
