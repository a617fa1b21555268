"""Several targets over the same graphs, each with its own gaps."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from sklearn.utils import _safe_indexing

from .held_out import Extended, hold_out
from .prediction import predict_layers
from .templates import fit_templates

__all__ = ["Layers", "Prediction", "unary_of"]


class Prediction(NamedTuple):
    """Values ``u`` of rows (n_rows, n_targets), and marks of those a given value has ``reached``.

    ``n_iter``, ``residual`` and ``converged`` describe the slowest solution.
    """

    u: np.ndarray
    reached: np.ndarray
    n_iter: int
    residual: float
    converged: bool

    @classmethod
    def of(cls, groups, found):
        """Gather the columns of each layer."""
        n_rows, n_columns = len(found[0].u), sum(map(len, groups))
        u, reached = np.empty((n_rows, n_columns)), np.empty((n_rows, n_columns), dtype=bool)
        for columns, result in zip(groups, found, strict=True):
            u[:, columns], reached[:, columns] = result.u, result.reached[:, None]
        return cls(
            u,
            reached,
            max(result.n_iter for result in found),
            max(result.residual for result in found),
            all(result.converged for result in found),
        )


@dataclass(frozen=True)
class Layers:
    """Targets extended over the same graphs: those with the same gaps share a system.

    ``groups`` holds the columns of each of the ``layers``, :class:`Templates` with the same points
    and graphs, and ``labels`` their :class:`RowValues`. ``besides`` holds the regressor beside each
    layer, or None.
    """

    groups: list
    labels: list
    layers: list
    besides: list

    @classmethod
    def fit(
        cls, builder, X, values, make_extender, *, shared=True, template_size=None, n_jobs=None
    ):
        """Build the graphs of rows ``X``, and extend their :class:`RowValues`.

        ``make_extender`` makes the :class:`Extender` of some columns. Without ``shared``, each
        column has a layer of its own.
        """
        groups = values.layers(shared=shared)
        labels = [values.of(columns) for columns in groups]
        codes = np.where(np.isnan(values.values).all(axis=1), -1, 0)
        options = {"codes": codes, "template_size": template_size, "n_jobs": n_jobs}
        layers = [fit_templates(builder, X, labels[0], make_extender(labels[0]), **options)]
        for of_layer in labels[1:]:
            layers.append(_beginning(layers[0], of_layer, make_extender, n_jobs))
        return cls(groups, labels, layers, [None] * len(layers))

    @property
    def given(self):
        """The given values (n_rows, n_targets), NaN where there is none."""
        values = np.empty((len(self.points.index), sum(map(len, self.groups))))
        for columns, labels in zip(self.groups, self.labels, strict=True):
            values[:, columns] = labels.values
        return values

    @property
    def points(self):
        """The points of the rows."""
        return self.layers[0].points

    @property
    def parts(self):
        """The points of each template."""
        return self.layers[0].parts

    @property
    def rows(self):
        """Fitted rows of each template."""
        return self.layers[0].rows

    @property
    def held_out_tol(self):
        """The solver's tolerance for held-out values."""
        return self.layers[0].extender.held_out_tol

    @property
    def label_noise(self):
        """The assumed noise of each target (n_targets,)."""
        return self._by_target([layer.label_noise for layer in self.layers])

    def fitted(self):
        """Return the values of all fitted rows: a :class:`Prediction`."""
        return Prediction.of(self.groups, [layer.fitted() for layer in self.layers])

    def relabeled(self, values, make_extender, *, shared=True, n_jobs=None):
        """Extend other values over the same graphs, starting at the current ones."""
        groups, layers = values.layers(shared=shared), []
        labels = [values.of(columns) for columns in groups]
        kept = {
            tuple(columns): layer for columns, layer in zip(self.groups, self.layers, strict=True)
        }
        for columns, of_layer in zip(groups, labels, strict=True):
            old = kept.get(tuple(columns))
            if old is None:
                layers.append(_beginning(self.layers[0], of_layer, make_extender, n_jobs))
            else:
                extender, same = make_extender(of_layer), np.arange(len(columns))
                layers.append(old.relabeled(of_layer, extender, same, n_jobs))
        return Layers(groups, labels, layers, [None] * len(layers))

    def joined(self, companion):
        """Let a :class:`NumberCompanion` join each layer, which has one target."""
        pairs = zip(self.layers, self.labels, strict=True)
        layers, besides = zip(*(companion.join(*pair) for pair in pairs), strict=True)
        return replace(self, layers=list(layers), besides=list(besides))

    def followed(self, make_labels, *, tol, n_jobs=None):
        """Extend one column more for each layer, whose labels are made from those of the layer.

        They are trusted as far as those of the layer. The column stands for each of its targets.
        """
        labels, layers = [make_labels(each) for each in self.labels], []
        for layer, own in zip(self.layers, labels, strict=True):
            extender = layer.extender._replace(
                fallback=own.fallback,
                label_noise=0.0,
                units=own.units,
                tol=tol,
            )
            layers.append(layer.relabeled(own, extender, np.full(1, -1), n_jobs, trusts=True))
        return Layers(self.groups, labels, layers, [None] * len(layers))

    def grown(self, X):
        """Let rows join the single graph for good; the values are still to be extended."""
        first = self.layers[0].grown(X)
        return Layers(self.groups[:1], [self.labels[0].grown(X.shape[0])], [first], [None])

    def compact(self):
        """Keep only the parts that the mean of fitted neighbours needs."""
        first = self.layers[0].compact()
        graphs = [one.graph for one in first.transductions]
        others = [layer.compact(graphs) for layer in self.layers[1:]]
        labels = [each.of_rows([]) for each in self.labels]
        return replace(self, labels=labels, layers=[first, *others])

    def predict(self, X, given, *others, **options):
        """Predict queries, as :func:`predict_layers` does: a :class:`Prediction`.

        ``given`` are the rows of ``X`` in the form a regressor takes. With ``others`` over the same
        graphs, return a list of one for each.
        """
        several = [self, *others]
        layers = [layer for each in several for layer in each.layers]
        unaries = [unary_of(beside, given) for each in several for beside in each.besides]
        found = iter(predict_layers(layers, X, unaries, **options))
        answers = [
            Prediction.of(each.groups, [next(found) for _ in each.layers]) for each in several
        ]
        return answers if others else answers[0]

    def hold_out(self, n_folds, n_jobs=None, companion=None):
        """Predict each given value without those of its fold: a :class:`Prediction`.

        Values are NaN where none is given. The ``companion`` learns without the fold, too.
        """
        found = []
        for columns, labels, layer, beside in zip(
            self.groups, self.labels, self.layers, self.besides, strict=True
        ):
            if np.ptp(layer.points.index[labels.rows]) == 0:
                raise ValueError(
                    f"Values of target {columns[0]} cannot be held out, as held_out, return_std "
                    "and predict_interval require: only one sample has a value, where equal rows "
                    "count as one. Give another row a value."
                )
            solve = Extended.alone if beside is None else companion.following(beside)
            held_out = hold_out(layer, labels, solve, n_folds, n_jobs)
            u, reached = np.full(labels.values.shape, np.nan), ~labels.known
            u[labels.rows], reached[labels.rows] = held_out.u, held_out.reached
            found.append(held_out._replace(u=u, reached=reached))
        return Prediction.of(self.groups, found)

    def _by_target(self, of_layers):
        """Repeat numbers of layers for each of their targets (n_targets,)."""
        found = np.empty(sum(map(len, self.groups)))
        for columns, number in zip(self.groups, of_layers, strict=True):
            found[columns] = number
        return found


def unary_of(beside, given):
    """Return a function that makes the term of new points, or None."""
    if beside is None or beside.strength == 0:
        return None

    def find(queries, index, n_points):
        return beside.unary(_safe_indexing(given, queries), index, n_points)

    return find


def _beginning(layer, labels, make_extender, n_jobs):
    """Extend values over the graphs of another layer, starting at their means."""
    new = np.full(labels.n_classes, -1)
    return layer.relabeled(labels, make_extender(labels), new, n_jobs)
