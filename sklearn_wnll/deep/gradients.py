"""Rules by which gradients flow back through an interpolation.

A rule takes the solved interpolation and the tensors that it came from, and returns its
values with a way backward. Another one is a function more, and an entry in ``GRADIENTS``.
"""

import torch

from .graph import differences_gradient, weights_gradient

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
        adjoint = system.adjoint(gradient)
        by_template = by_query = by_targets = None
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[2]:
            by_weights = system.weights_gradient(adjoint, solved.values)
            by_squares = weights_gradient(
                by_weights, solved.cloud.squares, solved.weights, solved.place
            )
            by_points = differences_gradient(by_squares, solved.cloud)
            by_template, by_query = by_points.tensor_split([system.n_template])
        if ctx.needs_input_grad[1]:
            by_targets = system.targets_gradient(adjoint, gradient)
        return by_template, by_targets, by_query, None


def _exact(solved, template, targets, query, surrogate):
    """Differentiate the interpolation itself."""
    if surrogate is not None:
        raise ValueError("surrogate is of use only with gradient='surrogate'.")
    return _Adjoint.apply(template, targets, query, solved)


def _surrogate(solved, template, targets, query, surrogate):
    """Differentiate what stands in for it: the paper's rule."""
    if surrogate is None or surrogate.shape != solved.u.shape:
        raise ValueError(
            "gradient='surrogate' needs surrogate=, a tensor of the result's shape "
            f"{tuple(solved.u.shape)} through which gradients flow, such as a linear head's "
            f"softmax; got {None if surrogate is None else tuple(surrogate.shape)}."
        )
    return solved.u + (surrogate - surrogate.detach())


GRADIENTS = {"exact": _exact, "surrogate": _surrogate}
