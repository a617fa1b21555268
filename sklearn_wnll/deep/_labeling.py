"""A labelling session: which samples to label next, and a training that goes on with the labels."""

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
    """An estimator whose samples are labelled little by little."""

    def suggest_labels(self, n: int = 10) -> Indices:
        """Suggest unlabelled fitted samples whose labels would help most: active learning.

        The suggested samples are uncertain, far from labelled samples, and spread out, on the graph
        of the network's features.

        Parameters
        ----------
        n : int, default=10
            Number of samples.

        Returns
        -------
        ndarray of int of shape (n,)
            Positions of samples in the fitted ``X``, the most useful first; fewer than ``n`` if
            fewer are left. Of several equal samples, only one is suggested.

        Raises
        ------
        ValueError
            If ``n`` is not a positive integer.

        See Also
        --------
        relabel : Train on with the labels of the suggested samples.
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
        """Train on with other labels of the fitted samples.

        The training goes on from the trained weights. It has the stages of a fit with these labels,
        but only a quarter of the epochs of each step, rounded up.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels of the samples of ``fit``, in the same order: more of them, fewer, corrected
            ones, or new classes, with the marker ``unlabeled`` for samples without a label. At
            least two samples must be labelled.
        X : array-like or tensor of shape (n_samples, ...), default=None
            The samples of ``fit``, in the same order. They stay in memory after ``fit``, and can be
            left out. Files do not hold them: after loading, pass them once.

        Returns
        -------
        DeepWNLLClassifier
            The estimator.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If an argument is invalid: the message names it and the cure. If ``X`` holds other
            samples than those of ``fit``, or the fitted ones have been changed in place.

        See Also
        --------
        suggest_labels : Samples to label next.
        fit : Train from nothing, such as with other samples.

        Notes
        -----
        The backbone, the buffer block and the linear head's weights of classes that were there
        before are kept; the head's weights of new classes are random at first. Changes of
        ``module``, ``module_params``, ``buffer`` and ``standardize`` have no effect; other
        parameters count as they are now. So ``set_params(linear_step__epochs=8)`` makes the linear
        step of a relabelling 2 epochs long.

        ``history_`` goes on, and so do its stages. An interrupt, or an error, leaves the estimator
        as it was. ``checkpoint_dir`` is not used: the folder belongs to
        ``fit``. Samples that a fraction ``validation`` held out in ``fit`` stay held out while
        they have a label; others do not join them.

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
