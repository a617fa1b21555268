"""Display of a labelling session: the score after each round, and the rows to label next."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._active import settled_by_next
from .._arrays import as_host
from .._certainty import uncertainty
from .._label_types import equal_rows
from .._typing import Floats, Indices, Labels, Mask, Rows
from ._fitted import find_labeled, fitted_distributions
from ._geometry import check_embedding, embed
from ._style import COLORS, LINES, MARKERS, import_pyplot, in_percent
from ._transduction import TransductionDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection, PolyCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

    SomeAxes: TypeAlias = Axes | Sequence[Axes] | NDArray[Any]

__all__ = ["LabelingDisplay"]


class LabelingDisplay:
    """Plot of a labelling session: score, gain of the next label, and rows to label next.

    Create a display, call :meth:`add` after each round of labels and :meth:`plot` to draw it, or
    start with :meth:`from_estimator`.

    Read more in the :doc:`tutorial </tutorials/labeling_session>`.

    Parameters
    ----------
    history : iterable of dict, default=()
        Earlier rounds to continue: the ``history`` of another display.
    embedding : array-like of shape (n_samples, 2), default=None
        Coordinates of the fitted rows, to draw the rows to label next. If None, they are not drawn.
    axis_names : tuple of two str, default=None
        Names of the two axes of the embedding. If None, the axes have no ticks.

    Attributes
    ----------
    history : list of dict
        For each round: ``n_labels``; ``score``, the accuracy on held-out labels; ``n_scored``, the
        number of these labels; ``gain``, in rows. Unknown numbers are NaN.
    next_rows : ndarray of int
        Rows to label next, from the last round.
    axes_ : list of matplotlib Axes
        Axes of the score, the gain and the rows, as far as these are known.
    figure_ : matplotlib Figure or SubFigure
        Figure of the plot.
    score_line_ : matplotlib Line2D or None
        Line of the score.
    score_band_ : matplotlib PolyCollection or None
        Band of its standard error.
    gain_line_ : matplotlib Line2D or None
        Line of the gain.
    transduction_ : TransductionDisplay or None
        Display of the fitted rows.
    next_points_ : matplotlib PathCollection or None
        Marks of the rows to label next.

    See Also
    --------
    LabelBudgetDisplay : Plot the accuracy of several estimators against the number of labels.
    sklearn_wnll.WNLLClassifier.suggest_labels : Suggest rows to label next.

    Notes
    -----
    The score is ``held_out_score_``, from a fit with ``held_out`` or ``calibrate``. The band is its
    standard error, as a Wilson interval. Suggested rows are not a random sample, so their score may
    be several points too high or too low. For a fair score, also label some rows drawn at random,
    and pass these as ``scored_rows``.

    The gain is the number of rows that the next label is expected to settle: the
    uncertainty of the rows whose random walks would end at the most useful row if it were labelled
    (see :meth:`~sklearn_wnll.WNLLClassifier.suggest_labels`), in units of a row about which nothing
    is known. Uncalibrated distributions are far too cautious, which makes the gain too large. With
    ``calibrate=True``, expect little from labels that settle less than one row.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_wnll import WNLLClassifier
    >>> from sklearn_wnll.datasets import hide_labels
    >>> from sklearn_wnll.plotting import LabelingDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> few = hide_labels(y, 3, random_state=0)
    >>> model = WNLLClassifier(calibrate=True, random_state=0).fit(X, few)
    >>> display = LabelingDisplay().add(model, few)
    >>> for _ in range(3):
    ...     rows = model.suggest_labels(10)
    ...     few[rows] = y[rows]  # what a person would say
    ...     display = display.add(model.relabel(few), few)
    >>> [row["n_labels"] for row in display.history]
    [30, 40, 50, 60]
    >>> display.plot().axes_[0].get_ylabel()
    'score on held-out labels'
    """

    history: list[dict[str, Any]]
    next_rows: Indices
    axes_: list["Axes"]
    figure_: "Figure | SubFigure"
    score_line_: "Line2D | None"
    score_band_: "PolyCollection | None"
    gain_line_: "Line2D | None"
    transduction_: TransductionDisplay | None
    next_points_: "PathCollection | None"

    def __init__(
        self,
        history: Iterable[Mapping[str, Any]] = (),
        *,
        embedding: ArrayLike | None = None,
        axis_names: Sequence[str] | None = None,
    ) -> None:
        self.history = [dict(row) for row in history]
        self.embedding = None if embedding is None else np.asarray(embedding)
        self.axis_names = axis_names
        self.next_rows = np.zeros(0, dtype=np.intp)
        self.transduction_ = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Rows,
        y: Labels,
        *,
        next_rows: ArrayLike | None = None,
        scored_rows: ArrayLike | None = None,
        embedding: ArrayLike | None = None,
        ax: "SomeAxes | None" = None,
    ) -> Self:
        """Create a display with the round of a fitted estimator, and draw it.

        Parameters
        ----------
        estimator : WNLLClassifier
            A fitted estimator.
        X : {array-like, sparse matrix} of shape (n_samples, ...)
            The fitted rows or images.
        y : array-like of shape (n_samples,)
            The partly labelled ``y`` of the fit.
        next_rows : array-like of int, default=None
            As for :meth:`add`.
        scored_rows : array-like of int, default=None
            As for :meth:`add`.
        embedding : array-like of shape (n_samples, 2), default=None
            Coordinates of the rows, for example from t-SNE or UMAP. If None, ``X`` itself if it has
            two features; otherwise, the rows are not drawn.
        ax : matplotlib Axes or up to three of them, default=None
            As for :meth:`plot`.

        Returns
        -------
        LabelingDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If an argument has the wrong shape, or where :meth:`plot` raises it.

        Examples
        --------
        >>> from sklearn.datasets import make_moons
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> from sklearn_wnll.plotting import LabelingDisplay
        >>> X, y = make_moons(200, noise=0.1, random_state=0)
        >>> few = hide_labels(y, 3, random_state=0)
        >>> model = WNLLClassifier(held_out=3, random_state=0).fit(X, few)
        >>> rows = model.suggest_labels(5)
        >>> display = LabelingDisplay.from_estimator(model, X, few, next_rows=rows)
        >>> len(display.axes_)  # the score, the gain and the rows
        3
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        names = None
        rows: Any = X
        if embedding is None and getattr(rows, "shape", np.shape(rows))[1:] == (2,):
            embedding, names = embed(X)
        display = cls(embedding=embedding, axis_names=names)
        return display.add(estimator, y, next_rows=next_rows, scored_rows=scored_rows).plot(ax)

    def add(
        self,
        estimator: Any,
        y: Labels,
        *,
        next_rows: ArrayLike | None = None,
        scored_rows: ArrayLike | None = None,
    ) -> Self:
        """Add a round: the score and the gain of the estimator with the labels so far.

        Parameters
        ----------
        estimator : WNLLClassifier
            An estimator fitted to all rows, or another one with the same fitted attributes.
        y : array-like of shape (n_samples,)
            The partly labelled ``y`` that it was last fitted to.
        next_rows : array-like of int, default=None
            Rows to mark as those to label next, as returned by ``suggest_labels``. If None, no
            rows are marked.
        scored_rows : array-like of int, default=None
            Labelled rows to score, preferably rows drawn at random. If None, all labelled rows.

        Returns
        -------
        LabelingDisplay
            The display, to be drawn by :meth:`plot`.

        Raises
        ------
        ValueError
            If an argument has the wrong shape or does not hold fitted rows.

        Examples
        --------
        >>> from sklearn.datasets import make_moons
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> from sklearn_wnll.plotting import LabelingDisplay
        >>> X, y = make_moons(200, noise=0.1, random_state=0)
        >>> few = hide_labels(y, 3, random_state=0)
        >>> model = WNLLClassifier(held_out=3, random_state=0).fit(X, few)
        >>> display = LabelingDisplay().add(model, few)
        >>> display.history[0]["n_labels"]
        6
        """
        check_is_fitted(estimator)
        u = fitted_distributions(estimator)
        n = len(u)
        unlabeled, classes = getattr(estimator, "unlabeled", "auto"), as_host(estimator.classes_)
        labeled = find_labeled(y, unlabeled, classes if len(classes) else None, n)
        assert labeled is not None  # because y was passed
        following = _check_rows("next_rows", next_rows, n)
        scored = np.flatnonzero(labeled)
        if scored_rows is not None:
            scored = _check_rows("scored_rows", scored_rows, n)
            if not labeled[scored].all():
                raise ValueError(
                    "scored_rows holds rows that have no label in y. Pass labelled ones."
                )
        reached = as_host(getattr(estimator, "reached_", np.ones(n, dtype=bool)))
        transduction = None
        if self.embedding is not None:
            transduction = TransductionDisplay(
                check_embedding(self.embedding, n),
                u if u.shape[1] else np.ones((n, 1)),
                classes=classes if u.shape[1] else ["unknown"],
                reached=reached,
                labeled=labeled,
                axis_names=self.axis_names,
            )
        score, n_scored = _score(estimator, y, scored)
        row = {
            "n_labels": int(labeled.sum()),
            "score": score,
            "n_scored": n_scored,
            "gain": _gain(estimator, u, reached, labeled),
        }
        self.history.append(row)
        self.next_rows, self.transduction_ = following, transduction
        return self

    def plot(self, ax: "SomeAxes | None" = None) -> Self:
        """Draw the score and the gain against the number of labels, and the rows.

        Parameters
        ----------
        ax : matplotlib Axes or up to three of them, default=None
            Axes for the score, the gain and the rows, in this order, as far as these are known;
            those without axes are not drawn. If None, a new figure is made.

        Returns
        -------
        LabelingDisplay
            The display.

        Raises
        ------
        ValueError
            If there is no round, or if nothing is known of any round.

        Examples
        --------
        >>> from sklearn_wnll.plotting import LabelingDisplay
        >>> rounds = [
        ...     {"n_labels": 10, "score": 0.8, "n_scored": 10, "gain": 9.0},
        ...     {"n_labels": 20, "score": 0.9, "n_scored": 20, "gain": 4.0},
        ... ]
        >>> LabelingDisplay(rounds).plot().gain_line_.get_ydata()
        array([9., 4.])
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        parts = self._known_parts()
        if ax is None:
            left = [part for part in parts if part != "rows"]
            right = ["rows"] * (len(parts) - len(left))
            mosaic = [[part, *right] for part in left] or [right]
            size = 6.4 * len(mosaic[0]), 4.8 if len(left) < 2 else 5.6
            _, placed = plt.subplot_mosaic(mosaic, figsize=size, layout="constrained")
            given = [placed[part] for part in parts]
            if len(left) == 2:
                placed["gain"].sharex(placed["score"])
        else:
            given = list(np.ravel(np.asarray(ax, dtype=object)))
        drawn = dict(zip(parts, given, strict=False))
        self.axes_, self.figure_ = list(drawn.values()), given[0].figure
        self.score_line_ = self.score_band_ = self.gain_line_ = self.next_points_ = None
        if "score" in drawn:
            self._draw_score(drawn["score"])
        if "gain" in drawn:
            self._draw_gain(drawn["gain"])
        if "rows" in drawn:
            self._draw_rows(drawn["rows"])
        return self

    def _known_parts(self) -> list[str]:
        """List the parts that can be drawn."""
        if not self.history:
            raise ValueError(
                "history is empty: there is no round to draw. Call add(estimator, y) after a fit."
            )
        parts = [name for name in ("score", "gain") if np.isfinite(self._column(name)[1]).any()]
        parts += ["rows"] if self.transduction_ is not None else []
        if not parts:
            raise ValueError(
                "history holds neither a score nor a gain. Fit with held_out=5, or to one graph "
                "with a row that has no label."
            )
        return parts

    def _column(self, name: str) -> tuple[Floats, Floats]:
        """Return the number of labels, and a recorded number, of each round."""
        n_labels, values = (
            np.array([row.get(key, np.nan) for row in self.history], dtype=float)
            for key in ("n_labels", name)
        )
        return n_labels, values

    def _draw_score(self, ax: "Axes") -> None:
        """Draw the score and its standard error."""
        n_labels, score = self._column("score")
        known = np.isfinite(score)
        n_labels, score = n_labels[known], score[known]
        low, high = _wilson(score, self._column("n_scored")[1][known])
        self.score_band_ = ax.fill_between(
            n_labels, low, high, color=COLORS[0], alpha=0.2, linewidth=0
        )
        (self.score_line_,) = ax.plot(
            n_labels, score, color=COLORS[0], marker=MARKERS[0], markersize=4
        )
        ax.set(xlabel="labels", ylabel="score on held-out labels")
        ax.locator_params(axis="x", integer=True)
        ax.yaxis.set_major_formatter(in_percent)
        ax.grid(alpha=0.3)

    def _draw_gain(self, ax: "Axes") -> None:
        """Draw the gain, and the line where a label settles only its own row."""
        n_labels, gain = self._column("gain")
        ax.axhline(1, color="0.4", linewidth=1, linestyle=LINES[3])
        (self.gain_line_,) = ax.plot(
            n_labels, gain, color=COLORS[1], marker=MARKERS[1], linestyle=LINES[1], markersize=4
        )
        ax.set(xlabel="labels", ylabel="gain of the next label, in rows")
        ax.locator_params(axis="x", integer=True)
        if (gain[np.isfinite(gain)] > 0).all():
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("{x:g}" if gain.max() < 10 * gain.min() else "")
        ax.grid(alpha=0.3)

    def _draw_rows(self, ax: "Axes") -> None:
        """Draw the rows, and mark the next ones."""
        assert self.transduction_ is not None  # otherwise the rows are not drawn
        self.transduction_.plot(ax)
        x, y = self.transduction_.embedding[self.next_rows].T
        self.next_points_ = ax.scatter(
            x, y, s=120, marker="*", c="black", linewidths=0.5, edgecolors="white", zorder=4
        )
        self.next_points_.set_label("to label next")
        legend = self.transduction_.legend_
        if legend is not None and len(self.next_rows):
            handles = [*legend.legend_handles, self.next_points_]
            ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _check_rows(name: str, rows: ArrayLike | None, n: int) -> Indices:
    """Refuse values that are not positions of fitted rows."""
    found = np.zeros(0, dtype=np.intp) if rows is None else np.asarray(rows)
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} must be positions of rows, got shape {found.shape} of {found.dtype}. Pass "
            "the result of suggest_labels."
        )
    if len(found) and not 0 <= found.min() <= found.max() < n:
        raise ValueError(
            f"{name} must lie between 0 and {n - 1}, got {found.min()} to {found.max()}."
        )
    return found.astype(np.intp)


def _score(estimator: Any, y: Labels, rows: Indices) -> tuple[float, int]:
    """Return the accuracy on held-out labels of rows, and their number; NaN if there are none."""
    u = getattr(estimator, "held_out_distributions_", None)
    if u is None or not len(rows):
        return np.nan, 0
    said = as_host(estimator.classes_)[u[rows].argmax(axis=1)]
    return float(equal_rows(said, np.asarray(y)[rows]).mean()), len(rows)


def _gain(estimator: Any, u: Floats, reached: Mask, labeled: Mask) -> float:
    """Estimate how many rows the next label will settle; NaN if there is no graph."""
    W = getattr(estimator, "graph_", None)
    if W is None:
        return np.nan
    index = as_host(estimator.point_index_)
    _, row = np.unique(index, return_index=True)
    points = np.zeros(len(row), dtype=bool)
    points[index[labeled]] = True
    return settled_by_next(W, points, uncertainty(u[row], reached[row]))


def _wilson(score: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Compute an interval of one standard error around fractions of ``n``, inside [0, 1]."""
    middle, spread = score + 1 / (2 * n), np.sqrt(score * (1 - score) / n + 1 / (4 * n**2))
    return (middle - spread) / (1 + 1 / n), (middle + spread) / (1 + 1 / n)
