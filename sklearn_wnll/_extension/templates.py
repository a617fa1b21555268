"""Template and query batches: each pair is a separate problem (the paper's Algorithm 2).

One template of all points and one batch of all queries make the plain method.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from .._graph.points import Points
from .dealing import deal_templates
from .jobs import run_jobs
from .prediction import predict_layers
from .template_mean import TemplateMean
from .transduction import Extender, Transduction

__all__ = ["Templates", "fit_templates"]


@dataclass(frozen=True)
class Templates:
    """Labels extended over templates of the fitted points.

    ``parts`` are the points of each template. ``template`` (n_points,) is the one with a point's
    fitted value, ``position`` (n_points,) the point's number there.
    """

    points: Points
    parts: list
    transductions: list
    template: np.ndarray
    position: np.ndarray
    extender: Extender

    @property
    def rows(self):
        """Fitted rows of each template."""
        rows = []
        for part in self.parts:
            inside = np.zeros(self.points.n_points, dtype=bool)
            inside[part] = True
            rows.append(np.flatnonzero(inside[self.points.index]))
        return rows

    @property
    def label_noise(self):
        """Fraction of labels assumed wrong: the mean over the templates."""
        trusts = [transduction.labels.trust for transduction in self.transductions]
        return float(np.mean([0.0 if trust is None else trust.noise for trust in trusts]))

    @property
    def label_masses(self):
        """Shares of labelled points in the others, their classes, and counts per class."""
        masses, codes = np.zeros(self.points.n_points), np.full(self.points.n_points, -1)
        counts = np.zeros(len(self.extender.fallback))
        for part, transduction in zip(self.parts, self.transductions, strict=True):
            labels = transduction.labels
            points = part[labels.labeled]
            if not len(points):
                continue
            masses[points] += transduction.extension.masses
            new = codes[points] < 0
            counts += labels.g[np.flatnonzero(new)].sum(axis=0)
            codes[points] = labels.codes
        labeled = codes >= 0
        return masses[labeled], codes[labeled], counts

    def fitted(self):
        """Return the labels' extension to all fitted rows."""
        index, n_rows = self.points.index, len(self.points.index)
        mean = TemplateMean(n_rows, self.extender.fallback)
        for number, transduction in enumerate(self.transductions):
            mine = np.flatnonzero(self.template[index] == number)
            mean.add(mine, transduction.extension, self.position[index[mine]])
            mean.note(transduction.extension)
        return mean.result()

    def at(self, points):
        """Return the extension to some points, the mean over all templates."""
        mean = TemplateMean(len(points), self.extender.fallback)
        for part, transduction in zip(self.parts, self.transductions, strict=True):
            inside = np.flatnonzero(np.isin(points, part))
            mean.add(inside, transduction.extension, np.searchsorted(part, points[inside]))
            mean.note(transduction.extension)
        return mean.result()

    def without(self, away, extender, n_jobs=None):
        """Extend the labels over the same graphs without those of some points."""
        tasks = (
            (transduction, np.flatnonzero(np.isin(part, away)))
            for part, transduction in zip(self.parts, self.transductions, strict=True)
        )
        solve, count = partial(_without, extender), len(self.parts)
        found = run_jobs(solve, tasks, count, n_jobs, "templates")
        return replace(self, transductions=list(found), extender=extender)

    def relabeled(self, labels, extender, columns, n_jobs=None, *, trusts=False):
        """Extend other ``labels`` of the rows over the same graphs.

        The solver starts at the current values: ``columns`` (n_columns,) is the former column of
        each class or target, or -1 if it is new. With ``trusts``, the same rows have a label, and
        are trusted as before.
        """
        of_points, known = labels.on_points(self.points), columns >= 0
        whole = len(self.parts) == 1

        def tasks():
            for part, one in zip(self.parts, self.transductions, strict=True):
                start = np.tile(extender.fallback, (len(part), 1))
                start[:, known] = one.extension.u[:, columns[known]]
                own = of_points if whole else of_points.of(part)
                yield one, own._replace(trust=one.labels.trust) if trusts else own, start

        solve, count = partial(_relabeled, extender), len(self.parts)
        found = run_jobs(solve, tasks(), count, n_jobs, "templates")
        return replace(self, transductions=list(found), extender=extender)

    def grown(self, X):
        """Let rows join the single graph for good.

        The labels' values are the old ones until they are extended again.
        """
        (one,) = self.transductions
        points, new = self.points.grown(X)
        n = points.n_points
        return replace(
            self,
            points=points,
            parts=[np.arange(n)],
            transductions=[one.grown(new, self.extender) if new.shape[0] else one],
            template=np.zeros(n, dtype=np.intp),
            position=np.arange(n),
        )

    def compact(self, graphs=None):
        """Keep only the parts that the mean of fitted neighbours needs.

        Pass the compact ``graphs`` if they exist already.
        """
        graphs = [one.graph.compact() for one in self.transductions] if graphs is None else graphs
        several = zip(self.transductions, graphs, strict=True)
        return replace(self, transductions=[one.compact(graph) for one, graph in several])

    def beside(self, terms, n_jobs=None):
        """Extend the labels again, beside a :class:`Unary` term, or None, for each template.

        Templates without a label or a term are unchanged.
        """
        solve, count = partial(_beside, self.extender), len(self.parts)
        tasks = zip(self.transductions, terms, strict=True)
        found = run_jobs(solve, tasks, count, n_jobs, "templates")
        return replace(self, transductions=list(found))

    def beside_points(self, unary, n_jobs=None):
        """Extend the labels again, beside a :class:`Unary` term of all points."""
        return self.beside([unary[part] for part in self.parts], n_jobs)

    def gather(self, values):
        """Gather values of rows (n_rows, ...) from those of the points of each template."""
        index, gathered = self.points.index, None
        for number, of_points in enumerate(values):
            mine = self.template[index] == number
            if gathered is None:
                gathered = np.empty((len(index), *of_points.shape[1:]), dtype=of_points.dtype)
            gathered[mine] = of_points[self.position[index[mine]]]
        return gathered

    def predict(self, X, *, find_unary=None, **options):
        """Predict queries, as :func:`predict_layers` does: a :class:`HarmonicExtension`."""
        (found,) = predict_layers([self], X, [find_unary], **options)
        return found


def fit_templates(builder, X, row_labels, extender, *, codes=None, template_size=None, n_jobs=None):
    """Deal the points of rows to templates, and extend the labels in each: :class:`Templates`.

    ``row_labels`` are :class:`~.row_labels.RowLabels` or :class:`~.row_values.RowValues`. Rows are
    dealt by their ``codes`` (n_rows,), -1 without a label; by default by those of ``row_labels``.
    """
    codes = row_labels.codes if codes is None else codes
    points, distinct = builder.points(X)
    labels = row_labels.on_points(points)
    parts = [np.arange(points.n_points)]
    if template_size is not None:
        point_codes = np.full(points.n_points, -1)
        np.maximum.at(point_codes, points.index, codes)
        parts = deal_templates(point_codes, template_size, np.random.RandomState(extender.seed))
    whole = len(parts) == 1
    tasks = ((distinct, labels) if whole else (distinct[p], labels.of(p)) for p in parts)
    fit = partial(_fit, builder, extender)
    transductions = list(run_jobs(fit, tasks, len(parts), n_jobs, "templates"))
    template, position = (np.empty(points.n_points, dtype=np.intp) for _ in range(2))
    for number in reversed(range(len(parts))):  # the first template with a point keeps it
        template[parts[number]] = number
        position[parts[number]] = np.arange(len(parts[number]))
    return Templates(points, parts, transductions, template, position, extender)


def _fit(builder, extender, task):
    """Fit a template: the part of a job that joblib pickles."""
    points, labels = task
    return Transduction.fit(builder, points, labels, extender)


def _relabeled(extender, task):
    """Extend other labels over a template: the part of a job that joblib pickles."""
    transduction, labels, start = task
    return transduction.relabeled(labels, extender, start).trusting(extender)


def _beside(extender, task):
    """Let a unary term pull in a template: the part of a job that joblib pickles."""
    transduction, unary = task
    if unary is None or not transduction.labels.labeled.any():
        return transduction
    return transduction.relabeled(transduction.labels._replace(unary=unary), extender)


def _without(extender, task):
    """Take labels away from a template: the part of a job that joblib pickles."""
    transduction, away = task
    return transduction.without(away, extender)
