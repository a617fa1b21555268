"""Methods of the estimator that change labels or add rows, and keep the graph."""

from typing import Any, Literal, Self

import joblib
import numpy as np
from scipy import sparse
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from ._arrays import gathered
from ._base import check_whole, checks_parameters
from ._extension.templates import Templates
from ._fit_memory import stays_one_graph
from ._fit_setup import Kept, place_of
from ._graph.matrices import as_scipy
from ._graph_rows import GraphRowsMixin, as_given
from ._progress import show_progress
from ._streams import check_no_stream
from ._typing import Indices, Labels, Rows

__all__ = ["KeepsGraph"]


class KeepsGraph(GraphRowsMixin):
    """An estimator that takes other labels, and more rows, on its fitted graph.

    ``_answer`` holds its ``templates`` and ``labels``. ``_read_labels(n_rows, y)`` checks the
    labels of all rows, and ``_extend_again(templates, labels)`` extends them over known graphs.
    """

    graph_: Any
    n_features_in_: int
    n_iter_: int
    point_index_: Indices | None
    templates_: list[Indices]
    _answer: Any
    _kept: Kept
    estimator: Any
    template_size: int | Literal["auto"] | None
    template_size_: int | None
    verbose: int

    @checks_parameters
    def relabel(self, y: Labels) -> Self:
        """Fit to new labels or values of the fitted rows, on the same graph.

        The result equals that of ``fit`` with the same rows, up to the solver's tolerance, at a
        fraction of the cost: the nearest neighbours are not searched again, and the solver starts
        at the last values. Parameters that do not concern the graph may be changed before.

        Read more in the :doc:`user guide </guide/active_learning>`.

        Parameters
        ----------
        y : array-like of shape (n_samples,) or (n_samples, n_columns)
            Labels or values of all fitted rows in their order, as for ``fit``, with the marker
            ``unlabeled`` where there is none. They may be added, removed, corrected, or of new
            classes.

        Returns
        -------
        WNLLClassifier or WNLLRegressor
            The estimator. If the method fails or is interrupted, it is unchanged.

        Raises
        ------
        ValueError
            If ``y`` is invalid, or if the graph cannot be kept: because one of its parameters was
            changed, because the estimator was fitted with several templates, or because an
            ``estimator`` needs rows that were not kept.

        See Also
        --------
        suggest_labels : Suggest rows to label or measure next.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> X, y = load_digits(return_X_y=True)
        >>> few = hide_labels(y, 3, random_state=0)
        >>> model = WNLLClassifier().fit(X, few)
        >>> for _ in range(3):
        ...     rows = model.suggest_labels(10)
        ...     few[rows] = y[rows]  # what a person would say
        ...     model = model.relabel(few)
        >>> round(float(np.mean(model.transduction_ == y)), 2)
        0.97
        """
        check_is_fitted(self)
        return self._change_whole("_relabel", y)

    @checks_parameters
    def add_rows(self, X: Rows) -> Self:
        """Add rows without a label or value to the fitted ones.

        The result equals that of ``fit`` with all rows, at a fraction of the cost: only the
        neighbours of the new rows are searched. An approximate search remains approximate; it
        rebuilds the cells that it compares when the rows have grown by a quarter. A transformer
        passed as ``neighbors`` is fitted again to all rows.

        Read more in the :doc:`user guide </guide/saving>`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_new, n_features)
            Rows to append to the fitted ones, of the same kind. They are converted to the type of
            the fitted rows.

        Returns
        -------
        WNLLClassifier or WNLLRegressor
            The estimator, fitted to all rows. If the method fails or is interrupted, it is
            unchanged.

        Raises
        ------
        ValueError
            If ``X`` is invalid, if ``metric="precomputed"``, or where :meth:`relabel` raises it.

        See Also
        --------
        relabel : Fit to labels or values of all rows, including the new ones.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> X, y = load_digits(return_X_y=True)
        >>> few = hide_labels(y, 10, random_state=0)
        >>> model = WNLLClassifier().fit(X[:1700], few[:1700])
        >>> model.add_rows(X[1700:]).transduction_.shape
        (1797,)
        >>> round(model.relabel(few).score(X, y), 2)
        0.97
        """
        check_is_fitted(self)
        return self._change_whole("_add_rows", X)

    def _relabel(self, y: Labels) -> None:
        self._check_graph_stays("relabel")
        templates = self._answer.templates
        self._extend_again(templates, self._read_labels(len(templates.points.index), y))

    def _add_rows(self, X: Rows) -> None:
        self._check_graph_stays("add_rows")
        if self.metric == "precomputed":
            raise ValueError(
                "add_rows needs features, but with metric='precomputed' X holds distances. Call "
                "fit with the distances of all rows."
            )
        check_no_stream(X, "add_rows")
        X = gathered(X)
        rows = self._validate_X(X, reset=False)
        n_rows = len(self._answer.templates.points.index) + rows.shape[0]
        if not stays_one_graph(self, rows, self._answer.labels, n_rows):
            raise ValueError(
                f"add_rows keeps one graph, but with template_size={self.template_size!r} a fit "
                f"would divide {n_rows} rows among several. Call fit, or fit with "
                "template_size=None."
            )
        if self._kept.given is not None:
            self._kept = self._kept._replace(given=_stack(self._kept.given, as_given(X, rows)))
        labels = self._grown_labels(rows.shape[0])
        with show_progress(self.verbose):
            templates = self._answer.templates.grown(rows)
        self._extend_again(templates, labels)

    def _check_graph_stays(self, method: str) -> None:
        """Refuse changes that need another graph, or rows that were not kept."""
        check_whole(self, method)
        n_templates = len(self._answer.templates.parts)
        if changed := self._kept.changed(self):
            raise ValueError(
                f"{method} keeps the graph, but {', '.join(changed)} changed since fit. Call fit, "
                "or restore the old value."
            )
        if n_templates > 1:
            raise ValueError(
                f"{method} needs one graph, but the rows are divided among {n_templates} templates "
                "by y. Call fit, or fit with template_size=None."
            )
        if self.estimator is not None and self._kept.given is None:
            raise ValueError(
                "estimator learns from the rows, which a fit with estimator=None does not keep. "
                "Call fit."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if self.estimator is not None:
            tags.input_tags.sparse &= get_tags(self.estimator).input_tags.sparse
        return tags

    def _set_graph(self, templates: Templates, n_iter: int) -> None:
        """Set the attributes that describe the graph, and the iterations on it."""
        one_graph = len(templates.parts) == 1
        self.templates_ = templates.rows
        self.graph_ = as_scipy(templates.transductions[0].graph.weights) if one_graph else None
        self.point_index_ = templates.points.index.copy() if one_graph else None
        self.n_iter_ = max(1, n_iter)

    def _read_labels(self, n_rows: int, y: Labels) -> Any:
        raise NotImplementedError

    def _grown_labels(self, n_new: int) -> Any:
        """Return the current labels with new rows, which have none."""
        return self._answer.labels.grown(n_new)

    def _extend_again(self, templates: Any, labels: Any) -> None:
        raise NotImplementedError

    def _are_fitted_rows(self, X: Rows, rows: Any) -> bool:
        """Return whether ``rows``, validated from ``X``, are those of a graph that can stay."""
        if getattr(self, "_kept", None) is None or self._kept.is_partitioned:
            return False
        if self._kept.changed(self):
            return False
        templates, kept = self._answer.templates, self._kept
        if len(templates.parts) > 1 or rows.shape[1] != kept.n_features:
            return False
        if place_of(rows) != kept.place:
            return False
        if self.estimator is not None and not _equal(as_given(X, rows), kept.given):
            return False
        return templates.points.are_of(rows)


def _equal(given: Any, kept: Any) -> bool:
    """Return whether rows equal the kept ones, and are of the same kind."""
    arrays = isinstance(given, np.ndarray) and isinstance(kept, np.ndarray)
    return (arrays or type(given) is type(kept)) and joblib.hash(given) == joblib.hash(kept)


def _stack(first: Any, second: Any) -> Any:
    """Stack rows and others of the same kind, in the form a classifier takes."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.vstack([first, second.astype(first.dtype)])
    if type(first) is not type(second):
        raise ValueError(
            f"X is a {type(second).__name__}, but the fitted rows are a {type(first).__name__}, "
            "which the estimator learns from. Pass rows of that type."
        )
    if sparse.issparse(first):
        return sparse.vstack([first, second], format="csr")
    if hasattr(first, "vstack"):  # polars
        return first.vstack(second)
    import pandas as pd

    return pd.concat([first, second])
