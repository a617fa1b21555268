"""The work at the rows: functions of templates and partitions, none of which changes anything.

A task that is lost with its worker runs again, with the same result.
"""

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _check_feature_names

from .._extension.class_prior import sharp_sum
from .._extension.row_labels import RowLabels
from .._extension.system import HarmonicExtension
from .._extension.templates import Templates, fit_templates
from .._fit_setup import Kept, graph_builder, plan_extension
from .._parallel import single_openmp_thread
from .dealing import dealt_rows

__all__ = ["LabeledRows", "Summary", "Template", "Votes", "checked_rows", "cut", "stacked"]

_SAMPLE = 4096  # rows of which a fit looks at the distributions


def checked_rows(model, X):
    """Check a partition as the estimator does, and return its rows as an array.

    ``model`` has the number of features, and their names, that its collection announces.
    """
    if hasattr(X, "columns") and hasattr(model, "feature_names_in_"):
        _check_feature_names(model, X, reset=False)
    if X.shape[1] != model.n_features_in_:
        raise ValueError(
            f"A partition of X holds {X.shape[1]} features, but X itself says "
            f"{model.n_features_in_}. If X was made by map_blocks, pass chunks= there, with the "
            "number of features that the function returns."
        )
    if X.shape[0]:
        return copy(model)._validate_X(X, reset=True)
    return sparse.csr_array(X) if sparse.issparse(X) else np.empty(X.shape, dtype=np.float32)


class Rows(NamedTuple):
    """Some rows ``X``, and their ``numbers`` among all rows."""

    numbers: np.ndarray
    X: Any


class LabeledRows(NamedTuple):
    """Labelled ``rows``, the codes of their classes, and the number of rows around them."""

    rows: Rows
    codes: np.ndarray
    n_rows: int

    @classmethod
    def of(cls, X, labels):
        """Select the labelled rows of a partition; rows are numbered from its first."""
        if X.shape[0] != labels.n_rows:
            raise ValueError(
                f"Inconsistent numbers of samples: a partition holds {X.shape[0]} rows of X and "
                f"{labels.n_rows} entries of y. y needs an entry for every row of X, in the same "
                "partitions."
            )
        return cls(Rows(labels.positions, X[labels.positions]), labels.codes, labels.n_rows)

    def without_rows(self):
        """Return the same without the features."""
        return self._replace(rows=self.rows._replace(X=None))


def stacked(parts):
    """Gather the :class:`LabeledRows` of all partitions, numbered among all rows."""
    starts = np.cumsum([0, *(part.n_rows for part in parts)])
    rows = [
        part.rows._replace(numbers=part.rows.numbers + start)
        for part, start in zip(parts, starts[:-1], strict=True)
    ]
    codes = np.concatenate([part.codes for part in parts])
    return LabeledRows(_ordered(rows), codes, int(starts[-1]))


def cut(X, piece, labeled, start, seed):
    """Cut a :class:`Piece` from a partition, whose first row is number ``start`` of all."""
    own = dealt_rows(piece, X.shape[0], labeled, seed)
    return Rows(own + start, X[own])


def _ordered(parts):
    """Gather rows in the order of their numbers."""
    parts = [part for part in parts if len(part.numbers)] or parts[:1]
    numbers = np.concatenate([part.numbers for part in parts])
    order = np.argsort(numbers)
    if any(sparse.issparse(part.X) for part in parts):
        return Rows(numbers[order], sparse.vstack([part.X for part in parts]).tocsr()[order])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    dtype = np.result_type(*(part.X.dtype for part in parts))
    X, start = np.empty((len(order), parts[0].X.shape[1]), dtype=dtype), 0
    for part in parts:
        X[place[start : start + len(part.numbers)]] = part.X
        start += len(part.numbers)
    return Rows(numbers[order], X)


class Summary(NamedTuple):
    """Facts about a fitted template, small enough for the client.

    ``label_masses`` are those of :class:`Templates`, and ``total`` is the sum of the distributions
    of ``n_free`` rows that equal no labelled one. ``sample`` (n, n_classes) are the distributions
    of some of these. A label reaches ``n_unlabeled`` rows without one, but not ``n_unreached``.
    """

    label_masses: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    total: np.ndarray
    n_free: int
    n_unlabeled: int
    n_unreached: int
    sample: np.ndarray
    label_noise: float
    n_iter: int
    residual: float
    converged: bool


@dataclass(frozen=True)
class Template:
    """A fitted template: the ``numbers`` of its rows, ascending, and their ``codes``."""

    numbers: np.ndarray
    codes: np.ndarray
    templates: Templates

    @classmethod
    def fit(cls, model, classes, labeled, pieces):
        """Extend labels to unlabelled rows, as the estimator does for rows in one place."""
        numbers, X = _ordered([labeled.rows, *pieces])
        codes = np.full(len(numbers), -1)
        codes[np.searchsorted(numbers, labeled.rows.numbers)] = labeled.codes
        labels = RowLabels.of(codes, classes, model.class_prior)
        _, extender = plan_extension(model, Kept.of(model, X, X), labels, None)
        with single_openmp_thread():
            templates = fit_templates(graph_builder(model, X, None), X, labels, extender)
        (only,) = templates.transductions
        only = replace(only, graph=only.graph.lean())  # half the memory, if there are many features
        return cls(numbers, codes, replace(templates, transductions=[only]))

    def __sizeof__(self):
        """Return the bytes of the arrays, by which a scheduler decides what to move."""
        return _nbytes(self.__dict__, set())

    @property
    def _only(self):
        """The single graph of the template."""
        return self.templates.transductions[0]

    def _values(self, rows):
        """Return distributions of some rows, and a mask of those that a label reaches."""
        extension, points = self._only.extension, self.templates.points.index[rows]
        u, reached = extension.u[points], extension.reached[points]
        u[~reached] = self.templates.extender.fallback
        return u, reached

    def values_in(self, ranges):
        """Return unlabelled rows of each range of all rows, from its start, and their values."""
        found = []
        for start, stop in ranges:
            inside = np.arange(*np.searchsorted(self.numbers, [start, stop]))
            inside = inside[self.codes[inside] < 0]
            found.append((self.numbers[inside] - start, *self._values(inside)))
        return found

    def labeled_values(self):
        """Return distributions of the labelled rows, and a mask of those that a label reaches."""
        return self._values(np.flatnonzero(self.codes >= 0))

    def summary(self):
        """Return the facts that the client needs."""
        index, extension = self.templates.points.index, self._only.extension
        rows = np.flatnonzero(self.codes >= 0)
        is_free = extension.reached.copy()  # of points
        is_free[index[rows]] = False
        points, free = np.flatnonzero(is_free), is_free[index]
        return Summary(
            self._label_masses(index[rows]),
            extension.u[index].sum(axis=0, where=free[:, None]),
            np.count_nonzero(free),
            np.count_nonzero(extension.reached[index] & (self.codes < 0)),
            np.count_nonzero(~extension.reached[index] & (self.codes < 0)),
            extension.u[points[:: -(-len(points) // _SAMPLE) or 1]],
            self.templates.label_noise,
            extension.n_iter,
            extension.residual,
            extension.converged,
        )

    def _label_masses(self, points):
        """Return :attr:`Templates.label_masses` in the order of the labelled rows; None if unknown.

        ``points`` (n_labeled,) are those of the labelled rows. The order of points differs between
        templates, that of labelled rows does not.
        """
        if self._only.extension.masses is None:
            return None
        masses, codes, counts = self.templates.label_masses
        order = np.argsort(np.unique(points, return_index=True)[1])
        return masses[order], codes[order], counts

    def sharp_sum(self, weights):
        """Return :func:`sharp_sum` over the rows without a label that one reaches."""
        u, reached = self._values(np.flatnonzero(self.codes < 0))
        return sharp_sum(u, reached, weights)

    def vote(self, X, *, batching, **options):
        """Predict rows as :meth:`Templates.predict` does: :class:`Votes`."""
        n_rows, n_classes = X.shape[0], len(self.templates.extender.fallback)
        votes = Votes.none(n_rows, n_classes)
        if not n_rows:
            return votes
        with single_openmp_thread():
            point, _ = self.templates.points.match(X)
            is_fitted = point < self.templates.points.n_points
            known, new = np.flatnonzero(is_fitted), np.flatnonzero(~is_fitted)
            extension = self._only.extension
            reached = extension.reached[point[known]]
            votes.values[known[reached]] = extension.u[point[known[reached]]]
            votes.n_votes[known], votes.fitted[known] = reached, True
            if not len(new):
                return votes
            batching = batching._replace(n_jobs=1)
            found = self.templates.predict(X[new], batching=batching, **options)
        votes.values[new[found.reached]] = found.u[found.reached]
        votes.n_votes[new] = found.reached
        return votes._replace(
            n_iter=found.n_iter, residual=found.residual, converged=found.converged
        )


class Votes(NamedTuple):
    """Predictions of queries by some templates, to be averaged.

    ``values`` (n_queries, n_classes) are sums of distributions, over ``n_votes`` (n_queries,)
    templates in which a label reaches the query. ``fitted`` queries are rows of a template, and
    keep its value.
    """

    values: np.ndarray
    n_votes: np.ndarray
    fitted: np.ndarray
    n_iter: int
    residual: float
    converged: bool

    @classmethod
    def none(cls, n_queries, n_classes):
        """Return votes without any prediction."""
        n_votes, fitted = np.zeros(n_queries, dtype=np.intp), np.zeros(n_queries, dtype=bool)
        return cls(np.zeros((n_queries, n_classes)), n_votes, fitted, 0, 0.0, True)

    @classmethod
    def sum(cls, several):
        """Add votes; the first template with a fitted row decides."""
        values, n_votes, fitted = (each.copy() for each in several[0][:3])
        for votes in several[1:]:
            undecided = ~fitted
            decided = votes.fitted & undecided
            values[decided], n_votes[decided] = 0, 0
            np.add(values, votes.values, out=values, where=undecided[:, None])
            np.add(n_votes, votes.n_votes, out=n_votes, where=undecided)
            fitted |= votes.fitted
        return cls(
            values,
            n_votes,
            fitted,
            n_iter=max(votes.n_iter for votes in several),
            residual=max(votes.residual for votes in several),
            converged=all(votes.converged for votes in several),
        )

    def mean(self, fallback):
        """Return the means; the fallback where no label reaches a row."""
        reached = self.n_votes > 0
        u = self.values / np.maximum(self.n_votes, 1)[:, None]
        u[~reached] = fallback
        return HarmonicExtension(u, reached, self.n_iter, self.residual, self.converged)


def _nbytes(thing, seen):
    """Sum the bytes of the arrays that an object holds."""
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return _nbytes(thing.base, seen) if isinstance(thing.base, np.ndarray) else thing.nbytes
    if isinstance(thing, dict):
        inside = thing.values()
    elif isinstance(thing, list | tuple):
        inside = thing
    else:
        inside = getattr(thing, "__dict__", {}).values()
    return sum(_nbytes(each, seen) for each in inside)
