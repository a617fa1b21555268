"""Cross-validation of partly labelled data."""

import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator, StratifiedKFold, check_cv
from sklearn.utils import _safe_indexing, indexable

from ._labels import EncodedLabels, as_label_array, encode_labels
from ._typing import Indices, Labels, Rows, Splitter

__all__ = ["LabeledFold"]

_WHOLE = int, numbers.Integral  # type checkers do not know that an int is Integral


class LabeledFold(BaseCrossValidator):
    """Folds of the labelled rows; every unlabelled row is in every training part.

    scikit-learn's own splitters take the marker of unlabelled rows for a class: they score it as
    one, and take a part of the unlabelled rows from the training. This one splits the labelled
    rows alone, and tests on nothing else. It goes wherever scikit-learn takes ``cv``, around any
    estimator that takes unlabelled rows.

    Parameters
    ----------
    cv : int or splitter, default=5
        How to split the labelled rows: a number is that of stratified folds, not shuffled; else a
        splitter of scikit-learn's kind, which sees the labelled rows, their labels and groups.
    unlabeled : object, default="auto"
        What marks the unlabelled rows in ``y``, as in :class:`~sklearn_wnll.WNLLClassifier`.

    See Also
    --------
    sklearn.model_selection.StratifiedKFold : For data with all labels.

    Notes
    -----
    A fold's score is that of an estimator that was fitted with the unlabelled rows, and the test
    rows join as new ones. Test rows have labels, so that any ``scoring`` may be used.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_wnll import WNLLClassifier
    >>> from sklearn_wnll.datasets import hide_labels
    >>> from sklearn_wnll.model_selection import LabeledFold
    >>> X, y = load_digits(return_X_y=True)
    >>> few = hide_labels(y, 10, random_state=0)  # -1 is "no label"
    >>> cross_val_score(WNLLClassifier(), X, few, cv=LabeledFold(5)).mean() > 0.9
    np.True_
    """

    def __init__(self, cv: int | Splitter = 5, *, unlabeled: object = "auto") -> None:
        self.cv = cv
        self.unlabeled = unlabeled

    def split(
        self, X: Rows, y: Labels | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[Indices, Indices]]:
        """Give the rows of the training and of the test part of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Labels, with the marker ``unlabeled`` where a row has none.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a splitter that keeps groups together. Unlabelled rows of a
            test row's group stay in the training part.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Labelled rows of the other folds, and all unlabelled rows, in ascending order.
        test : ndarray of shape (n_test,)
            Labelled rows.

        Raises
        ------
        ValueError
            If a class has fewer labelled rows than there are folds, or none in a training part.
        """
        X, y, groups = indexable(X, y, groups)
        classes, codes = self._encode(y)
        labeled, unlabeled = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
        known = as_label_array(y)[labeled]
        if known.dtype == object:
            known = as_label_array(known.tolist())
        groups = None if groups is None else _safe_indexing(groups, labeled)
        splits = self._splitter(classes, codes).split(_safe_indexing(X, labeled), known, groups)
        for train, test in splits:
            self._check_classes(classes, codes[labeled[train]])
            yield np.sort(np.concatenate([labeled[train], unlabeled])), labeled[test]

    def get_n_splits(
        self, X: Rows | None = None, y: Labels | None = None, groups: ArrayLike | None = None
    ) -> int:
        """Give the number of folds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows.
        y : array-like of shape (n_samples,), default=None
            Labels, with the marker where a row has none.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows.

        Returns
        -------
        int
            The number. For a splitter that asks the data for it, they must be given.
        """
        if isinstance(self.cv, _WHOLE):
            return int(self.cv)
        if X is None or y is None:
            return self.cv.get_n_splits(X, y, groups)
        _, codes = self._encode(y)
        labeled = np.flatnonzero(codes >= 0)
        groups = None if groups is None else _safe_indexing(groups, labeled)
        return self.cv.get_n_splits(_safe_indexing(X, labeled), codes[labeled], groups)

    def _encode(self, y: Labels | None) -> EncodedLabels:
        if y is None:
            raise ValueError(
                "LabeledFold needs y, to tell labelled from unlabelled rows. Pass it to the "
                "function that cross-validates."
            )
        return encode_labels(y, self.unlabeled)

    def _splitter(self, classes: NDArray[Any], codes: Indices) -> Splitter:
        """Give what splits the labelled rows."""
        if not isinstance(self.cv, _WHOLE):
            return check_cv(self.cv)
        counts = np.bincount(codes[codes >= 0])
        rare = counts.argmin()
        if counts[rare] < self.cv:
            cure = "Label at least two"
            if counts[rare] >= 2:
                cure = f"Lower cv to {counts[rare]}, or label more"
            raise ValueError(
                f"cv={self.cv} folds, but of class {classes.tolist()[rare]!r} only {counts[rare]} "
                f"rows are labelled. {cure} rows of that class."
            )
        return StratifiedKFold(int(self.cv))

    @staticmethod
    def _check_classes(classes: NDArray[Any], codes: Indices) -> None:
        """Refuse a training part that lacks a class."""
        missing = np.setdiff1d(np.arange(len(classes)), codes)
        if len(missing):
            lost = classes.tolist()[missing[0]]
            raise ValueError(
                f"A training part holds no labelled row of class {lost!r}. Pass a stratified "
                "splitter as cv, with fewer folds, or label more rows of that class."
            )
