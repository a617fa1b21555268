"""Predictions of rows: of all together or, for a large array, of one part after the other."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from ._arrays import as_host, gathered
from ._extension.prediction import Batching
from ._graph.points import FeaturePoints
from ._graph.rows import first_of_equal_keys
from ._graph_rows import GraphRowsMixin, as_given
from ._parallel import equal_blocks
from ._progress import show_progress
from ._serving import Serves
from ._typing import Indices, Mask

__all__ = ["PredictsParts", "Solved"]

_NUMBERS = 2**22  # numbers of the rows that are read at a time, at most
_ROWS = 2**14  # rows that are read at a time, at most: their neighbours take memory too
_OF_JOB = 8  # times as many for each of several jobs, which prepares a search of its own each time
_NONE = np.empty(0, dtype=np.intp)


class Solved(NamedTuple):
    """Marks of the rows that a label has ``reached``, and details of the slowest solution."""

    reached: Any
    n_iter: int
    residual: float
    converged: bool

    @classmethod
    def of(cls, reached: Mask, details: list[tuple[int, float, bool]]) -> "Solved":
        """Take the details of the slowest of several solutions."""
        n_iter, residual, converged = zip(*details, strict=True)
        return cls(reached, max(n_iter), max(residual), all(converged))


class _Parts(NamedTuple):
    """Parts of the rows of an array, and how those of each are dealt to batches.

    Some rows, the ``repeats``, are in no part, but equal to the ``firsts``.
    """

    parts: Iterable[tuple[slice | Indices, Batching]]
    repeats: Indices = _NONE
    firsts: Indices = _NONE


class PredictsParts(Serves, GraphRowsMixin):
    """An estimator over a graph that reads a large array part by part."""

    query_size: int | None
    tol: float
    max_iter: int
    verbose: int
    _kept: Any

    def _predict_parts(
        self, X: Any, predict: Callable[..., Any], given: Any = None
    ) -> tuple[Any, Solved]:
        """Predict rows, and gather the answers and the solutions of all parts.

        ``predict(rows, given, **options)`` returns an array with an entry for each row, or several,
        and the solution. ``given`` are the rows as a classifier takes them, if they differ.
        """
        self._check_ready()
        X = gathered(X)
        parts = self._parts(X)
        if parts is None:
            rows = self._validate_X(X, reset=False)
            given = as_given(X, rows) if given is None else given
            self._count_call(rows.shape[0])
            found, result = self._ask(predict, rows, given, Batching(self.query_size, self._jobs))
            return found, Solved.of(result.reached, [_details(result)])
        self._count_call(len(X))
        answers, details = _Gathered(len(X)), []
        for part, batching in parts.parts:
            rows = self._validate_X(X[part], reset=False, is_part=True)
            own = as_host(rows) if given is None else given[part]
            found, result = self._ask(predict, rows, own, batching)
            answers.put(part, found, result.reached)
            details.append(_details(result))
        found, reached = answers.filled(parts.repeats, parts.firsts)
        return found, Solved.of(reached, details)

    def _ask(
        self, predict: Callable[..., Any], rows: Any, given: Any, batching: Batching
    ) -> tuple[Any, Any]:
        """Predict the rows of one part."""
        inductive = self.predict_mode == "inductive"
        options = {"inductive": inductive, "tol": self.tol, "max_iter": self.max_iter}
        with show_progress(self.verbose):
            found: tuple[Any, Any] = predict(rows, given, batching=batching, **options)
        return found

    def _parts(self, X: Any) -> _Parts | None:
        """Divide a large array into parts that are predicted as in the whole; None if in one."""
        if type(X) not in (np.ndarray, np.memmap) or X.ndim != 2:
            return None
        n_jobs, own = effective_n_jobs(self._jobs), min(_ROWS, _NUMBERS // max(1, X.shape[1]))
        own = max(1, own) * (_OF_JOB if n_jobs > 1 else 1)
        size = n_jobs * own
        if len(X) <= size:
            return None
        points, batching = self._answer.templates.points, Batching(self.query_size, self._jobs)
        if self.predict_mode == "inductive":
            # The fitted distances themselves stand for the fitted rows, but only as a whole.
            if self.metric == "precomputed" and len(X) == len(points.index):
                return None
            self._check_columns(X)
            if self.query_size is not None:  # a batch for each job; they do not matter here
                batching = Batching(min(self.query_size, own), self._jobs)
            return _Parts((rows, batching) for rows in equal_blocks(len(X), size))
        if self.query_size is None or not isinstance(points, FeaturePoints):
            return None
        self._check_columns(X)
        return self._dealt(X, points, size, batching)

    def _dealt(
        self, X: NDArray[Any], points: FeaturePoints, size: int, batching: Batching
    ) -> _Parts:
        """Divide rows into fitted ones, and the batches that new ones of a whole array make."""
        is_new, keys = np.zeros(len(X), dtype=bool), []
        for block in equal_blocks(len(X), size):
            rows = self._validate_X(X[block], reset=False, is_part=True)
            new, of_new = points.find_new(rows)
            is_new[block.start + new] = True
            keys.append(of_new)
        fitted, new = np.flatnonzero(~is_new), np.flatnonzero(is_new)
        first, inverse = first_of_equal_keys(np.concatenate(keys))
        parts = [(fitted[block], batching) for block in equal_blocks(len(fitted), size)]
        batches = batching.deal(len(first), self._kept.seed) if len(first) else []
        together = max(1, size // len(batches[0])) if batches else 1
        for share in equal_blocks(len(batches), together):
            own = batches[share]
            dealt = batching._replace(sizes=tuple(map(len, own)))
            parts.append((new[first[np.concatenate(own)]], dealt))
        repeats = np.flatnonzero(first[inverse] != np.arange(len(new)))
        return _Parts(parts, new[repeats], new[first[inverse[repeats]]])


def _details(result: Any) -> tuple[int, float, bool]:
    return result.n_iter, result.residual, result.converged


class _Gathered:
    """The answers for all rows of an array, an array or a tuple of several, and marks."""

    _arrays: list[NDArray[Any]]

    def __init__(self, n_rows: int) -> None:
        self._n_rows, self._arrays, self._several = n_rows, [], False

    def put(self, part: slice | Indices, answer: Any, reached: Mask) -> None:
        """Put the answers for some rows in their places."""
        self._several = isinstance(answer, tuple)
        several = [*(answer if self._several else (answer,)), reached]
        if not self._arrays:
            shapes = ((self._n_rows, *found.shape[1:]) for found in several)
            types = (found.dtype for found in several)
            self._arrays = [np.empty(*each) for each in zip(shapes, types, strict=True)]
        for array, found in zip(self._arrays, several, strict=True):
            array[part] = found

    def filled(self, repeats: Indices, firsts: Indices) -> tuple[Any, Mask]:
        """Give some rows the answers of others; return all answers, and the marks."""
        for array in self._arrays:
            array[repeats] = array[firsts]
        *answers, reached = self._arrays
        return tuple(answers) if self._several else answers[0], reached
