"""Harmonic extension of numbers instead of distributions."""

from typing import NamedTuple

import numpy as np

from .system import harmonic_extension

__all__ = ["Units", "value_extension"]


class Units(NamedTuple):
    """The least and the largest value that each column can have, and its ``sources`` (n_columns,).

    Each step of a walk to the given values adds the source.
    """

    low: np.ndarray
    high: np.ndarray
    sources: np.ndarray

    @classmethod
    def of(cls, values):
        """Take the range of given values (n, n_columns), 0 if there is none; without sources."""
        nothing = np.zeros(values.shape[1])
        if not len(values):
            return cls(nothing, nothing, nothing)
        return cls(values.min(axis=0), values.max(axis=0), nothing)

    @property
    def span(self):
        """The range, or 1 for a column that is constant or not bounded (n_columns,)."""
        span = self.high - self.low
        return np.where((span > 0) & np.isfinite(span), span, 1.0)

    def of_range(self, values):
        """Express values as fractions of the range."""
        return (values - self.low) / self.span

    def restored(self, fractions):
        """Return the values of fractions of the range, of which none lies outside it."""
        return self.clipped(self.low + self.span * fractions)

    def clipped(self, values):
        """Cut off what lies outside the range: the maximum principle."""
        return values.clip(self.low, self.high)


def value_extension(
    W, labeled, g, fallback, *, units, unary=None, start=None, fidelity=None, **options
):
    """Extend numbers from labelled points to all points of a graph: a :class:`HarmonicExtension`.

    ``g`` (n_labeled, n_targets) are the numbers, dense or sparse. They are extended as fractions of
    the range in ``units``, to which the solver's tolerance refers. So affine maps of the numbers
    map the result. By the maximum principle no value is outside the range, and a constant stays
    exactly constant. For other arguments see :func:`harmonic_extension`.

    >>> from scipy import sparse
    >>> W = sparse.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=float)
    >>> labeled, g = np.array([True, False, True]), np.array([[-10.0], [30.0]])
    >>> value_extension(W, labeled, g, np.zeros(1), units=Units.of(g), mu=1.0).u[:, 0]
    array([-10.,  10.,  30.])
    """
    g = g.toarray() if hasattr(g, "toarray") else g
    if unary is not None:
        unary = unary._replace(p=units.of_range(units.clipped(unary.p)))
    found = harmonic_extension(
        W,
        labeled,
        units.of_range(g),
        units.of_range(fallback),
        unary=unary,
        start=None if start is None else units.of_range(start),
        fidelity=fidelity,
        sources=units.sources,
        **options,
    )
    u = units.restored(found.u)
    u[~found.reached] = fallback
    if fidelity is None:
        u[labeled] = g  # free of rounding
    return found._replace(u=u)
