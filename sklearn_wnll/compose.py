"""Unlabelled rows for members of estimators that pass only labelled rows."""

from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier, is_regressor
from sklearn.utils import Tags, check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from ._arrays import as_host
from ._base import PartlyLabeledClassifierMixin
from ._partial_scores import exact_match_of_given, r2_of_given
from ._stacking import stack
from ._streams import is_stream
from ._targets import Target, TargetType, read_target
from ._typing import Blocks, Labels, Numbers, Rows

__all__ = ["WithUnlabeled"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _if_the_estimator_has_it(method: _Method) -> _Method:
    """Offer a method only if the wrapped estimator does."""

    def has(model: "WithUnlabeled") -> bool:
        return hasattr(getattr(model, "estimator_", model.estimator), method.__name__)

    return cast(_Method, available_if(has)(method))


class WithUnlabeled(MetaEstimatorMixin, PartlyLabeledClassifierMixin, BaseEstimator):
    """Estimator that adds a pool of unlabelled rows to the rows that it fits.

    scikit-learn's ensembles and meta-estimators take the marker of unlabelled rows for a class, and
    refuse NaN among numbers. Fit them with labelled rows only, and wrap the members that learn from
    unlabelled rows: each wrapped member is fitted with the rows that the ensemble passes to it and
    with the pool. Around a regressor, the wrapper is a regressor.

    Read more in the :doc:`user guide </guide/ensembles>`.

    Parameters
    ----------
    estimator : estimator
        Classifier or regressor that takes unlabelled rows: :class:`~sklearn_wnll.WNLLClassifier`,
        :class:`~sklearn_wnll.WNLLRegressor`, :class:`~sklearn_wnll.DeepWNLLClassifier`, those of
        ``sklearn.semi_supervised``, or a pipeline or search around one of them. It sees classes as
        0, 1, ..., in sorted order, as the members of scikit-learn's ensembles do; pass a
        ``class_prior`` in that order. It sees several labels of a row as they are, and numbers too.
    X_unlabeled : array-like, sparse matrix, DataFrame or sequence of shape (n_unlabeled, ...)
        The pool: rows, images or texts without labels, of the same kind, columns and scale as the
        ``X`` of ``fit``. Leave out the labelled rows, which would count twice. Clones share the
        pool.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The distinct labels, sorted. With several labels per row, those of the estimator inside; a
        regressor has none.
    estimator_ : estimator
        The fitted copy of ``estimator``. Its rows are those of ``X``, followed by the pool.
    n_features_in_ : int
        Number of features seen during fit, if ``estimator_`` has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if ``estimator_`` has them.

    See Also
    --------
    sklearn_wnll.model_selection.LabeledFold : Cross-validator for searches, which need no pool.

    Notes
    -----
    The pool is added to the rows passed to ``fit``, so no step before the wrapper may change the
    rows: wrap a pipeline as a whole, ``WithUnlabeled(make_pipeline(...), X_unlabeled)``.
    Distances cannot be pooled, so ``metric="precomputed"`` is refused.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import VotingClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_wnll import WNLLClassifier
    >>> from sklearn_wnll.compose import WithUnlabeled
    >>> from sklearn_wnll.datasets import hide_labels
    >>> X, y = load_digits(return_X_y=True)
    >>> labeled = hide_labels(y, 10, random_state=0) != -1
    >>> wnll = WithUnlabeled(WNLLClassifier(), X[~labeled])
    >>> members = [("wnll", wnll), ("linear", LogisticRegression(max_iter=1000))]
    >>> vote = VotingClassifier(members, voting="soft").fit(X[labeled], y[labeled])
    >>> f"{vote.score(X[~labeled], y[~labeled]):.2f}"
    '0.9...'
    """

    estimator_: Any
    _encodes: bool  # whether the estimator inside sees codes of the classes

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "X_unlabeled": "no_validation",
    }

    def __init__(self, estimator: Any, X_unlabeled: Rows | list[Any]) -> None:
        self.estimator = estimator
        self.X_unlabeled = X_unlabeled

    @property
    def unlabeled(self) -> object:
        """Marker of unlabelled rows in ``y``: that of the estimator inside."""
        name = _marker_name(self.estimator)
        return "auto" if name is None else self.estimator.get_params()[name]

    def fit(self, X: Rows, y: Labels | Numbers) -> Self:
        """Fit a copy of the estimator to the rows and the pool.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or sequence of shape (n_samples, ...)
            Rows, images or texts.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Classes, several labels of 0 and 1, or numbers. Rows may be unlabelled here too, with
            the marker of the estimator inside.

        Returns
        -------
        WithUnlabeled
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` and the pool do not have the same columns, if the estimator needs distances
            instead of rows, or if it takes the marker for a class or refuses NaN.
        TypeError
            If ``X_unlabeled`` does not hold rows.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.compose import WithUnlabeled
        >>> pool = [[1.0], [2.0], [10.0], [11.0]]
        >>> model = WithUnlabeled(WNLLClassifier(n_neighbors=2), pool)
        >>> model.fit([[0.0], [3.0], [12.0]], ["a", "a", "b"]).estimator_.transduction_.tolist()
        [0, 0, 1, 0, 0, 1, 1]
        """
        return self._fit_whole(X, y)

    def _fit(self, X: Any, y: Labels) -> None:
        """Set the fitted attributes."""
        self._validate_params()
        self._check_estimator()
        if y is None:
            raise ValueError(
                "This WithUnlabeled estimator requires y to be passed, but the target y is None."
            )
        check_consistent_length(X, y)
        target, rows = self._read(y), stack(X, self.X_unlabeled)
        estimator = self._with_plain_marker(target)
        shape = (_num_samples(rows) - len(target.values), *target.values.shape[1:])
        marked = np.full(shape, np.nan if target.are_numbers else -1)
        _fit_marked(estimator, rows, np.concatenate([target.values, marked]))
        _check_no_marker(estimator, target)

        self.estimator_ = estimator
        for name in ("n_features_in_", "feature_names_in_", "classes_"):
            self.__dict__.pop(name, None)
            if hasattr(estimator, name):
                setattr(self, name, getattr(estimator, name))
        self._encodes = target.classes is not None
        if target.classes is not None:
            self.classes_ = target.classes

    def predict(self, X: Rows | Blocks) -> Any:
        """Predict the class, the labels or the numbers of each row.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows, images or texts, as for the estimator inside; also an iterator of blocks of them,
            if that takes one.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_targets), or iterator of such
            Predictions.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.compose import WithUnlabeled
        >>> model = WithUnlabeled(WNLLClassifier(n_neighbors=2), [[1.0], [2.0], [10.0], [11.0]])
        >>> model.fit([[0.0], [3.0], [12.0]], ["a", "a", "b"]).predict([[1.5], [10.5]]).tolist()
        ['a', 'b']
        """
        fitted = self._fitted()
        predicted = fitted.estimator_.predict(as_host(X))
        if not fitted._encodes:
            return predicted
        decode = fitted.classes_.__getitem__
        return map(decode, predicted) if is_stream(predicted) else decode(predicted)

    def score(self, X: Rows, y: Labels | Numbers, sample_weight: ArrayLike | None = None) -> float:
        """Compute the accuracy, or R2 of a regressor, on the labelled rows of ``y``.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows, images or texts, as for the estimator inside.
        y : array-like of shape (n_queries,) or (n_queries, n_targets)
            True classes, labels or numbers. Unlabelled rows are predicted but not scored.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Accuracy. With several labels, the fraction of rows whose given labels are all right.
            With numbers, R2 over the given values, averaged over the
            targets.

        Raises
        ------
        ValueError
            If there is no row to score.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.compose import WithUnlabeled
        >>> model = WithUnlabeled(WNLLClassifier(n_neighbors=2), [[1.0], [2.0], [10.0], [11.0]])
        >>> model = model.fit([[0.0], [3.0], [12.0]], ["a", "a", "b"])
        >>> model.score([[1.5], [10.5]], ["a", "b"])
        1.0
        """
        fitted = self._fitted()
        if fitted._encodes:
            return super(WithUnlabeled, fitted).score(X, y, sample_weight)
        target, predicted = fitted._read(y), fitted.predict(X)
        check_consistent_length(predicted, target.values, sample_weight)
        score = r2_of_given if target.are_numbers else exact_match_of_given
        values = np.where(target.given, target.values, np.nan)
        return score(values, predicted, sample_weight)

    @_if_the_estimator_has_it
    def predict_proba(self, X: Rows | Blocks) -> Any:
        """Predict the distribution over the classes of each row.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows, images or texts, as for the estimator inside.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or iterator of such
            Probabilities, with the classes in the order of ``classes_``.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.compose import WithUnlabeled
        >>> model = WithUnlabeled(WNLLClassifier(n_neighbors=2), [[1.0], [2.0], [10.0], [11.0]])
        >>> model = model.fit([[0.0], [3.0], [12.0]], ["a", "a", "b"])
        >>> model.predict_proba([[0.0], [12.0]]).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        return self._fitted().estimator_.predict_proba(as_host(X))

    @_if_the_estimator_has_it
    def certainty(self, X: Rows | Blocks) -> Any:
        """Compute the certainty of the prediction of each row, if the estimator inside can.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows or images, as for the estimator inside.

        Returns
        -------
        ndarray of shape (n_queries,), or iterator of such
            From 0 to 1; see :meth:`sklearn_wnll.WNLLClassifier.certainty`.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.compose import WithUnlabeled
        >>> model = WithUnlabeled(WNLLClassifier(n_neighbors=2), [[1.0], [2.0], [10.0], [11.0]])
        >>> model = model.fit([[0.0], [3.0], [12.0]], ["a", "a", "b"])
        >>> model.certainty([[0.0], [12.0]]).tolist()
        [1.0, 1.0]
        """
        return self._fitted().estimator_.certainty(as_host(X))

    def __sklearn_clone__(self) -> Self:
        # The default copies all parameters, and ensembles clone their members many times.
        without_pool = copy(self)
        without_pool.X_unlabeled = []
        cloned = super(WithUnlabeled, without_pool).__sklearn_clone__()
        cloned.X_unlabeled = self.X_unlabeled
        return cloned

    def __sklearn_tags__(self) -> Tags:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        tags.non_deterministic = inner.non_deterministic
        return tags

    def _fitted(self) -> Self:
        """Return a copy that no other thread can fit meanwhile."""
        fitted = copy(self)
        check_is_fitted(fitted)
        return fitted

    def _check_estimator(self) -> None:
        """Refuse an estimator that cannot take the pool."""
        name = type(self.estimator).__name__
        if not (is_classifier(self.estimator) or is_regressor(self.estimator)):
            raise ValueError(
                f"estimator must be a classifier or a regressor, and {name} is neither."
            )
        if get_tags(self.estimator).input_tags.pairwise:
            raise ValueError(
                f"estimator={name} takes distances between the fitted rows, and WithUnlabeled "
                "has no distances to X_unlabeled. Pass rows, with another metric."
            )

    def _read(self, y: Any) -> Target:
        """Read classes, several labels, or numbers."""
        kind: TargetType = "numbers" if is_regressor(self.estimator) else "classes"
        target = read_target(y, kind, self.unlabeled)
        if kind == "classes" and target.classes is None and not target.are_indicators:
            raise ValueError(
                "y holds several columns of classes, and several labels have to be 0 or 1. For "
                "other classes, wrap the classifier of each column: "
                "MultiOutputClassifier(WithUnlabeled(...))."
            )
        return target

    def _with_plain_marker(self, target: Target) -> Any:
        """Return a copy of the estimator, with -1 as the marker of classes, NaN of numbers."""
        estimator = clone(self.estimator)
        name = _marker_name(estimator)
        marker = "auto" if target.are_numbers else -1
        return estimator if name is None else estimator.set_params(**{name: marker})


def _marker_name(estimator: Any) -> str | None:
    """Find the name of the outermost ``unlabeled``, perhaps inside a pipeline or a search."""
    names = [name for name in estimator.get_params() if name.split("__")[-1] == "unlabeled"]
    return min(names, key=lambda name: name.count("__"), default=None)


def _fit_marked(estimator: Any, X: Any, y: NDArray[Any]) -> None:
    """Fit an estimator; raise a clear error if it refuses NaN among the numbers."""
    try:
        estimator.fit(X, y)
    except ValueError as error:
        if "y contains NaN" not in str(error):
            raise
        raise ValueError(
            f"estimator={type(estimator).__name__} refuses NaN, which marks the rows of the pool "
            f"({error}) Wrap one that does not, such as WNLLRegressor(); a meta-estimator such as "
            "TransformedTargetRegressor goes around WithUnlabeled."
        ) from error


def _check_no_marker(estimator: Any, target: Target) -> None:
    """Refuse an estimator that has learned the marker as a class."""
    if target.are_numbers:
        return
    found = getattr(estimator, "classes_", None)
    if target.classes is None:
        learned = any(-1 in np.asarray(c) for c in found) if isinstance(found, list) else False
        expected = "the labels 0 and 1"
    else:
        n_classes = len(target.classes)
        learned = found is None or not np.array_equal(found, np.arange(n_classes))
        expected = f"labels in 0, ..., {n_classes - 1}"
    if learned:
        raise ValueError(
            f"estimator={type(estimator).__name__} has the classes {found} of {expected} and the "
            "marker -1: it takes no unlabelled rows. Wrap one that does, such as "
            "WNLLClassifier(); in an ensemble, wrap its members one by one."
        )
