"""The WNLL head: parameters of the graph on which a network labels and predicts."""

from numbers import Integral, Real
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from .._classifier import WNLLClassifier
from .._graph.metrics import METRICS
from .._typing import LabelWeight, Metric, NeighborsTransformer, PredictMode

__all__ = ["WNLLHead"]

_SCALE = 8  # neighbour whose distance is the scale, if there are that many
_COUNT = Interval(Integral, 1, None, closed="left")


class WNLLHead(BaseEstimator):
    """Graph of a network's features on which samples are labelled and predicted.

    :class:`~sklearn_wnll.DeepWNLLClassifier` fits a :class:`~sklearn_wnll.WNLLClassifier` with
    these parameters to the features of its samples. ``"auto"`` values depend on whether a
    pseudo-label step is trained.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    n_neighbors : int or {"auto"}, default="auto"
        Number of neighbours of each point in the graph. ``"auto"`` is 30 with a pseudo-label step,
        15 without. About 15 are better if nearby samples mostly share a class, as in digits; 60 if
        they do not.
    scale_neighbor : int, None or {"auto"}, default="auto"
        Rank of the neighbour whose distance is the length scale of a point's weights. ``"auto"``
        is 8, or ``n_neighbors`` if that is smaller. If None, half of ``n_neighbors``, rounded up.
    metric : str, default="auto"
        Distance between features, as in :class:`~sklearn_wnll.WNLLClassifier`. ``"auto"`` is
        ``"cosine"`` with a pseudo-label step, ``"euclidean"`` without.
    label_weight : {"auto", "wnll", "laplace", "poisson"} or float, default="wnll"
        Factor on the energy of labelled points, as in :class:`~sklearn_wnll.WNLLClassifier`, whose
        default is ``"auto"``. With a ``linear_weight``, ``"auto"`` is ``"poisson"``.
    label_noise : float in [0, 1) or "auto", default=0.0
        Fraction of the labels that are expected to be wrong, as in
        :class:`~sklearn_wnll.WNLLClassifier`; it also applies to pseudo-labels. The network learns
        from the given labels as they are, and once it has memorized wrong ones, the graph confirms
        them.
    linear_weight : float, default=0.0
        Weight of the linear head's softmax for samples without a label, as a multiple of the weight
        of all neighbours. It is used in predictions, and in pseudo-label steps with
        ``labels="wnll"``. If positive, every sample is reached. With 0, the softmax is not used.
    neighbors : {"auto", "exact", "approximate"} or transformer, default="auto"
        Neighbour search.
    predict_mode : {"transductive", "inductive"}, default="transductive"
        How to predict new samples: joined to the graph, or each on its own.
    held_out : int, default=None
        Number of folds of labels that are hidden and predicted from the others on the final graph,
        for ``held_out_score_``; see :class:`~sklearn_wnll.WNLLClassifier`. The network has been
        trained with all labels: once it has memorized them, the score is near 1 whatever the
        accuracy.
    calibrate : bool, default=False
        Whether to calibrate the probabilities of the WNLL by one temperature, found on held-out
        labels. Since the network has been trained with these labels, distributions that are about
        right become overconfident.
    template_size : int, None or {"auto"}, default=5000
        Maximum number of fitted samples in one graph for predictions. If there are more, they are
        divided among several templates, whose distributions are averaged. If None, all are in one
        graph. With ``"auto"``, all are in one graph if it fits in the free memory, and on a GPU.
    query_size : int or None, default=1000
        Maximum number of new samples that join a graph together. If None, all. How they are
        divided depends on the samples and on ``random_state``, but not on their order.
    tol : float, default=1e-6
        Tolerance of the solver, as in :class:`~sklearn_wnll.WNLLClassifier`. Pseudo-labels are
        computed to 1e-4, or to ``tol`` if that is larger.
    max_iter : int, default=1000
        Maximum number of iterations of the solver.

    See Also
    --------
    sklearn_wnll.WNLLClassifier : The parameters in detail.

    Examples
    --------
    >>> from sklearn_wnll.deep import DeepWNLLClassifier, WNLLHead
    >>> model = DeepWNLLClassifier(wnll=WNLLHead(n_neighbors=60))
    >>> model.set_params(wnll__predict_mode="inductive").wnll
    WNLLHead(n_neighbors=60, predict_mode='inductive')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{
            name: WNLLClassifier._parameter_constraints[name]
            for name in (
                "label_weight",
                "neighbors",
                "predict_mode",
                "held_out",
                "calibrate",
                "label_noise",
                "template_size",
                "query_size",
                "tol",
                "max_iter",
            )
        },
        "n_neighbors": [StrOptions({"auto"}), _COUNT],
        "scale_neighbor": [None, StrOptions({"auto"}), _COUNT],
        "metric": [StrOptions({"auto", *METRICS})],
        "linear_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_neighbors: int | Literal["auto"] = "auto",
        *,
        scale_neighbor: int | Literal["auto"] | None = "auto",
        metric: Metric | Literal["auto"] = "auto",
        label_weight: LabelWeight = "wnll",
        label_noise: float | Literal["auto"] = 0.0,
        linear_weight: float = 0.0,
        neighbors: Literal["auto", "exact", "approximate"] | NeighborsTransformer = "auto",
        predict_mode: PredictMode = "transductive",
        held_out: int | None = None,
        calibrate: bool = False,
        template_size: int | Literal["auto"] | None = 5000,
        query_size: int | None = 1000,
        tol: float = 1e-6,
        max_iter: int = 1000,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.scale_neighbor = scale_neighbor
        self.metric = metric
        self.label_weight = label_weight
        self.label_noise = label_noise
        self.linear_weight = linear_weight
        self.neighbors = neighbors
        self.predict_mode = predict_mode
        self.held_out = held_out
        self.calibrate = calibrate
        self.template_size = template_size
        self.query_size = query_size
        self.tol = tol
        self.max_iter = max_iter

    def _make(self, learns_from_unlabeled: bool) -> WNLLClassifier:
        """Make the classifier, with values for ``"auto"``."""
        n_neighbors: Any = self.n_neighbors
        metric: Any = self.metric
        scale_neighbor: Any = self.scale_neighbor
        if n_neighbors == "auto":
            n_neighbors = 30 if learns_from_unlabeled else 15
        if metric == "auto":
            metric = "cosine" if learns_from_unlabeled else "euclidean"
        if scale_neighbor == "auto":
            scale_neighbor = min(_SCALE, n_neighbors)
        params = self.get_params(deep=False)
        del params["linear_weight"]  # passed to the graph with the distributions
        params |= {"n_neighbors": n_neighbors, "scale_neighbor": scale_neighbor, "metric": metric}
        if self.linear_weight > 0 and self.label_weight == "auto":
            params["label_weight"] = "poisson"  # masses are not evened out beside the linear head
        return WNLLClassifier(**params)
