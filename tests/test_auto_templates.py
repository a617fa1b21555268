"""``template_size="auto"``: one graph if it fits in memory, otherwise as few templates as fit."""

import pickle
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from drawing import read_tables
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone

from sklearn_wnll import WNLLClassifier, WNLLRegressor, _fit_memory
from sklearn_wnll._extension.dealing import deal_templates, division, sizes_by_count
from sklearn_wnll._fit_memory import FitSize, divide
from sklearn_wnll._graph.metrics import METRICS, SPARSE_METRICS
from sklearn_wnll.exceptions import DividedRowsWarning

from .clouds import normal_classes

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning")

X, CODES = normal_classes(600, n_classes=3, n_features=4)
FEW = np.where(np.arange(600) % 20 == 0, CODES, -1)
NUMBERS = np.where(FEW < 0, np.nan, X[:, 0])
MATRIX = np.where(FEW[:, None] < 0, np.nan, CODES[:, None] == [0, 1])
CASES = {
    "classes": (WNLLClassifier, FEW, 3),
    "labels": (WNLLClassifier, MATRIX, 2),
    "numbers": (WNLLRegressor, NUMBERS, 1),
}


@pytest.fixture
def free(monkeypatch):
    """A function that sets the free memory, None for unknown; few rows behave like many."""
    monkeypatch.setattr(_fit_memory, "_SMALLEST", 50)
    for name in ("_GRAPH", "_SOLVER", "_KEPT"):
        monkeypatch.setattr(_fit_memory, name, (0.0, *getattr(_fit_memory, name)[1:]))
    return lambda found: monkeypatch.setattr(_fit_memory, "free_memory", lambda: found)


def memory_for(n_columns, count):
    """Free memory that suffices for ``count`` templates of ``X``, and not for fewer."""
    fit = FitSize.of(X, "euclidean", 15, n_columns)
    if count == 1:
        return 1.001 * fit.peak(600) / 0.8
    sizes = {number: largest for _, largest, number in sizes_by_count(30, 570, 50)}
    return 1.001 * fit.of_templates(600, sizes[count], count, 1) / 0.8


@contextmanager
def divides_once():
    """Expect one warning that rows were divided."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [one.category for one in caught].count(DividedRowsWarning) == 1
    assert all(one.filename == __file__ for one in caught)


@given(st.integers(1, 400), st.integers(0, 400), st.integers(2, 60))
def test_sizes_make_ever_more_templates_with_as_many_labels_as_so_few_allow(m, u, smallest):
    found = list(sizes_by_count(m, u, smallest))
    counts = [count for _, _, count in found]
    every = {size: division(m, u, size) for size in range(smallest, m + u)}
    assert counts == sorted({count for _, count in every.values()})
    codes = np.repeat([0, -1], [m, u])
    for size, largest, count in found:
        templates = deal_templates(codes, size, np.random.RandomState(0))
        assert len(templates) == count
        assert max(map(len, templates)) == largest <= size
        assert division(m, u, size)[0] == max(part for part, n in every.values() if n == count)


fits = st.builds(
    FitSize,
    st.floats(4, 1e4), st.floats(1, 2000), st.integers(1, 60), st.integers(1, 200),
    st.integers(1, 128),
)  # fmt: skip


def test_the_formula_is_that_of_the_page_and_above_each_measured_peak():
    tables = read_tables(Path(__file__).parents[1] / "docs" / "benchmarks" / "memory.md")
    (measured,) = tables["Fits"]
    assert len(measured.rows) > 10
    for row in measured.rows:
        cells = dict(zip(measured.header, (cell.replace("float", "") for cell in row), strict=True))
        numbers = {name: float(cell.replace(",", "")) for name, cell in cells.items()}
        n = int(numbers["rows"])
        fit = FitSize(
            numbers["features"] * numbers["type"] / 8,
            numbers["compared"],
            int(numbers["neighbours"]),
            int(numbers["classes"]),
            int(numbers["threads"]),
        )
        assert fit.peak(n) / 1e9 == pytest.approx(numbers["formula, GB"], abs=0.001)
        assert fit.kept(n) / 1e9 == pytest.approx(numbers["formula for kept, GB"], abs=0.001)
        if n >= 100_000:
            peak = max(numbers["graph, GB"], numbers["solver, GB"])
            assert peak <= fit.peak(n) / 1e9 + 0.001 <= 1.25 * peak


@given(fits, st.integers(2, 10**7), st.integers(2, 10**7))
def test_a_fit_to_more_rows_takes_more_memory(fit, n, more):
    assert 0 < fit.kept(n) < fit.peak(n) < fit.peak(n + more)
    assert fit.kept(n) < fit.kept(n + more)


@given(
    fits, st.integers(1, 5000), st.integers(1, 20_000), st.floats(0, 1.2), st.sampled_from([1, 4])
)
def test_rows_are_divided_only_if_one_graph_is_too_large_and_then_as_little_as_possible(
    fit, n_labeled, n_unlabeled, part, n_jobs
):
    n = n_labeled + n_unlabeled
    budget = part * fit.peak(n)
    found = divide(fit, n_labeled, n_unlabeled, budget, n_jobs)
    if fit.peak(n) <= budget:
        assert found.size is None
        assert found.needed == fit.peak(n)
        return
    others = {
        count: fit.of_templates(n, largest, count, n_jobs)
        for _, largest, count in sizes_by_count(n_labeled, n_unlabeled, 1000)
    }
    if found.needed > budget:
        assert found.needed == min([fit.peak(n), *others.values()])
        return
    _, chosen = division(n_labeled, n_unlabeled, found.size)
    assert found.needed == others[chosen]
    assert all(needed > budget for count, needed in others.items() if count < chosen)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bytes_of_a_row_are_those_of_the_fitted_search(metric, dtype):
    rows = np.random.default_rng(0).random((60, 2)).astype(dtype)
    model = WNLLClassifier(5, metric=metric).fit(rows, np.arange(60) % 2)
    points = model._answer.templates.transductions[0].graph._search.points
    assert FitSize.of(rows, metric, 5, 2).row_bytes == points.nbytes / len(points)


@pytest.mark.parametrize("metric", SPARSE_METRICS)
def test_the_bytes_of_a_sparse_row_are_about_those_of_the_fitted_search(metric):
    rows = sparse.csr_array(sparse.random(60, 30, 0.2, random_state=0))
    model = WNLLClassifier(5, metric=metric).fit(rows, np.arange(60) % 2)
    points = model._answer.templates.transductions[0].graph._search.points
    size = (points.data.nbytes + points.indices.nbytes) / 60
    assert FitSize.of(rows, metric, 5, 2).row_bytes == pytest.approx(size, 0.05)


@pytest.mark.parametrize("case", CASES)
def test_templates_are_those_of_the_size_that_was_taken(free, case):
    make, y, n_columns = CASES[case]
    free(memory_for(n_columns, 3))
    with divides_once():
        model = make(template_size="auto", random_state=0).fit(X, y)
    assert len(model.templates_) == 3
    assert model.template_size == "auto"
    same = make(template_size=model.template_size_, random_state=0).fit(X, y)
    for one, other in zip(model.templates_, same.templates_, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(model.predict(X + 0.1), same.predict(X + 0.1))
    assert clone(model).template_size == "auto"
    assert pickle.loads(pickle.dumps(model)).template_size_ == model.template_size_


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("known", [False, True])
def test_rows_stay_together_if_they_fit_or_if_the_free_memory_is_unknown(free, case, known):
    make, y, n_columns = CASES[case]
    free(memory_for(n_columns, 1) if known else None)
    model, plain = (make(template_size=size).fit(X, y) for size in ("auto", None))
    assert model.template_size_ is None is plain.template_size_
    np.testing.assert_array_equal(model.transduction_, plain.transduction_)
    assert model.graph_ is not None


def test_rows_that_do_not_fit_however_they_are_divided_are_fitted_all_the_same(free):
    free(10)
    with pytest.warns(DividedRowsWarning, match="Even these may take"):
        model = WNLLClassifier(template_size="auto", random_state=0).fit(X, FEW)
    assert len(model.templates_) > 1


def test_one_graph_that_may_not_fit_is_warned_of(free, monkeypatch):
    free(memory_for(3, 1) / 2)
    monkeypatch.setattr(_fit_memory, "_SMALLEST", 1000)
    with pytest.warns(UserWarning, match="graph of 600 rows may take .*600 rows are labelled"):
        assert WNLLClassifier(template_size="auto").fit(X, CODES).template_size_ is None


def test_rows_without_labels_and_given_distances_stay_together(free):
    free(10)
    assert len(WNLLClassifier(template_size="auto").fit(X, np.full(600, -1)).templates_) == 1
    distances = np.linalg.norm(X[:, None] - X, axis=2)
    model = WNLLClassifier(metric="precomputed", template_size="auto").fit(distances, FEW)
    assert len(model.templates_) == 1


def test_a_graph_is_kept_whatever_memory_is_free_later(free):
    free(memory_for(3, 1))
    model = WNLLClassifier(template_size="auto", warm_start=True, random_state=0).fit(X, FEW)
    free(10)
    graph = model.graph_
    for relabeled in (model.relabel(CODES), model.fit(X, FEW)):
        assert relabeled.graph_ is graph
        assert relabeled.template_size_ is None


def test_rows_are_added_while_a_fit_to_all_would_make_one_graph(free):
    free(2 * memory_for(3, 1))
    model = WNLLClassifier(template_size="auto", random_state=0).fit(X, FEW)
    assert len(model.add_rows(X + 0.1).templates_) == 1
    free(memory_for(3, 1))
    with pytest.raises(ValueError, match=r"template_size='auto'.* divide 1201 rows"):
        model.add_rows(X[:1] + 0.2)
    assert len(model.transduction_) == 1200


def test_other_words_than_auto_are_refused():
    with pytest.raises(ValueError, match="'template_size' parameter"):
        WNLLClassifier(template_size="memory").fit(X, FEW)
