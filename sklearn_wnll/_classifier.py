"""The estimator: checks its input, asks the graph and the harmonic extension, keeps the answer."""

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ._active import most_useful_points
from ._base import PartlyLabeledClassifierMixin, check_not_masked, checks_parameters
from ._certainty import certainty
from ._extension.class_prior import (
    apply_class_factors,
    class_factors,
    class_prior_values,
    labeled_frequencies,
)
from ._extension.system import HarmonicExtension
from ._extension.templates import Batching, fit_templates
from ._extension.transduction import Extender
from ._graph.builder import make_graph_builder
from ._graph.metrics import METRICS, SPARSE_METRICS
from ._graph.precomputed import check_no_blocks
from ._graph.rows import canonical_rows
from ._progress import show_progress
from ._typing import (
    ClassPrior,
    Floats,
    Indices,
    Labels,
    LabelWeight,
    Mask,
    Metric,
    NeighborsTransformer,
    PredictMode,
    RandomState,
    Rows,
)
from ._warnings import warn_user
from .exceptions import UnreachedPointsWarning

__all__ = ["WNLLClassifier"]


class WNLLClassifier(PartlyLabeledClassifierMixin, BaseEstimator):
    """Classification with few labels by the weighted nonlocal Laplacian (WNLL).

    The labels of some rows are extended to all rows along a nearest-neighbour graph: the
    distribution of an unlabelled row is a weighted mean of its neighbours' distributions.
    Rows without a label are marked in ``y`` (with -1, None or NaN). They take part in the
    graph, and so improve the accuracy if labels are few.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of nearest other points that each point is joined with; all others, if there
        are fewer. A point is not its own neighbour.
    scale_neighbor : int, default=None
        Rank of the neighbour whose distance is the length scale ``sigma(x)`` of a point's
        weights; at most ``n_neighbors``. If None, half of ``n_neighbors``, rounded up.
    label_weight : {"wnll", "laplace", "poisson"} or float > 0, default="wnll"
        Factor ``mu`` on the energy of labelled points. ``"wnll"`` is ``n / m``, the number of
        points over the number of labelled ones; ``"laplace"`` is 1, the graph Laplacian,
        which degenerates if labels are few. A number is ``mu`` itself, clipped to the range
        from 1e-12 to 1e12. ``"poisson"`` weights all points by the solution of a Poisson
        equation with sources at the labelled points: nearer points get larger weights.
    class_prior : {"labeled"}, dict, Series or array-like of shape (n_classes,), default=None
        Known frequencies of the classes, by name or in the order of ``classes_``. Distributions
        are multiplied by a factor for each class, which moves their mean over the unlabelled
        fitted rows towards the prior. ``"labeled"`` takes the frequencies among the labelled
        rows, which is right if these were drawn at random. If None, nothing is corrected. If
        (nearly) all fitted rows are labelled, the factors are the ratios of the prior to the
        frequencies among them.
    metric : str, default="euclidean"
        Distance between rows: ``"euclidean"`` (``"l2"``, ``"minkowski"``), ``"sqeuclidean"``,
        ``"manhattan"`` (``"l1"``, ``"cityblock"``), ``"chebyshev"``, ``"cosine"``,
        ``"correlation"``, ``"canberra"``, ``"braycurtis"`` (for non-negative features),
        ``"hamming"``, ``"jaccard"``, ``"dice"``, ``"rogerstanimoto"``, ``"sokalsneath"``,
        ``"yule"``, ``"haversine"``. With ``"precomputed"``, ``X`` holds distances: a full
        matrix, or a sparse graph as :class:`~sklearn.neighbors.KNeighborsTransformer` writes
        it, whose stored entries, zeros included, are the neighbours. Similarities and weights,
        such as those in ``graph_``, are refused if they can be told from distances: pass
        ``sqrt(-log(w))`` instead. Scale features of different units first, for example by
        :class:`~sklearn.preprocessing.StandardScaler`.
    neighbors : {"auto", "exact", "approximate"} or transformer, default="auto"
        Neighbour search. ``"exact"`` is scikit-learn's search. ``"approximate"``
        compares cells of nearby points for Euclidean, cosine and correlation distances of
        dense rows, and finds about 95 % of the neighbours; for other rows it is pynndescent, which
        compiles for 20 to 30 s before its first search in a process. ``"auto"`` is the exact
        search if it is expected to take less than 3 s, or less than 30 s if the alternative is
        pynndescent. An object like :class:`~sklearn.neighbors.KNeighborsTransformer` with
        ``mode="distance"`` searches with its own metric. Not used with
        ``metric="precomputed"``.
    predict_mode : {"transductive", "inductive"}, default="transductive"
        How to predict new rows. ``"transductive"``: they join the graph as unlabelled
        points and the extension is computed again. So the prediction of a row depends on the
        other rows of the call, and is more accurate if labels are few. ``"inductive"``: each row
        alone gets the weighted mean of the distributions of its fitted neighbours that a label
        reaches. In both modes, a row that equals a fitted row gets that row's fitted value.
    unlabeled : object, default="auto"
        Marker of the unlabelled rows in ``y``. ``"auto"`` is a missing value (None, NaN, NaT,
        NA) or -1, which is ``"-1"`` among strings. But a ``y`` of exactly -1 and 1 is read as
        two classes, with a warning. Any other value is the marker itself (NaN stands
        for all missing values). None says that every row is labelled. Masked rows of a
        ``numpy.ma`` array are always unlabelled.
    template_size : int, default=None
        Largest number of distinct rows in one graph. If None, all rows are in one graph. If there
        are more, they are divided among several templates (the paper's Algorithm 2). All labelled
        rows are in every template if they fill at most half of it; otherwise each template has
        its part of them, with the classes in proportion. Each unlabelled row is in one template.
        Every template predicts new rows, and the distributions are averaged. Templates spread
        work over processes or a cluster and bound memory, but cost accuracy if labels are few.
    query_size : int, default=None
        Largest number of new rows that are predicted together. If None, all are. If there are
        more, they are shuffled and cut into batches, each of which joins the fitted graph
        separately.
    tol : float, default=1e-6
        Tolerance of the solver. The conjugate gradients end for a class when no entry would
        change by more than ``tol`` in a further averaging over its neighbours, and the error,
        estimated from the expected length of random walks to the labels, is at most
        ``1000 * tol``. Otherwise a ``ConvergenceWarning`` is issued.
    max_iter : int, default=1000
        Largest number of iterations of the conjugate gradients.
    random_state : int, RandomState instance or None, default=None
        Seeds the approximate neighbour search, and the division of rows into templates and
        batches.
    n_jobs : int, default=None
        Number of jobs over which :class:`joblib.Parallel` spreads templates and batches, if there
        are several. None means 1 unless in a :func:`joblib.parallel_config` context; -1 means all
        processors. Search and solver use threads of their own: one for each core, or as many as
        ``OMP_NUM_THREADS`` or ``threadpoolctl`` allow. The results depend on neither.
    verbose : int, default=0
        If positive, print the progress of the search and the solver.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The distinct labels, sorted, of the type that they have in ``y``.
    transduction_ : ndarray of shape (n_samples,)
        Label of each fitted row, labelled and unlabelled ones.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        Distribution over the classes of each fitted row.
    reached_ : ndarray of bool of shape (n_samples,)
        False for rows that no label reaches, because their part of the graph holds none. Their
        distribution is ``class_prior``, or if it is None, the class frequencies among the
        labelled rows.
    templates_ : list of ndarray
        Positions of the fitted rows in each template.
    graph_ : csr_array of shape (n_points, n_points) or None
        Directed edge weights ``w(x, y)`` between the distinct points; None if there are
        several templates.
    point_index_ : ndarray of shape (n_samples,) or None
        Row of ``graph_`` for each fitted row. Equal rows are one point.
    n_iter_ : int
        Iterations of the conjugate gradients for the slowest class, at least 1.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if ``X`` has string names for all of them.

    Warns
    -----
    AmbiguousLabelsWarning
        If a class in ``y`` may be a marker of unlabelled rows.
    FewLabelsWarning
        If fewer rows are labelled than it takes on average to see every class once.
    ShortNeighborListsWarning
        If a precomputed graph or a transformer gives fewer than ``n_neighbors`` neighbours.
    SimilaritiesWarning
        If a precomputed ``X`` is read as distances, but looks like similarities or weights.
    UnreachedPointsWarning
        If no label reaches some rows.
    UnportableModelWarning
        If a model that refers to names of ``__main__`` is pickled.
    ConvergenceWarning
        If a distribution may be off by more than ``1000 * tol``: ``max_iter`` is too small, or only
        edges of tiny weight tie some rows to a label.

    See Also
    --------
    sklearn.semi_supervised.LabelSpreading : Label propagation with soft labels.
    required_labels : Number of labels below which a class may well be missing.
    sklearn_wnll.model_selection.LabeledFold : Folds of the labelled rows, for cross-validation.
    sklearn_wnll.compose.WithUnlabeled : Unlabelled rows inside ensembles and meta-estimators.
    sklearn_wnll.DeepWNLLClassifier : Network that learns features for the graph.

    Notes
    -----
    With ``n`` points, ``k`` neighbours and ``c`` classes: the exact search compares all pairs
    (or uses a tree in few dimensions); the approximate search takes time in ``O(n log n)``. The
    solver takes tens to hundreds of iterations of about ``2 n k c`` multiplications.

    Memory is about ``130 n k`` bytes for the graph, one scaled copy of ``X``, and the memory of
    the classes. 64 classes are solved at the same time; up to there, they take about
    ``100 n c`` bytes. With many classes, they take about ``20 n c`` bytes at the peak of ``fit``,
    and ``35 n c`` when new rows are predicted transductively: for 12,000 rows and 3,000 classes,
    0.65 and 1.2 GiB.

    Equal rows with different labels share the mean of their labels, and so the same
    prediction. ``predict(X)`` on the fitted ``X`` always equals ``transduction_``. So the score
    on fitted labelled rows is 1 by construction and says nothing: score on held-out rows.

    References
    ----------
    Z. Shi, S. Osher and W. Zhu, "Weighted nonlocal Laplacian on interpolation from sparse
    data", J. Sci. Comput. 73 (2017).

    B. Wang, X. Luo, Z. Li, W. Zhu, Z. Shi and S. J. Osher, "Deep Learning with Data Dependent
    Implicit Activation Function", arXiv 1802.00168 (2018).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_wnll import WNLLClassifier
    >>> from sklearn_wnll.datasets import hide_labels
    >>> X, y = load_digits(return_X_y=True)
    >>> y_few = hide_labels(y, 5, random_state=0)  # 5 labels per class, -1 elsewhere
    >>> model = WNLLClassifier().fit(X, y_few)
    >>> hidden = y_few == -1
    >>> bool((model.transduction_[hidden] == y[hidden]).mean() > 0.9)
    True
    """

    classes_: NDArray[Any]
    transduction_: NDArray[Any]
    label_distributions_: Floats
    reached_: Mask
    templates_: list[Indices]
    graph_: sparse.csr_array | None
    point_index_: Indices | None
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "scale_neighbor": [None, Interval(Integral, 1, None, closed="left")],
        "label_weight": [
            StrOptions({"wnll", "laplace", "poisson"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "class_prior": [None, StrOptions({"labeled"}), dict, "array-like"],
        "metric": [StrOptions({*METRICS, "precomputed"})],
        "neighbors": [
            StrOptions({"auto", "exact", "approximate"}),
            HasMethods(["fit", "fit_transform", "transform"]),
        ],
        "predict_mode": [StrOptions({"transductive", "inductive"})],
        "unlabeled": "no_validation",
        "template_size": [None, Interval(Integral, 2, None, closed="left")],
        "query_size": [None, Interval(Integral, 1, None, closed="left")],
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
        label_weight: LabelWeight = "wnll",
        class_prior: ClassPrior | None = None,
        metric: Metric = "euclidean",
        neighbors: Literal["auto", "exact", "approximate"] | NeighborsTransformer = "auto",
        predict_mode: PredictMode = "transductive",
        unlabeled: object = "auto",
        template_size: int | None = None,
        query_size: int | None = None,
        tol: float = 1e-6,
        max_iter: int = 1000,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.scale_neighbor = scale_neighbor
        self.label_weight = label_weight
        self.class_prior = class_prior
        self.metric = metric
        self.neighbors = neighbors
        self.predict_mode = predict_mode
        self.unlabeled = unlabeled
        self.template_size = template_size
        self.query_size = query_size
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @checks_parameters
    def fit(self, X: Rows, y: Labels) -> Self:
        """Extend the labels in ``y`` to all rows of ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of finite numbers, labelled and unlabelled; of shape (n_samples, n_samples)
            with ``metric="precomputed"``. float32 stays float32.
        y : array-like of shape (n_samples,)
            Labels, with the marker ``unlabeled`` where a row has none: numbers without a
            fractional part, strings, or other objects that can be hashed and sorted.

        Returns
        -------
        WNLLClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument is invalid: the message names it and the cure.
        """
        return self._fit_whole(X, y)

    def _fit(self, X: Rows, y: Labels) -> None:
        """Set the fitted attributes."""
        X = self._validate_X(X, reset=True)
        classes, codes = self._encode(X, y)
        frequencies, prior = labeled_frequencies(codes, len(classes)), None
        if self.class_prior is not None:
            prior = class_prior_values(self.class_prior, classes, frequencies)
        builder = make_graph_builder(
            X,
            metric=self.metric,
            neighbors=self.neighbors,
            n_neighbors=self.n_neighbors,
            scale_neighbor=self.scale_neighbor,
            template_size=self.template_size,
            random_state=self.random_state,
        )
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        fallback = frequencies if prior is None else prior
        with show_progress(self.verbose):
            templates = fit_templates(
                builder,
                X,
                codes,
                Extender(self.label_weight, fallback, self.tol, self.max_iter),
                template_size=self.template_size,
                seed=seed,
                n_jobs=self.n_jobs,
            )
        result, rows = templates.fitted(), templates.rows
        self._warn_if_not_converged(result)
        self._warn_if_unreached(int(np.count_nonzero(~result.reached)), "rows of X")
        factors = None
        if prior is not None:
            free = result.u[(codes < 0) & result.reached]
            factors = class_factors(free, prior, frequencies)
        one_graph = len(rows) == 1

        self.classes_ = classes
        self._templates, self._class_factors = templates, factors
        self.label_distributions_, self.reached_ = self._corrected(result), result.reached
        self.transduction_ = classes[self.label_distributions_.argmax(axis=1)]
        self.templates_ = rows
        self.graph_ = templates.transductions[0].graph.weights if one_graph else None
        self.point_index_ = templates.points.index.copy() if one_graph else None
        self.n_iter_ = max(1, result.n_iter)

    def suggest_labels(self, n: int = 10) -> Indices:
        """Suggest unlabelled fitted rows whose labels would help most: active learning.

        The suggested rows are uncertain, far from labelled rows, and spread out.

        Parameters
        ----------
        n : int, default=10
            Number of rows.

        Returns
        -------
        ndarray of int of shape (n,)
            Positions of rows in the fitted ``X`` (for ``iloc``, if it is a DataFrame), the most
            useful first; fewer than ``n`` if fewer are left. Of several equal rows, only one is
            suggested.

        Raises
        ------
        ValueError
            If ``n`` is not a positive integer, or if there are several templates.

        See Also
        --------
        certainty : How certain each prediction is.

        Notes
        -----
        Random walks on the graph start at a row and end at a labelled one, or at random after
        some 30 steps on average. The gain of a row is the uncertainty that walks through it meet
        before they end, weighted by its degree. The row of the largest gain is treated as labelled,
        and the gains are computed again. Each row costs one solution on the graph. Label the
        suggested rows, fit again, and repeat: the fewer rows at a time, the better they are chosen.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> X, y = load_digits(return_X_y=True)
        >>> few = hide_labels(y, 3, random_state=0)
        >>> for _ in range(2):
        ...     model = WNLLClassifier().fit(X, few)
        ...     rows = model.suggest_labels(10)
        ...     few[rows] = y[rows]  # what a person would say
        >>> (few != -1).sum()
        np.int64(50)
        """
        check_is_fitted(self)
        if not isinstance(n, (int, Integral)) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n must be an integer of at least 1, got {n!r}.")
        if self.graph_ is None:
            raise ValueError(
                f"suggest_labels needs one graph, but the rows are dealt to {len(self.templates_)} "
                "templates. Fit with template_size=None, perhaps to a part of the rows."
            )
        row = self._templates.points.first_rows
        labeled = self._templates.transductions[0].labels.labeled
        known = certainty(self.label_distributions_, self.reached_)[row]
        with show_progress(self.verbose):
            chosen = most_useful_points(self.graph_, labeled, 1 - known, int(n))
        return row[chosen]

    def _distributions(self, X: Rows) -> tuple[Floats, Mask]:
        """Give the distribution of each row, and whether a label reaches it."""
        check_is_fitted(self)
        self._validate_params()
        X = self._validate_X(X, reset=False)
        with show_progress(self.verbose):
            result = self._templates.predict(
                X,
                inductive=self.predict_mode == "inductive",
                batching=Batching(self.query_size, self.n_jobs),
                tol=self.tol,
                max_iter=self.max_iter,
            )
        self._warn_if_not_converged(result)
        self._warn_if_unreached(int(np.count_nonzero(~result.reached)), "queries")
        return self._corrected(result), result.reached

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse()
        tags.input_tags.pairwise = tags.input_tags.positive_only = self.metric == "precomputed"
        return tags

    def _takes_sparse(self) -> bool:
        """Whether X may be sparse; a transformer brings its own metric."""
        own_metric = not isinstance(self.neighbors, str)
        return own_metric or self.metric in (*SPARSE_METRICS, "precomputed")

    def _validate_X(self, X: Rows, *, reset: bool) -> Any:
        """Check X, leaving float32 and float64 as they are."""
        check_not_masked(X)
        precomputed = self.metric == "precomputed"
        if precomputed:
            check_no_blocks(X)
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=np.float64 if precomputed else [np.float64, np.float32],
        )
        if not sparse.issparse(X):
            return X
        if not self._takes_sparse():
            raise ValueError(
                f"metric={self.metric!r} cannot be used with a sparse X. Use one of "
                f"{', '.join(SPARSE_METRICS)}, or pass X.toarray()."
            )
        return canonical_rows(X)

    def _corrected(self, result: HarmonicExtension) -> Floats:
        """Correct distributions by the class prior; those that no label reaches are the prior."""
        if self._class_factors is None:
            return result.u
        corrected = apply_class_factors(result.u, self._class_factors)
        return np.where(result.reached[:, None], corrected, result.u)

    def _warn_if_not_converged(self, result: HarmonicExtension) -> None:
        if result.converged:
            return
        if result.n_iter >= self.max_iter:
            stop, cure = f"after max_iter={self.max_iter} iterations", "Raise max_iter or tol."
        else:
            stop = "where rounding hides the edges of tiny weight that alone tie rows to a label"
            cure = "Label rows among them, raise n_neighbors, or raise tol."
        warn_user(
            f"The solver stopped {stop}, at a residual of {result.residual:.1e}; distributions may "
            f"be off by more than 1000 tol = {1000 * self.tol:g}. {cure}",
            ConvergenceWarning,
        )

    def _warn_if_unreached(self, count: int, what: str) -> None:
        if count:
            warn_user(
                f"No label reaches {count} {what}: their parts of the graph hold none. They get "
                "class_prior, or if it is None, the class frequencies of the labelled rows. Label "
                "rows near them, or raise n_neighbors.",
                UnreachedPointsWarning,
            )
