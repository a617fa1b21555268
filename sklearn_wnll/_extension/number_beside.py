"""A regressor beside the graph."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from .held_out import Extended, hold_out
from .number_noise import surely_least
from .unary import mean_unary
from .values import Units

__all__ = ["NumberBeside", "NumberCompanion"]

_STRENGTHS = 1 / 16, 1 / 4, 1.0, 4.0, 16.0  # considered besides 0
_FOLDS = 5  # of the values that choose among them


class NumberBeside(NamedTuple):
    """A fitted regressor, whose predictions pull at points with a ``strength``.

    They are cut off at the range of the given values, in ``units``.
    """

    estimator: Any
    strength: float
    units: Units

    def predict(self, X):
        """Predict the values of rows (n, 1)."""
        found = np.asarray(self.estimator.predict(X), dtype=np.float64)
        if found.size != X.shape[0]:
            raise ValueError(
                f"estimator predicts an array of shape {found.shape} for {X.shape[0]} rows. Pass a "
                "regressor that predicts one number for each row."
            )
        if not np.isfinite(found).all():
            raise ValueError(
                "estimator predicts NaN or infinity: scale its features, or pass another regressor."
            )
        return self.units.clipped(found.reshape(-1, 1))

    def unary(self, X, index, n_points):
        """Return the :class:`Unary` term of points: the mean over the rows of each (n_rows,)."""
        return mean_unary(self.predict(X), index, n_points, self.strength)

    def pull(self, templates, X):
        """Solve the templates of the rows ``X`` again, beside these predictions."""
        if self.strength == 0:
            return templates
        points = templates.points
        return templates.beside_points(self.unary(X, points.index, points.n_points))


class NumberCompanion(NamedTuple):
    """A regressor to fit to the given values of the rows ``X``; ``strength`` may be ``"auto"``."""

    estimator: Any
    X: Any
    strength: float | str

    def join(self, templates, labels):
        """Return templates of one target beside the regressor, and the :class:`NumberBeside`."""
        beside = self._fit(labels, 0.0)
        strength = (
            self._find_strength(templates, labels) if self.strength == "auto" else self.strength
        )
        beside = beside._replace(strength=float(strength))
        return beside.pull(templates, self.X), beside

    def following(self, beside):
        """Return a function that lets the regressor join again when values are held out."""

        def solve(templates, labels):
            if beside.strength == 0:
                return Extended.alone(templates, labels)
            fitted = self._fit(labels, beside.strength)
            return Extended.alone(fitted.pull(templates, self.X), labels)

        return solve

    def _fit(self, labels, strength):
        rows, fitted = labels.rows, clone(self.estimator)
        try:
            fitted.fit(_safe_indexing(self.X, rows), labels.values[rows, 0])
        except ValueError as error:
            raise ValueError(
                f"estimator cannot be fitted to {len(rows)} of the given values: {error} Give more "
                "rows a value, or pass another regressor."
            ) from error
        return NumberBeside(fitted, strength, labels.units)

    def _find_strength(self, templates, labels):
        """Choose the strength with the least error on held-out values, or 0 in doubt."""
        rows, points = labels.rows, templates.points
        if len(np.unique(points.index[rows])) < 2:
            return 0.0
        given, unaries = labels.values[rows], {}

        def solve(strength):
            def joined(templates, left):
                fold = left.rows.tobytes()
                if fold not in unaries:
                    unaries[fold] = self._fit(left, 1.0).unary(
                        self.X, points.index, points.n_points
                    )
                unary = unaries[fold]
                unary = unary._replace(strength=strength * unary.strength)
                return Extended.alone(templates.beside_points(unary), left)

            return Extended.alone if strength == 0 else joined

        errors = [
            ((hold_out(templates, labels, solve(strength), _FOLDS).u - given) ** 2)[:, 0]
            for strength in (0.0, *_STRENGTHS)
        ]
        return (0.0, *_STRENGTHS)[surely_least(np.array(errors))]
