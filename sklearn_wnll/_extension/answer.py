"""From labels on graphs to distributions: corrections, and held-out labels."""

from dataclasses import dataclass, replace

import numpy as np

from .beside import Beside
from .class_prior import corrected
from .folds import fair, has_others
from .held_out import HeldOut, hold_out
from .layers import unary_of
from .row_labels import RowLabels
from .solution import Recipe
from .system import HarmonicExtension
from .temperature import apply_temperature, find_temperature
from .templates import Templates

__all__ = ["Answer", "find_answer", "temperature_of"]

_FOLDS = 5  # by default


@dataclass(frozen=True)
class Answer:
    """Labels extended over templates, and the corrections of their distributions.

    ``held_out`` is None if it was not asked for.
    """

    recipe: Recipe
    labels: RowLabels
    templates: Templates
    class_factors: np.ndarray | None
    beside: Beside | None
    temperature: float
    held_out: HeldOut | None

    def corrected(self, extension: HarmonicExtension):
        """Correct an extension's distributions (n, n_classes) by the class prior."""
        return corrected(extension, self.class_factors)

    def calibrated(self, u, reached):
        """Apply the temperature to distributions (n, n_classes) that a label has ``reached``."""
        if self.temperature == 1:
            return u
        return np.where(reached[:, None], apply_temperature(u, self.temperature), u)

    def compact(self):
        """Keep only the parts that an inductive prediction needs."""
        templates, recipe = self.templates.compact(), Recipe()
        labels = self.labels._replace(codes=np.empty(0, dtype=np.intp))
        return replace(self, recipe=recipe, labels=labels, templates=templates, held_out=None)

    def predict(self, X, given, **options):
        """Predict the distributions of queries.

        ``given`` are the rows of ``X`` in the form a classifier takes; for the ``options`` see
        :meth:`Templates.predict`. Also returns the extension with details of the solution.
        """
        find_unary = unary_of(self.beside, given)
        found = self.templates.predict(X, find_unary=find_unary, **options)
        return self.calibrated(self.corrected(found), found.reached), found

    def find_held_out(self, n_jobs=None) -> HeldOut:
        """Return the predictions of held-out labelled rows, computed when first needed."""
        if self.held_out is not None:
            return self.held_out
        return hold_out(self.templates, self.labels, self.recipe, _FOLDS, n_jobs)


def find_answer(templates, labels, recipe, *, n_folds=None, calibrate=False, n_jobs=None):
    """Find the corrections of the distributions of ``templates``: an :class:`Answer`.

    Also returns the :class:`HarmonicExtension` to all rows. Labels are held out in ``n_folds`` if
    that is not None, or if ``calibrate`` requires it. Without any label, nothing is corrected.
    """
    if not labels.n_classes:
        nothing = Answer(recipe, labels, templates, None, None, 1.0, None)
        return nothing, templates.fitted()
    solution = recipe(templates, labels)
    labels, recipe = solution.labels, recipe.following(solution)
    held_out, temperature = None, 1.0
    if n_folds is not None or calibrate:
        held_out = hold_out(templates, labels, recipe, n_folds or _FOLDS, n_jobs)
    if calibrate:
        temperature = temperature_of(held_out, labels.codes[labels.rows], templates.label_noise)
    answer = Answer(
        recipe,
        labels,
        solution.templates,
        solution.class_factors,
        solution.beside,
        temperature,
        held_out,
    )
    return answer, solution.extension


def temperature_of(held_out, codes, noise):
    """Find the temperature that suits the :class:`HeldOut` rows of some ``codes`` (n_labeled,)."""
    known = held_out.reached & has_others(codes, held_out.fold)
    u = fair(held_out.u, codes, held_out.fold)
    return find_temperature(u[known], codes[known], noise)
