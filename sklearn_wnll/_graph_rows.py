"""Common base of estimators on a graph of rows: validation of the rows."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import Tags, check_array
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import validate_data

from ._arrays import ArraySpace, OnDevice, array_space, as_host, is_tensor
from ._base import ChangesWhole, check_not_masked
from ._graph.metrics import METRICS, SPARSE_METRICS
from ._graph.precomputed import check_no_blocks
from ._graph.rows import canonical_rows
from ._streams import check_no_stream
from ._typing import Metric, NeighborsTransformer, Rows

__all__ = ["GRAPH_PARAMETERS", "GraphRowsMixin", "as_given"]

# Constraints on parameters that all estimators share.
GRAPH_PARAMETERS: dict[str, Any] = {
    "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    "scale_neighbor": [None, Interval(Integral, 1, None, closed="left")],
    "label_weight": [
        StrOptions({"auto", "wnll", "laplace", "poisson"}),
        Interval(Real, 0, None, closed="neither"),
    ],
    "label_noise": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
    "estimator_weight": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    "metric": [StrOptions({*METRICS, "precomputed"})],
    "neighbors": [
        StrOptions({"auto", "exact", "approximate"}),
        HasMethods(["fit", "fit_transform", "transform"]),
    ],
    "predict_mode": [StrOptions({"transductive", "inductive"})],
    "held_out": [None, Interval(Integral, 2, None, closed="left")],
    "unlabeled": "no_validation",
    "template_size": [None, StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
    "query_size": [None, Interval(Integral, 1, None, closed="left")],
    "warm_start": ["boolean"],
    "tol": [Interval(Real, 0, None, closed="neither")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
    "n_jobs": [None, Integral],
    "verbose": ["verbose"],
}


def as_given(X: Any, validated: Any) -> Any:
    """Return rows for a classifier: a DataFrame is passed on unchanged, for its column names.

    Tensors are copied to the host.
    """
    return X if hasattr(X, "columns") else as_host(validated)


class GraphRowsMixin(ChangesWhole):
    """An estimator on the nearest-neighbour graph of rows."""

    metric: Metric
    n_jobs: int | None
    neighbors: str | NeighborsTransformer
    _space: ArraySpace | None
    _on_device: bool
    _answer: Any

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.array_api_support = True
        tags.input_tags.sparse = self._takes_sparse()
        tags.input_tags.pairwise = tags.input_tags.positive_only = self.metric == "precomputed"
        return tags

    @property
    def _jobs(self) -> int | None:
        """The number of jobs: processes would not share the memory of a GPU."""
        return 1 if getattr(self, "_on_device", False) else self.n_jobs

    def _takes_sparse(self) -> bool:
        """Return whether X may be sparse; a transformer has its own metric."""
        own_metric = not isinstance(self.neighbors, str)
        return own_metric or self.metric in (*SPARSE_METRICS, "precomputed")

    def _validate_X(self, X: Any, *, reset: bool, is_part: bool = False) -> Any:
        """Check X, keeping float32 and float64; tensors stay where they are, if they can.

        For parts of an array, :meth:`_check_columns` has been called.
        """
        if isinstance(X, OnDevice):
            return self._moved(X, reset)
        if reset:
            check_no_stream(X, "fit")
            self._space = array_space(X)
            self._on_device = self._space is not None and self._may_stay(X)
        if self._on_device:
            return self._validate_tensor(X if is_tensor(X) else as_host(X), reset, is_part)
        return self._validate_array(as_host(X), reset, is_part)

    def _check_columns(self, X: Any) -> None:
        """Check the number of features, and their names, without reading the rows."""
        validate_data(self, X, reset=False, skip_check_array=True)

    def _may_stay(self, X: Any) -> bool:
        """Return whether the graph of a tensor is built where it is."""
        if not is_tensor(X) or X.is_nested or str(X.layout) != "torch.strided":
            return False
        from ._tensors.graph import computes_on_device

        return computes_on_device(self, X.device)

    def _moved(self, X: OnDevice, reset: bool) -> Any:
        """Copy rows, which are known to be valid, to their device or that of the fitted ones."""
        from ._tensors.devices import moved

        if reset:
            self._space, self._on_device = None, True
            return moved(X.rows, X.device)
        return moved(X.rows, self._graph_device())

    def _validate_tensor(self, X: Any, reset: bool, is_part: bool) -> Any:
        """Check a tensor, or move other rows to the device of the fitted ones."""
        from ._tensors.devices import moved
        from ._tensors.graph import checked_tensor

        if is_tensor(X):
            X = checked_tensor(X, lambda rows: self._validate_array(rows, reset, is_part))
            return X if reset else X.to(self._graph_device())
        X = self._validate_array(X, reset, is_part)
        return moved(X.toarray() if sparse.issparse(X) else X, self._graph_device())

    def _graph_device(self) -> Any:
        """Return the torch device of the fitted graph."""
        templates = self._answer.templates
        first = templates.layers[0] if hasattr(templates, "layers") else templates
        return first.transductions[0].graph.device

    def _validate_array(self, X: Rows, reset: bool, is_part: bool) -> Any:
        check_not_masked(X)
        precomputed = self.metric == "precomputed"
        if precomputed:
            check_no_blocks(X)
        options: dict[str, Any] = {
            "accept_sparse": "csr",
            "dtype": np.float64 if precomputed else [np.float64, np.float32],
        }
        if is_part:
            return check_array(X, estimator=self, input_name="X", **options)
        X = validate_data(self, X, reset=reset, **options)
        if not sparse.issparse(X):
            return X
        if not self._takes_sparse():
            raise ValueError(
                f"metric={self.metric!r} cannot be used with a sparse X. Use one of "
                f"{', '.join(SPARSE_METRICS)}, or pass X.toarray()."
            )
        return canonical_rows(X)
