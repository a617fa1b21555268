"""Methods of the estimator of numbers that predict: values, their errors, a score."""

from collections.abc import Callable, Iterator
from copy import copy
from numbers import Real
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length, check_scalar
from sklearn.utils.validation import check_is_fitted

from ._arrays import as_host
from ._extension.layers import Layers, Prediction
from ._extension.spread import Spread
from ._extension.value_answer import ValueAnswer
from ._fit_warnings import warn_if_not_converged, warn_if_unreached
from ._numbers import read_numbers
from ._partial_scores import r2_of_given
from ._progress import show_progress
from ._row_parts import PredictsParts
from ._streams import AnswersBlocks, check_no_stream
from ._typing import Blocks, Floats, Numbers, Rows

__all__ = ["PredictsNumbers"]


class PredictsNumbers(PredictsParts, AnswersBlocks):
    """An estimator of numbers over a graph, fitted with or without values."""

    unlabeled: object
    _answer: ValueAnswer

    def predict(self, X: Rows | Blocks, return_std: bool = False) -> Any:
        """Predict the values of rows.

        Read more in the :doc:`user guide </guide/numbers>`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features), or iterator of such
            Rows to predict. With ``metric="precomputed"``, distances to the fitted rows, of shape
            (n_queries, n_samples). An iterator or generator yields :doc:`blocks of rows
            </guide/prediction>`, each of which is predicted alone.
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

            For an iterator of blocks, an iterator of the values, or of pairs ``(values, std)``. It
            reads a block when it is asked for the next array.

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
        if not return_std:
            return fitted._respond(X, "predict", lambda found: fitted._shaped(found.u))
        spread = fitted._find_spread()

        def with_std(found: Prediction, lengths: Prediction) -> tuple[Floats, Floats]:
            std = spread.std(lengths.u, lengths.reached)
            return fitted._shaped(found.u), fitted._shaped(std)

        return fitted._respond(X, "predict", with_std, spread.walks)

    @overload
    def predict_interval(self, X: Blocks, coverage: float = 0.9) -> Iterator[Floats]: ...
    @overload
    def predict_interval(self, X: Rows, coverage: float = 0.9) -> Floats: ...
    def predict_interval(
        self, X: Rows | Blocks, coverage: float = 0.9
    ) -> Floats | Iterator[Floats]:
        """Predict an interval for the value of each row.

        Read more in the :doc:`user guide </guide/numbers>`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features), or iterator of such
            Rows, as for :meth:`predict`.
        coverage : float in (0, 1), default=0.9
            Fraction of measured values that the intervals should contain, noise included, on
            average over rows like those with a value.

        Returns
        -------
        ndarray of shape (n_queries, 2) or (n_queries, n_targets, 2), or iterator of such
            Lower and upper end. The predicted value is in the middle. For fitted rows with a value,
            both are that value, unless ``label_noise`` is set or equal rows have different values.
            For an iterator of blocks, an iterator of the intervals of each.

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
        spread = fitted._find_spread()

        def interval(found: Prediction, lengths: Prediction) -> Floats:
            half = spread.half_width(lengths.u, lengths.reached, float(coverage))
            return fitted._shaped(np.stack([found.u - half, found.u + half], axis=-1))

        ends: Floats = fitted._respond(X, "predict_interval", interval, spread.walks)
        return ends

    def _shaped(self, values: Floats) -> Floats:
        """Return values (n, n_targets, ...) in the shape that users get."""
        shaped: Floats = self._answer.labels.shaped(values)
        return shaped

    def _answers(self, X: Rows, answer: Callable[..., Any], *others: Layers) -> Any:
        """Return ``answer(*predictions)`` by the values and by ``others`` over the same graphs."""

        def predict(rows: Any, given: Any, **options: Any) -> tuple[Any, Any]:
            found = self._answer.templates.predict(rows, given, *others, **options)
            several = found if others else [found]
            return answer(*several), several[0]

        found, solved = self._predict_parts(X, predict)
        warn_if_not_converged(solved, self.tol, self.max_iter, "values")
        warn_if_unreached(solved.reached.all(axis=1), "queries", numbers=True)
        return found

    def _no_predictions(self, *others: Layers) -> tuple[Prediction, ...]:
        n_targets = self._answer.labels.n_classes
        u, reached = np.empty((0, n_targets)), np.empty((0, n_targets), dtype=bool)
        return (Prediction(u, reached, 0, 0.0, True),) * (1 + len(others))

    def _find_spread(self) -> Spread:
        """Find the errors of held-out values, by the lengths of walks to others."""
        check_is_fitted(self)
        self._check_has_labels()
        with show_progress(self.verbose):
            spread = self._answer.find_spread()
        if spread is None:
            raise ValueError(
                "Errors are estimated by values that are held out, but a target has only one. "
                "Give other rows a value."
            )
        return spread

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
        check_no_stream(X, "score", ", or compare the predictions of the blocks with y")
        fitted._check_space(X, "score")
        predicted = fitted._answers(X, lambda found: found.u)
        sample_weight = as_host(sample_weight)
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
