"""The estimator: checks its input, runs the graph and the extension, and keeps the answer."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from ._arrays import as_host, gathered, is_partitioned
from ._base import check_whole, checks_parameters
from ._cells import hold_cells
from ._distributed.estimator import TakesPartitions
from ._extension.answer import find_answer
from ._extension.beside import Known
from ._extension.folds import has_others
from ._extension.held_out import HeldOut
from ._extension.label_matrix import LabelMatrix
from ._extension.layers import Layers
from ._extension.row_labels import RowLabels
from ._extension.solution import Recipe
from ._extension.templates import Templates, fit_templates
from ._fit_memory import find_template_size
from ._fit_setup import Kept, check_combination, graph_builder, plan_extension
from ._fit_warnings import (
    warn_if_alone,
    warn_if_collapsed,
    warn_if_not_converged,
    warn_if_unreached,
)
from ._graph_rows import GRAPH_PARAMETERS
from ._label_advice import HeldOutLabels
from ._progress import show_progress
from ._row_parts import PredictsParts
from ._serving import CallCounter
from ._session import KeepsGraph
from ._several_labels import TakesSeveralLabels
from ._streams import check_no_stream
from ._typing import (
    Classifier,
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

__all__ = ["WNLLClassifier"]


class WNLLClassifier(TakesPartitions, KeepsGraph, PredictsParts, TakesSeveralLabels, BaseEstimator):
    """Classification with few labels by the weighted nonlocal Laplacian (WNLL).

    The labels of some rows are extended to all rows along a nearest-neighbour graph: the
    distribution of an unlabelled row is a weighted mean of its neighbours' distributions.
    Rows without a label are marked in ``y`` (with -1, None or NaN). They take part in the
    graph, which improves the accuracy if labels are few. Rows can also have
    :doc:`several labels at once </guide/several_labels>`.

    Read more in the :doc:`user guide </guide/method>`.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of neighbours of each point in the graph. A point is not its own neighbour. If there
        are fewer other points, all of them are neighbours.
    scale_neighbor : int, default=None
        Rank of the neighbour whose distance is the length scale ``sigma(x)`` of a point's edge
        weights; at most ``n_neighbors``. If None, half of ``n_neighbors``, rounded up.
    label_weight : {"auto", "wnll", "laplace", "poisson"} or float > 0, default="auto"
        Factor ``mu`` on the energy of labelled points, for ``n`` points of which ``m`` are
        labelled:

        - ``"auto"`` is ``n / (10 m)``, at least 1. The more the number of labels differs between
          classes, the closer it is to ``n / m``. Without ``class_prior`` and ``estimator``, it
          also evens out the mass of the classes, as far as their differences may be due to chance.
          If nearly all fitted rows are labelled, they leave no mass; new rows then join with
          ``n / m`` for up to 4 labels per class, and with less for more labels. With several
          labels per row, it is ``n / m``, and ``class_prior=None`` acts as ``"labeled"``.
        - ``"wnll"`` is ``n / m``, as in the paper.
        - ``"laplace"`` is 1: the graph Laplacian, which degenerates if labels are few.
        - ``"poisson"`` weights all points by the solution of a Poisson equation with sources at
          the labelled points, so points near a label weigh more.
        - A number is ``mu`` itself, clipped to the range from 1e-12 to 1e12.
    label_noise : float in [0, 1) or "auto", default=0.0
        Fraction of the labels that are expected to be wrong (noisy labels). With 0, labelled rows
        keep their label. Otherwise, the labels of each of 5 folds are compared with what the other
        folds predict: a label that disagrees counts less, and its row may get another class.
        ``"auto"`` estimates the fraction.
    class_prior : {"labeled", "estimated"}, dict, Series or array-like of shape (n_classes,), \
            default=None
        Known frequencies of the classes, by name or in the order of ``classes_``. Distributions
        are multiplied by one factor per class, which moves the predicted class sizes of the
        unlabelled fitted rows towards the prior. If nearly all fitted rows are labelled, the
        factors are the ratios of the prior to the frequencies among them.

        - ``"labeled"`` takes the frequencies among the labelled rows, which suits labels drawn at
          random.
        - ``"estimated"`` estimates the frequencies from the graph, for labels drawn in equal
          numbers from each class. It needs at least 3 labels per class, and otherwise acts as None.
        - If None, only ``label_weight="auto"`` corrects the distributions.
        - With several labels per row, an array holds the frequency of each, between 0 and 1.
    volume_constraint : bool, default=False
        Whether to assign the fitted rows to classes of the sizes in ``class_prior``, which is then
        required. If the graph contradicts these sizes, the size of a class may lie anywhere
        between the given one and the one without the constraint. The correction by ``class_prior``
        is applied in any case. New rows join the graph without a constraint of their own.
    estimator : classifier with ``predict_proba``, default=None
        Classifier of the features that joins the graph: for each row without a label, its
        distribution counts as one more neighbour. Helps most on embeddings. A clone is fitted to
        the graph's labels, with ``sample_weight`` if it takes that. Scale its features, for
        example in a :class:`~sklearn.pipeline.Pipeline`. The fitted model keeps the rows of ``X``.
        Not available with ``metric="precomputed"``.
    estimator_labels : {"graph", "given"}, default="graph"
        Labels that the ``estimator`` learns from. ``"graph"``: the given labels, and the labels
        that the graph predicts for the unlabelled rows, weighted by their probability; each kind
        has half of the total weight. Then classes are weighted more alike, since the graph already
        leans towards those with more labels. ``"given"``: the given labels alone, all with weight
        1.
    estimator_weight : float >= 0 or "auto", default="auto"
        Weight of the ``estimator``'s distribution, as a multiple of the weight of all neighbours of
        a row. ``"auto"`` is 0 if the classifier fails to learn the graph's labels: if, on rows
        that it was not fitted to, it agrees with the graph little more often than by chance.
        Otherwise, it is the odds that the graph errs on held-out labels, at most 1.
    n_stages : int, default=2
        Number of times that the ``estimator`` learns from the graph. In all stages but the last,
        it is fitted to one half of the rows and predicts the other, and the graph then labels the
        rows again with these predictions. Only used with ``estimator_labels="graph"``.
    metric : str, default="euclidean"
        Distance between rows: ``"euclidean"`` (``"l2"``, ``"minkowski"``), ``"sqeuclidean"``,
        ``"manhattan"`` (``"l1"``, ``"cityblock"``), ``"chebyshev"``, ``"cosine"``,
        ``"correlation"``, ``"canberra"``, ``"braycurtis"`` (for non-negative features),
        ``"hamming"``, ``"jaccard"``, ``"dice"``, ``"rogerstanimoto"``, ``"sokalsneath"``,
        ``"yule"``, ``"haversine"``. With ``"precomputed"``, ``X`` holds distances: a full
        matrix, or a sparse graph as :class:`~sklearn.neighbors.KNeighborsTransformer` returns
        it, whose stored entries, including zeros, are the neighbours. Similarities and weights,
        such as those in ``graph_``, are refused where they can be recognized: pass
        ``sqrt(-log(w))`` instead. Scale features of different units first, for example with
        :class:`~sklearn.preprocessing.StandardScaler`.
    neighbors : {"auto", "exact", "approximate"} or transformer, default="auto"
        Neighbour search, not used with ``metric="precomputed"``:

        - ``"exact"`` is scikit-learn's search.
        - ``"approximate"`` finds about 95 % of the neighbours. For dense rows with a Euclidean,
          cosine or correlation distance, it compares cells of nearby points; otherwise it is
          pynndescent, which compiles for 20 to 30 s before its first search in a process.
        - ``"auto"`` is the exact search if that is expected to take less than 3 s, or less than
          30 s if the alternative is pynndescent. It also is if a sample of the rows says that cells
          would take longer.
        - A transformer like :class:`~sklearn.neighbors.KNeighborsTransformer` with
          ``mode="distance"`` searches with its own metric.
    predict_mode : {"transductive", "inductive"}, default="transductive"
        How to predict new rows. ``"transductive"``: they join the graph as unlabelled points, and
        the extension is computed again. This is more accurate if labels are few, but the
        prediction of a row depends on the other rows of the call. ``"inductive"``: each row gets
        the weighted mean of the distributions of its fitted neighbours, of those that a label
        reaches. In both modes, a row that equals a fitted row gets that row's fitted value.
    held_out : int, default=None
        Number of folds of the labelled rows, at least 2; at most one per label. For each fold, the
        labels of its rows are hidden, and the others are extended over the same graph: see
        ``held_out_distributions_`` and ``held_out_score_``. Folds are stratified, and equal rows
        share a fold. If None, no labels are held out.
    calibrate : bool, default=False
        Whether to calibrate the probabilities: one temperature sharpens or flattens all
        distributions, so that a probability is closer to how often the class is right. It is found
        on held-out labels, in 5 folds if ``held_out`` is None. The predicted classes stay the
        same. On embeddings, ``"wnll"`` weights cannot be calibrated as well as others.
    unlabeled : object, default="auto"
        Marker of the unlabelled rows in ``y``. ``"auto"`` is a missing value (None, NaN, NaT,
        NA) or -1, which is ``"-1"`` among strings. A ``y`` of exactly -1 and 1 is however read as
        two classes, with a warning. Any other value is the marker itself, where NaN stands for
        all missing values. If None, every row is labelled. Masked rows of a ``numpy.ma`` array are
        always unlabelled.
    template_size : int or "auto", default=None
        Maximum number of distinct rows in one graph. If None, all rows are in one graph. If there
        are more, they are divided among several graphs, called templates (Algorithm 2 of the
        paper), which spread the work over processes or a cluster and bound the memory, but cost
        accuracy if labels are few. The labelled rows are in every template if they fill at most
        half of it; otherwise, they are divided too, stratified by class. Each unlabelled row is in
        one template. Every template predicts new rows, and the distributions are averaged.
        ``"auto"`` takes one graph if a fit with the defaults is estimated to take at most 80 % of
        the free memory, and otherwise as few templates as fit, with a warning. So its result may
        depend on the memory: pass ``template_size_`` to repeat it.
    query_size : int, default=None
        Maximum number of new rows to predict together. If there are more, they are shuffled and
        cut into batches, each of which joins the fitted graph separately. If None, all rows are
        predicted together.
    warm_start : bool, default=False
        If True, ``fit`` on the rows that are already fitted keeps the graph and starts at the
        last values, as :meth:`relabel` does. The rows must be the same bytes in the same order.
        With other rows, or other parameters of the graph, it fits from scratch.
    tol : float, default=1e-6
        Tolerance of the solver. For each class, the conjugate gradients stop when averaging over
        the neighbours once more would change no entry by more than ``tol``, and when the error,
        estimated from the expected length of random walks to the labels, is at most
        ``1000 * tol``. If they do not get there, a ``ConvergenceWarning`` is issued.
    max_iter : int, default=1000
        Maximum number of iterations of the conjugate gradients.
    random_state : int, RandomState instance or None, default=None
        Seed of the approximate neighbour search, of the division of rows into templates and
        batches, of the halves that an ``estimator`` learns from, and of the folds of ``held_out``,
        ``calibrate`` and ``label_noise``. An ``estimator`` has a ``random_state`` of its own.
        Pass an int for reproducible results across calls.
    n_jobs : int, default=None
        Number of jobs to run in parallel, over templates and batches if there are several. None
        means 1 unless in a :class:`joblib.parallel_config` context; -1 means all processors.
        Search and solver use threads of their own: one per core, or as many as
        ``OMP_NUM_THREADS`` or ``threadpoolctl`` allow. The results depend on neither.
    verbose : int, default=0
        If positive, print the progress of the search and the solver.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The distinct labels, sorted, of the type that they have in ``y``. With several labels per
        row, 0 and 1 for each, of shape (n_labels, 2).
    transduction_ : ndarray of shape (n_samples,)
        Predicted label of each fitted row, labelled or not. Only available if some row is labelled.
        With several labels per row, of shape (n_samples, n_labels), with 1 and 0. Then
        ``reached_`` has the same shape; ``label_distributions_`` and ``held_out_distributions_``
        too, and hold the probability of each label (NaN where an unknown label cannot be held
        out); ``class_sizes_``, ``temperature_``, ``label_noise_``, ``estimator_`` and
        ``estimator_weight_`` hold an entry for each label, and ``estimator_`` is a list.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        Distribution over the classes of each fitted row.
    reached_ : ndarray of bool of shape (n_samples,)
        False for rows that no label reaches, because their part of the graph holds none. Their
        distribution is ``class_sizes_`` or, if ``class_prior`` is None, the class frequencies
        among the labelled rows.
    class_sizes_ : ndarray of shape (n_classes,)
        Class frequencies, given or estimated by ``class_prior``; they sum to 1. Only available with
        ``class_prior``.
    estimator_ : classifier
        The fitted clone of ``estimator``. Alone, it favours rare classes, if some rows were
        unlabelled: see ``estimator_labels``. Only available with ``estimator``.
    estimator_weight_ : float
        Weight of the distributions of ``estimator_``, given or found by ``"auto"``; 0 if it was
        not used. Only available with ``estimator``.
    temperature_ : float
        Temperature of the distributions, below 1 if it sharpens them; 1 if ``calibrate`` is False.
    label_noise_ : float
        Fraction of the labels that are assumed to be wrong, given or estimated by ``"auto"``.
    held_out_distributions_ : ndarray of shape (n_samples, n_classes)
        Distribution of each labelled row, predicted without the labels of its fold; NaN for
        unlabelled rows. Only available with ``held_out`` or ``calibrate``.
    held_out_score_ : float
        Accuracy of ``held_out_distributions_`` on the labelled rows: an estimate of the accuracy
        on rows without a label. Only available with ``held_out`` or ``calibrate``. With several
        labels per row, the fraction of all given labels, 0 or 1, that are predicted right.
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
        Iterations of the conjugate gradients for the slowest class, at least 1.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if ``X`` has string names for all of them.

    Warns
    -----
    AmbiguousLabelsWarning
        If a class in ``y`` may be a marker of unlabelled rows.
    DividedRowsWarning
        If ``template_size="auto"`` divides the rows.
    CollapsedClassesWarning
        If the predicted class sizes of the unlabelled rows are far from their distributions.
    FewLabelsWarning
        If fewer rows are labelled than it takes on average to see every class once.
    SingleLabelWarning
        If labels are held out, and a class has only one label.
    ShortNeighborListsWarning
        If a precomputed graph or a transformer returns fewer than ``n_neighbors`` neighbours.
    SimilaritiesWarning
        If a precomputed ``X`` looks like similarities or weights instead of distances.
    UnreachedPointsWarning
        If no label reaches some rows.
    UnportableModelWarning
        If a model that refers to names of ``__main__`` is pickled.
    ConvergenceWarning
        If a distribution may be off by more than ``1000 * tol``, because ``max_iter`` is too small
        or because some rows are tied to a label only by edges of tiny weight.

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

    The peak memory is about ``80 n k`` bytes for the graph, two copies of ``X`` (scaled, and as the
    search compares it), and the memory of the classes. 64 classes are solved at the same time; up
    to there, they take about ``50 n c`` bytes. More take about ``30 n c`` bytes at the peak of
    ``fit``, and ``35 n c`` when new rows are predicted transductively. The :doc:`user guide
    </guide/scaling>` has a formula.

    ``held_out`` adds about half of a fit's time for 5 folds. ``label_noise`` takes 6 more solutions
    on the graph, and with ``held_out`` as many for each fold.

    An ``estimator`` is fitted three times at the defaults, and the labels are extended twice more,
    and once in each of 3 folds. With ``held_out`` or ``calibrate``, it is fitted three times more
    for each fold.

    Several labels per row share the graph and, where the same rows have them, the linear system.
    ``estimator``, ``label_noise``, ``volume_constraint`` and ``class_prior="estimated"`` take a
    system for each label, which is treated as two classes. ``suspect_labels`` and the displays of
    ``sklearn_wnll.plotting`` take one label per row.

    After a fit to a dask collection, ``label_distributions_``, ``transduction_``, ``reached_`` and
    the members of ``templates_`` are dask arrays, and so are predictions of collections. See the
    :doc:`guide </guide/clusters>` for what is not supported.

    Equal rows with different labels share the mean of their labels, and so the same
    prediction. ``predict(X)`` on the fitted ``X`` always equals ``transduction_``. So without
    ``label_noise``, the score on fitted labelled rows is 1 by construction and says nothing: see
    ``held_out_score_``, or score on other rows.

    References
    ----------
    Z. Shi, S. Osher and W. Zhu, "Weighted nonlocal Laplacian on interpolation from sparse
    data", J. Sci. Comput. 73 (2017).

    B. Wang, X. Luo, Z. Li, W. Zhu, Z. Shi and S. J. Osher, "Deep Learning with Data Dependent
    Implicit Activation Function", arXiv 1802.00168 (2018).

    X. Zhu, Z. Ghahramani and J. Lafferty, "Semi-supervised learning using Gaussian fields and
    harmonic functions", ICML (2003). ``class_prior``; section 5: a classifier beside the graph.

    Q. Huang, H. He, A. Singh, S.-N. Lim and A. R. Benson, "Combining label propagation and simple
    models out-performs graph neural networks", ICLR (2021). A classifier and a graph that correct
    each other.

    J. Calder, B. Cook, M. Thorpe and D. Slepcev, "Poisson learning: graph based semi-supervised
    learning at very low label rates", ICML (2020). ``volume_constraint`` and ``"poisson"``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_wnll import WNLLClassifier
    >>> from sklearn_wnll.datasets import hide_labels
    >>> X, y = load_digits(return_X_y=True)
    >>> y_few = hide_labels(y, 5, random_state=0)  # 5 labels per class, -1 elsewhere
    >>> model = WNLLClassifier().fit(X, y_few)
    >>> hidden = y_few == -1
    >>> accuracy = (model.transduction_[hidden] == y[hidden]).mean()
    >>> f"{accuracy:.2f}"
    '0.9...'

    A classifier beside the graph:

    >>> from sklearn.linear_model import LogisticRegression
    >>> both = WNLLClassifier(estimator=LogisticRegression(max_iter=500), random_state=0)
    >>> both = both.fit(X / 16, y_few)
    >>> f"{both.estimator_weight_:.2f}"
    '0.0...'
    """

    classes_: NDArray[Any]
    transduction_: NDArray[Any]
    label_distributions_: Floats
    reached_: Mask
    class_sizes_: Floats
    estimator_: Any
    estimator_weight_: Any
    temperature_: Any
    label_noise_: Any
    held_out_distributions_: Floats
    held_out_score_: float
    templates_: list[Indices]
    template_size_: int | None
    graph_: sparse.csr_array | None
    point_index_: Indices | None
    n_iter_: int
    _answer: Any
    _kept: Kept
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GRAPH_PARAMETERS,
        "class_prior": [None, StrOptions({"labeled", "estimated"}), dict, "array-like"],
        "volume_constraint": ["boolean"],
        "estimator": [None, HasMethods(["fit", "predict_proba"])],
        "estimator_labels": [StrOptions({"given", "graph"})],
        "n_stages": [Interval(Integral, 1, None, closed="left")],
        "calibrate": ["boolean"],
    }

    def __init__(
        self,
        n_neighbors: int = 15,
        *,
        scale_neighbor: int | None = None,
        label_weight: LabelWeight = "auto",
        label_noise: float | Literal["auto"] = 0.0,
        class_prior: ClassPrior | None = None,
        volume_constraint: bool = False,
        estimator: Classifier | None = None,
        estimator_labels: Literal["given", "graph"] = "graph",
        estimator_weight: float | Literal["auto"] = "auto",
        n_stages: int = 2,
        metric: Metric = "euclidean",
        neighbors: Literal["auto", "exact", "approximate"] | NeighborsTransformer = "auto",
        predict_mode: PredictMode = "transductive",
        held_out: int | None = None,
        calibrate: bool = False,
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
        self.class_prior = class_prior
        self.volume_constraint = volume_constraint
        self.estimator = estimator
        self.estimator_labels = estimator_labels
        self.estimator_weight = estimator_weight
        self.n_stages = n_stages
        self.metric = metric
        self.neighbors = neighbors
        self.predict_mode = predict_mode
        self.held_out = held_out
        self.calibrate = calibrate
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
        tags.classifier_tags.multi_label = True
        return tags

    @checks_parameters
    def fit(self, X: Rows, y: Labels) -> Self:
        """Extend the labels in ``y`` to all rows of ``X``.

        Parameters
        ----------
        X : {array-like, sparse matrix, tensor} of shape (n_samples, n_features)
            Rows of finite numbers, labelled and unlabelled; of shape (n_samples, n_samples)
            with ``metric="precomputed"``. float32 stays float32. For torch tensors and arrays of
            other libraries, ``sklearn.set_config(array_api_dispatch=True)`` makes the estimator
            compute where they are, and answer there: see the :doc:`guide </guide/devices>`. Rows
            in a ``dask.array`` or a ``dask.dataframe`` stay on the workers: see the
            :doc:`guide </guide/clusters>`.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels, with the marker ``unlabeled`` where a row has none: numbers without a
            fractional part, strings, or other objects that can be hashed and sorted. If no row is
            labelled, ``classes_`` is empty, and the estimator predicts nothing until labels are
            passed to :meth:`relabel`; :meth:`suggest_labels` selects the first rows to label. NaN
            in all rows is refused as a mistake. Several columns are several labels of each row:
            1, 0, or the marker where it is unknown whether the row has the label; also a sparse
            matrix of 0 and 1.

        Returns
        -------
        WNLLClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument is invalid; the message names it and the cure.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]]
        >>> model = WNLLClassifier(n_neighbors=2).fit(X, ["a", "a", None, None, None, "b"])
        >>> model.transduction_.tolist()
        ['a', 'a', 'a', 'b', 'b', 'b']
        """
        return self._fit_whole(X, y)

    @checks_parameters
    def _fit_beside(self, X: Rows, y: Labels, known: Known | None) -> Self:
        """Fit beside distributions of the rows, which pull at unlabelled ones."""
        return self._fit_whole(X, y, known)

    def _fit(self, X: Rows, y: Labels, known: Known | None = None) -> None:
        """Set the fitted attributes."""
        if is_partitioned(X):
            self._fit_partitions(X, y)
            return
        many = "; or, if the rows don't fit in memory, a dask.array or a dask.dataframe"
        check_no_stream(X, "fit", many)
        X = gathered(X)
        rows = self._validate_X(X, reset=True)
        labels = self._read_labels(rows.shape[0], y)
        if self.warm_start and self._are_fitted_rows(X, rows):
            self._extend_again(self._answer.templates, labels, known)
            return
        self._kept = kept = Kept.of(self, X, rows)
        if isinstance(labels, LabelMatrix):
            self._fit_matrix(rows, labels)
            return
        self.template_size_ = size = find_template_size(self, rows, labels)
        recipe, extender = plan_extension(self, kept, labels, known)
        with show_progress(self.verbose):
            templates = fit_templates(
                graph_builder(self, rows, size),
                rows,
                labels,
                extender,
                template_size=size,
                n_jobs=self._jobs,
            )
        self._set_answer(labels, templates, recipe)

    def _read_labels(self, n_rows: int, y: Labels) -> RowLabels | LabelMatrix:
        y = as_host(y, "y")
        if hold_cells(y):
            return self._read_matrix(n_rows, y)
        classes, codes = self._encode(n_rows, y, may_be_empty=True)
        labels = RowLabels.of(codes, classes, self.class_prior)
        check_combination(self, classes)
        return labels

    def _grown_labels(self, n_new: int) -> RowLabels | LabelMatrix:
        labels = self._answer.labels.grown(n_new)
        if isinstance(labels, LabelMatrix):
            return self._with_prior(labels.values)
        classes = as_host(self.classes_)
        check_combination(self, classes)
        return RowLabels.of(labels.codes, classes, self.class_prior)

    def _extend_again(self, templates: Any, labels: Any, known: Known | None = None) -> None:
        """Extend labels over the existing graph."""
        if isinstance(labels, LabelMatrix):
            self._extend_matrix_again(templates, labels)
            return
        recipe, extender = plan_extension(self, self._kept, labels, known)
        columns = np.full(labels.n_classes, -1)
        if isinstance(templates, Layers):
            templates = templates.layers[0]
        else:
            columns = labels.columns_in(self._answer.labels)
        with show_progress(self.verbose):
            templates = templates.relabeled(labels, extender, columns)
        self._set_answer(labels, templates, recipe)

    def _set_answer(self, labels: RowLabels, templates: Templates, recipe: Recipe) -> None:
        """Continue from labels extended over a graph, and set the fitted attributes."""
        with show_progress(self.verbose):
            answer, result = find_answer(
                templates,
                labels,
                recipe,
                n_folds=self.held_out,
                calibrate=self.calibrate,
                n_jobs=self._jobs,
            )
        u, templates, classes = answer.corrected(result), answer.templates, labels.classes
        warn_if_not_converged(result, self.tol, self.max_iter)
        if len(classes):
            warn_if_unreached(result.reached, "rows of X")
        if result.converged:
            first = templates.points.first_rows  # equal rows add no evidence
            warn_if_collapsed(classes, u, first[(labels.codes[first] < 0) & result.reached[first]])

        self.classes_, self._answer, self._calls = classes, answer, CallCounter()
        self.label_distributions_ = answer.calibrated(u, result.reached)
        self.reached_ = result.reached
        if len(classes):
            self.transduction_ = classes[self.label_distributions_.argmax(axis=1)]
        self.temperature_, self.label_noise_ = answer.temperature, templates.label_noise
        self._set_graph(templates, result.n_iter)
        if self.class_prior is not None:
            self.class_sizes_ = answer.labels.fallback.copy()
        if self.estimator is not None and answer.beside is not None:
            self.estimator_ = answer.beside.classifier.estimator
            self.estimator_weight_ = float(answer.beside.strength)
        if answer.held_out is not None:
            self._set_held_out(answer.held_out)

    def _set_held_out(self, held_out: HeldOut) -> None:
        """Set the attributes for held-out labelled rows."""
        rows, codes, u, _ = self._held_out_labels()
        warn_if_alone(has_others(codes, held_out.fold))
        self.held_out_distributions_ = np.full(self.label_distributions_.shape, np.nan)
        self.held_out_distributions_[rows] = u
        self.held_out_score_ = float((u.argmax(axis=1) == codes).mean())

    def _held_out_labels(self) -> HeldOutLabels:
        if self._several:
            return super()._held_out_labels()
        check_whole(self, "suspect_labels")
        self._check_has_labels()
        answer = self._answer
        with show_progress(self.verbose):
            held_out = answer.find_held_out(self._jobs)
        extender = answer.templates.extender
        tol = extender.held_out_tol
        warn_if_not_converged(held_out, tol, extender.max_iter, "held-out distributions")
        rows, codes = answer.labels.rows, answer.labels.codes[answer.labels.rows]
        u = answer.calibrated(held_out.u, held_out.reached)
        return HeldOutLabels(rows, codes, u, held_out.reached & has_others(codes, held_out.fold))

    def _check_has_labels(self) -> None:
        if not self.classes_.shape[0]:
            raise ValueError(
                f"This {type(self).__name__} was fitted without any label. Pass some to "
                "relabel(y) or fit; suggest_labels(n) returns the rows to label first."
            )

    def _distributions(self, X: Rows, p: Floats | None = None) -> tuple[Floats, Mask]:
        """Return the distribution of each row, and a mask of the rows that a label reaches.

        After a fit beside known distributions, ``p`` (n_queries, n_classes) are those of the rows.
        """

        def both(u: Floats, reached: Mask) -> tuple[Floats, Mask]:
            return u, reached

        found: tuple[Floats, Mask] = self._answers(X, both, p)
        return found

    def _answers(self, X: Rows, answer: Callable[..., Any], p: Floats | None = None) -> Any:
        def predict(rows: Any, given: Any, **options: Any) -> tuple[Any, Any]:
            u, result = self._answer.predict(rows, given, **options)
            return answer(u, result.reached), result

        found, solved = self._predict_parts(X, predict, p)
        warn_if_not_converged(solved, self.tol, self.max_iter)
        reached = solved.reached
        warn_if_unreached(reached.all(axis=1) if self._several else reached, "queries")
        return found
