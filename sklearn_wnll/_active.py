"""Active learning: which points' labels would help most."""

from typing import Any

import numpy as np
from scipy import sparse

from ._extension.conjugate_gradient import conjugate_gradient
from ._graph.weights import graph_laplacian
from ._progress import Progress
from ._typing import Floats, Indices, Mask

__all__ = ["most_useful_points"]

_END = 0.03  # a walk ends at a step with this probability, nearly: so it has some 30 steps
_TOLERANCE = 1e-4  # of the solver: ranks need no more


def most_useful_points(W: sparse.csr_array, labeled: Mask, uncertainty: Floats, n: int) -> Indices:
    """Choose points whose labels would resolve the most uncertainty not yet covered by labels.

    A walk steps from a point ``x`` to a neighbour ``y`` with probability ``T_xy / d_x``, and at
    each step ends by itself with probability ``e / (1 + e)``, ``e = 0.03``, or at a labelled
    point for good. With ``v(x)`` the probability that it ends at a labelled one, and ``s(x)`` the
    expected sum of the uncertainty of the points that it visits, the gain is
    ``d_x (1 - v(x)) s(x)``: nearly the uncertainty, weighted by degree, that walks would bring to
    ``x`` if it were labelled, and that does not now end at a label. The point of the largest gain
    is taken for labelled, and so on, so that the chosen points are spread out.

    ``v`` and ``s`` solve ``A v_U = T_US 1`` and ``A s_U = (d q)_U`` with the matrix
    ``A = ((1 + e) diag(d) - T)_UU``, once for each chosen point. Here ``W`` (n_points, n_points)
    holds the edge weights, ``T = W + W^T``, and ``d`` its row sums; ``uncertainty`` is ``q``
    (n_points,). Returns at most ``n`` points, the most useful first.

    A path of seven points, labelled at one end:

    >>> W = sparse.diags_array(np.ones(6), offsets=1, shape=(7, 7)).tocsr()
    >>> most_useful_points(W, np.arange(7) == 0, np.ones(7), 2)
    array([5, 2])
    """
    laplacian = graph_laplacian(W)
    A = (laplacian + _END * sparse.diags_array(laplacian.diagonal())).tocsr()
    degree = np.asarray(W.sum(axis=0) + W.sum(axis=1))
    visits = degree * uncertainty
    labeled, found = labeled.copy(), np.zeros((len(degree), 2))
    chosen: list[Any] = []
    progress = Progress("labels")
    n = min(n, int(np.count_nonzero(~labeled)))
    for done in range(1, n + 1):
        free = np.flatnonzero(~labeled)
        rows = A[free]
        ends = -(rows @ labeled.astype(np.float64))
        B = np.column_stack([ends, visits[free]])
        found[free] = conjugate_gradient(rows[:, free], B, x0=found[free], tol=_TOLERANCE).x
        v, s = found[free].T
        best = free[(degree[free] * (1 - v) * s).argmax()]
        chosen.append(best)
        labeled[best] = True
        progress.update(done / n, f"{done:,} of {n:,}")
    progress.finish(f"{len(chosen):,} chosen")
    return np.array(chosen, dtype=np.intp)
