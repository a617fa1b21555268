"""The training of a network, epoch by epoch."""

import numbers
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ._style import COLORS, LINES, MARKERS, import_pyplot, in_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

    OneOrTwoAxes: TypeAlias = Axes | Sequence[Axes] | NDArray[Any]

__all__ = ["StageHistoryDisplay"]

Columns: TypeAlias = Literal["auto"] | Sequence[str]

_STEPS = {"linear": "linear step", "pseudo": "pseudo-label step", "wnll": "WNLL step"}


class StageHistoryDisplay:
    """Plot of the loss, and of other recorded numbers, over the epochs of a training.

    Create a display with :meth:`from_estimator`, or pass a stored history and call :meth:`plot`.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    history : list of dict
        The ``history_`` of a :class:`~sklearn_wnll.DeepWNLLClassifier`: for each epoch, its
        ``stage``, ``step`` and ``train_loss``, and the numbers that callbacks recorded.
    columns : "auto" or sequence of str, default="auto"
        Recorded numbers to draw beside the loss. ``"auto"``: the accuracies, which are the
        columns whose names end in ``acc`` or ``accuracy``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the loss.
    score_ax_ : matplotlib Axes or None
        Axes of the columns.
    figure_ : matplotlib Figure or SubFigure
        Figure of the plot.
    loss_lines_ : list of matplotlib Line2D
        Line of the loss for each step of each stage, in order.
    score_lines_ : dict of str to matplotlib Line2D
        Lines of the columns, by name.
    legend_ : matplotlib Legend
        Legend of the kinds of step.

    Notes
    -----
    The three kinds of step have different losses: the cross entropy of the linear head on labelled
    samples for the linear step, on all samples by their weight for the pseudo-label step, and the
    cross entropy of the interpolation for the WNLL step. Compare only losses of the same kind.

    The estimator records accuracies if it has ``validation`` samples. A callback in
    ``callbacks=[...]`` can record others, with ``net.history.record("linear_acc", ...)`` in its
    ``on_epoch_end``.

    Examples
    --------
    >>> from sklearn_wnll.plotting import StageHistoryDisplay
    >>> history = [
    ...     {"stage": 1, "step": "linear", "train_loss": 2.0, "linear_acc": 0.5},
    ...     {"stage": 1, "step": "linear", "train_loss": 1.0, "linear_acc": 0.7},
    ...     {"stage": 1, "step": "wnll", "train_loss": 0.5},
    ... ]
    >>> display = StageHistoryDisplay(history).plot()
    >>> display.score_lines_["linear_acc"].get_ydata()
    array([0.5, 0.7, nan])
    """

    ax_: "Axes"
    score_ax_: "Axes | None"
    figure_: "Figure | SubFigure"
    loss_lines_: list["Line2D"]
    score_lines_: dict[str, "Line2D"]
    legend_: "Legend"

    def __init__(self, history: Sequence[Mapping[str, Any]], *, columns: Columns = "auto") -> None:
        self.history = list(history)
        if not self.history:
            raise ValueError("history is empty: there is no epoch to draw. Train for one or more.")
        self.columns = columns

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, columns: Columns = "auto", ax: "OneOrTwoAxes | None" = None
    ) -> Self:
        """Plot the training of a fitted estimator.

        Parameters
        ----------
        estimator : DeepWNLLClassifier
            A fitted estimator, or another object with such a ``history_``.
        columns : "auto" or sequence of str, default="auto"
            Recorded numbers to draw beside the loss; ``"auto"``: the accuracies.
        ax : matplotlib Axes or two of them, default=None
            Axes to draw in, as for :meth:`plot`.

        Returns
        -------
        StageHistoryDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If there is no history, or if a column was not recorded.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep
        >>> from sklearn_wnll.plotting import StageHistoryDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> model = DeepWNLLClassifier(n_stages=1, linear_step=LinearStep(epochs=2))
        >>> model = model.set_params(wnll_step=WNLLStep(epochs=0)).fit(X[:200], y[:200])
        >>> len(StageHistoryDisplay.from_estimator(model).loss_lines_)
        1
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if not hasattr(estimator, "history_"):
            raise ValueError(
                f"estimator {type(estimator).__name__} has no history_. Pass a fitted "
                "DeepWNLLClassifier."
            )
        return cls(estimator.history_, columns=columns).plot(ax)

    def plot(self, ax: "OneOrTwoAxes | None" = None) -> Self:
        """Draw the loss, and the columns below it if there are any.

        Parameters
        ----------
        ax : matplotlib Axes or two of them, default=None
            Axes to draw in: two for the loss and the columns, or a single one for the loss alone.
            If None, a new figure is made.

        Returns
        -------
        StageHistoryDisplay
            The display.

        Raises
        ------
        ValueError
            If a column was not recorded, or if there are more than two axes.

        Examples
        --------
        >>> from sklearn_wnll.plotting import StageHistoryDisplay
        >>> history = [{"stage": 1, "step": "linear", "train_loss": loss} for loss in (2.0, 1.0)]
        >>> StageHistoryDisplay(history).plot().ax_.get_ylabel()
        'training loss'
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        names = self._find_columns()
        given: Any = ax
        if given is None:
            n, height = (2, 6.4) if names else (1, 4.8)
            _, given = plt.subplots(n, sharex=True, figsize=(6.4, height), layout="constrained")
        axes = np.ravel(given)
        if len(axes) > 2:
            raise ValueError(f"ax must be one or two Axes, got {len(axes)}.")
        self.ax_, self.figure_ = axes[0], axes[0].figure
        self.score_ax_ = axes[1] if len(axes) == 2 and names else None
        self._draw_loss()
        if self.score_ax_ is None:
            self.score_lines_ = {}
        else:
            self.score_lines_ = self._draw_columns(self.score_ax_, names)
        for place in axes:
            if place is axes[-1] or not place.get_shared_x_axes().joined(place, axes[-1]):
                place.set_xlabel("epoch")
        return self

    def _find_columns(self) -> list[str]:
        """Find the names of the columns to draw."""
        recorded = {
            name
            for row in self.history
            for name, value in row.items()
            if isinstance(value, numbers.Real)
        }
        if isinstance(self.columns, str) and self.columns == "auto":
            return sorted(name for name in recorded if name.endswith(("acc", "accuracy")))
        names = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        for name in names:
            if name not in recorded:
                raise ValueError(
                    f"columns holds {name!r}, which the history does not. It holds "
                    f"{', '.join(sorted(recorded))}."
                )
        return names

    def _step_looks(self) -> dict[str, int]:
        """Number the colours and markers of the kinds of step, with the user's own kinds last."""
        kinds = dict.fromkeys([*_STEPS, *(row["step"] for row in self.history)])
        return {kind: number % len(COLORS) for number, kind in enumerate(kinds)}

    def _parts(self) -> Iterator[tuple[int, str, list[int]]]:
        """Yield the stage, the kind and the epochs, counted from 1, of each step."""
        numbered = enumerate(self.history, 1)
        for (stage, step), rows in groupby(
            numbered, key=lambda pair: (pair[1]["stage"], pair[1]["step"])
        ):
            yield stage, step, [epoch for epoch, _ in rows]

    def _draw_loss(self) -> None:
        """Draw the loss, a line for each step, and shade and name the steps."""
        losses = np.array([row["train_loss"] for row in self.history], dtype=float)
        self.loss_lines_ = []
        named: set[str] = set()
        stages: dict[int, tuple[int, int]] = {}
        looks = self._step_looks()
        for stage, step, epochs in self._parts():
            look = looks[step]
            first, last = epochs[0], epochs[-1]
            (line,) = self.ax_.plot(
                epochs,
                losses[first - 1 : last],
                color=COLORS[look],
                marker=MARKERS[look],
                markersize=4,
                label=None if step in named else _STEPS.get(step, f"{step} step"),
            )
            self.loss_lines_.append(line)
            named.add(step)
            stages[stage] = stages.get(stage, (first, last))[0], last
            for ax in filter(None, (self.ax_, self.score_ax_)):
                ax.axvspan(first - 0.5, last + 0.5, color=COLORS[look], alpha=0.1, linewidth=0)
        self.ax_.set(ylabel="training loss", xlim=(0.5, len(losses) + 0.5))
        if (losses > 0).all():
            self.ax_.set_yscale("log")
        self.legend_ = self.ax_.legend()
        self._name_stages(stages)

    def _name_stages(self, stages: dict[int, tuple[int, int]]) -> None:
        """Write the stages above the axes, and draw a line at the start of each."""
        middles = [np.mean(ends) for ends in stages.values()]
        top = self.ax_.secondary_xaxis("top")
        top.set_ticks(middles, [f"stage {stage}" for stage in stages])
        top.tick_params(length=0)
        for first, _ in list(stages.values())[1:]:
            for ax in filter(None, (self.ax_, self.score_ax_)):
                ax.axvline(first - 0.5, color="0.4", linewidth=1)

    def _draw_columns(self, ax: "Axes", names: list[str]) -> dict[str, "Line2D"]:
        """Draw the columns, NaN where an epoch did not record one."""
        lines, epochs = {}, np.arange(1, len(self.history) + 1)
        for place, name in enumerate(names):
            values = np.array([row.get(name, np.nan) for row in self.history], dtype=float)
            look = place + len(self._step_looks())  # colours differ from those of the steps
            (lines[name],) = ax.plot(
                epochs,
                values,
                color=COLORS[look % len(COLORS)],
                marker=MARKERS[look % len(MARKERS)],
                linestyle=LINES[place % len(LINES)],
                markersize=4,
                label=name,
            )
        accuracies = isinstance(self.columns, str) and self.columns == "auto"
        if accuracies:
            ax.yaxis.set_major_formatter(in_percent)
        ax.set(
            ylabel="accuracy" if accuracies else "recorded value",
            xlim=(0.5, len(self.history) + 0.5),
        )
        ax.legend(loc="lower right")
        return lines
