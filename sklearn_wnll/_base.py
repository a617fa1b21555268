"""Common base of the classifiers: labels, some of them missing."""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, Self, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length

from ._arrays import as_host, check_same_space
from ._certainty import certainty
from ._label_types import read_labels
from ._labels import are_right, encode_labels, is_unlabeled, required_labels
from ._pickling import warn_if_unportable
from ._streams import AnswersBlocks, check_no_stream
from ._typing import Blocks, Floats, Indices, Labels, Mask, Rows
from ._warnings import warn_user
from .exceptions import FewLabelsWarning

__all__ = [
    "ChangesWhole",
    "PartlyLabeledClassifierMixin",
    "check_has_y",
    "check_not_masked",
    "check_whole",
    "checks_parameters",
]

_NOT_ALWAYS_SET = (
    "class_sizes_",
    "estimator_",
    "estimator_weight_",
    "held_out_distributions_",
    "held_out_predictions_",
    "held_out_score_",
    "transduction_",
)

# Copied to where the fitted rows are.
_ARRAYS = (
    "class_sizes_",
    "classes_",
    "held_out_distributions_",
    "held_out_predictions_",
    "label_distributions_",
    "label_noise_",
    "point_index_",
    "reached_",
    "transduction_",
)

_Method = TypeVar("_Method", bound=Callable[..., Any])


def checks_parameters(fit: _Method) -> _Method:
    """Let a method ``fit`` begin with scikit-learn's check of the estimator's parameters."""
    return _fit_context(prefer_skip_nested_validation=True)(fit)


def check_not_masked(X: Any) -> None:
    """Refuse a masked X: scikit-learn would drop the mask and use the values beneath."""
    arrays = X if isinstance(X, (list, tuple)) else [X]
    n_masked = sum(
        int(np.ma.count_masked(rows)) for rows in arrays if isinstance(rows, np.ma.MaskedArray)
    )
    if n_masked:
        cure = "[numpy.ma.filled(rows, rows.mean()) for rows in X]"
        if isinstance(X, np.ma.MaskedArray):
            cure = "X.filled(X.mean())"
            if X.ndim == 2:
                filled = "X.astype(float).filled(numpy.nan)"
                cure = f"sklearn.impute.SimpleImputer().fit_transform({filled})"
        raise ValueError(
            f"X is masked in {n_masked} entries, which have no distance to others. Fill them, for "
            f"instance with {cure}; or pass numpy.ma.getdata(X) if the mask means nothing."
        )


def check_has_y(model: Any, y: Any) -> None:
    """Refuse to fit without labels or values."""
    if y is None:
        raise ValueError(
            f"This {type(model).__name__} estimator requires y to be passed, but the target y is "
            "None."
        )


def check_whole(model: Any, method: str) -> None:
    """Refuse a method that needs the graph, which not every model keeps in one place."""
    kept = getattr(model, "_kept", model)
    if getattr(kept, "is_partitioned", False):
        raise ValueError(
            f"{method} needs one graph of all rows, but this model was fitted to a dask "
            "collection, and is made of templates. Fit it to arrays, perhaps to some of the rows."
        )
    if kept is None:
        raise ValueError(
            f"{method} needs the graph of the fitted rows, which a compact model does not keep. "
            "Use the model it was made from."
        )


class ChangesWhole:
    """An estimator whose ``_fit(X, y)`` sets all fitted attributes, or none if it fails."""

    def _fit_whole(self, X: Any, y: Labels, *others: Any) -> Self:
        return self._change_whole("_fit", X, y, *others)

    def _change_whole(self, method: str, *args: Any) -> Self:
        """Change a copy, and take its attributes at the end: a failure changes nothing."""
        changed = copy(self)
        for name in _NOT_ALWAYS_SET:
            changed.__dict__.pop(name, None)
        getattr(changed, method)(*args)
        changed._give_arrays()
        self.__dict__ = changed.__dict__
        return self

    def _give_arrays(self) -> None:
        """Copy the arrays of fitted attributes to where the fitted rows are."""
        for name in _ARRAYS:
            if name in self.__dict__:
                setattr(self, name, self._given(getattr(self, name)))

    def _check_space(self, X: Any, method: str) -> None:
        """Refuse rows of another library or device than the fitted ones."""
        if hasattr(self, "_space"):
            check_same_space(self._space, X, f"{type(self).__name__}.{method}")

    def _given(self, values: Any) -> Any:
        """Copy an array to where the fitted rows are, if they came by ``array_api_dispatch``."""
        space = getattr(self, "_space", None)
        return values if space is None else space.give(values)


class PartlyLabeledClassifierMixin(ChangesWhole, AnswersBlocks, ClassifierMixin):
    """A classifier whose ``y`` marks rows as unlabelled.

    Its ``_fit(X, y)`` sets the fitted attributes, and ``_distributions(X)`` returns the
    distribution of each row, and whether a label reaches it.
    """

    classes_: NDArray[Any]

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        if hasattr(self, "classes_"):
            warn_if_unportable(self, state)
        return state

    @overload
    def predict(self, X: Blocks) -> Iterator[NDArray[Any]]: ...
    @overload
    def predict(self, X: Rows) -> NDArray[Any]: ...
    def predict(self, X: Rows | Blocks) -> NDArray[Any] | Iterator[NDArray[Any]]:
        """Predict the most likely class of each row.

        Read more in the :doc:`user guide </guide/prediction>`.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...), or iterator of such
            Rows or images, as for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n_queries,), or iterator of such
            Predicted labels; of shape (n_queries, n_labels), with 1 and 0, if several labels were
            fitted. For an iterator of blocks, an iterator of the labels of each.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]]
        >>> y = ["a", None, "a", "b", None, "b"]
        >>> model = WNLLClassifier(n_neighbors=2).fit(X, y)
        >>> model.predict([[1.5], [10.5]]).tolist()
        ['a', 'b']
        """
        fitted = copy(self)  # another thread may fit meanwhile
        return fitted._respond(X, "predict", fitted._label)

    @overload
    def predict_proba(self, X: Blocks) -> Iterator[Floats]: ...
    @overload
    def predict_proba(self, X: Rows) -> Floats: ...
    def predict_proba(self, X: Rows | Blocks) -> Floats | Iterator[Floats]:
        """Predict the distribution over the classes of each row.

        Read more in the :doc:`user guide </guide/prediction>`.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...), or iterator of such
            Rows or images to predict, of the kind and shape that ``fit`` takes. With
            ``metric="precomputed"``, distances to the fitted rows, of shape (n_queries, n_samples).
            An iterator or generator yields :doc:`blocks of rows </guide/prediction>`, each of which
            is predicted alone.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or iterator of such
            Probabilities, with the classes in the order of ``classes_``. Each row sums to 1. If
            several labels were fitted, the probability of each, of shape (n_queries, n_labels),
            strictly between 0 and 1. For an iterator of blocks, an iterator that reads a block when
            it is asked for the next array.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> X = [[0.0], [1.0], [2.0], [3.0]]
        >>> model = WNLLClassifier(n_neighbors=3).fit(X, ["a", "a", "b", "b"])
        >>> model.predict_proba([[1.0], [1.5]]).round(2).tolist()
        [[1.0, 0.0], [0.5, 0.5]]
        """
        fitted = copy(self)
        return fitted._respond(X, "predict_proba", lambda u, _: fitted._as_proba(u))

    @overload
    def certainty(self, X: Blocks) -> Iterator[Floats]: ...
    @overload
    def certainty(self, X: Rows) -> Floats: ...
    def certainty(self, X: Rows | Blocks) -> Floats | Iterator[Floats]:
        """Compute the certainty of the prediction of each row.

        Read more in the :doc:`user guide </guide/probabilities>`.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...), or iterator of such
            Rows or images, as for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n_queries,), or iterator of such
            One minus the entropy of the distribution, relative to that of the uniform one: 1 if
            one-hot, 0 if uniform, and 0 for rows that no label reaches. Use it to rank rows. It is
            not the probability that a prediction is right, for which see ``calibrate``. The mean
            over the labels, if several were fitted. For an iterator of blocks, an iterator of the
            certainties of each.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> X = [[0.0], [1.0], [2.0], [3.0]]
        >>> model = WNLLClassifier(n_neighbors=3).fit(X, ["a", "a", "b", "b"])
        >>> model.certainty([[1.0], [1.5]]).round(2).tolist()
        [1.0, 0.0]
        """
        fitted = copy(self)
        return fitted._respond(X, "certainty", fitted._certainty)

    def score(self, X: Rows, y: Labels, sample_weight: ArrayLike | None = None) -> float:
        """Compute the accuracy on the labelled rows of ``y``.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows or images, as for :meth:`predict_proba`. On rows that were fitted with their
            labels, the score is 1 by construction (unless ``label_noise`` is set): score on
            held-out rows.
        y : array-like of shape (n_queries,) or (n_queries, n_labels)
            True labels. Unlabelled rows join the graph but are not scored, whereas scikit-learn's
            ``scoring=`` would score them as a class of their own.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Weighted fraction of the labelled rows that are predicted right. If several labels were
            fitted, a row is right if all its given labels are.

        Raises
        ------
        ValueError
            If no row is labelled.

        Examples
        --------
        >>> from sklearn_wnll import WNLLClassifier
        >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]]
        >>> y = ["a", None, "a", "b", None, "b"]
        >>> model = WNLLClassifier(n_neighbors=2).fit(X, y)
        >>> model.score([[0.5], [2.5], [11.5]], ["a", "b", "b"])
        0.66...
        """
        fitted = copy(self)  # another thread may fit meanwhile
        check_no_stream(X, "score", ", or compare the predictions of the blocks with y")
        fitted._check_space(X, "score")
        return fitted._accuracy(as_host(fitted.predict(X)), as_host(y, "y"), as_host(sample_weight))

    def _answers(self, X: Any, answer: Callable[..., Any]) -> Any:
        return answer(*self._distributions(X))

    def _no_predictions(self) -> tuple[Floats, Mask]:
        n_columns = self.classes_.shape[0]
        return np.empty((0, n_columns)), np.empty(0, dtype=bool)

    def _label(self, u: Floats, reached: Mask) -> NDArray[Any]:
        """Return the predicted labels of rows, by their distributions."""
        return self._decide(self._as_proba(u))

    def _decide(self, u: Floats) -> NDArray[Any]:
        """Return the most likely class of distributions (n_rows, n_classes)."""
        return as_host(self.classes_)[u.argmax(axis=1)]

    def _as_proba(self, u: Floats) -> Floats:
        """Return distributions as ``predict_proba`` does."""
        return u

    def _certainty(self, u: Floats, reached: Mask) -> Floats:
        """Return the certainty of distributions (n_rows,)."""
        return certainty(u, reached)

    def _accuracy(self, predicted: NDArray[Any], y: Labels, sample_weight: Any) -> float:
        """Return the accuracy of predicted classes (n_rows,) on the labelled rows of ``y``."""
        column = read_labels(y)
        check_consistent_length(predicted, column.values, sample_weight)
        labeled = ~is_unlabeled(column, self.unlabeled, as_host(self.classes_))
        if not labeled.any():
            raise ValueError("Every row of y is unlabelled: there is nothing to score.")
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)[labeled]
        right = are_right(predicted, column, labeled, self.unlabeled)
        return accuracy_score(np.ones_like(right), right, sample_weight=sample_weight)

    def _encode(
        self, n_rows: int, y: Any, *, may_be_empty: bool = False
    ) -> tuple[NDArray[Any], Indices]:
        """Return the classes in ``y``, and the code of each row, -1 if it has no label."""
        check_has_y(self, y)
        column = read_labels(y)
        if len(column) != n_rows:
            raise ValueError(
                f"Inconsistent numbers of samples: X has {n_rows} rows and y {len(column)} "
                "entries. y needs an entry for every row of X; the marker `unlabeled` (-1 among "
                "numbers, None among strings) says that a row has no label."
            )
        classes, codes = encode_labels(column, self.unlabeled, may_be_empty=may_be_empty)
        if len(classes):
            self._warn_if_few(int(np.count_nonzero(codes >= 0)), len(classes))
        return classes, codes

    @staticmethod
    def _warn_if_few(n_labeled: int, n_classes: int) -> None:
        required = required_labels(n_classes)
        if n_labeled < required:
            warn_user(
                f"{n_labeled} rows are labelled. If they were drawn at random, it takes about "
                f"{required} to see each of {n_classes} classes once; make sure that "
                "none is missing.",
                FewLabelsWarning,
            )
