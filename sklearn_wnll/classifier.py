"""The estimator: checks its input, asks the graph and the harmonic extension, keeps the answer."""

from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ._progress import Progress
from .exceptions import FewLabelsWarning, UnreachedPointsWarning, warn_user
from .graph import FeatureGraph, PrecomputedGraph
from .harmonic import harmonic_extension, label_weight_value, weighted_mean
from .labels import as_label_array, encode_labels, is_unlabeled, required_labels
from .points import METRICS, SPARSE_METRICS, FeatureSpace
from .search import make_search

__all__ = ["WNLLClassifier"]


class WNLLClassifier(ClassifierMixin, BaseEstimator):
    """Classification with few labels by the weighted nonlocal Laplacian (WNLL).

    The labels of some rows are extended to all rows along a nearest-neighbour graph: the
    distribution of an unlabelled row is a weighted mean of its neighbours' distributions.
    Rows without a label are marked in ``y`` (with -1, None or NaN) and take part in the
    graph, which is where the accuracy at few labels comes from.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of nearest other points that each point is joined with; all others, if there
        are no more. A point is not its own neighbour.
    scale_neighbor : int, default=8
        Which neighbour's distance is the length scale ``sigma(x)`` of a point's weights; at
        most ``n_neighbors``.
    label_weight : {"wnll", "laplace"} or float > 0, default="wnll"
        Factor ``mu`` on the energy of labelled points. ``"wnll"`` is ``n / m``, the number of
        points over the number of labelled ones; ``"laplace"`` is 1, the graph Laplacian,
        which degenerates at few labels; a number is itself (between 1e-12 and 1e12, beyond
        which it is taken as those).
    metric : str, default="euclidean"
        Distance between rows: ``"euclidean"`` (``"l2"``, ``"minkowski"``), ``"sqeuclidean"``,
        ``"manhattan"`` (``"l1"``, ``"cityblock"``), ``"chebyshev"``, ``"cosine"``,
        ``"correlation"``, ``"canberra"``, ``"braycurtis"`` (for non-negative features),
        ``"hamming"``, ``"jaccard"``, ``"dice"``, ``"rogerstanimoto"``, ``"sokalsneath"``,
        ``"yule"``, ``"haversine"``. With ``"precomputed"``, ``X`` holds distances: a full
        matrix, or a sparse graph as :class:`~sklearn.neighbors.KNeighborsTransformer` writes
        it, in which what is stored are neighbours, zeros too. Features of different units
        want scaling first, as with :class:`~sklearn.preprocessing.StandardScaler`.
    neighbors : {"auto", "exact", "approximate"} or transformer, default="auto"
        How neighbours are found. ``"exact"`` is scikit-learn's search, ``"approximate"`` is
        pynndescent (which compiles for 20 to 30 s before its first search in a process),
        ``"auto"`` the exact one where it is expected to take less than 30 s. Or an
        object like :class:`~sklearn.neighbors.KNeighborsTransformer` with
        ``mode="distance"``, which then brings its own metric. Not used with
        ``metric="precomputed"``.
    predict_mode : {"transductive", "inductive"}, default="transductive"
        How new rows are predicted. ``"transductive"``: they join the graph as unlabelled
        points and the extension is computed again, so the answer for a row depends on which
        others come with it, and is more accurate at few labels. ``"inductive"``: the weighted
        mean of the distributions of the fitted neighbours that a label reaches, for each row
        alone. In both, a row that equals a fitted row takes that row's fitted value.
    unlabeled : object, default="auto"
        What marks the unlabelled rows in ``y``. ``"auto"``: -1 or NaN in numeric labels;
        None, NaN or ``"-1"`` in strings and other objects; but a ``y`` of exactly -1 and 1 is
        two classes, which a warning says. Any other value is the marker itself (NaN stands
        for all missing values); None says that every row is labelled.
    tol : float, default=1e-6
        The conjugate gradients end for a class at this residual, relative to the norm of
        its right-hand side.
    max_iter : int, default=1000
        Largest number of iterations of the conjugate gradients.
    random_state : int, RandomState instance or None, default=None
        Seeds the approximate search of neighbours.
    n_jobs : int, default=None
        Number of threads of the neighbour search: as for
        :class:`~sklearn.neighbors.NearestNeighbors` in the exact one; in the approximate one
        None is all cores, and the lists that it finds depend a little on the number.
    verbose : int, default=0
        If positive, print the progress of search and solver.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The distinct labels, sorted.
    transduction_ : ndarray of shape (n_samples,)
        Label of each fitted row, labelled and unlabelled ones.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        Distribution over the classes of each fitted row.
    reached_ : ndarray of bool of shape (n_samples,)
        False where no label reaches a row, because its part of the graph holds none. The
        distribution there is the frequency of the classes among the labelled rows.
    graph_ : csr_array of shape (n_points, n_points)
        Directed edge weights ``w(x, y)`` between the distinct points.
    point_index_ : ndarray of shape (n_samples,)
        Row of ``graph_`` that each fitted row is. Equal rows are one point.
    n_iter_ : int
        Iterations of the conjugate gradients for the slowest class, at least 1.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if ``X`` has string names for all of them.

    Warns
    -----
    FewLabelsWarning
        If fewer rows are labelled than it takes on average to see every class once.
    UnreachedPointsWarning
        If no label reaches some rows.
    ConvergenceWarning
        If ``max_iter`` is too small for ``tol``.

    See Also
    --------
    sklearn.semi_supervised.LabelSpreading : Label propagation with soft labels.
    required_labels : Number of labels below which a class may well be missing.

    Notes
    -----
    With ``n`` points, ``k`` neighbours and ``c`` classes: the exact search compares all pairs
    (or uses a tree in few dimensions), the approximate one costs about ``n log n``; an
    iteration of the solver costs about ``2 n k c`` multiplications, and there are some tens
    to hundreds of them. Memory is about ``130 n k + 60 n c`` bytes beside one scaled copy of
    ``X``.

    Equal rows with different labels share the mean of their labels, and so the same
    prediction. ``predict(X)`` on the fitted ``X`` equals ``transduction_``, always; so
    the score on fitted labelled rows is 1 by construction and says nothing: score on
    held-out rows.

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

    _parameter_constraints: dict = {  # noqa: RUF012
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "scale_neighbor": [Interval(Integral, 1, None, closed="left")],
        "label_weight": [
            StrOptions({"wnll", "laplace"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "metric": [StrOptions({*METRICS, "precomputed"})],
        "neighbors": [
            StrOptions({"auto", "exact", "approximate"}),
            HasMethods(["fit", "fit_transform", "transform"]),
        ],
        "predict_mode": [StrOptions({"transductive", "inductive"})],
        "unlabeled": "no_validation",
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_neighbors=15,
        *,
        scale_neighbor=8,
        label_weight="wnll",
        metric="euclidean",
        neighbors="auto",
        predict_mode="transductive",
        unlabeled="auto",
        tol=1e-6,
        max_iter=1000,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_neighbors = n_neighbors
        self.scale_neighbor = scale_neighbor
        self.label_weight = label_weight
        self.metric = metric
        self.neighbors = neighbors
        self.predict_mode = predict_mode
        self.unlabeled = unlabeled
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Extend the labels in ``y`` to all rows of ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of finite numbers, labelled and unlabelled; of shape (n_samples, n_samples)
            with ``metric="precomputed"``. float32 stays float32.
        y : array-like of shape (n_samples,)
            Labels, with the marker ``unlabeled`` where a row has none.

        Returns
        -------
        WNLLClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument is invalid: the message names it and the cure.
        """
        X = self._validate_X(X, reset=True)
        if y is None:
            raise ValueError(
                "This WNLLClassifier estimator requires y to be passed, but the target y is None."
            )
        self.classes_, codes = encode_labels(y, self.unlabeled)
        if len(codes) != X.shape[0]:
            raise ValueError(
                f"Inconsistent numbers of samples: X has {X.shape[0]} rows and y {len(codes)} "
                "entries. y needs an entry for every row of X; the marker `unlabeled` (-1 among "
                "numbers, None among strings) says that a row has no label."
            )
        known = np.flatnonzero(codes >= 0)
        self._warn_if_few(len(known))
        self._class_frequencies = np.bincount(codes[known]) / len(known)

        self._graph = self._make_graph(X).fit(X)
        self.graph_, self.point_index_ = self._graph.weights_, self._graph.point_index_
        n_points = self._graph.n_points_
        votes = sparse.coo_array(
            (np.ones(len(known)), (self.point_index_[known], codes[known])),
            shape=(n_points, len(self.classes_)),
        ).toarray()
        self._labeled = votes.any(axis=1)
        g = votes[self._labeled]
        result = self._extend_labels(self.graph_, self._labeled, g / g.sum(axis=1, keepdims=True))
        self._u, self._reached = result.u, result.reached

        self.n_iter_ = max(1, result.n_iter)
        self.label_distributions_ = self._u[self.point_index_]
        self.transduction_ = self.classes_[self.label_distributions_.argmax(axis=1)]
        self.reached_ = self._reached[self.point_index_]
        self._warn_if_unreached(np.count_nonzero(~self.reached_), "rows of X")
        return self

    def predict_proba(self, X):
        """Give the distribution over the classes for each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Rows to predict; distances to the fitted rows, of shape (n_queries, n_samples),
            with ``metric="precomputed"``.

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            Rows in [0, 1] that sum to 1; classes in the order of ``classes_``.
        """
        check_is_fitted(self)
        self._validate_params()
        X = self._validate_X(X, reset=False)
        point, new = self._graph.place(X)
        probabilities = np.empty((len(point), len(self.classes_)))
        fitted = point < self._graph.n_points_
        probabilities[fitted] = self._u[point[fitted]]
        if not fitted.all():
            values = self._predict_new(new)
            probabilities[~fitted] = values[point[~fitted] - self._graph.n_points_]
        return probabilities

    def predict(self, X):
        """Give the most likely class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Rows to predict, as for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n_queries,)
            Labels.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def score(self, X, y, sample_weight=None):
        """Give the accuracy on the rows that ``y`` labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_queries, n_features)
            Rows to predict. On rows that were fitted with their labels the score is 1 by
            construction: score on held-out rows.
        y : array-like of shape (n_queries,)
            True labels. Unlabelled rows join the graph but are not scored. (A ``scoring=`` of
            scikit-learn's would score them as a class of their own.)
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Fraction of the labelled rows, by weight, that are predicted right.

        Raises
        ------
        ValueError
            If no row is labelled.
        """
        predicted, y = self.predict(X), as_label_array(y)
        check_consistent_length(predicted, y, sample_weight)
        labeled = ~is_unlabeled(y, self.unlabeled, self.classes_)
        if not labeled.any():
            raise ValueError("Every row of y is unlabelled: there is nothing to score.")
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)[labeled]
        truth = as_label_array(y[labeled])
        return accuracy_score(truth, predicted[labeled], sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse()
        tags.input_tags.pairwise = tags.input_tags.positive_only = self.metric == "precomputed"
        return tags

    def _takes_sparse(self):
        """Whether X may be sparse; a transformer brings its own metric."""
        own_metric = not isinstance(self.neighbors, str)
        return own_metric or self.metric in (*SPARSE_METRICS, "precomputed")

    def _validate_X(self, X, *, reset):
        """Check X, leaving float32 and float64 as they are."""
        if self.scale_neighbor > self.n_neighbors:
            raise ValueError(
                f"scale_neighbor={self.scale_neighbor} is larger than n_neighbors="
                f"{self.n_neighbors}. Lower scale_neighbor or raise n_neighbors."
            )
        precomputed = self.metric == "precomputed"
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
        X = sparse.csr_array(X)
        if X.nnz <= np.iinfo(np.int32).max:  # some searches take no other indices
            indices, indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
            X = sparse.csr_array((X.data, indices, indptr), shape=X.shape)
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        return X

    def _make_graph(self, X):
        if self.metric == "precomputed":
            return PrecomputedGraph(self.n_neighbors, self.scale_neighbor)
        # A transformer sees the rows as they are.
        space = FeatureSpace(self.metric if isinstance(self.neighbors, str) else None)
        search = make_search(
            self.neighbors,
            X.shape,
            metric=space.search_metric,
            is_sparse=sparse.issparse(X),
            random_state=self.random_state,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        return FeatureGraph(search, space, self.n_neighbors, self.scale_neighbor)

    def _extend_labels(self, W, labeled, g, start=None):
        """Solve for the unlabelled points of a graph, and warn if that fails."""
        progress = Progress("solver", self.verbose)
        result = harmonic_extension(
            W,
            labeled,
            g,
            self._class_frequencies,
            mu=label_weight_value(self.label_weight, len(labeled), len(g)),
            start=start,
            tol=self.tol,
            max_iter=self.max_iter,
            callback=lambda residual: progress.update(f"residual {residual:.1e}"),
        )
        progress.finish(f"{result.n_iter} iterations, residual {result.residual:.1e}")
        if not result.converged:
            warn_user(
                f"The solver stopped after max_iter={self.max_iter} iterations at a relative "
                f"residual of {result.residual:.1e}, above tol={self.tol:g}. Raise max_iter or "
                "tol.",
                ConvergenceWarning,
            )
        return result

    def _predict_new(self, new):
        """Distributions of points that are not in the fitted graph."""
        n, n_new, m = self._graph.n_points_, new.shape[0], np.count_nonzero(self._labeled)
        known = self._labeled, self._reached, self._u, self._class_frequencies
        if self.predict_mode == "inductive":
            mu = label_weight_value(self.label_weight, n, m)
            values, reached = weighted_mean(self._graph.cross(new), *known, mu=mu)
        else:
            W = self._graph.extend(new)
            mu = label_weight_value(self.label_weight, n + n_new, m)
            start = np.vstack([self._u, weighted_mean(W[n:, :n], *known, mu=mu)[0]])
            labeled = np.concatenate([self._labeled, np.zeros(n_new, dtype=bool)])
            result = self._extend_labels(W, labeled, self._u[self._labeled], start)
            values, reached = result.u[n:], result.reached[n:]
        self._warn_if_unreached(np.count_nonzero(~reached), "queries")
        return values

    def _warn_if_few(self, n_labeled):
        required = required_labels(len(self.classes_))
        if n_labeled < required:
            warn_user(
                f"{n_labeled} rows are labelled. If they were drawn at random, it takes about "
                f"{required} to see each of {len(self.classes_)} classes once; make sure that "
                "none is missing.",
                FewLabelsWarning,
            )

    def _warn_if_unreached(self, count, what):
        if count:
            warn_user(
                f"No label reaches {count} {what}: their parts of the graph hold none. They get "
                "the class frequencies of the labelled rows. Label some of them or raise "
                "n_neighbors.",
                UnreachedPointsWarning,
            )
