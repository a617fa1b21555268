"""Steps after the extension of labels: a classifier may join, and class sizes are corrected."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .balance import balancing_factors
from .beside import Beside, Companion, Known
from .class_prior import class_factors, corrected
from .class_sizes import estimate_sizes, walked_codes
from .held_out import Extended, hold_out
from .row_labels import RowLabels
from .system import HarmonicExtension
from .templates import Templates
from .volume import sized_unary

__all__ = ["Recipe", "Solution"]

_FOLDS = 5  # of the labels that measure the error of class sizes


class Solution(NamedTuple):
    """Labels extended over ``templates``, the ``extension`` to all rows, and factors on classes.

    ``class_factors`` (n_classes,) are None if nothing is corrected, and ``beside`` is None without
    a classifier. ``labels`` hold the class prior that was used.
    """

    templates: Templates
    extension: HarmonicExtension
    labels: RowLabels
    class_factors: np.ndarray | None = None
    beside: Beside | None = None


class Recipe(NamedTuple):
    """Steps after the extension of labels: a classifier may join, class sizes are corrected."""

    companion: Companion | Known | None = None
    constrains_volume: bool = False
    n_jobs: int | None = None

    def __call__(self, templates, labels):
        """Continue from ``labels`` extended over ``templates``: a :class:`Solution`."""
        extension = templates.fitted()
        if isinstance(labels.prior, str) and labels.prior == "estimated":
            labels = labels._replace(prior=self._estimate_prior(templates, labels, extension))
            extender = templates.extender._replace(fallback=labels.fallback)
            templates = replace(templates, extender=extender)
            extension = templates.fitted()
        factors, beside = _find_factors(templates, labels, extension), None
        if self.companion is not None:
            even = extension._replace(u=corrected(extension, factors))
            templates, beside = self.companion.join(templates, labels, even)
            extension = templates.fitted()
            factors = _find_factors(templates, labels, extension)
        if self.constrains_volume and labels.prior is not None:
            terms = _sized_terms(templates, labels, extension, factors)
            if any(term is not None for term in terms):
                templates, factors = templates.beside(terms, self.n_jobs), None
                extension = templates.fitted()
        return Solution(templates, extension, labels, factors, beside)

    def following(self, solution):
        """Return the recipe for other labels, with the choices made for a :class:`Solution`."""
        if solution.beside is None:
            return self
        if solution.beside.strength == 0:
            return self._replace(companion=None)
        return self._replace(companion=self.companion._replace(strength=solution.beside.strength))

    def _estimate_prior(self, templates, labels, extension):
        """Estimate class sizes by :func:`estimate_sizes`, from the graph alone."""
        free = (labels.codes < 0) & extension.reached
        if not free.any() or len(np.unique(templates.points.index[labels.rows])) < 2:
            return None
        labels = labels._replace(prior=None)

        def frequencies(codes):
            return np.bincount(codes, minlength=labels.n_classes).astype(float)

        def find_held_out():
            held_out = hold_out(templates, labels, Extended.of, _FOLDS, self.n_jobs)
            return frequencies(held_out.u.argmax(axis=1))

        walked = templates.gather([walked_codes(one) for one in templates.transductions])
        return estimate_sizes(
            frequencies(labels.codes[labels.rows]),
            frequencies(walked[free]),
            frequencies(extension.u[free].argmax(axis=1)),
            find_held_out,
        )


def _sized_terms(templates, labels, extension, factors):
    """Make a :class:`Unary` term towards the prior's sizes for each template with free rows."""
    index, n_points = templates.points.index, templates.points.n_points
    free = (labels.codes < 0) & extension.reached
    counts, cautious = np.bincount(index[free], minlength=n_points), np.empty(n_points, dtype=int)
    careful = class_factors(extension.u[free], labels.fallback, labels.frequencies)
    cautious[index] = (extension.u * careful).argmax(axis=1)
    u = corrected(extension, factors)
    by_point, labeled = np.empty((n_points, labels.n_classes)), np.zeros(n_points, dtype=bool)
    by_point[index], labeled[index[labels.rows]] = u, True
    # Rows equal to a labelled one already have a class.
    taken = (counts[labeled, None] * by_point[labeled]).sum(axis=0) + np.bincount(
        labels.codes[labels.rows], minlength=labels.n_classes
    )
    counts[labeled] = 0
    aim = np.maximum((counts.sum() + taken.sum()) * labels.fallback - taken, 1)
    terms = []
    for number, part in enumerate(templates.parts):
        transduction = templates.transductions[number]
        own = counts[part] * (templates.template[part] == number)
        share = aim * own.sum() / aim.sum()
        weights, of_points = transduction.graph.weights, transduction.labels
        terms.append(
            sized_unary(weights, of_points, by_point[part], cautious[part], own, share)
            if own.any()
            else None
        )
    return terms


def _find_factors(templates, labels, extension):
    """Compute factors on the classes by the prior or, without one, by the labels; None for none."""
    if labels.prior is not None or templates.extender.label_weight != "auto":
        return labels.class_factors(extension)
    if any(one.labels.unary is not None for one in templates.transductions):
        return None  # the classifier determines the class sizes
    index, n_points = templates.points.index, templates.points.n_points
    labeled = np.bincount(index[labels.rows], minlength=n_points) > 0
    free = ~labeled[index] & extension.reached
    if not free.any():
        return None
    # Not a matrix product: its rounding would depend on the threads of BLAS.
    total, n_free = extension.u.sum(axis=0, where=free[:, None]), np.count_nonzero(free)
    return balancing_factors(total, n_free, *templates.label_masses)
