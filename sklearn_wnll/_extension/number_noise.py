"""Noise of given numbers, and how softly it lets them be clamped."""

from typing import NamedTuple

import numpy as np

__all__ = ["FIDELITIES", "NumberTrust", "find_number_trust", "surely_least"]

# Weights of given values relative to the edges of their points; an infinite one clamps.
FIDELITIES = np.inf, 64.0, 16.0, 4.0, 1.0, 1 / 4, 1 / 16, 1 / 64
_FACTOR, _POWER = 20.0, 1.5  # by measurement on rolls, digits, smooth functions and Friedman's
_CAUTION, _FEW = 0.5, 3.0  # standard errors to gain; more if values are few
_SCARCE = 3  # values of unit error that are added to those that tell the noise
_RATIO = 0.03  # the least ratio of what is left besides the noise to it
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

    the noise counts relative to what the graph cannot explain besides it. If some fidelity surely
    gains over clamping, the one of least error is taken; with ``"auto"``, the formula then tells
    the noise. Otherwise ``"auto"`` clamps, and a given noise tells the fidelity.
    """
    n_labeled, auto = errors.shape[1], isinstance(noise, str)
    least = errors.mean(axis=1).min() / variance if variance > 0 else 0.0
    best = surely_least(errors, _CAUTION + _FEW / np.sqrt(n_labeled))
    if auto:
        found = least / (1 + (FIDELITIES[best] / _FACTOR) ** (1 / _POWER))
        return NumberTrust.equal(min(found, 1.0), FIDELITIES[best], n_labeled)
    if best:
        return NumberTrust.equal(noise, FIDELITIES[best], n_labeled)
    likely = (n_labeled * least + _SCARCE) / (n_labeled + _SCARCE)
    strength = _FACTOR * max((likely - noise) / noise, _RATIO) ** _POWER
    return NumberTrust.equal(noise, strength, n_labeled)


def surely_least(errors, caution=_CAUTION):
    """Choose the row of least error (n_choices, n_labeled): the first one in doubt.

    Another has to be better by more than ``caution`` standard errors.
    """
    gains = errors[0] - errors
    gains = gains / (np.abs(gains).max() or 1.0)  # their squares must not overflow or vanish
    sure = gains.mean(axis=1) - caution * gains.std(axis=1) / np.sqrt(errors.shape[1])
    return int(sure.argmax()) if sure.max() > 0 else 0
