"""The estimator of numbers: checks its input, extends them over the graph, and keeps the answer."""

from copy import copy
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._base import checks_parameters
from ._extension.layers import Layers, Prediction
from ._extension.prediction import Batching
from ._extension.row_values import RowValues
from ._extension.spread import Spread
from ._extension.transduction import Extender
from ._extension.value_answer import ValueAnswer
from ._fit_setup import Kept, graph_builder
from ._fit_warnings import warn_if_not_converged, warn_if_unreached
from ._graph.metrics import METRICS
from ._numbers import read_numbers
from ._progress import show_progress
from ._serving import CallCounter, Serves
from ._session import KeepsGraph
from ._typing import (
    Floats,
    Indices,
    LabelWeight,
    Mask,
    Metric,
    NeighborsTransformer,
    Numbers,
    PredictMode,
    RandomState,
    Rows,
)

__all__ = ["WNLLRegressor"]


class WNLLRegressor(KeepsGraph, Serves, RegressorMixin, BaseEstimator):
    """Regression with few values by the weighted nonlocal Laplacian (WNLL)."""

    transduction_: Floats
    reached_: Mask
    label_noise_: Any
    held_out_predictions_: Floats
    held_out_score_: float
    templates_: list[Indices]
    graph_: sparse.csr_array | None
    point_index_: Indices | None
    n_iter_: int
    _answer: ValueAnswer
    _kept: Kept
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "scale_neighbor": [None, Interval(Integral, 1, None, closed="left")],
        "label_weight": [
            StrOptions({"auto", "wnll", "laplace", "poisson"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "label_noise": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "metric": [StrOptions({*METRICS, "precomputed"})],
        "neighbors": [
            StrOptions({"auto", "exact", "approximate"}),
            HasMethods(["fit", "fit_transform", "transform"]),
        ],
        "predict_mode": [StrOptions({"transductive", "inductive"})],
        "held_out": [None, Interval(Integral, 2, None, closed="left")],
        "unlabeled": "no_validation",
        "template_size": [None, Interval(Integral, 2, None, closed="left")],
        "query_size": [None, Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_neighbors: int = 15,
        *,
        scale_neighbor: int | None = None,
        label_weight: LabelWeight = "auto",
        label_noise: float | Literal["auto"] = 0.0,
        metric: Metric = "euclidean",
        neighbors: Literal["auto", "exact", "approximate"] | NeighborsTransformer = "auto",
        predict_mode: PredictMode = "transductive",
        held_out: int | None = None,
        unlabeled: object = "auto",
        template_size: int | None = None,
        query_size: int | None = None,
        warm_start: bool = False,
        tol: float = 1e-6,
        max_iter: int = 1000,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.scale_neighbor = scale_neighbor
        self.label_weight = label_weight
        self.label_noise = label_noise
        self.metric = metric
        self.neighbors = neighbors
        self.predict_mode = predict_mode
        self.held_out = held_out
        self.unlabeled = unlabeled
        self.template_size = template_size
        self.query_size = query_size
        self.warm_start = warm_start
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    estimator = None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @checks_parameters
    def fit(self, X: Rows, y: Numbers) -> Self:
        """Extend the values in ``y`` to all rows of ``X``."""
        return self._fit_whole(X, y)

    def _fit(self, X: Rows, y: Numbers) -> None:
        """Set the fitted attributes."""
        rows = self._validate_X(X, reset=True)
        values = self._read_labels(rows.shape[0], y)
        if self.warm_start and self._are_fitted_rows(X, rows):
            self._extend_again(self._answer.templates, values)
            return
        self._kept = Kept.of(self, X, rows)
        with show_progress(self.verbose):
            layers = Layers.fit(
                graph_builder(self, rows),
                rows,
                values,
                self._extender,
                shared=self._shares_systems(),
                template_size=self.template_size,
                n_jobs=self.n_jobs,
            )
        self._set_answer(values, layers)

    def _read_labels(self, n_rows: int, y: Any) -> RowValues:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        numbers = read_numbers(y, self.unlabeled)
        if len(numbers) != n_rows:
            raise ValueError(
                f"Inconsistent numbers of samples: X has {n_rows} rows and y {len(numbers)} "
                "entries. y needs an entry for every row of X; NaN says that a row has no value."
            )
        values = RowValues(numbers.reshape(n_rows, -1), numbers.ndim == 1)
        empty = np.flatnonzero(np.isnan(values.values).all(axis=0))
        if 0 < len(empty) < values.n_classes:
            raise ValueError(
                f"Column {empty[0]} of y holds no value. Give at least one row a value of this "
                "target, or leave the column out."
            )
        return values

    def _extender(self, values: RowValues) -> Extender:
        """Plan the extension of some targets."""
        return Extender(
            label_weight=self.label_weight,
            label_noise=self.label_noise,
            fallback=values.fallback,
            tol=self.tol,
            max_iter=self.max_iter,
            seed=self._kept.seed,
            units=values.units,
        )

    def _shares_systems(self) -> bool:
        """Return whether targets with the same gaps have the same system."""
        return self.label_noise == 0

    def _extend_again(self, templates: Layers, labels: RowValues) -> None:
        """Extend values over the existing graphs."""
        old = self._answer.labels
        if labels.n_classes != old.n_classes:
            raise ValueError(
                f"y holds {labels.n_classes} targets, but the fitted one {old.n_classes}. Call fit."
            )
        with show_progress(self.verbose):
            templates = templates.relabeled(
                labels, self._extender, shared=self._shares_systems(), n_jobs=self.n_jobs
            )
        self._set_answer(labels, templates)

    def _set_answer(self, values: RowValues, layers: Layers) -> None:
        """Set the fitted attributes."""
        result, one_graph = layers.fitted(), len(layers.parts) == 1
        warn_if_not_converged(result, self.tol, self.max_iter, "values")
        if len(values.rows_with_any):
            warn_if_unreached(result.reached.all(axis=1), "rows of X", numbers=True)
        answer = ValueAnswer.of(values, layers, self.held_out, self.n_jobs)
        self._answer, self._calls = answer, CallCounter()
        if len(values.rows_with_any):
            self.transduction_ = values.shaped(result.u)
        self.reached_ = values.shaped(result.reached)
        self.label_noise_ = values.of_targets(layers.label_noise)
        self.templates_ = layers.rows
        first = layers.layers[0].transductions[0]
        self.graph_ = first.graph.weights if one_graph else None
        self.point_index_ = layers.points.index.copy() if one_graph else None
        self.n_iter_ = max(1, result.n_iter)
        if self.held_out is not None:
            self._set_held_out()

    def _set_held_out(self) -> None:
        """Set the attributes for held-out values."""
        answer = self._answer
        with show_progress(self.verbose):
            found = answer.templates.hold_out(self.held_out, self.n_jobs)
        warn_if_not_converged(
            found,
            answer.templates.held_out_tol,
            self.max_iter,
            "held-out values",
        )
        self.held_out_predictions_ = answer.labels.shaped(found.u)
        self.held_out_score_ = _score(answer.labels.values, found.u)

    def predict(self, X: Rows, return_std: bool = False) -> Any:
        """Predict the values of rows.

        Read more in the :doc:`user guide </guide/numbers>`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Rows to predict. With ``metric="precomputed"``, distances to the fitted rows, of shape
            (n_queries, n_samples).
        return_std : bool, default=False
            If True, also return the standard deviation of each value. The first call takes two
            solutions for each fold of held-out values.

        Returns
        -------
        values : ndarray of shape (n_queries,) or (n_queries, n_targets)
            Predicted values.
        std : ndarray of shape (n_queries,) or (n_queries, n_targets)
            Standard deviation of the true values around the predicted ones, as
            :meth:`predict_interval` estimates it; 0 for fitted rows with a value, unless
            ``label_noise`` is set. Only returned if ``return_std`` is True.

        Raises
        ------
        ValueError
            If ``X`` is invalid, or if ``return_std`` is True and a target has only one value.

        Examples
        --------
        >>> from sklearn_wnll import WNLLRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0]], [0.0, None, 2.0, None, 4.0]
        >>> model = WNLLRegressor(n_neighbors=2).fit(X, y)
        >>> model.predict([[1.0], [3.0]]).round(2).tolist()
        [1.0, 3.0]
        >>> values, std = model.predict([[1.0], [2.0]], return_std=True)
        >>> bool(std[0] > 0), std[1].item()
        (True, 0.0)
        """
        fitted = copy(self)  # another thread may fit meanwhile
        shaped = fitted._shaped
        if not return_std:
            return shaped(fitted._predict(X))
        found, lengths, spread = fitted._predict_with_lengths(X)
        return shaped(found.u), shaped(spread.std(lengths.u, lengths.reached))

    def predict_interval(self, X: Rows, coverage: float = 0.9) -> Floats:
        """Predict an interval for the value of each row.

        Read more in the :doc:`user guide </guide/numbers>`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Rows, as for :meth:`predict`.
        coverage : float in (0, 1), default=0.9
            Fraction of true values that the intervals should contain, on average over rows like
            those with a value.

        Returns
        -------
        ndarray of shape (n_queries, 2) or (n_queries, n_targets, 2)
            Lower and upper end. The predicted value is in the middle. For fitted rows with a value,
            both are that value, unless ``label_noise`` is set.

        Raises
        ------
        ValueError
            If ``coverage`` is not between 0 and 1, or if a target has only one value.

        See Also
        --------
        predict : With ``return_std``, the standard deviation.

        Notes
        -----
        Errors of held-out values are divided by a scale, and an interval reaches as far as the
        quantile of the scaled errors, times the scale of the row (split conformal prediction with
        a scale, in folds). The squared scale is ``a + b h``, where ``h`` is the expected length of
        a random walk from the row to a value: the distance to values in the sense of the harmonic
        measure. ``a`` and ``b`` are fitted to the held-out errors. The folds are those of
        ``held_out``, or 10.

        With fewer values than ``1 / (1 - coverage)``, the interval reaches as far as the largest of
        the scaled errors, and contains less.

        References
        ----------
        J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani and L. Wasserman, "Distribution-free
        predictive inference for regression", J. Amer. Statist. Assoc. 113 (2018).

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import make_swiss_roll
        >>> from sklearn_wnll import WNLLRegressor
        >>> X, t = make_swiss_roll(2000, random_state=0)
        >>> y = np.where(np.arange(2000) < 100, t, np.nan)
        >>> model = WNLLRegressor(random_state=0).fit(X[:1000], y[:1000])
        >>> lower, upper = model.predict_interval(X[1000:]).T
        >>> round(float(np.mean((lower <= t[1000:]) & (t[1000:] <= upper))), 1)
        0.9
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be a number between 0 and 1, got {coverage!r}.")
        fitted = copy(self)  # another thread may fit meanwhile
        found, lengths, spread = fitted._predict_with_lengths(X)
        half = spread.half_width(lengths.u, lengths.reached, float(coverage))
        return fitted._shaped(np.stack([found.u - half, found.u + half], axis=-1))

    def _shaped(self, values: Floats) -> Floats:
        """Return values (n, n_targets, ...) in the shape that users get."""
        return self._answer.labels.shaped(values)

    def _predict(self, X: Rows, *others: Layers) -> Any:
        """Predict the values of all targets (n_queries, n_targets).

        With ``others`` over the same graphs, return a list of predictions.
        """
        check_is_fitted(self)
        self._validate_params()
        self._check_has_labels()
        rows = self._validate_X(X, reset=False)
        self._check_can_predict(rows.shape[0])
        with show_progress(self.verbose):
            several = self._answer.templates.predict(
                rows,
                *others,
                inductive=self.predict_mode == "inductive",
                batching=Batching(self.query_size, self.n_jobs),
                tol=self.tol,
                max_iter=self.max_iter,
            )
        found = several[0] if others else several
        warn_if_not_converged(found, self.tol, self.max_iter, "values")
        warn_if_unreached(found.reached.all(axis=1), "queries", numbers=True)
        return several if others else found.u

    def _predict_with_lengths(self, X: Rows) -> tuple[Prediction, Prediction, Spread]:
        """Predict values, and the lengths of walks, which the spread turns into errors."""
        check_is_fitted(self)
        self._check_has_labels()
        with show_progress(self.verbose):
            spread = self._answer.find_spread()
        if spread is None:
            raise ValueError(
                "Errors are estimated by values that are held out, but a target has only one. "
                "Give other rows a value."
            )
        found, lengths = self._predict(X, spread.walks)
        return found, lengths, spread

    def score(self, X: Rows, y: Numbers, sample_weight: ArrayLike | None = None) -> float:
        """Compute the coefficient of determination R2 of the values in ``y``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Rows, as for :meth:`predict`. On rows that were fitted with their value, the prediction
            is right by construction: score on held-out rows.
        y : array-like of shape (n_queries,) or (n_queries, n_targets)
            True values. Rows without a value join the graph but are not scored.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the rows.

        Returns
        -------
        float
            R2 of each target on its given values, averaged over the targets.

        Raises
        ------
        ValueError
            If a target has no value.

        Examples
        --------
        >>> from sklearn_wnll import WNLLRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0]], [0.0, None, 2.0, None, 4.0]
        >>> model = WNLLRegressor(n_neighbors=2).fit(X, y)
        >>> round(model.score([[1.0], [3.0], [2.5]], [1.0, 3.0, None]), 2)
        1.0
        """
        fitted = copy(self)  # another thread may fit meanwhile
        predicted = fitted._predict(X)
        numbers = read_numbers(y, self.unlabeled)
        check_consistent_length(predicted, numbers, sample_weight)
        truth = numbers.reshape(len(numbers), -1)
        if truth.shape != predicted.shape:
            raise ValueError(
                f"y holds {truth.shape[1]} targets, but the fitted one {predicted.shape[1]}."
            )
        return _score(truth, predicted, sample_weight)

    def _check_has_labels(self) -> None:
        if not hasattr(self, "transduction_") and self._kept is not None:
            raise ValueError(
                f"This {type(self).__name__} was fitted without any value. Pass some to "
                "relabel(y) or fit; suggest_labels(n) returns the rows to measure first."
            )


def _score(truth: Floats, predicted: Floats, sample_weight: ArrayLike | None = None) -> float:
    """Average R2 over the targets, each on its given values."""
    known = ~np.isnan(truth)
    if not known.any(axis=0).all():
        raise ValueError("A target of y has no value: there is nothing to score.")
    weights = None if sample_weight is None else np.asarray(sample_weight)
    scores = [
        r2_score(
            truth[given, target],
            predicted[given, target],
            sample_weight=None if weights is None else weights[given],
        )
        for target, given in enumerate(known.T)
    ]
    return float(np.mean(scores))
