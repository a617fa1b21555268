"""Fitted points in the plane, by class and certainty."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from .._arrays import as_host
from .._certainty import certainty
from .._typing import Floats, Indices, Labels, Mask, Rows
from ._fitted import find_labeled, fitted_distributions
from ._geometry import check_embedding, embed, graph_edges
from ._style import COLORS, MARKERS, import_pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.legend import Legend

__all__ = ["TransductionDisplay"]

_MOST_NAMES = 20  # classes in a legend


class TransductionDisplay:
    """Scatter plot of the predicted classes, faded where they are uncertain.

    Create a display with :meth:`from_estimator` or :meth:`from_predictions`. All parameters are
    stored as attributes, and :meth:`plot` draws them.

    Read more in the :doc:`user guide </guide/first_steps>`.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, 2)
        Coordinates of the points.
    distributions : array-like of shape (n_samples, n_classes)
        Distribution of each point over the classes.
    classes : array-like of shape (n_classes,), default=None
        Names of the classes. If None, they are numbered.
    reached : array-like of bool of shape (n_samples,), default=None
        False for points that no label reaches, whose certainty is 0. If None, points whose
        distribution is all zeros.
    labeled : array-like of bool of shape (n_samples,), default=None
        True for points that have a label, which are marked. If None, no points are marked.
    edges : array-like of int of shape (n_edges, 2), default=None
        Pairs of points to join by a line.
    axis_names : tuple of two str, default=None
        Names of the two axes. If None, the axes have no ticks.

    Attributes
    ----------
    codes : ndarray of int of shape (n_samples,)
        Most likely class of each point, as an index into ``classes``.
    certainty : ndarray of shape (n_samples,)
        Certainty of each point, between 0 and 1, as returned by
        :meth:`sklearn_wnll.WNLLClassifier.certainty`; 0 where ``reached`` is False.
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure or SubFigure
        Figure of the plot.
    points_ : matplotlib PathCollection
        All points, in the order of the rows.
    labeled_points_ : matplotlib PathCollection or None
        Marks of the labelled points.
    edges_ : matplotlib LineCollection or None
        Edges of the graph.
    legend_ : matplotlib Legend or None
        Legend of the classes.

    See Also
    --------
    LabelBudgetDisplay : Accuracy against the number of labels.

    Notes
    -----
    Ten colours, chosen to be told apart by colour-blind readers as far as possible, and nine
    markers distinguish up to 90 classes. 70,000 points are drawn in a second, a million edges in
    half a minute. Both are rasterized, also in a PDF or SVG file.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wnll.plotting import TransductionDisplay
    >>> places = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    >>> u = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    >>> display = TransductionDisplay(places, u, edges=[[0, 1], [1, 2]]).plot()
    >>> display.certainty
    array([1., 0., 1.])
    """

    codes: Indices
    certainty: Floats
    ax_: "Axes"
    figure_: "Figure | SubFigure"
    points_: "PathCollection"
    labeled_points_: "PathCollection | None"
    edges_: "LineCollection | None"
    legend_: "Legend | None"

    def __init__(
        self,
        embedding: ArrayLike,
        distributions: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        reached: ArrayLike | None = None,
        labeled: ArrayLike | None = None,
        edges: ArrayLike | None = None,
        axis_names: Sequence[str] | None = None,
    ) -> None:
        u: NDArray[Any] = check_array(distributions, input_name="distributions")
        self.distributions = u
        self.embedding = check_embedding(embedding, len(u))
        self.classes = np.arange(u.shape[1]) if classes is None else np.asarray(classes)
        if self.classes.shape != (u.shape[1],):
            raise ValueError(
                f"classes has shape {self.classes.shape}, but distributions has {u.shape[1]} "
                "columns. Pass a name for each column, in their order."
            )
        # LabelSpreading returns zeros for points that no label reaches.
        some = u.any(axis=1) if reached is None else reached
        self.reached = _mask("reached", some, len(u))
        self.labeled = None if labeled is None else _mask("labeled", labeled, len(u))
        self.edges = None if edges is None else np.asarray(edges, dtype=np.intp).reshape(-1, 2)
        self.axis_names = axis_names
        self.codes = u.argmax(axis=1)
        self.certainty = certainty(u, self.reached)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Rows,
        y: Labels | None = None,
        *,
        embedding: ArrayLike | None = None,
        edges: bool = False,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the rows that an estimator was fitted to.

        Parameters
        ----------
        estimator : object
            A fitted :class:`~sklearn_wnll.WNLLClassifier`; a fitted
            :class:`~sklearn_wnll.DeepWNLLClassifier`, whose WNLL head is drawn; another estimator
            with ``label_distributions_`` and ``classes_``, such as scikit-learn's
            ``LabelSpreading``; or a pipeline that ends with one of these.
        X : {array-like, sparse matrix} of shape (n_samples, ...)
            The fitted rows or images.
        y : array-like of shape (n_samples,), default=None
            The partly labelled ``y`` of ``fit``, to mark the labelled points. If None, no points
            are marked.
        embedding : array-like of shape (n_samples, 2), default=None
            Coordinates of the points, for example from t-SNE or UMAP. If None, ``X`` itself if it
            has two features, and its first two principal components otherwise.
        edges : bool, default=False
            Whether to draw the edges of ``estimator.graph_``.
        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure is made.
        **kwargs
            Passed to :meth:`plot`.

        Returns
        -------
        TransductionDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If ``X`` or ``y`` is not of the fitted length, if there is no graph for ``edges``, or
            if an ``embedding`` is needed.

        Examples
        --------
        >>> from sklearn.datasets import make_moons
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> from sklearn_wnll.plotting import TransductionDisplay
        >>> X, y = make_moons(200, noise=0.1, random_state=0)
        >>> few = hide_labels(y, 2, random_state=0)
        >>> model = WNLLClassifier(n_neighbors=10).fit(X, few)
        >>> display = TransductionDisplay.from_estimator(model, X, few, edges=True)
        >>> int(display.labeled.sum())
        4
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        if isinstance(estimator, Pipeline):
            check_is_fitted(estimator)
            if len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        check_is_fitted(estimator)
        u = fitted_distributions(estimator)
        if not u.shape[1]:
            raise ValueError(
                f"estimator {type(estimator).__name__} was fitted without any label: no row has a "
                "class to draw. Pass labels to relabel(y) first; LabelingDisplay draws rows "
                "without a class."
            )
        rows: Any = X
        n = rows.shape[0] if hasattr(rows, "shape") else len(rows)
        if n != len(u):
            raise ValueError(
                f"X has {n} rows, but the estimator was fitted to {len(u)}. Pass the fitted "
                "X; draw other rows by from_predictions(X, estimator.predict_proba(X))."
            )
        if embedding is None and getattr(estimator, "metric", None) == "precomputed":
            raise ValueError(
                "embedding must be given with metric='precomputed': X holds distances, which have "
                "no principal components. Pass coordinates of shape (n_samples, 2)."
            )
        unlabeled = getattr(estimator, "unlabeled", "auto")
        display = cls._embedded(
            X,
            u,
            embedding,
            classes=as_host(estimator.classes_),
            reached=as_host(getattr(estimator, "reached_", None)),
            labeled=find_labeled(y, unlabeled, as_host(estimator.classes_), len(u)),
            edges=graph_edges(estimator) if edges else None,
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        X: Rows,
        distributions: ArrayLike,
        *,
        y: Labels | None = None,
        classes: ArrayLike | None = None,
        reached: ArrayLike | None = None,
        unlabeled: object = "auto",
        embedding: ArrayLike | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot rows with their predicted distributions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, ...)
            Rows or images; not used if an ``embedding`` is passed.
        distributions : array-like of shape (n_samples, n_classes)
            Return value of ``predict_proba(X)``.
        y : array-like of shape (n_samples,), default=None
            Labels, with the marker ``unlabeled`` where a row has none, to mark the labelled
            points. If None, no points are marked.
        classes : array-like of shape (n_classes,), default=None
            Names of the columns of ``distributions``. If None, they are numbered.
        reached : array-like of bool of shape (n_samples,), default=None
            False for rows that no label reaches. If None, rows whose distribution is all zeros.
        unlabeled : object, default="auto"
            Marker of the unlabelled rows in ``y``, as in :class:`~sklearn_wnll.WNLLClassifier`.
        embedding : array-like of shape (n_samples, 2), default=None
            Coordinates of the points, as for :meth:`from_estimator`.
        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure is made.
        **kwargs
            Passed to :meth:`plot`.

        Returns
        -------
        TransductionDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If an argument has the wrong shape; the message names it and the cure.

        Examples
        --------
        >>> from sklearn_wnll.plotting import TransductionDisplay
        >>> X = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]
        >>> u = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
        >>> display = TransductionDisplay.from_predictions(X, u, classes=["a", "b"])
        >>> display.certainty
        array([1., 0., 1.])
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        u: Any = distributions
        labeled = find_labeled(y, unlabeled, classes, len(u))
        display = cls._embedded(X, u, embedding, classes=classes, reached=reached, labeled=labeled)
        return display.plot(ax, **kwargs)

    @classmethod
    def _embedded(
        cls, X: Rows, distributions: ArrayLike, embedding: ArrayLike | None, **kwargs: Any
    ) -> Self:
        """Make a display of rows; find their places if there is no embedding."""
        names = None
        if embedding is None:
            embedding, names = embed(X)
        return cls(embedding, distributions, axis_names=names, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        size: float | Literal["auto"] = "auto",
        min_alpha: float = 0.15,
        legend: bool = True,
    ) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in. If None, a new figure is made.
        size : float, default="auto"
            Area of a point, in points squared; labelled points have four times that, at least 40.
            ``"auto"`` is smaller for many points.
        min_alpha : float, default=0.15
            Opacity of a point of certainty 0; a point of certainty 1 is opaque.
        legend : bool, default=True
            Whether to name the classes, to the right of the axes, if there are at most 20.

        Returns
        -------
        TransductionDisplay
            The display.

        Examples
        --------
        >>> from sklearn_wnll.plotting import TransductionDisplay
        >>> X, u = [[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.5, 0.5]]
        >>> display = TransductionDisplay(X, u).plot(min_alpha=0.2)
        >>> display.points_.get_facecolors()[:, 3]  # the opacity of each point
        array([1. , 0.2])
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        if isinstance(size, str):
            size = float(np.clip(20_000 / len(self.codes), 3, 30))
        self.ax_, self.figure_ = ax, ax.figure
        self.edges_ = None if self.edges is None else self._draw_edges(self.edges)
        rgba = _rgba(self.codes)
        rgba[:, 3] = min_alpha + (1 - min_alpha) * self.certainty
        self.points_ = self._scatter(np.arange(len(rgba)), rgba, s=size, linewidths=0, zorder=2)
        self.labeled_points_ = None
        if self.labeled is not None:
            rows = np.flatnonzero(self.labeled)
            self.labeled_points_ = self._scatter(
                rows, _rgba(self.codes[rows]), s=max(4 * size, 40), edgecolors="black", zorder=3
            )
        if self.axis_names is None:
            ax.set(xticks=[], yticks=[])
        else:
            ax.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1])
        self.legend_ = self._name_classes() if legend and len(self.classes) <= _MOST_NAMES else None
        return self

    def _scatter(self, rows: Indices, rgba: Floats, **kwargs: Any) -> "PathCollection":
        """Draw some points as one collection, each with the marker of its class."""
        from matplotlib.markers import MarkerStyle

        x, y = self.embedding[rows].T
        points = self.ax_.scatter(x, y, c=rgba, rasterized=True, **kwargs)
        styles = [MarkerStyle(name) for name in MARKERS]
        paths = [style.get_path().transformed(style.get_transform()) for style in styles]
        if len(rows):
            points.set_paths([paths[code % len(paths)] for code in self.codes[rows]])
        return points

    def _draw_edges(self, edges: Indices) -> "LineCollection":
        """Draw the edges beneath the points."""
        from matplotlib.collections import LineCollection

        segments: Any = self.embedding[edges]
        lines = LineCollection(
            segments,
            colors="0.5",
            linewidths=0.5,
            alpha=float(np.clip(2000 / max(1, len(edges)), 0.05, 0.5)),  # many are transparent
            zorder=1,
            rasterized=True,
        )
        self.ax_.add_collection(lines)
        return lines

    def _name_classes(self) -> "Legend":
        """Make the legend: a point of each class, and the meaning of the marks."""
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], linestyle="", color=_color(code), marker=_marker(code), label=str(name))
            for code, name in enumerate(self.classes.tolist())
        ]
        if self.labeled is not None and self.labeled.any():
            mark: dict[str, Any] = {
                "markerfacecolor": "none",
                "markeredgecolor": "black",
                "markersize": 8,
            }
            handles.append(Line2D([], [], linestyle="", marker="o", label="labelled", **mark))
        columns = 2 if len(handles) > 12 else 1
        return self.ax_.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(1, 1), ncols=columns, frameon=False
        )


def _mask(name: str, values: ArrayLike, n: int) -> Mask:
    """Check a boolean mask over the points."""
    mask = np.asarray(values)
    if mask.shape != (n,) or mask.dtype != bool:
        raise ValueError(
            f"{name} must hold True or False for each of {n} rows, got shape {mask.shape} of "
            f"{mask.dtype}."
        )
    return mask


def _color(code: int) -> str:
    return COLORS[code % len(COLORS)]


def _marker(code: int) -> str:
    return MARKERS[code % len(MARKERS)]


def _rgba(codes: Indices) -> Floats:
    """Return the colours of points by class (n, 4)."""
    from matplotlib.colors import to_rgba_array

    return to_rgba_array(COLORS)[codes % len(COLORS)]
