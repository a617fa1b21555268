"""Methods of the estimators that suggest rows to label, and find labels that may be wrong."""

from copy import copy
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ._active import most_useful_points, steadying_points
from ._arrays import as_host
from ._base import check_whole
from ._certainty import uncertainty
from ._extension.value_answer import ValueAnswer
from ._progress import show_progress
from ._regions import central_points
from ._typing import Floats, Indices, Mask

__all__ = ["HeldOutLabels", "SuggestsLabels", "SuggestsRows", "SuspectsLabels"]


class HeldOutLabels(NamedTuple):
    """Labelled ``rows``, the ``codes`` of their labels, and predictions made without these.

    ``distributions`` (n_labeled, n_classes) have not seen the labels of their rows. They are
    meaningful where a row is ``known`` (n_labeled,): other labels reach it, and another fold has a
    label of its class.
    """

    rows: Indices
    codes: Indices
    distributions: Floats
    known: Mask


class SuggestsLabels:
    """A classifier, fitted with a single graph, that suggests rows to label."""

    graph_: Any
    label_distributions_: Floats
    reached_: Mask
    templates_: list[Indices]
    verbose: int
    _answer: Any

    def suggest_labels(self, n: int = 10) -> Indices:
        """Suggest the unlabelled fitted rows to label next (active learning).

        The suggested rows are uncertain, far from labelled rows, and spread out. Before the first
        label, each is in the middle of a region of the graph. With several labels per row, a row
        is labelled if all are known, and its uncertainty is the mean over the labels.

        Read more in the :doc:`user guide </guide/active_learning>`.

        Parameters
        ----------
        n : int, default=10
            Number of rows to suggest.

        Returns
        -------
        ndarray of int of shape (n,)
            Indices of rows of the fitted ``X`` (for ``iloc`` if it is a DataFrame), the most
            useful first. Fewer than ``n`` if fewer are left. Of several equal rows, only one is
            suggested.

        Raises
        ------
        ValueError
            If ``n`` is not a positive integer, or if there are several templates.

        See Also
        --------
        certainty : Compute the certainty of each prediction.
        relabel : Fit to the new labels.

        Notes
        -----
        Random walks on the graph start at a row and end at a labelled row, or at random after
        about 30 steps on average. The gain of a row is the uncertainty that walks through it meet
        before they end, weighted by its degree. A row whose gain is within 2 % of the largest is
        selected and treated as labelled, the gains are updated, and the next row is selected.
        The rows of a batch are therefore spread out, and ``suggest_labels(5)`` returns the first
        five rows of ``suggest_labels(10)``. Small batches take new labels into account sooner. As
        long as all labels are of one class, every row counts as uncertain.

        **Before the first label**, fit with no labels at all. The suggested rows are then the
        centres of dense regions, found by k-means on the closeness of random walks, with the
        largest region first. They depend on ``n``: ask for as many as you will label. Beyond 32
        rows, the others are selected by their gain. Ten rows need not show ten classes.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> X, y = load_digits(return_X_y=True)
        >>> few = hide_labels(y, 3, random_state=0)
        >>> model = WNLLClassifier().fit(X, few)
        >>> for _ in range(2):
        ...     rows = model.suggest_labels(10)
        ...     few[rows] = y[rows]  # what a person would say
        ...     model = model.relabel(few)
        >>> int((few != -1).sum())
        50

        Select the first ten rows, before there is any label:

        >>> rows = WNLLClassifier().fit(X, np.full(len(X), -1)).suggest_labels(10)
        >>> len(set(y[rows]))
        10
        """
        fitted = copy(self)  # another thread may fit meanwhile
        _check_can_suggest(fitted, n)
        templates = fitted._answer.templates
        row, labeled = templates.points.first_rows, fitted._labeled_points()
        with show_progress(fitted.verbose):
            if not labeled.any():
                return row[central_points(fitted.graph_, int(n))]
            known = as_host(fitted.label_distributions_)[row], as_host(fitted.reached_)[row]
            unsure = fitted._uncertainty(*known)
            return row[most_useful_points(fitted.graph_, labeled, unsure, int(n))]

    def _labeled_points(self) -> Mask:
        """Mark the points of the single graph that need no more labels."""
        labeled: Mask = self._answer.templates.transductions[0].labels.labeled
        return labeled

    def _uncertainty(self, u: Floats, reached: Mask) -> Floats:
        """Return the uncertainty of distributions (n_rows,)."""
        return uncertainty(u, reached)


class SuggestsRows:
    """An estimator of numbers, fitted with a single graph, that suggests rows to measure."""

    graph_: Any
    verbose: int
    _answer: ValueAnswer

    def suggest_labels(self, n: int = 10) -> Indices:
        """Suggest the fitted rows whose values to measure next (active learning).

        Values of the suggested rows would reduce the expected variance of all rows the most. Before
        the first value, each row is in the middle of a region of the graph.

        Read more in the :doc:`user guide </guide/numbers>`.

        Parameters
        ----------
        n : int, default=10
            Number of rows to suggest.

        Returns
        -------
        ndarray of int of shape (n,)
            Indices of rows of the fitted ``X`` without a value of some target, the most useful
            first. Fewer than ``n`` if fewer are left. Of several equal rows, only one is suggested.

        Raises
        ------
        ValueError
            If ``n`` is not a positive integer, or if there are several templates.

        See Also
        --------
        relabel : Fit to the new values.

        Notes
        -----
        The values are taken for a Gaussian field on the graph, whose precision is the graph's
        Laplacian and a little of its diagonal. The variance that a value of a row would take away
        depends on the rows with a value, not on the values. It is compared for the 16 rows that
        promise most, the best one is taken as known, and the next one is selected. Variances of
        targets with different gaps are added.

        References
        ----------
        M. Ji and J. Han, "A variance minimization criterion to active learning on graphs", AISTATS
        (2012).

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import make_swiss_roll
        >>> from sklearn_wnll import WNLLRegressor
        >>> X, t = make_swiss_roll(1000, random_state=0)
        >>> y = np.full(1000, None)  # no value yet
        >>> model = WNLLRegressor().fit(X, y)
        >>> for _ in range(2):
        ...     rows = model.suggest_labels(20)
        ...     y[rows] = t[rows]  # what an instrument would say
        ...     model = model.relabel(y)
        >>> round(float(np.abs(model.transduction_ - t).mean()), 1)
        0.1
        """
        fitted = copy(self)  # another thread may fit meanwhile
        _check_can_suggest(fitted, n)
        layers = fitted._answer.templates
        row = layers.points.first_rows
        count = np.bincount(layers.points.index).astype(np.float64)
        known = [layer.transductions[0].labels.labeled for layer in layers.layers]
        with show_progress(fitted.verbose):
            if not any(given.any() for given in known):
                return row[central_points(fitted.graph_, int(n))]
            return row[steadying_points(fitted.graph_, known, count, int(n))]


class SuspectsLabels:
    """A classifier that finds labels that may be wrong, by its ``_held_out_labels()``."""

    classes_: NDArray[Any]

    def suspect_labels(self, n: int = 10, *, return_proposals: bool = False) -> Any:
        """Find labelled rows whose label may be wrong.

        Read more in the :doc:`user guide </guide/wrong_labels>`.

        Parameters
        ----------
        n : int, default=10
            Maximum number of rows to return.
        return_proposals : bool, default=False
            If True, also return the classes that the graph proposes, and how strongly.

        Returns
        -------
        rows : ndarray of int of shape (n,)
            Indices of rows of the fitted ``X`` (for ``iloc`` if it is a DataFrame) for which the
            graph predicts another label, the most suspect first. Fewer than ``n`` if there are
            fewer.
        proposals : ndarray of shape (n,)
            Class that the graph predicts for each row. Only returned if ``return_proposals`` is
            True.
        strengths : ndarray of float of shape (n,)
            One minus the ratio of the label's probability to the proposal's: near 0 if the graph
            hardly prefers the proposal, 1 if it rules out the label. Only returned if
            ``return_proposals`` is True.

        Raises
        ------
        ValueError
            If ``n`` is not a positive integer, or if only one row is labelled.

        See Also
        --------
        WNLLClassifier : With ``label_noise``, other labels can outvote wrong ones.

        Notes
        -----
        A row's own label does not influence its prediction: the labels of a fold are hidden, and
        the others are extended over the same graph. If labels were held out in ``fit``, nothing
        more is computed. Otherwise, each call solves for 5 folds, and with ``label_noise`` 7 times
        for each. With few labels, right labels are suspected too, where the labels of their
        neighbours were hidden in the same fold: look at the strengths. A row is never suspected
        if no other label reaches it, or if no label of its class is in another fold.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> X, y = load_digits(return_X_y=True)
        >>> few = hide_labels(y, 20, random_state=0)
        >>> row = (few == 3).argmax()
        >>> few[row] = 8  # a mistake
        >>> model = WNLLClassifier(random_state=0).fit(X, few)
        >>> rows, proposals, strengths = model.suspect_labels(5, return_proposals=True)
        >>> bool(row in rows), int(proposals[rows == row][0])
        (True, 3)
        """
        fitted = copy(self)  # another thread may fit meanwhile
        check_is_fitted(fitted)
        check_count(n)
        rows, codes, u, known = fitted._held_out_labels()
        proposed = u.argmax(axis=1)
        each = np.arange(len(rows))
        strength = np.where(known, 1 - u[each, codes] / u[each, proposed], 0)
        worst = np.argsort(-strength, kind="stable")
        worst = worst[strength[worst] > 0][: int(n)]
        if return_proposals:
            return rows[worst], as_host(fitted.classes_)[proposed[worst]], strength[worst]
        return rows[worst]

    def _held_out_labels(self) -> HeldOutLabels:
        raise NotImplementedError


def _check_can_suggest(model: Any, n: Any) -> None:
    """Refuse to suggest rows without a fitted graph, or a number that is none."""
    check_is_fitted(model)
    check_whole(model, "suggest_labels")
    check_count(n)
    if model.graph_ is None:
        raise ValueError(
            "suggest_labels needs one graph, but the rows are divided among "
            f"{len(model.templates_)} templates. Fit with template_size=None, perhaps to a "
            "subset of the rows."
        )


def check_count(n: Any) -> None:
    """Refuse a value that is not a number of rows."""
    if not isinstance(n, (int, Integral)) or isinstance(n, bool) or n < 1:
        raise ValueError(f"n must be an integer of at least 1, got {n!r}.")
