"""Accuracy against the number of labels."""

import numbers
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state, indexable

from .._arrays import as_host
from .._label_types import equal_rows
from .._labels import encode_labels, is_unlabeled
from .._typing import Indices, Labels, RandomState, Rows
from .._warnings import silenced
from ..datasets import hide_labels
from ..exceptions import AmbiguousLabelsWarning, FewLabelsWarning
from ._style import COLORS, LINES, MARKERS, import_pyplot, in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend

__all__ = ["LabelBudgetDisplay"]


class LabelBudgetDisplay:
    """Plot of the accuracy against the number of labels per class.

    Create a display with :meth:`from_estimators` or :meth:`from_estimator`, or pass accuracies of
    your own and call :meth:`plot`. All parameters are stored as attributes.

    Read more in the :doc:`user guide </guide/choosing>`.

    Parameters
    ----------
    labels_per_class : array-like of int of shape (n_budgets,)
        Numbers of labels per class.
    scores : dict of str to array-like of shape (n_budgets, n_draws)
        Accuracies of each estimator, between 0 and 1, for each number of labels and each draw.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure or SubFigure
        Figure of the plot.
    errorbars_ : dict of str to matplotlib ErrorbarContainer
        Mean and standard deviation for each estimator.
    legend_ : matplotlib Legend
        Legend of the estimators.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Plot the score against the number of rows.

    Examples
    --------
    >>> from sklearn_wnll.plotting import LabelBudgetDisplay
    >>> scores = {"mine": [[0.6, 0.7], [0.8, 0.9]], "yours": [[0.5, 0.6], [0.7, 0.7]]}
    >>> display = LabelBudgetDisplay([1, 10], scores).plot()
    >>> display.ax_.get_xlabel()
    'labels per class'
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    errorbars_: dict[str, "ErrorbarContainer"]
    legend_: "Legend"

    def __init__(self, labels_per_class: ArrayLike, scores: Mapping[str, ArrayLike]) -> None:
        self.labels_per_class = np.asarray(labels_per_class)
        self.scores = {name: np.asarray(values) for name, values in scores.items()}
        for name, values in self.scores.items():
            if values.ndim != 2 or len(values) != len(self.labels_per_class):
                raise ValueError(
                    f"scores[{name!r}] has shape {values.shape}, but labels_per_class asks for "
                    f"({len(self.labels_per_class)}, n_draws): a row for each number of labels."
                )

    @classmethod
    def from_estimators(
        cls,
        estimators: dict[str, Any],
        X: Rows,
        y: Labels,
        *,
        labels_per_class: Sequence[int] | NDArray[np.integer] = (1, 2, 5, 10),
        n_draws: int = 5,
        supervised: Collection[str] = (),
        random_state: RandomState = None,
        n_jobs: int | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the accuracy of estimators on hidden labels, for different numbers of given labels.

        Every estimator gets the same draws of labels. Estimators of partly labelled data are
        fitted to all rows, with hidden labels marked by -1 (``"-1"`` among strings).

        Parameters
        ----------
        estimators : dict of str to estimator
            Estimators by name. Clones of them are fitted.
        X : {array-like, sparse matrix} of shape (n_samples, ...)
            Rows or images.
        y : array-like of shape (n_samples,)
            Labels. Rows without one (-1, None or NaN) are fitted but not scored.
        labels_per_class : sequence of int, default=(1, 2, 5, 10)
            Numbers of labels to keep in each class.
        n_draws : int, default=5
            Number of draws for each number of labels.
        supervised : collection of str, default=()
            Names of the estimators that do not take unlabelled rows. They are fitted to the
            labelled rows alone, and scored on the same hidden labels.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws. Estimators have a ``random_state`` of their own.
        n_jobs : int, default=None
            Number of jobs to run in parallel. None means 1 unless in a
            :class:`joblib.parallel_config` context; -1 means all processors. The scores do not
            depend on it.
        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure is made.
        **kwargs
            Passed to :meth:`plot`.

        Returns
        -------
        LabelBudgetDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If an argument is invalid, or if an estimator that is not named in ``supervised``
            takes the marker for a class.

        Notes
        -----
        The score is the accuracy of ``predict`` on rows that were fitted without their labels.
        (For scikit-learn's ``LabelSpreading``, it differs from that of ``transduction_``, and is
        often better.) scikit-learn's own estimators take the marker -1 for numbers only: encode
        strings first with :class:`~sklearn.preprocessing.LabelEncoder`.

        :class:`~sklearn_wnll.exceptions.FewLabelsWarning` is suppressed.

        Examples
        --------
        >>> from sklearn.datasets import make_moons
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.plotting import LabelBudgetDisplay
        >>> X, y = make_moons(200, noise=0.1, random_state=0)
        >>> display = LabelBudgetDisplay.from_estimators(
        ...     {"WNLL": WNLLClassifier(), "nearest": KNeighborsClassifier(1)}, X, y,
        ...     labels_per_class=(2, 5), n_draws=3, supervised=["nearest"], random_state=0,
        ... )
        >>> {name: float(scores.mean().round(1)) for name, scores in display.scores.items()}
        {'WNLL': ..., 'nearest': ...}
        """
        import_pyplot(f"{cls.__name__}.from_estimators")
        with silenced(AmbiguousLabelsWarning):
            classes, codes = encode_labels(y)
        X, codes = indexable(X, codes)
        budgets = _check_budgets(labels_per_class, classes, codes)
        estimators = _check_estimators(estimators, supervised)
        if not _is_count(n_draws):
            raise ValueError(f"n_draws must be an integer of at least 1, got {n_draws!r}.")
        seeds = check_random_state(random_state).randint(2**31 - 1, size=n_draws)
        draws = [hide_labels(y, budget, random_state=seed) for seed in seeds for budget in budgets]
        found = Parallel(n_jobs=n_jobs)(
            delayed(_hidden_accuracy)(
                estimator,
                X,
                classes[codes],
                few,
                np.flatnonzero(is_unlabeled(few) & (codes >= 0)),
                name=name,
                supervised=name in supervised,
            )
            for few in draws
            for name, estimator in estimators.items()
        )
        found = np.reshape(found, (n_draws, len(budgets), len(estimators)))
        scores = {name: found[:, :, place].T for place, name in enumerate(estimators)}
        return cls(budgets, scores).plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Rows, y: Labels, *, name: str | None = None, **kwargs: Any
    ) -> Self:
        """Plot the accuracy of one estimator of partly labelled data.

        Parameters
        ----------
        estimator : estimator
            The estimator.
        X : {array-like, sparse matrix} of shape (n_samples, ...)
            Rows or images.
        y : array-like of shape (n_samples,)
            Labels.
        name : str, default=None
            Name in the legend. If None, the name of the class.
        **kwargs
            Passed to :meth:`from_estimators`.

        Returns
        -------
        LabelBudgetDisplay
            The drawn display.

        Examples
        --------
        >>> from sklearn.datasets import make_moons
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.plotting import LabelBudgetDisplay
        >>> X, y = make_moons(200, noise=0.1, random_state=0)
        >>> display = LabelBudgetDisplay.from_estimator(
        ...     WNLLClassifier(), X, y, labels_per_class=(2, 5), n_draws=3, random_state=0
        ... )
        >>> display.scores["WNLLClassifier"].shape
        (2, 3)
        """
        name = type(estimator).__name__ if name is None else name
        return cls.from_estimators({name: estimator}, X, y, **kwargs)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the mean accuracy of each estimator, with bars of one standard deviation.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure is made.

        Returns
        -------
        LabelBudgetDisplay
            The display.

        Examples
        --------
        >>> from sklearn_wnll.plotting import LabelBudgetDisplay
        >>> display = LabelBudgetDisplay([1, 10], {"mine": [[0.6, 0.7], [0.8, 0.9]]})
        >>> display.plot().ax_.get_ylabel()
        'accuracy on hidden labels'
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_, self.errorbars_ = ax, ax.figure, {}
        for place, (name, values) in enumerate(self.scores.items()):
            self.errorbars_[name] = ax.errorbar(
                self.labels_per_class,
                values.mean(axis=1),
                values.std(axis=1),
                label=name,
                color=COLORS[place % len(COLORS)],
                marker=MARKERS[place % len(MARKERS)],
                linestyle=LINES[place % len(LINES)],
                capsize=3,
            )
        ax.set(xlabel="labels per class", ylabel="accuracy on hidden labels", xscale="log")
        ax.set_xticks(self.labels_per_class, [str(n) for n in self.labels_per_class])
        ax.minorticks_off()
        ax.yaxis.set_major_formatter(in_percent)
        ax.grid(alpha=0.3)
        self.legend_ = ax.legend()
        return self


def _is_count(n: object) -> bool:
    """Return whether a value is an integer of at least 1."""
    return isinstance(n, numbers.Integral) and int(n) >= 1


def _check_budgets(
    labels_per_class: Sequence[int] | NDArray[np.integer], classes: NDArray[Any], codes: Indices
) -> list[int]:
    """Refuse numbers of labels that cannot be kept, or that leave nothing to score."""
    budgets = list(labels_per_class)
    if not budgets or not all(map(_is_count, budgets)):
        raise ValueError(
            f"labels_per_class must be integers of at least 1, got {labels_per_class!r}."
        )
    counts = np.bincount(codes[codes >= 0])
    if max(budgets) > counts.min():
        raise ValueError(
            f"labels_per_class holds {max(budgets)}, but class {classes[counts.argmin()]} has "
            f"{counts.min()} labels in y. Leave out the larger numbers."
        )
    if max(budgets) == counts.max():
        raise ValueError(
            f"labels_per_class holds {max(budgets)}, which hides no label: there is nothing to "
            "score. Leave out the larger numbers."
        )
    return budgets


def _check_estimators(estimators: dict[str, Any], supervised: Collection[str]) -> dict[str, Any]:
    """Refuse anything but a dict with a name for each estimator."""
    if not isinstance(estimators, dict) or not estimators:
        raise ValueError(
            "estimators must be a dict of one or more estimators by name, got "
            f"{type(estimators).__name__}. For a single one, call from_estimator."
        )
    unknown = set(supervised) - set(estimators)
    if isinstance(supervised, str) or unknown:
        raise ValueError(
            f"supervised={supervised!r} must be a list of names among {list(estimators)}."
        )
    return estimators


def _hidden_accuracy(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    few: NDArray[Any],
    hidden: Indices,
    *,
    name: str,
    supervised: bool,
) -> np.floating:
    """Fit a clone of an estimator to a draw of labels; return its accuracy on the hidden ones."""
    model = clone(estimator)
    with silenced(FewLabelsWarning, AmbiguousLabelsWarning):
        if supervised:
            labeled = np.flatnonzero(~is_unlabeled(few))
            model.fit(_safe_indexing(X, labeled), few[labeled])
        else:
            model.fit(X, few)
            _check_knows_marker(model, few[hidden[0]], name)
        return np.mean(equal_rows(_predicted(model, X, hidden), y[hidden]))


def _check_knows_marker(model: Any, marker: Any, name: str) -> None:
    """Refuse an estimator that took the marker of unlabelled rows for a class."""
    marker = marker.item() if isinstance(marker, np.generic) else marker
    if marker in np.asarray(as_host(getattr(model, "classes_", []))).tolist():
        raise ValueError(
            f"Estimator {name!r} takes the marker {marker!r} for a class. If it learns from "
            f"labelled rows alone, pass supervised=[{name!r}]; if it knows unlabelled rows as -1 "
            "among numbers, make y numbers, with sklearn.preprocessing.LabelEncoder."
        )


def _predicted(model: Any, X: Any, rows: Indices) -> NDArray[Any]:
    """Predict labels of some of the fitted rows."""
    # scikit-learn's LabelSpreading divides by 0 for rows that no label reaches.
    with np.errstate(invalid="ignore"):
        return as_host(model.predict(_safe_indexing(X, rows)))
