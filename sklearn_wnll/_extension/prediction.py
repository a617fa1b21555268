"""New rows: they join graphs, or take the mean of their fitted neighbours, in batches."""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from joblib import effective_n_jobs

from .._parallel import equal_blocks
from .jobs import run_jobs
from .template_mean import TemplateMean

__all__ = ["Batching", "predict_layers"]


class Batching(NamedTuple):
    """Numbers by which queries are dealt to batches, and batches with templates to jobs.

    Queries that have been dealt already come batch by batch, of the given ``sizes``.
    """

    query_size: int | None = None
    n_jobs: int | None = None
    sizes: tuple[int, ...] | None = None

    def deal(self, n, seed):
        """Deal ``n`` different new queries to batches: a list of arrays."""
        if self.sizes is not None:
            return [np.arange(*ends) for ends in pairwise(np.cumsum([0, *self.sizes]))]
        if self.query_size is None or n <= self.query_size:
            return [np.arange(n)]
        order = np.random.RandomState(seed).permutation(n)
        return [np.sort(order[part]) for part in equal_blocks(n, self.query_size)]


def predict_layers(layers, X, find_unaries, *, inductive, batching, tol, max_iter):
    """Predict queries: fitted rows keep their value, others take the templates' mean.

    ``layers`` are :class:`~.templates.Templates` over the same graphs, so new rows are matched and
    their neighbours searched once. For each layer, ``find_unaries`` holds None, or a function that
    returns the :class:`Unary` term of new points, given their queries, the new point of each
    query, and the number of points. Returns a :class:`HarmonicExtension` of (n_queries,) rows for
    each layer.
    """
    first = layers[0]
    n = first.points.n_points
    point, new = first.points.match(X)
    means = [TemplateMean(X.shape[0], layer.extender.fallback) for layer in layers]
    fitted = np.flatnonzero(point < n)
    for number in range(len(first.parts)):
        mine = fitted[first.template[point[fitted]] == number]
        for mean, layer in zip(means, layers, strict=True):
            extension = layer.transductions[number].extension
            mean.add(mine, extension, first.position[point[mine]])
    if new.shape[0]:
        others = np.flatnonzero(point >= n)
        unaries = [
            None if find is None else find(others, point[others] - n, new.shape[0])
            for find in find_unaries
        ]
        extenders = [layer.extender._replace(tol=tol, max_iter=max_iter) for layer in layers]
        tasks, batches = _tasks(layers, new, unaries, batching)
        predict = partial(_predict, inductive, extenders)
        results = run_jobs(predict, tasks, len(batches), batching.n_jobs, "batches")
        found = _mean_of_batches(new.shape[0], batches, results, extenders)
        for mean, of_new in zip(means, found, strict=True):
            mean.add(others, of_new, point[others] - n)
            mean.note(of_new)
    return [mean.result() for mean in means]


def _tasks(layers, new, unaries, batching):
    """Return the jobs, a template with some batches each, and the batches of each job."""
    batches = batching.deal(new.shape[0], layers[0].extender.seed)
    # A job takes several batches, because it has to fit its own search.
    n_jobs = effective_n_jobs(batching.n_jobs)
    size = 1 if n_jobs == 1 else -(-len(batches) // n_jobs)
    shares = [batches[share] for share in equal_blocks(len(batches), size)]
    numbers = range(len(layers[0].parts))
    pairs = [(number, share) for number in numbers for share in shares]
    whole = len(batches) == 1
    tasks = (
        (
            [layer.transductions[number] for layer in layers],
            [
                (
                    new if whole else new[batch],
                    [None if unary is None else unary[batch] for unary in unaries],
                )
                for batch in share
            ],
        )
        for number, share in pairs
    )
    return tasks, [share for _, share in pairs]


def _predict(inductive, extenders, task):
    """Predict batches by the layers of a template: the part of a job that joblib pickles."""
    transductions, batches = task
    graph, found = transductions[0].graph, []
    for new, unaries in batches:
        W = graph.query_weights(new) if inductive else graph.add_queries(new)
        answers = [one.averaged if inductive else one.joined for one in transductions]
        several = zip(answers, extenders, unaries, strict=True)
        found.append([answer(W, extender, unary) for answer, extender, unary in several])
    return found


def _mean_of_batches(n_new, batches, results, extenders):
    """Gather the batches of each layer, and average over the templates."""
    means = [TemplateMean(n_new, extender.fallback) for extender in extenders]
    for share, found in zip(batches, results, strict=True):
        for batch, of_layers in zip(share, found, strict=True):
            for mean, result in zip(means, of_layers, strict=True):
                mean.add(batch, result)
                mean.note(result)
    return [mean.result() for mean in means]
