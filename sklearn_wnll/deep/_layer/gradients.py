"""Rules for the backward pass of an interpolation.

A rule takes the solved interpolation and its input tensors, and returns the values with a backward
pass. To add a rule, write a function and add it to ``GRADIENTS``.
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
        # If it were merely not recorded, a second derivative would be silently wrong.
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
            # For points of tiny numbers, derivatives may exceed the largest number.
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

    The values do not change. Their derivative by the head's logits ``y`` is that of a softmax with
    these values, ``du = u * (dy - u . dy)``. So the derivative of the cross entropy ``-log u_j``
    is ``u - e_j``, bounded as for the head itself.
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
