"""Methods of the estimator of numbers that predict: values, their errors, a score."""

from collections.abc import Callable
from copy import copy
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length, check_scalar
from sklearn.utils.validation import check_is_fitted

from ._arrays import as_host
from ._extension.layers import Layers, Prediction
from ._extension.prediction import Batching
from ._extension.spread import Spread
from ._extension.value_answer import ValueAnswer
from ._fit_warnings import warn_if_not_converged, warn_if_unreached
from ._graph_rows import GraphRowsMixin, as_given
from ._numbers import read_numbers
from ._partial_scores import r2_of_given
from ._progress import show_progress
from ._serving import Serves
from ._typing import Floats, Numbers, Rows

__all__ = ["PredictsNumbers"]


class PredictsNumbers(GraphRowsMixin, Serves):
    """An estimator of numbers over a graph, fitted with or without values."""

    query_size: int | None
    tol: float
    max_iter: int
    n_jobs: int | None
    unlabeled: object
    verbose: int
    _answer: ValueAnswer
    _validate_params: Callable[[], None]

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
            Standard deviation of measured values around the predicted ones, as
            :meth:`predict_interval` estimates it. For fitted rows with a value it is 0, unless
            ``label_noise`` is set or equal rows have different values. Only returned if
            ``return_std`` is True.

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
        fitted._check_space(X, "predict")
        if not return_std:
            return fitted._shaped(fitted._predict(X))
        found, lengths, spread = fitted._predict_with_lengths(X)
        return fitted._shaped(found.u), fitted._shaped(spread.std(lengths.u, lengths.reached))

    def predict_interval(self, X: Rows, coverage: float = 0.9) -> Floats:
        """Predict an interval for the value of each row.

        Read more in the :doc:`user guide </guide/numbers>`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Rows, as for :meth:`predict`.
        coverage : float in (0, 1), default=0.9
            Fraction of measured values that the intervals should contain, noise included, on
            average over rows like those with a value.

        Returns
        -------
        ndarray of shape (n_queries, 2) or (n_queries, n_targets, 2)
            Lower and upper end. The predicted value is in the middle. For fitted rows with a value,
            both are that value, unless ``label_noise`` is set or equal rows have different values.

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

        With fewer values than ``1 / (1 - coverage)``, the largest of the scaled errors is
        extrapolated by the quantiles of Student's distribution. With
        ``predict_mode="inductive"``, intervals contain a few per cent fewer values, since errors
        are those of rows that are part of the graph.

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
        >>> float(np.mean((lower <= t[1000:]) & (t[1000:] <= upper))) > 0.85
        True
        """
        check_scalar(coverage, "coverage", Real, min_val=0, max_val=1, include_boundaries="neither")
        if np.isnan(coverage):
            raise ValueError("coverage is NaN. Pass a number between 0 and 1.")
        fitted = copy(self)  # another thread may fit meanwhile
        fitted._check_space(X, "predict_interval")
        found, lengths, spread = fitted._predict_with_lengths(X)
        half = spread.half_width(lengths.u, lengths.reached, float(coverage))
        return fitted._shaped(np.stack([found.u - half, found.u + half], axis=-1))

    def _shaped(self, values: Floats) -> Floats:
        """Return values (n, n_targets, ...) in the shape that users get, where their rows are."""
        return self._given(self._answer.labels.shaped(values))

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
                as_given(X, rows),
                *others,
                inductive=self.predict_mode == "inductive",
                batching=Batching(self.query_size, self._jobs),
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
        fitted._check_space(X, "score")
        predicted, sample_weight = fitted._predict(X), as_host(sample_weight)
        numbers = read_numbers(as_host(y, "y"), self.unlabeled)
        check_consistent_length(predicted, numbers, sample_weight)
        truth = numbers.reshape(len(numbers), -1)
        if truth.shape != predicted.shape:
            raise ValueError(
                f"y holds {truth.shape[1]} targets, but the fitted one {predicted.shape[1]}."
            )
        return r2_of_given(truth, predicted, sample_weight)

    def _check_has_labels(self) -> None:
        if not hasattr(self, "transduction_") and self._kept is not None:
            raise ValueError(
                f"This {type(self).__name__} was fitted without any value. Pass some to "
                "relabel(y) or fit; suggest_labels(n) returns the rows to measure first."
            )
