"""The weighted nonlocal Laplacian as a differentiable operation on torch tensors."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..._extension.label_weights import label_weight_value
from ..._graph.weights import scale_neighbor_value
from ..._typing import Gradient, NetworkLabelWeight
from .gradients import GRADIENTS
from .points import PointCloud
from .system import HarmonicSystem
from .weights import edge_weights

__all__ = ["Interpolation", "wnll_interpolate"]

_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-10}


class Interpolation:
    """The values of template points extended to query points, with all that backward rules need.

    The arguments are those of :func:`wnll_interpolate`, with ``targets`` as distributions.
    ``cloud`` holds template and query points, in this order, ``weights`` and ``scale_position``
    the weights and scales of their edges, ``system`` the linear system, ``values`` (n_points,
    n_classes) targets and solution in double precision, and ``u`` (n_query, n_classes) the
    solution in the precision of the points. No gradient is recorded.
    """

    @torch.no_grad()
    def __init__(
        self,
        template: Tensor,
        targets: Tensor,
        query: Tensor,
        *,
        n_neighbors: int,
        scale_neighbor: int,
        label_weight: NetworkLabelWeight,
        tol: float,
        max_iter: int,
    ) -> None:
        n_template = len(template)
        self.cloud = PointCloud(torch.cat([template, query]), n_neighbors)
        self.weights, self.scale_position = edge_weights(self.cloud.squares, scale_neighbor)
        mu = label_weight_value(label_weight, n_template + len(query), n_template)
        self.system = HarmonicSystem(self.cloud.neighbors, self.weights, n_template, mu, tol,
                                     max_iter)  # fmt: skip
        targets = targets.double()
        self.values = torch.cat([targets, self.system.extend(targets)])
        self.u = self.values[n_template:].to(query.dtype)


def wnll_interpolate(
    template: Tensor,
    template_targets: Tensor,
    query: Tensor,
    *,
    n_neighbors: int = 15,
    scale_neighbor: int | None = None,
    label_weight: NetworkLabelWeight = "wnll",
    gradient: Gradient = "exact",
    surrogate: Tensor | None = None,
    n_classes: int | None = None,
    tol: float | None = None,
    max_iter: int = 1000,
) -> Tensor:
    """Interpolate the labels of a template to queries, by the weighted nonlocal Laplacian.

    Template and query points form one nearest-neighbour graph, and the labels are extended
    harmonically over it, as by :class:`~sklearn_wnll.WNLLClassifier`.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    template : tensor of shape (n_template, n_features)
        Labelled points, of float32 or float64, on any device.
    template_targets : tensor of shape (n_template,) or (n_template, n_classes)
        Their classes as integers, or their distributions over the classes.
    query : tensor of shape (n_query, n_features)
        Unlabelled points.
    n_neighbors : int, default=15
        Number of neighbours of each point in the graph.
    scale_neighbor : int, default=None
        Rank of the neighbour whose distance is the length scale of a point's weights. If None,
        half of ``n_neighbors``, rounded up.
    label_weight : {"wnll", "laplace"} or float, default="wnll"
        Factor on the energy of template points: ``"wnll"`` is the number of all points divided by
        that of template points, ``"laplace"`` is 1; a number is the factor itself.
    gradient : {"exact", "surrogate"}, default="exact"
        Rule for the backward pass. ``"exact"``: by the adjoint system, through weights and length
        scales, to ``template``, ``query``, and ``template_targets`` if they are distributions;
        the neighbour lists are held fixed. ``"surrogate"``: the paper's rule, through a linear
        head, as if the result were the softmax of its logits.
    surrogate : tensor of shape (n_query, n_classes), default=None
        Logits of a linear head for the queries; required with ``gradient="surrogate"``.
    n_classes : int, default=None
        Number of classes, if ``template_targets`` are integers. If None, the largest plus 1.
    tol : float, default=None
        Tolerance of the conjugate gradients, relative to the largest target. They stop when
        averaging over the neighbours once more would change no value by more than this. If None,
        1e-12 for float64 and 1e-10 for float32, for which the system is solved in float64 too.
    max_iter : int, default=1000
        Maximum number of iterations.

    Returns
    -------
    tensor of shape (n_query, n_classes)
        Distributions over the classes. For a query that no label reaches, it is the mean of the
        targets.

    Raises
    ------
    ValueError
        If an argument is invalid; the message names it and the cure.
    RuntimeError
        If a second derivative is requested, which is not implemented.

    Warns
    -----
    ConvergenceWarning
        If the solver does not reach ``tol``, forward or backward, because ``max_iter`` is too
        small or because of rounding.

    Notes
    -----
    The neighbour search compares all pairs in blocks. It takes ``n^2 d`` multiplications for ``n``
    points of width ``d``, and memory for a few copies of the points and of the ``n`` lists.
    The backward pass solves one more system with the same matrix.

    Equal points are neighbours with weight 1, and are not merged as in
    :class:`~sklearn_wnll.WNLLClassifier`. The result depends continuously on each point, except at
    three kinds of places. It jumps if the last neighbour in a list changes places with an equally
    distant point, because its weight is positive; if a length scale shrinks to 0, because the next
    larger distance then takes its place; and if the last edge between a group of points and the
    labels falls below a weight of 1e-12, because smaller weights count as 0. The gradient is that
    with all lists held fixed.

    On the CPU, the same input with the same number of threads gives the same result and the same
    gradients. On a GPU, sums are added in any order, so two runs agree up to rounding, about 1e-15
    of the largest term in float64. After ``torch.use_deterministic_algorithms(True)`` they agree
    in all bits, and :func:`~torch.autograd.gradcheck.gradcheck` passes with ``nondet_tol=0``;
    PyTorch then requires the environment variable ``CUBLAS_WORKSPACE_CONFIG=:4096:8``. Automatic
    mixed precision does not reach into the interpolation.

    References
    ----------
    Wang et al., "Deep Learning with Data Dependent Implicit Activation Function",
    arXiv 1802.00168 (2018).

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep import wnll_interpolate
    >>> template = torch.tensor([[0.0], [4.0]], requires_grad=True)
    >>> query = torch.tensor([[1.0], [2.5]])
    >>> u = wnll_interpolate(template, torch.tensor([0, 1]), query, n_neighbors=2, scale_neighbor=1)
    >>> u.argmax(dim=1)
    tensor([0, 1])
    >>> u[:, 0].sum().backward()
    >>> template.grad.shape
    torch.Size([2, 1])
    """
    targets = _check_points(template, template_targets, query, n_classes)
    scale_neighbor = scale_neighbor_value(scale_neighbor, n_neighbors)
    known = (
        label_weight in ("wnll", "laplace") if isinstance(label_weight, str) else label_weight > 0
    )
    if not known:
        raise ValueError(
            f"label_weight must be 'wnll', 'laplace' or a positive number, got {label_weight!r}."
        )
    if gradient not in GRADIENTS:
        raise ValueError(f"gradient must be one of {sorted(GRADIENTS)}, got {gradient!r}.")
    if not len(query):
        return targets[:0]
    # Half precision would mix up neighbours.
    with torch.autocast(query.device.type, enabled=False):
        solved = Interpolation(
            template.detach(),
            targets.detach(),
            query.detach(),
            n_neighbors=n_neighbors,
            scale_neighbor=scale_neighbor,
            label_weight=label_weight,
            tol=_TOLERANCE[query.dtype] if tol is None else tol,
            max_iter=max_iter,
        )
    return GRADIENTS[gradient](solved, template, targets, query, surrogate)


def _check_points(
    template: Tensor, targets: Tensor, query: Tensor, n_classes: int | None
) -> Tensor:
    """Check tensors; return the targets as distributions."""
    for name, points in (("template", template), ("query", query)):
        if points.ndim != 2 or points.dtype not in _TOLERANCE:
            raise ValueError(
                f"{name} must be a float32 or float64 tensor of shape (n_points, n_features), got "
                f"{points.dtype} of shape {tuple(points.shape)}."
            )
        if not torch.isfinite(points).all():
            raise ValueError(f"{name} holds NaN or infinity: lower the learning rate, or check "
                             "the inputs of the network.")  # fmt: skip
    if (template.dtype, template.device) != (query.dtype, query.device) or (
        template.shape[1] != query.shape[1]
    ):
        raise ValueError(
            "template and query must have the same dtype, device and number of features, got "
            f"{template.dtype} on {template.device} with {template.shape[1]} and {query.dtype} on "
            f"{query.device} with {query.shape[1]}."
        )
    if not len(template):
        raise ValueError("template is empty: there is nothing to interpolate from.")
    if targets.ndim not in (1, 2) or len(targets) != len(template):
        raise ValueError(
            "template_targets must hold a class or a distribution for each of the "
            f"{len(template)} template points, got shape {tuple(targets.shape)}."
        )
    if targets.ndim == 2:
        return targets.to(template)
    if targets.is_floating_point() or targets.min() < 0:
        raise ValueError(
            "template_targets of one dimension must be classes as integers from 0 on, got "
            f"{targets.dtype} from {targets.min()} on. Pass distributions for soft targets."
        )
    largest = int(targets.max())
    if n_classes is not None and largest >= n_classes:
        raise ValueError(f"template_targets hold class {largest}, but n_classes={n_classes}.")
    return one_hot(targets.long(), largest + 1 if n_classes is None else n_classes).to(template)
