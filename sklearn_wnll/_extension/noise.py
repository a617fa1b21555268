"""Wrong labels: their fraction, and the trust in each label."""

from typing import NamedTuple

import numpy as np

from .temperature import log_prior, sharpened_logs

__all__ = ["Trust", "find_trust", "softened"]

_NOISE = np.linspace(0, 0.6, 61)  # fractions of wrong labels considered
_TEMPERATURES = 2.0 ** np.arange(-4, 2.01, 0.25)
_BELIEVED = 3  # the prior on the noise is worth this many right labels
_LEAST = 1e-6  # probability that any label is right, before the noise is known
_SOFTENING, _DISTRUST = 2, 1.5  # by measurement, on digits with a fifth of the labels wrong
_MOST = 1e12  # a label this strong is clamped
_NEGLIGIBLE = 1e-30  # a smaller noise clamps all labels, and its inverse may overflow


class Trust(NamedTuple):
    """The fraction ``noise`` of wrong labels, and the ``strength`` (n_labeled,) of each label.

    The strength is ``r^1.5 / noise`` with the probability ``r`` that the label is right: infinite
    for all labels without noise.
    """

    noise: float
    strength: np.ndarray

    def fidelity(self, mu):
        """Return the weight of each label relative to all edges of its point (n_labeled,)."""
        return np.minimum(self.strength * np.cbrt(mu), _MOST)


def softened(mu, noise):
    """Soften the factor on labelled points' energy to ``mu^(1 / (1 + 2 noise))``.

    A wrong label that counts ``mu``-fold also does ``mu``-fold damage.
    """
    return mu ** (1 / (1 + _SOFTENING * noise))


def find_trust(u, codes, known, label_noise):
    """Estimate the trust in each label from the other labels: :class:`Trust`, or None.

    ``u`` (n_labeled, n_classes) are held-out distributions of points with the labels ``codes``
    (n_labeled,); those not ``known`` carry no information. The probability of a label is

    ``(1 - noise) p + noise / (n_classes - 1) (1 - p)``

    with the probability ``p`` of its class at some temperature. If ``label_noise`` is ``"auto"``,
    the noise is its posterior mean, by the likelihood of all labels times a prior, at all
    temperatures. By Bayes' rule, the probability ``r`` that a label is right is the share of the
    first summand. None if no noise is to be considered.
    """
    n_classes = u.shape[1]
    auto = isinstance(label_noise, str)
    if n_classes < 2 or (auto and not known.any()):
        return None
    given = np.arange(len(codes)), codes
    likelihood = log_prior(_TEMPERATURES)[:, None] + _BELIEVED * np.log(1 - _NOISE)
    for row, temperature in enumerate(_TEMPERATURES):
        p = np.exp(sharpened_logs(u, temperature))[given]
        likelihood[row] += np.log(_label_chance(p[known, None], _NOISE, n_classes)).sum(axis=0)
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    noise = float(weight.sum(axis=0) @ _NOISE) if auto else label_noise
    log_temperature = weight.sum(axis=1) @ np.log(_TEMPERATURES)
    p = np.exp(sharpened_logs(u, np.exp(log_temperature)))[given].clip(_LEAST)
    right = np.where(known, (1 - noise) * p / _label_chance(p, noise, n_classes), 1 - noise)
    return Trust(noise, right**_DISTRUST / max(noise, _NEGLIGIBLE))


def _label_chance(p, noise, n_classes):
    """Compute the probability of a label whose class has the probability ``p``."""
    return (1 - noise) * p + noise / (n_classes - 1) * (1 - p)
