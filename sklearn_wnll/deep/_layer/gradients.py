"""Rules by which gradients flow back through an interpolation.

A rule takes the solved interpolation and the tensors that it came from, and returns its
values with a way backward. Another one is a function more, and an entry in ``GRADIENTS``.
"""

import torch

from .points import differences_gradient
from .weights import weights_gradient

__all__ = ["GRADIENTS"]


class _Adjoint(torch.autograd.Function):
    """The derivative of ``A(z) u = B(z)`` by the adjoint system ``A lambda = dL/du``."""

    @staticmethod
    def forward(ctx, template, targets, query, solved):
        ctx.solved = solved
        return solved.u.clone()

    @staticmethod
    def backward(ctx, gradient):
        # Were it merely not recorded, a second derivative would be wrong in silence.
        if torch.is_grad_enabled():
            raise RuntimeError(
                "wnll_interpolate has no second derivative: differentiate without "
                "create_graph=True, or pass gradient='surrogate'."
            )
        solved, system = ctx.solved, ctx.solved.system
        dtype, gradient = gradient.dtype, gradient.double()
        adjoint = system.adjoint(gradient)
        by_template = by_query = by_targets = None
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[2]:
            by_weights = system.edges_gradient(adjoint, solved.values)
            by_squares = weights_gradient(
                by_weights, solved.cloud.squares, solved.weights, solved.scale_position
            )
            by_points = differences_gradient(by_squares, solved.cloud)
            # Points of tiny numbers may have derivatives beyond the largest number.
            largest = torch.finfo(dtype).max
            by_points = by_points.clamp_(-largest, largest).to(dtype)
            by_template, by_query = by_points.tensor_split([system.n_template])
        if ctx.needs_input_grad[1]:
            by_targets = system.targets_gradient(adjoint, gradient).to(dtype)
        return by_template, by_targets, by_query, None


def _exact(solved, template, targets, query, surrogate):
    """Differentiate the interpolation itself."""
    if surrogate is not None:
        raise ValueError("surrogate is of use only with gradient='surrogate'.")
    return _Adjoint.apply(template, targets, query, solved)


def _surrogate(solved, template, targets, query, surrogate):
    """Differentiate a linear head instead, at the interpolation's values: the paper's rule.

    The values are left as they are. Their derivative is that of a softmax with these values,
    ``du = u * (dy - u . dy)``, by the head's logits ``y``; so that of the cross entropy
    ``-log u_j`` is ``u - e_j``, which is bounded as it is for the head itself.
    """
    if surrogate is None or surrogate.shape != solved.u.shape:
        raise ValueError(
            "gradient='surrogate' needs surrogate=, the logits of a linear head through which "
            f"gradients flow, of shape {tuple(solved.u.shape)}; got "
            f"{None if surrogate is None else tuple(surrogate.shape)}."
        )
    u, change = solved.u, surrogate - surrogate.detach()
    return u + u * (change - (u * change).sum(dim=1, keepdim=True))


GRADIENTS = {"exact": _exact, "surrogate": _surrogate}
