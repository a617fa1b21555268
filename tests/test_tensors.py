"""Rows as tensors: the same answers, where the rows are. A CPU takes the place of a GPU here."""

import pickle
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from scipy import sparse
from sklearn import config_context
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsTransformer

from sklearn_wnll import WNLLClassifier, WNLLRegressor
from sklearn_wnll.compose import WithUnlabeled
from sklearn_wnll.model_selection import LabeledFold

from .clouds import IGNORES_FEW_LABELS, clouds, examples, normal_classes

torch = pytest.importorskip("torch", reason="needs the extra [deep]")

from sklearn_wnll._tensors import graph  # noqa: E402

pytestmark = [
    *IGNORES_FEW_LABELS,
    pytest.mark.skipif(
        "os.environ.get('SCIPY_ARRAY_API') != '1'", reason="scikit-learn needs SciPy 1.14 for it"
    ),
]

CLASSIFIERS = [
    {},
    {"label_weight": "wnll"},
    {"label_weight": "laplace"},
    {"label_weight": "poisson"},
    {"label_weight": 7.0, "scale_neighbor": 3},
    {"label_noise": 0.1},
    {"class_prior": "labeled"},
    {"class_prior": "estimated"},
    {"class_prior": "labeled", "volume_constraint": True},
    {"held_out": 3, "calibrate": True},
    {"template_size": 150},
    {"query_size": 20},
    {"predict_mode": "inductive"},
    {"metric": "cosine"},
    {"metric": "correlation"},
    {"metric": "sqeuclidean"},
    {"metric": "manhattan"},
    {"neighbors": KNeighborsTransformer(n_neighbors=15)},
    {"estimator": LogisticRegression()},
]


@pytest.fixture(params=["as on a GPU", "as on a CPU"], autouse=True)
def _device(request):
    """Let tensors on the CPU be computed with as on a GPU, or as arrays."""
    devices = {"cpu"} if request.param == "as on a GPU" else set()
    with mock.patch.object(graph, "_DEVICES", devices):
        yield


def few_labels(n=300):
    """Random rows of three classes, four labels of each, and new rows."""
    X, code = normal_classes(n + 50, n_classes=3, n_features=6)
    y = np.full(n, -1)
    for label in range(3):
        y[np.flatnonzero(code[:n] == label)[:4]] = label
    return X[:n].astype(float), y, X[n:].astype(float)


def both(model, X, y):
    """Fit a model to arrays, and to tensors."""
    ours = type(model)(**model.get_params(deep=False)).fit(X, y)
    with config_context(array_api_dispatch=True):
        theirs = type(model)(**model.get_params(deep=False)).fit(
            torch.from_numpy(X), torch.from_numpy(y)
        )
    return ours, theirs


def assert_same(ours, theirs):
    assert isinstance(theirs, torch.Tensor)
    np.testing.assert_allclose(theirs.numpy(), ours, rtol=0, atol=1e-6)


@pytest.mark.parametrize("params", CLASSIFIERS, ids=str)
def test_a_classifier_answers_alike_and_in_tensors(params):
    X, y, new = few_labels()
    model = WNLLClassifier(tol=1e-10, random_state=0, **params)
    ours, theirs = both(model, X, y)
    names = ["label_distributions_", "transduction_", "reached_", "point_index_"]
    names += [name for name in ("held_out_distributions_", "class_sizes_") if hasattr(ours, name)]
    for name in names[: 3 if "template_size" in params else None]:
        assert_same(getattr(ours, name), getattr(theirs, name))
    rows = np.vstack([X[:20], new])
    with config_context(array_api_dispatch=True):
        tensor = torch.from_numpy(rows)
        for method in ("predict", "predict_proba", "certainty"):
            assert_same(getattr(ours, method)(rows), getattr(theirs, method)(tensor))
        assert theirs.score(tensor[:20], ours.predict(rows[:20])) == 1
        if "template_size" not in params:
            more = y.copy()
            more[50:60] = 1
            assert_same(ours.relabel(more).transduction_, theirs.relabel(more).transduction_)
            np.testing.assert_array_equal(ours.suggest_labels(3), theirs.suggest_labels(3))


@pytest.mark.parametrize(
    "params", [{}, {"label_noise": 0.2}, {"estimator": Ridge()}, {"held_out": 4}], ids=str
)
def test_a_regressor_answers_alike_and_in_tensors(params):
    X, y, new = few_labels()
    y = np.where(y < 0, np.nan, X[:, 0])
    ours, theirs = both(WNLLRegressor(tol=1e-10, random_state=0, **params), X, y)
    assert_same(ours.transduction_, theirs.transduction_)
    with config_context(array_api_dispatch=True):
        tensor = torch.from_numpy(new)
        assert_same(ours.predict(new), theirs.predict(tensor))
        # Errors come from held-out values, for which the solver's tolerance is wider.
        for found, expected in (
            (theirs.predict(tensor, return_std=True)[1], ours.predict(new, return_std=True)[1]),
            (theirs.predict_interval(tensor), ours.predict_interval(new)),
        ):
            np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_rows_can_join_a_graph_of_tensors():
    X, y, new = few_labels()
    ours, theirs = both(WNLLClassifier(tol=1e-10), X, y)
    with config_context(array_api_dispatch=True):
        theirs.add_rows(torch.from_numpy(new))
        assert_same(ours.add_rows(new).label_distributions_, theirs.label_distributions_)
        assert_same(ours.predict_proba(new), theirs.predict_proba(torch.from_numpy(new)))


def test_several_labels_per_row_come_back_in_tensors():
    X, y, new = few_labels()
    Y = np.where(y[:, None] < 0, np.nan, y[:, None] == np.arange(2))
    ours, theirs = both(WNLLClassifier(tol=1e-10), X, Y)
    assert_same(ours.transduction_, theirs.transduction_)
    with config_context(array_api_dispatch=True):
        assert_same(ours.predict_proba(new), theirs.predict_proba(torch.from_numpy(new)))


def test_names_of_classes_stay_strings():
    X, y, new = few_labels()
    names = np.array(["a", "b", "c", None], dtype=object)[y]
    with config_context(array_api_dispatch=True):
        model = WNLLClassifier().fit(torch.from_numpy(X), names)
        predicted = model.predict(torch.from_numpy(new))
        assert isinstance(model.predict_proba(torch.from_numpy(new)), torch.Tensor)
    assert set(predicted) <= {"a", "b", "c"}
    assert set(model.transduction_) == {"a", "b", "c"}


def test_a_compact_or_unpickled_model_predicts_alike():
    X, y, new = few_labels()
    new = torch.from_numpy(new)
    with config_context(array_api_dispatch=True):
        model = WNLLClassifier(predict_mode="inductive").fit(torch.from_numpy(X), y)
        expected = model.predict_proba(new)
        for other in (pickle.loads(pickle.dumps(model)), model.compact()):
            assert torch.equal(other.predict_proba(new), expected)


def test_without_dispatch_tensors_are_read_as_arrays():
    X, y, new = few_labels()
    model = WNLLClassifier().fit(torch.from_numpy(X), torch.from_numpy(y))
    assert isinstance(model.transduction_, np.ndarray)
    np.testing.assert_array_equal(model.predict(torch.from_numpy(new)), model.predict(new))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "certainty"])
def test_rows_of_another_library_are_refused(method):
    X, y, new = few_labels()
    with config_context(array_api_dispatch=True):
        model = WNLLClassifier().fit(torch.from_numpy(X), y)
        with pytest.raises(ValueError, match=rf"WNLLClassifier.{method}\(\) must use the same"):
            getattr(model, method)(new)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[:, 0], "Expected 2D array"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X[0, 0], "Expected 2D array"),
        (lambda X: X.where(X.max() > X, torch.nan), "contains NaN"),
        (lambda X: X.where(X.max() > X, torch.inf), "infinity"),
        (lambda X: X + 1j, "Complex data not supported"),
        (lambda X: X.to_sparse(), r"X is a tensor that is sparse. Pass X.to_dense\(\)"),
        (lambda X: X.to("meta"), "'meta', without any numbers"),
    ],
)
def test_invalid_tensors_are_refused_as_arrays_are(change, message):
    X, y, _ = few_labels()
    with config_context(array_api_dispatch=True):
        X = change(torch.from_numpy(X))
        with pytest.raises(ValueError, match=message):
            WNLLClassifier().fit(X, y[: X.shape[0]] if X.ndim else y)


def test_queries_with_other_features_are_refused():
    X, y, _ = few_labels()
    with config_context(array_api_dispatch=True):
        model = WNLLClassifier().fit(torch.from_numpy(X), y)
        with pytest.raises(ValueError, match="expecting 6 features"):
            model.predict(torch.from_numpy(X[:, :3]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.uint8])
def test_other_numbers_are_converted(dtype):
    X, y, _ = few_labels()
    X = torch.from_numpy(np.abs(10 * X)).to(dtype)
    with config_context(array_api_dispatch=True):
        a, b = (WNLLClassifier(tol=1e-9).fit(rows, y) for rows in (X, X.double()))
    torch.testing.assert_close(a.label_distributions_, b.label_distributions_, rtol=0, atol=1e-6)


@examples(100)
@given(clouds(grid=True))
def test_a_cloud_with_equal_rows_keeps_its_promises(cloud):
    with config_context(array_api_dispatch=True):
        model = WNLLClassifier(**cloud.params).fit(torch.from_numpy(cloud.X), cloud.y)
        u = model.label_distributions_.numpy()
        assert (u >= 0).all()
        np.testing.assert_allclose(u.sum(axis=1), 1)
        np.testing.assert_allclose(model.predict_proba(torch.from_numpy(cloud.X)), u)
    _, index = np.unique(cloud.X + 0.0, axis=0, return_inverse=True)
    same = model.point_index_.numpy()
    assert len(np.unique(np.column_stack([index, same]), axis=0)) == index.max() + 1


def test_the_approximate_search_is_chosen_and_repeatable():
    X, code = normal_classes(4000, n_classes=5, n_features=4)
    y = np.where(np.arange(4000) < 20, code, -1)
    with config_context(array_api_dispatch=True):
        a, b = (
            WNLLClassifier(neighbors="approximate", random_state=0).fit(torch.from_numpy(X), y)
            for _ in range(2)
        )
        exact = WNLLClassifier(neighbors="exact").fit(torch.from_numpy(X), y)
    assert torch.equal(a.label_distributions_, b.label_distributions_)
    agreed = (a.transduction_ == exact.transduction_).double().mean()
    assert agreed > 0.98


def device_model(**params):
    """Fit a model to tensors of float64, and return it with its rows and new ones."""
    X, y, new = few_labels()
    with config_context(array_api_dispatch=True):
        return WNLLClassifier(**params).fit(torch.from_numpy(X), y), X, y, new


def test_rows_of_single_precision_join_a_model_of_double_precision():
    model, X, y, new = device_model(tol=1e-10)
    expected = WNLLClassifier(tol=1e-10).fit(X, y).predict_proba(new)
    with config_context(array_api_dispatch=True):
        new = torch.from_numpy(new).float()
        np.testing.assert_allclose(model.predict_proba(new).numpy(), expected, atol=1e-5)
        assert len(model.add_rows(new).transduction_) == len(X) + len(new)


@pytest.mark.parametrize(
    "change",
    [
        list,
        pd.DataFrame,
        sparse.csr_array,
        lambda rows: rows.astype(object),
        lambda rows: rows.astype(">f8"),
        lambda rows: rows[::-1][::-1],
        torch.from_numpy,
    ],
    ids=["list", "frame", "sparse", "object", "big-endian", "strides", "tensor"],
)
def test_without_dispatch_a_model_of_tensors_predicts_rows_of_any_kind(change):
    model, X, y, new = device_model(tol=1e-10)
    expected = WNLLClassifier(tol=1e-10).fit(X, y).predict_proba(new)
    np.testing.assert_allclose(model.predict_proba(change(new)).numpy(), expected, atol=1e-6)


def test_masked_queries_are_refused():
    model, _, _, new = device_model()
    with pytest.raises(ValueError, match="X is masked in"):
        model.predict(np.ma.masked_greater(new, 0))


@pytest.mark.parametrize("first", [np.asarray, torch.from_numpy, sparse.csr_array])
@pytest.mark.parametrize("second", [np.asarray, torch.from_numpy, sparse.csr_array])
def test_a_warm_start_from_rows_of_another_kind_is_a_fit(first, second):
    X, y, _ = few_labels()
    with config_context(array_api_dispatch=True):
        model = WNLLClassifier(warm_start=True, tol=1e-10).fit(first(X), y).fit(second(X), y)
        cold = WNLLClassifier(tol=1e-10).fit(second(X), y)
    assert type(model.label_distributions_) is type(cold.label_distributions_)
    np.testing.assert_allclose(
        np.asarray(model.label_distributions_), np.asarray(cold.label_distributions_), atol=1e-6
    )


def test_a_pickle_needs_no_dispatch_and_no_device(monkeypatch):
    model, *_, new = device_model()
    expected, content = model.predict(new), pickle.dumps(model)
    monkeypatch.delenv("SCIPY_ARRAY_API")
    loaded = pickle.loads(content)
    assert torch.equal(loaded.predict(new), expected)
    assert loaded._space == model._space
    elsewhere = model._space._replace(device="cuda:7")
    assert pickle.loads(pickle.dumps(elsewhere)).device == "cpu"


def test_arrays_of_other_libraries_come_back():
    strict = pytest.importorskip("array_api_strict", reason="needs the extra [test]")
    X, y, new = few_labels()
    with config_context(array_api_dispatch=True):
        model = WNLLClassifier().fit(strict.asarray(X), strict.asarray(y))
        assert isinstance(model.transduction_, type(strict.asarray(X)))
    copied = pickle.loads(pickle.dumps(model))
    with config_context(array_api_dispatch=True):
        found = copied.predict_proba(strict.asarray(new))
    expected = WNLLClassifier().fit(X, y).predict_proba(new)
    np.testing.assert_allclose(np.asarray(found), expected)
    np.testing.assert_array_equal(
        WNLLClassifier().fit(X, strict.asarray(y)).transduction_, np.asarray(model.transduction_)
    )


def test_tensors_in_any_state_are_rows():
    X, y, _ = few_labels()
    rows = torch.from_numpy(X)
    with config_context(array_api_dispatch=True):
        expected = WNLLClassifier().fit(rows.half().double(), y).label_distributions_
        leaf = rows.half().requires_grad_()
        torch.testing.assert_close(WNLLClassifier().fit(leaf, y).label_distributions_, expected)
        expected = WNLLClassifier().fit(rows, y).label_distributions_
        imaginary = (torch.complex(rows, -rows)).conj().imag
        found = WNLLClassifier().fit(imaginary, y).label_distributions_
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", [">i8", np.longdouble, "f4"])
def test_labels_of_any_numbers_come_back(kind):
    X, y, _ = few_labels()
    with config_context(array_api_dispatch=True):
        model = WNLLClassifier().fit(torch.from_numpy(X), y.astype(kind))
    np.testing.assert_array_equal(model.classes_.numpy(), [0, 1, 2])


def test_cross_validation_works_on_tensors():
    X, code = normal_classes(200, n_classes=3, n_features=6)
    y = code % 3
    with config_context(array_api_dispatch=True):
        rows, labels = torch.from_numpy(X), torch.from_numpy(y)
        proba = cross_val_predict(WNLLClassifier(), rows, labels, method="predict_proba")
        scores = cross_val_score(WNLLClassifier(), rows, labels, cv=LabeledFold(3))
        pooled = WithUnlabeled(WNLLClassifier(), rows[100:]).fit(rows[:100], labels[:100])
        assert pooled.score(rows[100:], labels[100:]) > 0.8
    assert (np.asarray(proba).argmax(axis=1) == y).mean() > 0.9
    assert scores.min() > 0.8


def test_groups_in_tensors_are_dropped():
    X, y = np.arange(40.0)[:, None], np.arange(40) % 2
    groups = torch.arange(40) // 10
    fold = LabeledFold(GroupKFold(4), drop_test_groups=True)
    for given_groups in (groups, list(groups)):
        for train, test in fold.split(X, y, given_groups):
            assert not np.isin(groups[train], groups[test]).any()
