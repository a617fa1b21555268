"""Cross-validation of partly labelled data."""

import numbers
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import BaseCrossValidator, StratifiedKFold
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.metadata_routing import UNUSED, MetadataRequest, get_routing_for_object

from ._arrays import as_host, is_tensor
from ._balanced_folds import balance_classes, balance_numbers
from ._targets import Target, TargetType, read_target
from ._typing import Indices, Labels, Mask, Numbers, Rows, Splitter

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

    scikit-learn's own splitters take the marker of unlabelled rows for a class, or refuse it: they
    score it, and remove some of the unlabelled rows from the training set. This one splits only
    the labelled rows, and tests only on these. Pass it wherever scikit-learn takes ``cv``, with any
    estimator that takes unlabelled rows. Labels may be classes or numbers, of one or several
    targets; a row is tested if it has a label of every target.

    Read more in the :doc:`user guide </guide/cross_validation>`.

    Parameters
    ----------
    cv : int or splitter, default=5
        How to split the labelled rows. An integer is the number of folds. These are made without
        shuffling, and are stratified: by class, by bands of similar numbers, or, with several
        targets, by those of each. A scikit-learn splitter is called with
        the labelled rows, their labels (classes are encoded as 0, 1, ...), and their groups.
    target : {"auto", "classes", "numbers"}, default="auto"
        What ``y`` holds. With "auto", numbers with a fractional part are numbers, and a single
        column of anything else holds classes, as several columns of 0 and 1 do. Pass "numbers" if
        your numbers are integers: -1 is one of them then, and not a marker.
    unlabeled : object, default="auto"
        Marker of missing labels in ``y``. With "auto", any missing value or, among classes, -1, as
        in :class:`~sklearn_wnll.WNLLClassifier`.
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
    it. All test rows have all their labels, so any ``scoring`` may be used. Since unlabelled rows
    are never tested, :func:`~sklearn.model_selection.cross_val_predict` cannot be used.

    Rows with labels of only some targets always train. If ``cv`` keeps groups together, those of
    the tested groups do not.

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
        target: TargetType = "auto",
        unlabeled: object = "auto",
        drop_test_groups: bool = False,
    ) -> None:
        self.cv = cv
        self.target = target
        self.unlabeled = unlabeled
        self.drop_test_groups = drop_test_groups

    @_of_an_instance
    def split(
        self, X: Rows, y: Labels | Numbers | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[Indices, Indices]]:
        """Generate indices of the training and the test set of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Labels, with the marker ``unlabeled`` where there is none.
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
            Indices of labelled rows. They have labels of all targets.

        Raises
        ------
        ValueError
            If a class has fewer labelled rows than there are folds, or none in a training set; if
            too few rows have all their labels; if ``y`` can be read in two ways; or if
            ``drop_test_groups`` is True, but ``groups`` is missing or ``cv`` does not keep groups
            together.
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
        X, y, groups = indexable(X, y, as_host(groups, "groups"))
        target = self._read(y)
        tested = np.flatnonzero(target.complete)
        others, leave = np.flatnonzero(~target.complete), self._leave_with_groups(target, groups)
        group = self._numbers(groups) if self.drop_test_groups or leave.any() else None
        for train, test in self._splits(X, target, self._labeled_groups(groups, target)):
            self._check_classes(target, target.values[tested[train]])
            rows = np.sort(np.concatenate([tested[train], others]))
            if group is not None:
                in_test = np.isin(group, group[tested[test]])
                apart = not in_test[tested[train]].any()
                self._check_groups(apart)
                rows = rows[~(in_test & leave & apart)[rows]]
            yield rows, tested[test]

    @_of_an_instance
    def get_n_splits(
        self,
        X: Rows | None = None,
        y: Labels | Numbers | None = None,
        groups: ArrayLike | None = None,
    ) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Labels, with the marker where there is none.
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
        target = self._read(y)
        tested = np.flatnonzero(target.complete)
        X = None if X is None else _safe_indexing(X, tested)
        return splitter.get_n_splits(X, target.values[tested], self._labeled_groups(groups, target))

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

    def _read(self, y: Labels | Numbers | None) -> Target:
        if y is None:
            raise ValueError(
                "LabeledFold needs y, to tell labelled from unlabelled rows. Pass it to the "
                "function that cross-validates."
            )
        target = read_target(y, self.target, self.unlabeled)
        if not target.complete.any():
            raise ValueError(
                "No row of y has the labels of all targets, and scorers need all of a tested row. "
                "Give some rows all of them, or cross-validate the targets one by one, on y[:, 0], "
                "y[:, 1], ..."
            )
        return target

    def _given_splitter(self) -> Splitter:
        """Return ``cv``, if it is a splitter."""
        if isinstance(self.cv, type) or not hasattr(self.cv, "get_n_splits"):
            raise TypeError(
                "cv of LabeledFold must be a number of folds or a splitter, such as 5 or "
                f"GroupKFold(), got {self.cv!r}."
            )
        return cast(Splitter, self.cv)

    def _splits(self, X: Any, target: Target, groups: Any) -> Iterable[tuple[Indices, Indices]]:
        """Split the rows with all their labels."""
        tested = np.flatnonzero(target.complete)
        X, values = _safe_indexing(X, tested), target.values[tested]
        if not isinstance(self.cv, _WHOLE):
            return self._given_splitter().split(X, values, groups)
        n_folds = int(self.cv)
        if n_folds < 2:
            raise ValueError(f"cv of LabeledFold must be at least 2 folds, got {self.cv!r}.")
        if target.classes is not None:
            self._check_counts(target, values)
            return StratifiedKFold(n_folds).split(X, values)
        if len(tested) < n_folds:
            cure = f"Lower cv to {len(tested)}, or label" if len(tested) > 1 else "Label"
            raise ValueError(
                f"cv={n_folds} folds, but rows with all their labels: {len(tested)}. {cure} more."
            )
        assign = balance_numbers if target.are_numbers else balance_classes
        fold = assign(values.reshape(len(tested), -1), n_folds)
        return ((np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(n_folds))

    def _check_counts(self, target: Target, codes: Indices) -> None:
        """Refuse a class with fewer rows than there are folds."""
        counts = np.bincount(codes)
        rare = counts.argmin()
        if target.classes is not None and counts[rare] < self.cv:
            cure = "Label at least two"
            if counts[rare] >= 2:
                cure = f"Lower cv to {counts[rare]}, or label more"
            raise ValueError(
                f"cv={self.cv} folds, but labelled rows of class "
                f"{target.classes.tolist()[rare]!r}: {counts[rare]}. {cure} rows of that class."
                f"{target.cure}"
            )

    def _leave_with_groups(self, target: Target, groups: Any) -> Mask:
        """Mark the rows that are never tested, and do not train if their group is tested."""
        if self.drop_test_groups:
            return ~target.complete
        return target.partial if groups is not None else np.zeros(len(target.given), dtype=bool)

    @staticmethod
    def _labeled_groups(groups: Any, target: Target) -> Any:
        """Return the groups of the tested rows. Splitters would read values beneath a mask."""
        if groups is None:
            return None
        if isinstance(groups, np.ma.MaskedArray):
            labeled = target.complete | target.partial
            n_masked = np.count_nonzero(np.ma.getmaskarray(groups) & labeled)
            if n_masked:
                raise ValueError(
                    f"groups is masked in {n_masked} labelled rows: only unlabelled rows may lack "
                    "a group. Set one for each labelled row, or pass groups.data if the mask means "
                    "nothing."
                )
        return _safe_indexing(groups, np.flatnonzero(target.complete))

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
        found = (
            number.setdefault(group.item() if is_tensor(group) else group, len(number))
            for group in groups
        )
        return np.fromiter(found, dtype=np.intp, count=len(groups))

    def _check_groups(self, apart: bool) -> None:
        """Refuse groups with labelled rows on both sides, if they are to be dropped."""
        if self.drop_test_groups and not apart:
            raise ValueError(
                f"drop_test_groups=True, but cv={self.cv!r} leaves labelled rows of the test "
                "groups in the training part. Pass a splitter of groups as cv, such as "
                "GroupKFold(), or set drop_test_groups to False."
            )

    @staticmethod
    def _check_classes(target: Target, codes: Indices) -> None:
        """Refuse a training part that lacks a class, if there is a single column of classes."""
        if target.classes is None:
            return
        missing = np.setdiff1d(np.arange(len(target.classes)), codes)
        if len(missing):
            lost = target.classes.tolist()[missing[0]]
            raise ValueError(
                f"A training part holds no labelled row of class {lost!r}. Pass a stratified "
                f"splitter as cv, with fewer folds, or label more rows of that class.{target.cure}"
            )
