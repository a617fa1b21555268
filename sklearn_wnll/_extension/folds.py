"""Folds of labels, and their effect on distributions."""

import numpy as np

__all__ = ["deal_folds", "fair", "has_others", "held_out_tolerance"]

_TOLERANCE, _TIGHT, _LOOSE = 1000, 1e-9, 1e-3
_NUMBERS = 100  # numbers need a tolerance that is so much tighter


def held_out_tolerance(tol, *, numbers=False):
    """The solver's tolerance for held-out labels: 1000 times the fit's, or less below 1e-6.

    A held-out label is one draw, so an error of 1e-2 in its probability would not matter. But the
    tolerance is never above 1e-3, not even for folds within folds: the solver starts at the values
    with all labels, and would stay there. Numbers get a hundredth, since they may be known to a
    small part of their range.

    >>> f"{held_out_tolerance(1e-6):g}, {held_out_tolerance(1e-9):g}, {held_out_tolerance(1e-3):g}"
    '0.001, 1e-09, 0.001'
    """
    loose = float(min(tol * np.clip(tol / _TIGHT, 1, _TOLERANCE), _LOOSE))
    return max(min(tol, loose), loose / _NUMBERS) if numbers else loose


def deal_folds(codes, n_folds, rng):
    """Deal labelled points to folds of nearly equal size, the classes in proportion.

    ``codes`` (n_points,) are -1 without a label. Returns the fold of each point, -1 without a
    label; there are at most as many folds as labels. The order of the classes does not matter.

    >>> deal_folds(np.array([0, 0, -1, 1, 1]), 2, np.random.RandomState(0))
    array([ 1,  0, -1,  0,  1])
    """
    labeled = rng.permutation(np.flatnonzero(codes >= 0))
    _, first, class_of = np.unique(codes[labeled], return_index=True, return_inverse=True)
    by_class = labeled[np.argsort(first[class_of], kind="stable")]
    fold = np.full(len(codes), -1)
    fold[by_class] = np.arange(len(by_class)) % min(n_folds, len(by_class))
    return fold


def has_others(codes, fold):
    """Mark rows whose class ``codes`` (n_labeled,) has labels in other folds (n_labeled,)."""
    counts = _counts(codes, fold, codes.max() + 1)
    return counts[fold, codes] < counts.sum(axis=0)[codes]


def fair(u, codes, fold):
    """Compensate for folds that take more of one class than of another: (n_labeled, n_classes).

    A fold of few labels takes most from the class of the row itself. So each class of ``u``
    (n_labeled, n_classes), found without the labels ``codes`` (n_labeled,) of a row's ``fold``
    (n_labeled,), regains its loss.
    """
    counts = _counts(codes, fold, u.shape[1])
    total = counts.sum(axis=0)
    left = ((total - counts) / np.maximum(total, 1))[fold]
    fairer = np.divide(u, left, out=np.zeros_like(u), where=left > 0)
    size = fairer.sum(axis=1, keepdims=True)
    return np.divide(fairer, size, out=u.copy(), where=size > 0)


def _counts(codes, fold, n_classes):
    """Count the labels of each class in each fold (n_folds, n_classes)."""
    counts = np.zeros((fold.max() + 1, n_classes))
    np.add.at(counts, (fold, codes), 1)
    return counts
