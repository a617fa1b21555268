"""Cross-validation of partly labelled data."""

import numbers
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator, StratifiedKFold
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.metadata_routing import UNUSED, MetadataRequest, get_routing_for_object

from ._labels import EncodedLabels, encode_labels
from ._typing import Indices, Labels, Rows, Splitter

__all__ = ["LabeledFold"]

_WHOLE = int, numbers.Integral  # type checkers do not know that an int is Integral
_Method = TypeVar("_Method", bound=Callable[..., Any])


def _of_an_instance(method: _Method) -> _Method:
    """Raise a clear error if scikit-learn calls a method on the class, passed as ``cv``."""

    @wraps(method)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if not (args and isinstance(args[0], LabeledFold)):
            raise TypeError("cv is the class LabeledFold. Pass an instance: cv=LabeledFold().")
        return method(*args, **kwargs)

    return cast(_Method, checked)


class LabeledFold(BaseCrossValidator):
    """Cross-validator that splits the labelled rows and always trains with the unlabelled ones.

    scikit-learn's own splitters take the marker of unlabelled rows for a class: they score it,
    and remove some of the unlabelled rows from the training set. This one splits only the
    labelled rows, and tests only on these. Pass it wherever scikit-learn takes ``cv``, with any
    estimator that takes unlabelled rows.

    Read more in the :doc:`user guide </guide/cross_validation>`.

    Parameters
    ----------
    cv : int or splitter, default=5
        How to split the labelled rows. An integer is the number of stratified folds, without
        shuffling. A scikit-learn splitter is called with the labelled rows, their labels encoded
        as 0, 1, ..., and their groups.
    unlabeled : object, default="auto"
        Marker of the unlabelled rows in ``y``, as in :class:`~sklearn_wnll.WNLLClassifier`.
    drop_test_groups : bool, default=False
        Whether to drop unlabelled rows from a training set if their group has rows in the test
        set. True estimates the accuracy on groups that are new when the model is used, and needs
        ``groups``. False estimates it on groups that have unlabelled rows among the fitted ones.

    See Also
    --------
    sklearn.model_selection.StratifiedKFold : Folds of data with all labels.
    sklearn_wnll.compose.WithUnlabeled : Unlabelled rows inside ensembles and meta-estimators.

    Notes
    -----
    In each fold, the estimator is fitted with the unlabelled rows, and the test rows are new to
    it. All test rows have labels, so any ``scoring`` may be used. Since unlabelled rows are never
    tested, :func:`~sklearn.model_selection.cross_val_predict` cannot be used.

    With metadata routing, ``groups`` are requested if ``cv`` requests them or if
    ``drop_test_groups=True``; ``set_split_request`` overrides this.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_wnll import WNLLClassifier
    >>> from sklearn_wnll.datasets import hide_labels
    >>> from sklearn_wnll.model_selection import LabeledFold
    >>> X, y = load_digits(return_X_y=True)
    >>> few = hide_labels(y, 10, random_state=0)  # -1 is "no label"
    >>> scores = cross_val_score(WNLLClassifier(), X, few, cv=LabeledFold(5))
    >>> f"{scores.mean():.2f}"
    '0.9...'
    """

    # scikit-learn offers set_split_request for the names listed here.
    __metadata_request__split = {"groups": None}  # noqa: RUF012

    def __init__(
        self,
        cv: int | Splitter = 5,
        *,
        unlabeled: object = "auto",
        drop_test_groups: bool = False,
    ) -> None:
        self.cv = cv
        self.unlabeled = unlabeled
        self.drop_test_groups = drop_test_groups

    @_of_an_instance
    def split(
        self, X: Rows, y: Labels | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[Indices, Indices]]:
        """Generate indices of the training and the test set of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Labels, with the marker ``unlabeled`` where a row has none.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a splitter that keeps groups together and for
            ``drop_test_groups``. If the group of an unlabelled row is unknown, it may be None, NaN
            or masked.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Indices of the labelled rows of the other folds and of all unlabelled rows (with
            ``drop_test_groups``, without those of the test rows' groups), in ascending order.
        test : ndarray of shape (n_test,)
            Indices of labelled rows.

        Raises
        ------
        ValueError
            If a class has fewer labelled rows than there are folds, or none in a training set;
            or if ``drop_test_groups`` is True, but ``groups`` is missing or ``cv`` does not keep
            groups together.
        TypeError
            If ``cv`` is neither a number nor a splitter.

        Examples
        --------
        >>> from sklearn_wnll.model_selection import LabeledFold
        >>> X, y = [[0], [1], [2], [3], [4], [5]], ["a", "a", "b", "b", None, None]
        >>> for train, test in LabeledFold(2).split(X, y):
        ...     print(train, test)
        [1 3 4 5] [0 2]
        [0 2 4 5] [1 3]
        """
        X, y, groups = indexable(X, y, groups)
        classes, codes = self._encode(y)
        labeled, unlabeled = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
        group = self._numbers(groups) if self.drop_test_groups else None
        groups = self._labeled_groups(groups, labeled)
        splitter = self._splitter(classes, codes)
        splits = splitter.split(_safe_indexing(X, labeled), codes[labeled], groups)
        for train, test in splits:
            self._check_classes(classes, codes[labeled[train]])
            rows = np.sort(np.concatenate([labeled[train], unlabeled]))
            if group is not None:
                self._check_groups(group[labeled[train]], group[labeled[test]])
                rows = rows[~np.isin(group[rows], group[labeled[test]])]
            yield rows, labeled[test]

    @_of_an_instance
    def get_n_splits(
        self, X: Rows | None = None, y: Labels | None = None, groups: ArrayLike | None = None
    ) -> int:
        """Return the number of folds.

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
            Number of folds. Some splitters compute it from the data, which must then be passed.

        Raises
        ------
        ValueError
            If ``cv`` is a splitter, and ``X`` or ``groups`` is passed without ``y``, which marks
            the labelled rows.
        TypeError
            If ``cv`` is neither a number nor a splitter.

        Examples
        --------
        >>> from sklearn_wnll.model_selection import LabeledFold
        >>> LabeledFold(5).get_n_splits()
        5
        """
        if isinstance(self.cv, _WHOLE):
            return int(self.cv)
        splitter = self._given_splitter()
        if X is None and y is None and groups is None:
            return splitter.get_n_splits(X, y, groups)
        _, codes = self._encode(y)
        labeled = np.flatnonzero(codes >= 0)
        X = None if X is None else _safe_indexing(X, labeled)
        return splitter.get_n_splits(X, codes[labeled], self._labeled_groups(groups, labeled))

    @_of_an_instance
    def get_metadata_routing(self) -> MetadataRequest:
        """Return the metadata that ``split`` requests: groups, if ``cv`` requests them.

        Returns
        -------
        MetadataRequest
            The request of ``set_split_request``, or if there is none, that of ``cv``. Without
            either, ``drop_test_groups=True`` requests groups.
        """
        request = super().get_metadata_routing()
        if request.split.requests["groups"] is None:
            # A number has no routing, and requests nothing.
            inner = self.cv if isinstance(self.cv, _WHOLE) else self._given_splitter()
            wanted = get_routing_for_object(inner).split.requests.get("groups", UNUSED)
            if self.drop_test_groups and wanted in (UNUSED, None):
                wanted = True
            request.split.add_request(param="groups", alias=wanted)
        return request

    def _encode(self, y: Labels | None) -> EncodedLabels:
        if y is None:
            raise ValueError(
                "LabeledFold needs y, to tell labelled from unlabelled rows. Pass it to the "
                "function that cross-validates."
            )
        return encode_labels(y, self.unlabeled)

    def _given_splitter(self) -> Splitter:
        """Return ``cv``, if it is a splitter."""
        if isinstance(self.cv, type) or not hasattr(self.cv, "get_n_splits"):
            raise TypeError(
                "cv of LabeledFold must be a number of folds or a splitter, such as 5 or "
                f"GroupKFold(), got {self.cv!r}."
            )
        return cast(Splitter, self.cv)

    def _splitter(self, classes: NDArray[Any], codes: Indices) -> Splitter:
        """Return the splitter of the labelled rows."""
        if not isinstance(self.cv, _WHOLE):
            return self._given_splitter()
        if self.cv < 2:
            raise ValueError(f"cv of LabeledFold must be at least 2 folds, got {self.cv!r}.")
        counts = np.bincount(codes[codes >= 0])
        rare = counts.argmin()
        if counts[rare] < self.cv:
            cure = "Label at least two"
            if counts[rare] >= 2:
                cure = f"Lower cv to {counts[rare]}, or label more"
            raise ValueError(
                f"cv={self.cv} folds, but labelled rows of class {classes.tolist()[rare]!r}: "
                f"{counts[rare]}. {cure} rows of that class."
            )
        return StratifiedKFold(int(self.cv))

    @staticmethod
    def _labeled_groups(groups: Any, labeled: Indices) -> Any:
        """Return the groups of the labelled rows. Splitters would read values beneath a mask."""
        if groups is None:
            return None
        groups = _safe_indexing(groups, labeled)
        masked = isinstance(groups, np.ma.MaskedArray) and np.ma.getmaskarray(groups)
        n_masked = np.count_nonzero(masked)
        if n_masked:
            raise ValueError(
                f"groups is masked in {n_masked} labelled rows: only unlabelled rows may lack a "
                "group. Set one for each labelled row, or pass groups.data if the mask means "
                "nothing."
            )
        return groups

    @staticmethod
    def _numbers(groups: Any) -> Indices:
        """Number the groups (n_samples,). A NaN equals no other, so each is a separate group."""
        if groups is None:
            raise ValueError(
                "drop_test_groups=True needs groups. Pass groups=... (with metadata routing "
                'params={"groups": ...}) to the function that cross-validates, or set it to False.'
            )
        if isinstance(groups, np.ma.MaskedArray):
            groups = groups.tolist()  # masked groups become None
        number: dict[Any, int] = {}
        found = (number.setdefault(group, len(number)) for group in groups)
        return np.fromiter(found, dtype=np.intp, count=len(groups))

    def _check_groups(self, train: Indices, test: Indices) -> None:
        """Refuse groups with labelled rows on both sides."""
        if np.isin(train, test).any():
            raise ValueError(
                f"drop_test_groups=True, but cv={self.cv!r} leaves labelled rows of the test "
                "groups in the training part. Pass a splitter of groups as cv, such as "
                "GroupKFold(), or set drop_test_groups to False."
            )

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
