"""Template and query batches: each pair is a separate problem (the paper's Algorithm 2).

One template of all points and one batch of all queries make the plain method.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from joblib import effective_n_jobs
from scipy import sparse

from .._graph.points import Points
from .._parallel import equal_blocks
from .jobs import run_jobs
from .template_mean import TemplateMean
from .transduction import Extender, PointLabels, Transduction

__all__ = ["Batching", "Templates", "deal_templates", "fit_templates", "interleaved"]


def deal_templates(codes, template_size, rng):
    """Deal points of some classes (n_points,), -1 if unknown, to templates: a list of arrays.

    All labelled points are in every template if they fill at most half of it. If they would fill
    more, each template gets a part of them, the classes in proportion; if there are too few to go
    round, they are dealt repeatedly. Unlabelled points are divided. Every point is in at least
    one template. Wang et al., arXiv 1802.00168 (2018), Algorithm 2.

    >>> codes = np.array([0, 1, -1, -1, -1, -1, -1, -1])
    >>> for template in deal_templates(codes, 4, np.random.RandomState(0)):
    ...     print(template)
    [0 1 2 4]
    [0 1 3 6]
    [0 1 5 7]
    """
    labeled, unlabeled = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
    n, m = len(codes), len(labeled)
    if n <= template_size:
        return [np.arange(n)]
    if not m:
        raise ValueError(
            f"template_size={template_size} divides rows by their labels, but y has none. Pass "
            "template_size=None, or label some rows."
        )
    part = min(m, max(template_size // 2, template_size * m // n))
    count = -(-m // part)
    if len(unlabeled):
        count = max(count, -(-len(unlabeled) // (template_size - part)))
    labeled = labeled[interleaved(codes[labeled], rng)]
    rest = np.array_split(rng.permutation(unlabeled), count)
    return [
        np.sort(
            np.concatenate([np.take(labeled, np.arange(part) + i * m // count, mode="wrap"), u])
        )
        for i, u in enumerate(rest)
    ]


def interleaved(codes, rng):
    """Shuffle points; any part of the order holds the classes (n_points,) in proportion.

    >>> codes = np.array([0, 0, 0, 0, 1, 1])
    >>> codes[interleaved(codes, np.random.RandomState(0))]
    array([0, 1, 0, 0, 1, 0])
    """
    order = rng.permutation(len(codes))
    shuffled = codes[order]
    counts = np.bincount(shuffled)
    by_class = np.argsort(shuffled, kind="stable")
    rank = np.empty(len(codes))
    rank[by_class] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Each class begins at a random place: no two keep step, and a rare one may come first.
    offset = rng.random_sample(len(counts))
    return order[np.argsort((rank + offset[shuffled]) / counts[shuffled], kind="stable")]


class Batching(NamedTuple):
    """Numbers by which queries are dealt to batches, and batches with templates to jobs."""

    query_size: int | None = None
    n_jobs: int | None = None


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

    def relabeled(self, codes, extender, columns):
        """Extend other ``codes`` of the rows (n_rows,) over the same, single graph.

        The solver starts at the current values: ``columns`` (n_classes,) is the former column of
        each class, or -1 if the class is new.
        """
        (one,) = self.transductions
        labels = _label_points(self.points, codes, len(columns))
        start, known = np.tile(extender.fallback, (self.points.n_points, 1)), columns >= 0
        start[:, known] = one.extension.u[:, columns[known]]
        relabeled = one.relabeled(labels, extender, start).trusting(extender)
        return replace(self, transductions=[relabeled], extender=extender)

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

    def compact(self):
        """Keep only the parts that the mean of fitted neighbours needs."""
        return replace(self, transductions=[one.compact() for one in self.transductions])

    def beside(self, terms, n_jobs=None):
        """Extend the labels again, beside a :class:`Unary` term, or None, for each template.

        Templates without a label or a term are unchanged.
        """
        solve, count = partial(_beside, self.extender), len(self.parts)
        tasks = zip(self.transductions, terms, strict=True)
        found = run_jobs(solve, tasks, count, n_jobs, "templates")
        return replace(self, transductions=list(found))

    def gather(self, values):
        """Gather values of rows (n_rows, ...) from those of the points of each template."""
        index, gathered = self.points.index, None
        for number, of_points in enumerate(values):
            mine = self.template[index] == number
            if gathered is None:
                gathered = np.empty((len(index), *of_points.shape[1:]), dtype=of_points.dtype)
            gathered[mine] = of_points[self.position[index[mine]]]
        return gathered

    def predict(self, X, *, inductive, batching, tol, max_iter, find_unary=None):
        """Predict queries: fitted rows keep their value, others take the templates' mean.

        ``find_unary`` returns the :class:`Unary` term of new points, given their queries, the new
        point of each query, and the number of points. Returns a :class:`HarmonicExtension` of
        (n_queries,) rows.
        """
        n = self.points.n_points
        point, new = self.points.match(X)
        mean = TemplateMean(X.shape[0], self.extender.fallback)
        fitted = np.flatnonzero(point < n)
        for number, transduction in enumerate(self.transductions):
            mine = fitted[self.template[point[fitted]] == number]
            mean.add(mine, transduction.extension, self.position[point[mine]])
        if new.shape[0]:
            extender = self.extender._replace(tol=tol, max_iter=max_iter)
            others, unary = np.flatnonzero(point >= n), None
            if find_unary is not None:
                unary = find_unary(others, point[others] - n, new.shape[0])
            found = self._predict_new(new, unary, inductive, batching, extender)
            mean.add(others, found, point[others] - n)
            mean.note(found)
        return mean.result()

    def _predict_new(self, new, unary, inductive, batching, extender):
        """Predict new points in batches: the mean over the templates."""
        n = new.shape[0]
        batches = [np.arange(n)]
        if batching.query_size is not None and n > batching.query_size:
            order = np.random.RandomState(self.extender.seed).permutation(n)
            batches = [np.sort(order[part]) for part in equal_blocks(n, batching.query_size)]
        # A job takes several batches, because it has to fit its own search.
        n_jobs = effective_n_jobs(batching.n_jobs)
        size = 1 if n_jobs == 1 else -(-len(batches) // n_jobs)
        shares = [batches[share] for share in equal_blocks(len(batches), size)]
        pairs = [(template, share) for template in self.transductions for share in shares]
        whole = len(batches) == 1
        tasks = (
            (
                template,
                [
                    (new if whole else new[batch], None if unary is None else unary[batch])
                    for batch in share
                ],
            )
            for template, share in pairs
        )
        predict = partial(_predict, inductive, extender)
        results = run_jobs(predict, tasks, len(pairs), batching.n_jobs, "batches")
        mean = TemplateMean(n, extender.fallback)
        for (_, share), found in zip(pairs, results, strict=True):
            for batch, result in zip(share, found, strict=True):
                mean.add(batch, result)
                mean.note(result)
        return mean.result()


def fit_templates(builder, X, codes, extender, *, template_size=None, n_jobs=None):
    """Deal the points of rows to templates, and extend the labels in each: :class:`Templates`.

    ``codes`` (n_rows,) holds the class of each row, -1 if unknown.
    """
    points, distinct = builder.points(X)
    labels = _label_points(points, codes, len(extender.fallback))
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


def _label_points(points, codes, n_classes):
    """Average the labels of rows to those of points."""
    known = np.flatnonzero(codes >= 0)
    labeled = np.zeros(points.n_points, dtype=bool)
    labeled[points.index[known]] = True
    place = np.cumsum(labeled) - 1
    votes = sparse.coo_array(
        (np.ones(len(known)), (place[points.index[known]], codes[known])),
        shape=(np.count_nonzero(labeled), n_classes),
    ).tocsr()
    return PointLabels(labeled, (sparse.diags_array(1 / votes.sum(axis=1)) @ votes).tocsr())


def _fit(builder, extender, task):
    """Fit a template: the part of a job that joblib pickles."""
    points, labels = task
    return Transduction.fit(builder, points, labels, extender)


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


def _predict(inductive, extender, task):
    """Predict batches by a template."""
    template, batches = task
    answer = template.averaged if inductive else template.joined
    return [answer(new, extender, unary) for new, unary in batches]
