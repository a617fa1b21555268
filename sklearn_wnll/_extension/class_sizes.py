"""Estimate the sizes of classes from the data, if labels were drawn equally from each."""

import numpy as np

from .balance import dispersion
from .volume import Walk

__all__ = ["estimate_sizes", "walked_codes"]

_STEPS = 5  # of a walk that lets classes end where the graph is thin
_EQUAL = 0.25  # dispersion of the numbers of labels up to which they are equal by design
_FEWEST = 3  # labels per class
_NOISE = 0.3  # that one label per class adds to the spread of held-out predictions


def walked_codes(transduction):
    """Return the classes of the points of a :class:`Transduction` after a walk (n_points,)."""
    labels = transduction.labels
    walk = Walk.of(transduction.graph.weights, labels)
    codes = transduction.extension.u.argmax(axis=1)
    return walk(codes, _STEPS, 0.0).argmax(axis=1)


def estimate_sizes(counts, walked, predicted, find_held_out):
    """Estimate the frequencies of the classes (n_classes,) of rows; None if impossible.

    ``counts`` (n_classes,) are the numbers of labels. ``walked`` (n_classes,) counts the
    unlabelled rows in each class after a short walk, ``predicted`` by the extension itself;
    ``find_held_out()`` counts the predictions of held-out labelled rows.

    The walk's frequencies are shrunk towards the labels', in logarithms, by the part of their
    spread that predictions of held-out labels also show: their true frequencies are known, so
    that spread is error (James and Stein). If the extension is no more uneven than on held-out
    labels, only the labels' frequencies are left. No estimate is made with fewer than three labels
    per class, or from unequal numbers of labels: these may have been drawn at random, and then
    show the sizes themselves.
    """
    n_classes, mean = len(counts), counts.mean()
    if n_classes < 2 or mean < _FEWEST or dispersion(counts) > _EQUAL:
        return None
    labeled = counts / counts.sum()
    found, plain, held = (_smoothed(each) for each in (walked, predicted, find_held_out()))
    error = _spread(held, labeled)
    if not _spread(plain, labeled) > error:
        return labeled
    beyond = 1 - error / _spread(plain, labeled)
    certain = max(0.0, 1 - (error + _NOISE / mean) / max(_spread(found, labeled), 1e-12))
    sizes = labeled * (found / labeled) ** (certain * min(1.0, 2 * beyond))
    return sizes / sizes.sum()


def _smoothed(counts):
    """Turn counts into frequencies, with one more row of each class."""
    return (counts + 1) / (counts.sum() + len(counts))


def _spread(frequencies, labeled):
    """Measure how far frequencies are from those of the labels."""
    return float(frequencies @ np.log(frequencies / labeled) ** 2)
