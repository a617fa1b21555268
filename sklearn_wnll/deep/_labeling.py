"""Labelling sessions: suggest samples to label, and continue the training with new labels."""

from typing import Self

from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .._base import checks_parameters
from .._label_advice import HeldOutLabels, SuspectsLabels
from .._typing import Indices, Labels
from ._fitting import FitsNetwork

__all__ = ["TakesMoreLabels"]


class TakesMoreLabels(SuspectsLabels, FitsNetwork):
    """An estimator whose samples are labelled gradually."""

    def suggest_labels(self, n: int = 10) -> Indices:
        """Suggest the unlabelled fitted samples to label next (active learning).

        The suggested samples are uncertain, far from labelled samples, and spread out, on the graph
        of the network's features.

        Read more in the :doc:`user guide </guide/active_learning>`.

        Parameters
        ----------
        n : int, default=10
            Number of samples to suggest.

        Returns
        -------
        ndarray of int of shape (n,)
            Indices of samples of the fitted ``X``, the most useful first. Fewer than ``n`` if
            fewer are left. Of several equal samples, only one is suggested.

        Raises
        ------
        ValueError
            If ``n`` is not a positive integer.

        See Also
        --------
        relabel : Continue the training with the labels of the suggested samples.
        sklearn_wnll.WNLLClassifier.suggest_labels : The method in detail.

        Notes
        -----
        If there are more samples than ``wnll__template_size``, each call builds one graph of all of
        them.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll.datasets import hide_labels
        >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep
        >>> X, y = load_digits(return_X_y=True)
        >>> X, y = X[:500], y[:500]
        >>> few = hide_labels(y, 3, random_state=0)
        >>> model = DeepWNLLClassifier(n_stages=1, linear_step=LinearStep(epochs=8), random_state=0)
        >>> model = model.set_params(wnll_step=WNLLStep(epochs=0)).fit(X, few)
        >>> rows = model.suggest_labels(10)
        >>> few[rows] = y[rows]  # what a person would say
        >>> model.relabel(few).transduction_.shape
        (500,)
        """
        check_is_fitted(self)
        options = self._execution(self._given_wnll())
        return self._predictor.on_one_graph(**options).suggest_labels(n)

    @checks_parameters
    def relabel(self, y: Labels, X: ArrayLike | Tensor | None = None) -> Self:
        """Continue the training with new labels of the fitted samples.

        The training starts from the trained weights. It has the stages of a fit with these labels,
        but only a quarter of the epochs of each step, rounded up.

        Read more in the :doc:`user guide </guide/deep>`.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels of the samples of ``fit``, in the same order, with the marker ``unlabeled`` for
            samples without a label. Labels may be added, removed, corrected, or of new classes. At
            least two samples must be labelled.
        X : array-like or tensor of shape (n_samples, ...), default=None
            The samples of ``fit``, in the same order. They stay in memory after ``fit`` and need
            not be passed. Files do not hold them: pass them once after loading.

        Returns
        -------
        DeepWNLLClassifier
            The estimator.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If an argument is invalid, if ``X`` holds other samples than those of ``fit``, or if
            the fitted samples have been changed in place.

        See Also
        --------
        suggest_labels : Suggest samples to label next.
        fit : Train from scratch, for example with other samples.

        Notes
        -----
        The weights of the backbone, of the buffer block, and of the linear head for known classes
        are kept; those of the head for new classes start at random. Changes of ``module``,
        ``module_params``, ``buffer`` and ``standardize`` have no effect; other parameters take
        effect. For example, after ``set_params(linear_step__epochs=8)``, the linear step of
        ``relabel`` has 2 epochs.

        ``history_`` and its stages continue. An interruption or an error leaves the estimator
        unchanged. ``checkpoint_dir`` is not used: the folder belongs to ``fit``. Samples that a
        fraction ``validation`` held out in ``fit`` stay held out while they have a label; no
        others are held out.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll.datasets import hide_labels
        >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep
        >>> X, y = load_digits(return_X_y=True)
        >>> X, y = X[:500], y[:500]
        >>> model = DeepWNLLClassifier(n_stages=1, linear_step=LinearStep(epochs=8), random_state=0)
        >>> model = model.set_params(wnll_step=WNLLStep(epochs=0))
        >>> model = model.fit(X, hide_labels(y, 3, random_state=0))
        >>> model = model.relabel(hide_labels(y, 10, random_state=0))
        >>> [row["stage"] for row in model.history_]
        [1, 1, 1, 1, 1, 1, 1, 1, 2, 2]
        """
        check_is_fitted(self)
        return self._fit_whole(X, y, True)

    def _held_out_labels(self) -> HeldOutLabels:
        return self._predictor.wnll._held_out_labels()
