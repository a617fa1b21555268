"""The memory of a fit, and the templates that fit into it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from joblib import effective_n_jobs
from scipy import sparse

from ._arrays import is_tensor
from ._extension.dealing import sizes_by_count
from ._extension.label_matrix import LabelMatrix
from ._extension.row_labels import RowLabels
from ._graph.metrics import FeatureSpace
from ._memory import free_memory
from ._parallel import n_threads as count_threads
from ._warnings import warn_user
from .exceptions import DividedRowsWarning

__all__ = ["Division", "FitSize", "divide", "find_template_size", "stays_one_graph"]

_BUDGET = 0.8  # of the free memory

# Bytes: fixed; per row, byte of a row, 4 bytes compared, and neighbour. Then of the graph per row
# that threads search at the same time, and per neighbour of such a row; of the solver and the model
# per thread, if there are several, and per class, up to 64 and in all. Found by
# python examples/benchmarks/memory.py --rows 10000 100000
# python examples/benchmarks/memory.py --rows 300000 1000000 --plain 1 2
_GRAPH = (7.93e6, 0.0, 1.15, 1.43, 24.1, 1810.0, 157.0)
_SOLVER = (1.76e7, 280.0, 1.19, 1.12, 78.3, 4.39e7, 15.8, 29.5)
_KEPT = (3.55e6, 172.0, 1.23, 1.18, 22.2, 1.88e7, 3.56, 16.1)
_TOGETHER = 64  # classes that are solved at the same time
_REMEMBERED, _FEW_FEATURES = 2**26, 128  # numbers that a search of few features keeps, at most
_BLOCKS, _BLOCK = 8, 2**16  # a thread searches an eighth of the rows at a time, at most so many
_SMALLEST = 1000  # rows of a template; smaller ones save next to nothing
_PROCESS = 2e8  # a process of joblib, with its imports
_RESULTS = 24  # bytes per row and class, for the mean of the templates and its corrections


class FitSize(NamedTuple):
    """The numbers that decide how much memory a fit takes, beside its rows.

    ``row_bytes`` are those of a row in the searched space, ``n_compared`` the features that the
    search compares, ``n_columns`` the classes or targets.
    """

    row_bytes: float
    n_compared: float
    n_neighbors: int
    n_columns: int
    n_threads: int = 1

    @classmethod
    def of(cls, rows: Any, metric: str | None, n_neighbors: int, n_columns: int) -> "FitSize":
        """Find the numbers of a fit to rows; the metric None is that of a transformer.

        All features may be compared: whether principal components suffice is known later.
        """
        point, n_threads = FeatureSpace(metric).fit(rows[:1]).transform(rows[:1]), count_threads()
        if sparse.issparse(rows):
            entries = rows.nnz / rows.shape[0]
            pairs = entries * (point.dtype.itemsize + rows.indices.itemsize)
            return cls(pairs, 2 * entries, n_neighbors, n_columns, n_threads)
        return cls(point.nbytes, point.shape[1], n_neighbors, n_columns, n_threads)

    def peak(self, n: int) -> float:
        """Estimate the bytes at the peak of a fit to ``n`` rows, beyond those of the rows."""
        searched = min(n, self.n_threads * min(n / _BLOCKS, _BLOCK))
        compared, of_search = n * self.n_compared, (searched, searched * self.n_neighbors)
        graph = self._sum(n, _GRAPH, compared, *of_search)
        return max(graph, self._sum(n, _SOLVER, *self._answer(n)))

    def kept(self, n: int) -> float:
        """Estimate the bytes that a model fitted to ``n`` rows keeps."""
        return self._sum(n, _KEPT, *self._answer(n))

    def of_templates(self, n: int, largest: int, count: int, n_jobs: int) -> float:
        """Estimate the bytes of a fit to ``n`` rows, in templates of at most ``largest``."""
        running = min(n_jobs, count)
        one = self if running == 1 else self._replace(n_threads=1)  # as joblib's processes have
        kept, results = one.kept(largest), _RESULTS * n * self.n_columns
        peak = one.peak(largest) + largest * self.row_bytes  # a job's rows are a copy
        processes = running * (_PROCESS + kept) if running > 1 else 0.0
        return (count - running) * kept + running * peak + processes + results

    def _sum(self, n: int, coefficients: Sequence[float], numbers: float, *others: float) -> float:
        common = 1, n, n * self.row_bytes, 4 * numbers, n * self.n_neighbors
        return sum(a * b for a, b in zip(coefficients, (*common, *others), strict=True))

    def _answer(self, n: int) -> tuple[float, float, float, float]:
        """Return what else the coefficients of the solver and the model multiply."""
        numbers = n * self.n_compared
        if self.n_compared <= _FEW_FEATURES:  # otherwise, principal components may be kept
            numbers = min(numbers, _REMEMBERED)
        threads = min(self.n_threads, _BLOCKS * -(-n // (_BLOCKS * _BLOCK)))
        return (
            numbers,
            threads * (threads > 1),
            n * min(self.n_columns, _TOGETHER),
            n * self.n_columns,
        )


class Division(NamedTuple):
    """Templates of at most ``size`` points, None for one graph, and the bytes they may take."""

    size: int | None
    needed: float


def divide(fit: FitSize, n_labeled: int, n_unlabeled: int, budget: float, n_jobs: int) -> Division:
    """Divide rows among as few templates as fit into ``budget`` bytes: one graph if it does.

    If nothing does, among those that take the least.
    """
    n = n_labeled + n_unlabeled
    least = Division(None, fit.peak(n))
    if least.needed <= budget:
        return least
    for size, largest, count in sizes_by_count(n_labeled, n_unlabeled, _SMALLEST):
        found = Division(size, fit.of_templates(n, largest, count, n_jobs))
        if found.needed <= budget:
            return found
        least = min(least, found, key=lambda one: one.needed)
    return least


def find_template_size(model: Any, rows: Any, labels: Any) -> int | None:
    """Return the size of templates: the given one, or the one that ``"auto"`` takes.

    ``rows`` are validated, and ``labels`` are :class:`RowLabels`, :class:`RowValues` or a
    :class:`LabelMatrix`.
    """
    if model.template_size != "auto":
        size: int | None = model.template_size
        return size
    n, n_labeled = rows.shape[0], _n_labeled(labels)
    found, budget = _divide(model, rows, labels, n_labeled, n - n_labeled)
    if found.size is None:
        if found.needed > budget:
            warn_user(
                f"One graph of {n:,} rows may take {found.needed / 1e9:.2g} GB, more than "
                f"{budget / 1e9:.2g} GB, {_BUDGET:.0%} of the free memory, and templates "
                f"would not take less ({n_labeled:,} rows are labelled). Free memory, or pass "
                "fewer rows or features.",
                UserWarning,
            )
        return None
    doubt = ""
    if found.needed > budget:
        doubt = f"Even these may take {found.needed / 1e9:.2g} GB. "
    warn_user(
        f"template_size='auto' divides {n:,} rows among graphs of at most {found.size:,} distinct "
        f"ones, because one graph may take more than {budget / 1e9:.2g} GB, {_BUDGET:.0%} of the "
        f"free memory. {doubt}If labels are few, this costs accuracy. Free memory, pass fewer rows "
        "or features, or pass a number to get the same templates each time; None is one graph.",
        DividedRowsWarning,
    )
    return found.size


def stays_one_graph(model: Any, rows: Any, labels: Any, n_rows: int) -> bool:
    """Return whether a fit to ``n_rows`` such as ``rows`` would make one graph."""
    if model.template_size == "auto":
        n_labeled = _n_labeled(labels)
        return _divide(model, rows, labels, n_labeled, n_rows - n_labeled)[0].size is None
    return model.template_size is None or n_rows <= model.template_size


def _n_labeled(labels: Any) -> int:
    """Count the rows with any label or value."""
    return len(labels.rows if isinstance(labels, RowLabels) else _values(labels).rows_with_any)


def _values(labels: Any) -> Any:
    """Return labels with a number of columns."""
    return labels.values if isinstance(labels, LabelMatrix) else labels


def _divide(
    model: Any, rows: Any, labels: Any, n_labeled: int, n_unlabeled: int
) -> tuple[Division, float]:
    """Divide rows by the free memory, and return the bytes of it that may be taken.

    Rows stay together if none has a label, if their features are unknown, or on a GPU.
    """
    free = free_memory()
    if free is None or not n_labeled or model.metric == "precomputed" or is_tensor(rows):
        return Division(None, 0.0), 0.0
    metric = model.metric if isinstance(model.neighbors, str) else None
    fit = FitSize.of(rows, metric, model.n_neighbors, _values(labels).n_classes)
    n_jobs, budget = effective_n_jobs(model._jobs), _BUDGET * free
    return divide(fit, n_labeled, n_unlabeled, budget, n_jobs), budget
