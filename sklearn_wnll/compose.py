"""Unlabelled rows for classifiers inside estimators that pass only labelled rows."""

from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.utils import Tags, check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from ._base import PartlyLabeledClassifierMixin
from ._labels import encode_labels
from ._typing import Floats, Labels, Rows

__all__ = ["WithUnlabeled"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _if_the_estimator_has_it(method: _Method) -> _Method:
    """Offer a method only if the wrapped estimator does."""

    def has(model: "WithUnlabeled") -> bool:
        return hasattr(getattr(model, "estimator_", model.estimator), method.__name__)

    return cast(_Method, available_if(has)(method))


class WithUnlabeled(MetaEstimatorMixin, PartlyLabeledClassifierMixin, BaseEstimator):
    """Classifier that adds a pool of unlabelled rows to the rows that it fits.

    scikit-learn's ensembles and meta-estimators take the marker of unlabelled rows for a class.
    Fit them with labelled rows only, and wrap the members that learn from unlabelled rows: each
    wrapped member is fitted with the rows that the ensemble passes to it and with the pool.

    Read more in the :doc:`user guide </guide/ensembles>`.

    Parameters
    ----------
    estimator : estimator
        Classifier that takes unlabelled rows: :class:`~sklearn_wnll.WNLLClassifier`,
        :class:`~sklearn_wnll.DeepWNLLClassifier`, those of ``sklearn.semi_supervised``, or a
        pipeline or search around one of them. It sees the classes as 0, 1, ..., in sorted
        order, as the members of scikit-learn's ensembles do; pass a ``class_prior`` in that order.
    X_unlabeled : array-like, sparse matrix, DataFrame or sequence of shape (n_unlabeled, ...)
        The pool: rows, images or texts without labels, of the same kind, columns and scale as the
        ``X`` of ``fit``. Leave out the labelled rows, which would count twice. Clones share the
        pool.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The distinct labels, sorted.
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

    def fit(self, X: Rows, y: Labels) -> Self:
        """Fit a copy of the estimator to the rows and the pool.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or sequence of shape (n_samples, ...)
            Rows, images or texts.
        y : array-like of shape (n_samples,)
            Labels. Rows may be unlabelled here too, with the marker of the estimator inside.

        Returns
        -------
        WithUnlabeled
            The fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` and the pool do not have the same columns, if the estimator needs distances
            instead of rows, or if it takes the marker for a class.
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
        classes, codes = encode_labels(y, self.unlabeled)
        rows = _stack(X, self.X_unlabeled)
        estimator = self._with_plain_marker()
        missing = np.full(_num_samples(rows) - len(codes), -1)
        estimator.fit(rows, np.concatenate([codes, missing]))
        _check_no_marker(estimator, len(classes))

        self.classes_, self.estimator_ = classes, estimator
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(estimator, name):
                setattr(self, name, getattr(estimator, name))

    def predict(self, X: Rows) -> NDArray[Any]:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows, images or texts, as for the estimator inside.

        Returns
        -------
        ndarray of shape (n_queries,)
            Predicted labels.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.compose import WithUnlabeled
        >>> model = WithUnlabeled(WNLLClassifier(n_neighbors=2), [[1.0], [2.0], [10.0], [11.0]])
        >>> model.fit([[0.0], [3.0], [12.0]], ["a", "a", "b"]).predict([[1.5], [10.5]]).tolist()
        ['a', 'b']
        """
        fitted = self._fitted()
        return fitted.classes_[fitted.estimator_.predict(X)]

    @_if_the_estimator_has_it
    def predict_proba(self, X: Rows) -> Floats:
        """Predict the distribution over the classes of each row.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows, images or texts, as for the estimator inside.

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
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
        return self._fitted().estimator_.predict_proba(X)

    @_if_the_estimator_has_it
    def certainty(self, X: Rows) -> Floats:
        """Compute the certainty of the prediction of each row, if the estimator inside can.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows or images, as for the estimator inside.

        Returns
        -------
        ndarray of shape (n_queries,)
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
        return self._fitted().estimator_.certainty(X)

    def __sklearn_clone__(self) -> Self:
        # The default copies all parameters, and ensembles clone their members many times.
        without_pool = copy(self)
        without_pool.X_unlabeled = []
        cloned = super(WithUnlabeled, without_pool).__sklearn_clone__()
        cloned.X_unlabeled = self.X_unlabeled
        return cloned

    def __sklearn_tags__(self) -> Tags:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags, tags.classifier_tags = inner.input_tags, inner.classifier_tags
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
        if not is_classifier(self.estimator):
            raise ValueError(f"estimator must be a classifier, and {name} is not one.")
        if get_tags(self.estimator).input_tags.pairwise:
            raise ValueError(
                f"estimator={name} takes distances between the fitted rows, and WithUnlabeled "
                "has no distances to X_unlabeled. Pass rows, with another metric."
            )

    def _with_plain_marker(self) -> Any:
        """Return a copy of the estimator, with -1 as the marker."""
        estimator = clone(self.estimator)
        name = _marker_name(estimator)
        return estimator if name is None else estimator.set_params(**{name: -1})


def _marker_name(estimator: Any) -> str | None:
    """Find the name of the outermost ``unlabeled``, perhaps inside a pipeline or a search."""
    names = [name for name in estimator.get_params() if name.split("__")[-1] == "unlabeled"]
    return min(names, key=lambda name: name.count("__"), default=None)


def _check_no_marker(estimator: Any, n_classes: int) -> None:
    """Refuse an estimator that has learned the marker as a class."""
    found = getattr(estimator, "classes_", None)
    if found is None or not np.array_equal(found, np.arange(n_classes)):
        raise ValueError(
            f"estimator={type(estimator).__name__} has the classes {found} of labels in "
            f"0, ..., {n_classes - 1} and the marker -1: it takes no unlabelled rows. Wrap one "
            "that does, such as WNLLClassifier(); in an ensemble, wrap its members one by one."
        )


def _stack(X: Any, pool: Any) -> Any:
    """Stack the rows of X and those of the pool."""
    if not any(hasattr(pool, name) for name in ("__len__", "shape", "__array__")):
        raise TypeError(
            f"X_unlabeled must be rows, images or texts, such as X[y == -1], got {pool!r}."
        )
    if _num_samples(pool) == 0:
        return X
    if sparse.issparse(X) or sparse.issparse(pool):
        blocks = [part if sparse.issparse(part) else np.asarray(part) for part in (X, pool)]
        _check_columns(*blocks)
        return sparse.vstack([sparse.csr_array(block) for block in blocks], format="csr")
    if hasattr(X, "columns"):
        return _stack_frames(X, pool)
    if _is_sequence(X):
        return _stack_sequences(X, pool)
    X, pool = np.asanyarray(X), np.asanyarray(pool)
    _check_columns(X, pool)
    masked = isinstance(X, np.ma.MaskedArray) or isinstance(pool, np.ma.MaskedArray)
    # numpy would drop the mask before the estimator sees it.
    return np.ma.concatenate([X, pool]) if masked else np.concatenate([X, pool])


def _is_sequence(X: Any) -> bool:
    """Return whether samples are single objects, such as texts, and not rows of numbers."""
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and np.ndim(X[0]) != 1
    return len(getattr(X, "shape", ())) == 1


def _stack_sequences(X: Any, pool: Any) -> list[Any]:
    """Make one list of samples, which may be texts, dicts or images."""
    dimensions = [np.ndim(next(iter(samples))) for samples in (X, pool)]
    if dimensions[0] != dimensions[1]:
        raise ValueError(
            "The samples of X have {} dimensions, but those of X_unlabeled {}. The pool must be "
            "like the X of fit: both texts, or both images.".format(*dimensions)
        )
    return [*X, *pool]


def _stack_frames(X: Any, pool: Any) -> Any:
    """Make a DataFrame of the kind of X; the pool may be of another kind, or an array."""
    names, of_pandas = list(X.columns), hasattr(X, "iloc")
    if hasattr(pool, "columns") and list(pool.columns) != names:
        raise ValueError(
            f"X and X_unlabeled must have the same columns in the same order, got {names} and "
            f"{list(pool.columns)}. Pass X_unlabeled[list(X.columns)]."
        )
    if type(pool) is not type(X):
        pool = np.asarray(pool)
        _check_columns(X, pool)
        pool = type(X)(pool, **{"columns" if of_pandas else "schema": names})
    if not of_pandas:  # polars
        return X.vstack(pool)
    import pandas as pd  # installed, because X is a pandas DataFrame

    return pd.concat([X, pool], ignore_index=True)


def _check_columns(X: Any, pool: Any) -> None:
    """Refuse a pool with rows of another shape."""
    if X.shape[1:] != pool.shape[1:]:
        raise ValueError(
            f"The rows of X are of shape {X.shape[1:]}, but those of X_unlabeled of "
            f"{pool.shape[1:]}. The pool must be like the X of fit. If a step before "
            "WithUnlabeled changes or selects columns, put WithUnlabeled around that step too."
        )
