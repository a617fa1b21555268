"""The features of a network's graph, by the interface of scikit-learn's transformers."""

from copy import copy

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._progress import show_progress
from .._typing import Floats, Rows
from ._devices import find_device
from ._inputs import validate_samples
from ._predictor import Predictor

__all__ = ["ComputesFeatures"]


class ComputesFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """An estimator that transforms samples to the features of its graph."""

    device: str
    verbose: int
    _predictor: Predictor

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def transform(self, X: Rows) -> Floats:
        """Compute the features of the graph on which the WNLL predicts.

        Read more in the :doc:`user guide </guide/deep>`.

        Parameters
        ----------
        X : array-like of shape (n_queries, ...)
            Rows or images, as for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n_queries, n_features_out)
            Features of the buffer block, as float32. If the training had a pseudo-label step,
            features that no training changes precede them, and both parts have length 1.

        See Also
        --------
        sklearn_wnll.WNLLClassifier : The WNLL on such features.

        Notes
        -----
        The network was trained with the labels of the fitted samples. Scores of estimators on the
        features of these samples are therefore too high, even in cross-validation.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep
        >>> X, y = load_digits(return_X_y=True)
        >>> model = DeepWNLLClassifier(n_stages=1, linear_step=LinearStep(epochs=5))
        >>> model = model.set_params(wnll_step=WNLLStep(epochs=1), random_state=0)
        >>> Z = model.fit_transform(X[:500], y[:500])
        >>> graph = WNLLClassifier(n_neighbors=5).fit(Z, y[:500])
        >>> f"{graph.score(model.transform(X[500:]), y[500:]):.1f}"
        '0.9'
        """
        check_is_fitted(self)
        fitted = copy(self)  # another thread may fit meanwhile
        X = validate_samples(fitted, X, reset=False)
        with show_progress(fitted.verbose):
            return fitted._predictor.transform(X, find_device(fitted.device))

    @property
    def _n_features_out(self) -> int:
        return self._predictor.Z.shape[1]
