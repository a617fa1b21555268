"""The estimator of numbers: checks its input, extends them over the graph, and keeps the answer."""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods

from ._arrays import as_host, gathered
from ._base import check_has_y, checks_parameters
from ._extension.layers import Layers
from ._extension.number_beside import NumberCompanion
from ._extension.row_values import RowValues
from ._extension.transduction import Extender
from ._extension.value_answer import ValueAnswer
from ._fit_memory import find_template_size
from ._fit_setup import Kept, check_has_features, graph_builder
from ._fit_warnings import warn_if_not_converged, warn_if_unreached
from ._graph_rows import GRAPH_PARAMETERS
from ._label_advice import SuggestsRows
from ._number_prediction import PredictsNumbers
from ._numbers import read_numbers
from ._partial_scores import r2_of_given
from ._progress import show_progress
from ._serving import CallCounter
from ._session import KeepsGraph
from ._targets import warn_of_minus_one
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


class WNLLRegressor(KeepsGraph, PredictsNumbers, SuggestsRows, RegressorMixin, BaseEstimator):
    """Regression with few values by the weighted nonlocal Laplacian (WNLL).

    The values of some rows are extended to all rows along a nearest-neighbour graph: the value of
    another row is a weighted mean of its neighbours' values. So no value lies outside the range of
    the given ones. Rows without a value are marked with NaN in ``y``. They take part in the graph,
    which improves the accuracy if values are few and the rows lie near a curved surface of few
    dimensions, such as images of turning objects.

    Read more in the :doc:`user guide </guide/numbers>`.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of neighbours of each point in the graph. A point is not its own neighbour. If there
        are fewer other points, all of them are neighbours.
    scale_neighbor : int, default=None
        Rank of the neighbour whose distance is the length scale ``sigma(x)`` of a point's edge
        weights; at most ``n_neighbors``. If None, half of ``n_neighbors``, rounded up.
    label_weight : {"auto", "wnll", "laplace", "poisson"} or float > 0, default="auto"
        Factor ``mu`` on the energy of points with a value, for ``n`` points of which ``m`` have
        one. ``"auto"`` and ``"wnll"`` are ``n / m``, as in the paper; ``"laplace"`` is 1, the graph
        Laplacian, which degenerates if values are few. ``"poisson"`` weights all points by the
        solution of a Poisson equation with sources at the given values. A number is ``mu`` itself,
        clipped to the range from 1e-12 to 1e12.
    label_noise : float in [0, 1) or "auto", default=0.0
        Fraction of the variance of the given values that is noise: for an instrument with standard
        deviation ``s``, ``s**2 / numpy.nanvar(y)``. With 0, rows keep the value that they have in
        ``y``. Otherwise their values are smoothed too, as much as suits values held out in 5 folds.
        If there are too few of these to tell, ``"auto"`` does not smooth, and a number smooths the
        more the larger it is.
    estimator : regressor, default=None
        Regressor of the features that joins the graph: for each row without a value, its prediction
        counts as one more neighbour. Helps if values vary smoothly with the features. Clones are
        fitted to the given values, one for each target. Predictions are cut off at the range of
        these. The fitted model keeps the rows of ``X``. Not available with
        ``metric="precomputed"``.
    estimator_weight : float >= 0 or "auto", default="auto"
        Weight of the ``estimator``'s prediction, as a multiple of the weight of all neighbours of a
        row. ``"auto"`` chooses it among 0, 1/16, 1/4, 1, 4 and 16 for each target, by values held
        out in 5 folds.
    metric : str, default="euclidean"
        Distance between rows, as in :class:`WNLLClassifier`. With ``"precomputed"``, ``X`` holds
        distances. Scale features of different units first, for example with
        :class:`~sklearn.preprocessing.StandardScaler`.
    neighbors : {"auto", "exact", "approximate"} or transformer, default="auto"
        Neighbour search, as in :class:`WNLLClassifier`.
    predict_mode : {"transductive", "inductive"}, default="transductive"
        How to predict new rows. ``"transductive"``: they join the graph, and the extension is
        computed again, so the prediction of a row depends on the other rows of the call.
        ``"inductive"``: each row gets the weighted mean of the values of its fitted neighbours. In
        both modes, a row that equals a fitted row gets that row's fitted value.
    held_out : int, default=None
        Number of folds of the given values, at least 2; at most one per value. For each fold, its
        values are hidden, and the others are extended over the same graph: see
        ``held_out_predictions_`` and ``held_out_score_``. If None, none are held out in ``fit``.
    unlabeled : object, default="auto"
        Marker of the rows without a value in ``y``. ``"auto"`` is a missing value (None, NaN, NA);
        a number is the marker itself. If None, every row has a value. Masked entries of a
        ``numpy.ma`` array never have one.
    template_size : int or "auto", default=None
        Maximum number of distinct rows in one graph. If there are more, they are divided among
        several graphs, whose predictions are averaged. If None, all rows are in one graph.
        ``"auto"`` takes one graph if it fits in the free memory, otherwise as few as fit, as in
        :class:`WNLLClassifier`.
    query_size : int, default=None
        Maximum number of new rows to predict together. If there are more, they are shuffled and
        cut into batches, each of which joins the fitted graph separately. If None, all rows are
        predicted together.
    warm_start : bool, default=False
        If True, ``fit`` on the rows that are already fitted keeps the graph and starts at the
        last values, as :meth:`relabel` does.
    tol : float, default=1e-6
        Tolerance of the solver, as a fraction of the range of a target's values. The conjugate
        gradients stop when averaging over the neighbours once more would change no value by more
        than ``tol``, and when the error, estimated from the expected length of random walks to the
        given values, is at most ``1000 * tol``.
    max_iter : int, default=1000
        Maximum number of iterations of the conjugate gradients.
    random_state : int, RandomState instance or None, default=None
        Seed of the approximate neighbour search, of the division of rows into templates and
        batches, and of the folds of held-out values. An ``estimator`` has a ``random_state`` of its
        own. Pass an int for reproducible results across calls.
    n_jobs : int, default=None
        Number of jobs to run in parallel, over templates and batches if there are several. None
        means 1 unless in a :class:`joblib.parallel_config` context; -1 means all processors.
    verbose : int, default=0
        If positive, print the progress of the search and the solver.

    Attributes
    ----------
    transduction_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Value of each fitted row, given or not. Only available if some row has a value.
    reached_ : ndarray of bool of shape (n_samples,) or (n_samples, n_targets)
        False for rows that no given value reaches, because their part of the graph holds none.
        They get the mean of the given values.
    label_noise_ : float or ndarray of shape (n_targets,)
        Fraction of the variance that is taken for noise, given or found by ``"auto"``.
    estimator_ : regressor or list of regressors
        The fitted clone of ``estimator``, or one for each target. Only available with
        ``estimator``.
    estimator_weight_ : float or ndarray of shape (n_targets,)
        Weight of the predictions of ``estimator_``, given or found by ``"auto"``. Only available
        with ``estimator``.
    held_out_predictions_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Prediction of each given value without the values of its fold; NaN where there is none.
        Only available with ``held_out``.
    held_out_score_ : float
        Coefficient of determination R2 of ``held_out_predictions_``, averaged over the targets:
        an estimate of the score on rows without a value. Only available with ``held_out``.
    templates_ : list of ndarray
        Indices of the fitted rows in each template.
    template_size_ : int or None
        ``template_size``, or the size that ``"auto"`` has taken; None if that is one graph.
    graph_ : csr_array of shape (n_points, n_points) or None
        Directed edge weights ``w(x, y)`` between the distinct points; None if there are
        several templates.
    point_index_ : ndarray of shape (n_samples,) or None
        Row of ``graph_`` for each fitted row. Equal rows are one point.
    n_iter_ : int
        Iterations of the conjugate gradients for the slowest target, at least 1.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if ``X`` has string names for all of them.

    Warns
    -----
    AmbiguousLabelsWarning
        If most values are exactly -1 and none is missing, so -1 may be a marker.
    DividedRowsWarning
        If ``template_size="auto"`` divides the rows.
    ShortNeighborListsWarning
        If a precomputed graph or a transformer returns fewer than ``n_neighbors`` neighbours.
    SimilaritiesWarning
        If a precomputed ``X`` looks like similarities or weights instead of distances.
    UnreachedPointsWarning
        If no given value reaches some rows.
    ConvergenceWarning
        If a value may be off by more than ``1000 * tol`` of the range.

    See Also
    --------
    WNLLClassifier : The same method for classes.
    sklearn_wnll.model_selection.LabeledFold : Folds of the given values, for cross-validation.
    sklearn.neighbors.KNeighborsRegressor : Means over neighbours that have a value.

    Notes
    -----
    Several targets may have different gaps. Those with the same gaps are solved together; all share
    one graph.

    Equal rows with different values share their mean. ``predict(X)`` on the fitted ``X`` always
    equals ``transduction_``. So without ``label_noise``, the score on fitted rows with a value is 1
    by construction: see ``held_out_score_``, or score on other rows.

    Values between the smallest and the largest given one are all that the method returns: it does
    not extrapolate. If rows do not lie near a surface of few dimensions, other regressors are
    better.

    References
    ----------
    Z. Shi, S. Osher and W. Zhu, "Weighted nonlocal Laplacian on interpolation from sparse
    data", J. Sci. Comput. 73 (2017).

    X. Zhu, Z. Ghahramani and J. Lafferty, "Semi-supervised learning using Gaussian fields and
    harmonic functions", ICML (2003).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_swiss_roll
    >>> from sklearn_wnll import WNLLRegressor
    >>> X, t = make_swiss_roll(2000, random_state=0)
    >>> y = np.full(2000, np.nan)  # NaN is "no value"
    >>> given = np.random.default_rng(0).choice(2000, 50, replace=False)
    >>> y[given] = t[given]
    >>> model = WNLLRegressor().fit(X, y)
    >>> round(float(np.abs(model.transduction_ - t).mean()), 1)  # t is from 4.7 to 14.1
    0.1
    """

    transduction_: Floats
    reached_: Mask
    label_noise_: Any
    estimator_: Any
    estimator_weight_: Any
    held_out_predictions_: Floats
    held_out_score_: float
    templates_: list[Indices]
    template_size_: int | None
    graph_: Any
    point_index_: Indices | None
    n_iter_: int
    _answer: ValueAnswer
    _kept: Kept
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GRAPH_PARAMETERS,
        "estimator": [None, HasMethods(["fit", "predict"])],
    }

    def __init__(
        self,
        n_neighbors: int = 15,
        *,
        scale_neighbor: int | None = None,
        label_weight: LabelWeight = "auto",
        label_noise: float | Literal["auto"] = 0.0,
        estimator: Any = None,
        estimator_weight: float | Literal["auto"] = "auto",
        metric: Metric = "euclidean",
        neighbors: Literal["auto", "exact", "approximate"] | NeighborsTransformer = "auto",
        predict_mode: PredictMode = "transductive",
        held_out: int | None = None,
        unlabeled: object = "auto",
        template_size: int | Literal["auto"] | None = None,
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
        self.estimator = estimator
        self.estimator_weight = estimator_weight
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

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @checks_parameters
    def fit(self, X: Rows, y: Numbers) -> Self:
        """Extend the values in ``y`` to all rows of ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix, tensor} of shape (n_samples, n_features)
            Rows of finite numbers, with a value and without; of shape (n_samples, n_samples) with
            ``metric="precomputed"``. float32 stays float32. For tensors, see the
            :doc:`guide </guide/devices>`.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values, with the marker ``unlabeled`` (NaN by default) where there is none. Each target
            may have gaps of its own. If no row has a value, pass None instead of NaN: the estimator
            then predicts nothing until values are passed to :meth:`relabel`;
            :meth:`suggest_labels` selects the first rows. NaN in all rows is refused as a mistake.

        Returns
        -------
        WNLLRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument is invalid; the message names it and the cure.

        Examples
        --------
        >>> from sklearn_wnll import WNLLRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0]], [0.0, None, 2.0, None, 4.0]
        >>> WNLLRegressor(n_neighbors=2).fit(X, y).transduction_.round(2).tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
        """
        return self._fit_whole(X, y)

    def _fit(self, X: Rows, y: Numbers) -> None:
        """Set the fitted attributes."""
        X = gathered(X)
        rows = self._validate_X(X, reset=True)
        values = self._read_labels(rows.shape[0], y)
        if self.warm_start and self._are_fitted_rows(X, rows):
            self._extend_over(self._answer.templates, values)
            return
        self._kept = Kept.of(self, X, rows)
        self.template_size_ = size = find_template_size(self, rows, values)
        with show_progress(self.verbose):
            layers = Layers.fit(
                graph_builder(self, rows, size),
                rows,
                values,
                self._extender,
                shared=self._shares_systems(),
                template_size=size,
                n_jobs=self._jobs,
            )
        self._set_answer(values, layers)

    def _read_labels(self, n_rows: int, y: Any) -> RowValues:
        check_has_y(self, y)
        numbers = read_numbers(as_host(y, "y"), self.unlabeled)
        warn_of_minus_one(numbers, self.unlabeled, "unlabeled=None")
        if len(numbers) != n_rows:
            raise ValueError(
                f"Inconsistent numbers of samples: X has {n_rows} rows and y {len(numbers)} "
                "entries. y needs an entry for every row of X; NaN says that a row has no value."
            )
        check_has_features(self)
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
        return self.label_noise == 0 and self.estimator is None

    def _extend_again(self, templates: Layers, labels: RowValues) -> None:
        """Extend values of the targets that are fitted over the existing graphs."""
        old = self._answer.labels
        if labels.n_classes != old.n_classes and len(old.rows_with_any):
            raise ValueError(
                f"y holds {labels.n_classes} targets, but the fitted one {old.n_classes}. Call fit."
            )
        self._extend_over(templates, labels)

    def _extend_over(self, templates: Layers, labels: RowValues) -> None:
        """Extend values of any targets over the existing graphs."""
        with show_progress(self.verbose):
            templates = templates.relabeled(
                labels, self._extender, shared=self._shares_systems(), n_jobs=self._jobs
            )
        self._set_answer(labels, templates)

    def _set_answer(self, values: RowValues, layers: Layers) -> None:
        """Let the estimator join, and set the fitted attributes."""
        companion = None
        if self.estimator is not None and len(values.rows_with_any):
            companion = NumberCompanion(self.estimator, self._kept.given, self.estimator_weight)
            with show_progress(self.verbose):
                layers = layers.joined(companion)
        result = layers.fitted()
        warn_if_not_converged(result, self.tol, self.max_iter, "values")
        answer = ValueAnswer.of(values, layers, self.held_out, self._jobs, companion)
        self._answer, self._calls = answer, CallCounter()
        if len(values.rows_with_any):
            warn_if_unreached(result.reached.all(axis=1), "rows of X", numbers=True)
            self.transduction_ = values.shaped(result.u)
        self.reached_ = values.shaped(result.reached)
        self.label_noise_ = values.of_targets(layers.label_noise)
        self._set_graph(layers.layers[0], result.n_iter)
        if companion is not None:
            found = [beside.estimator for beside in layers.besides]
            self.estimator_ = found[0] if values.single else found
            strengths = np.array([beside.strength for beside in layers.besides])
            self.estimator_weight_ = values.of_targets(strengths)
        if self.held_out is not None and len(values.rows_with_any):
            self._set_held_out(companion)

    def _set_held_out(self, companion: NumberCompanion | None) -> None:
        """Set the attributes for held-out values."""
        answer = self._answer
        with show_progress(self.verbose):
            found = answer.templates.hold_out(self.held_out, self._jobs, companion)
        warn_if_not_converged(
            found,
            answer.templates.held_out_tol,
            self.max_iter,
            "held-out values",
        )
        self.held_out_predictions_ = answer.labels.shaped(found.u)
        self.held_out_score_ = r2_of_given(answer.labels.values, found.u)
