"""Noise of given numbers, and how softly it lets them be clamped."""

from typing import NamedTuple

import numpy as np

__all__ = ["FIDELITIES", "NumberTrust", "find_number_trust"]

# Weights of given values relative to the edges of their points; an infinite one clamps.
FIDELITIES = np.inf, 64.0, 16.0, 4.0, 1.0, 1 / 4, 1 / 16, 1 / 64
_FACTOR, _POWER = 20.0, 1.5  # by measurement on rolls, digits, smooth functions and Friedman's
_CAUTION = 0.5  # standard errors that a softer clamping has to gain
_MOST = 1e12  # a value this strong is clamped


class NumberTrust(NamedTuple):
    """The fraction ``noise`` of the variance, and the weight ``strength`` of each given value.

    The weight is relative to all edges of the value's point.
    """

    noise: float
    strength: np.ndarray

    @classmethod
    def equal(cls, noise, strength, n_labeled):
        """Trust all values alike; None if they are clamped."""
        if not strength < _MOST:
            return None
        return cls(noise, np.full(n_labeled, strength))

    def of(self, n_labeled):
        """Trust another number of values as much."""
        return self._replace(strength=np.full(n_labeled, self.strength[0]))

    def fidelity(self, mu):
        """Return the weight of each value (n_labeled,), whatever the factor ``mu``."""
        return self.strength


def find_number_trust(errors, variance, noise):
    """Find how far to trust given values: :class:`NumberTrust`, or None to clamp them.

    ``errors`` (n_fidelities, n_labeled) are squared errors of held-out values for each of the
    ``FIDELITIES``, and ``variance`` is that of the values. With the least mean error ``Q``, in
    units of the variance, and the fraction ``noise`` of the variance, the best fidelity is close to

    ``20 ((Q - noise) / noise)^1.5``:

    the noise counts relative to what the graph cannot explain besides it. With ``"auto"``, the
    fidelity is the one whose error is least, if it gains more than half a standard error over
    clamping, and the formula tells the noise.
    """
    n_labeled, gains = errors.shape[1], errors[0] - errors
    least = errors.mean(axis=1).min() / variance if variance > 0 else 0.0
    if not isinstance(noise, str):
        excess = max(least - noise, 0.0) / noise
        strength = max(_FACTOR * excess**_POWER, min(FIDELITIES))
        return NumberTrust.equal(noise, strength, n_labeled)
    sure = gains.mean(axis=1) - _CAUTION * gains.std(axis=1) / np.sqrt(n_labeled)
    best = int(sure.argmax())
    if not sure[best] > 0:
        return None
    found = least / (1 + (FIDELITIES[best] / _FACTOR) ** (1 / _POWER))
    return NumberTrust.equal(min(found, 1.0), FIDELITIES[best], n_labeled)
