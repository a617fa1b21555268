"""Template batches and query batches: every pair a problem of its own (the paper's Algorithm 2).

With one template of all rows and one batch of all queries it is the plain method.
"""

from copy import deepcopy
from functools import partial

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from .._parallel import equal_blocks, single_thread
from .._progress import Progress, silent
from .system import HarmonicExtension

__all__ = ["Templates", "deal_templates", "interleaved"]


def deal_templates(codes, template_size, rng):
    """Deal fitted points to templates.

    All labelled points are in every template while they fill at most half of it. Where
    they would fill more, each template has its part of them, the classes in proportion; where
    there are too few to go round, they are dealt repeatedly. Unlabelled points are cut.

    Parameters
    ----------
    codes : ndarray of shape (n_points,)
        Class of each point, -1 where it is not known. At least one is.
    template_size : int
        Points in a template, at most; at least 2.
    rng : RandomState
        Where the order of the points comes from.

    Returns
    -------
    list of ndarray
        Points of each template, in ascending order. Every point is in at least one.

    References
    ----------
    Wang et al., arXiv 1802.00168 (2018), Algorithm 2: template batches of labelled points.

    Examples
    --------
    >>> import numpy as np
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
    """Shuffle points so that any piece of the order holds the classes in proportion.

    Parameters
    ----------
    codes : ndarray of shape (n_points,)
        Class of each point, not negative.
    rng : RandomState
        Where the order comes from.

    Returns
    -------
    ndarray of shape (n_points,)
        The points in their new order.

    Examples
    --------
    >>> import numpy as np
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
    # Each class begins at a random place, so that no two keep step, and a rare one may come first.
    offset = rng.random_sample(len(counts))
    return order[np.argsort((rank + offset[shuffled]) / counts[shuffled], kind="stable")]


class Templates:
    """Transductions of templates of the fitted rows, whose answers are summed.

    Parameters
    ----------
    transduction : Transduction
        What each template is fitted with; not fitted.
    template_size : int or None
        Points in a template, at most; None is one template of all rows.
    query_size : int or None
        New rows that are predicted together, at most; None is all.
    seed : int
        Seed of the dealing of points and of the order of queries.
    n_jobs : int or None
        Number of jobs that pairs of templates and batches are spread over, as in joblib.
    verbose : int
        Whether to print progress.

    Attributes
    ----------
    rows : list of ndarray
        Fitted rows in each template.
    fitted : list of Transduction
        The templates.
    """

    def __init__(self, transduction, *, template_size, query_size, seed, n_jobs, verbose):
        self.transduction = transduction
        self.template_size, self.query_size = template_size, query_size
        self.seed, self.n_jobs, self.verbose = seed, n_jobs, verbose

    def fit(self, X, codes, frequencies):
        """Deal the rows to templates and extend the labels in each.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features)
            Rows, or distances, which are not dealt.
        codes : ndarray of shape (n_samples,)
            Class of each row, -1 where it is not known.
        frequencies : ndarray of shape (n_classes,)
            Distribution of points that no label reaches.

        Returns
        -------
        HarmonicExtension
            Distribution of each row, and how it was found.
        """
        self._frequencies = frequencies
        self.rows = self._deal(X, codes)
        whole = len(self.rows) == 1
        tasks = ((X, codes) if whole else (X[rows], codes[rows]) for rows in self.rows)
        fit = partial(_fit, self.transduction, frequencies)
        self.fitted = list(self._run(fit, tasks, len(self.rows), "templates"))
        total = _Sum(len(codes), frequencies)
        for rows, template in zip(self.rows, self.fitted, strict=True):
            u, reached = template.at(template.graph.point_index_)
            fresh = total.count[rows, 0] == 0  # labelled rows are in several templates
            total.add(rows[fresh], (u[fresh], reached[fresh]), template.extension)
        return total.result()

    def configure(self, *, query_size, n_jobs, verbose, tol, max_iter):
        """Take parameters that may have changed since the fit.

        Parameters
        ----------
        query_size : int or None
            New rows that are predicted together, at most.
        n_jobs : int or None
            Number of jobs.
        verbose : int
            Whether to print progress.
        tol : float
            Relative residual at which the solver ends.
        max_iter : int
            Largest number of iterations.
        """
        self.query_size, self.n_jobs, self.verbose = query_size, n_jobs, verbose
        for template in self.fitted:
            template.n_jobs, template.verbose = n_jobs, verbose
            template.tol, template.max_iter = tol, max_iter

    def predict(self, X, *, inductive):
        """Predict rows: fitted ones have their values, others the mean over the templates.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_queries, n_features)
            Rows, or distances.
        inductive : bool
            As in :meth:`Transduction.predict`.

        Returns
        -------
        HarmonicExtension
            Distribution of each query, and how it was found.
        """
        total = _Sum(X.shape[0], self._frequencies)
        rows, left = np.arange(X.shape[0]), X
        for template in self.fitted:
            point = template.graph.place(left).point
            fitted = point < template.graph.n_points_
            if fitted.any():
                total.add(rows[fitted], template.at(point[fitted]))
                rows, point = rows[~fitted], point[~fitted]
                left = X[rows]
            if not len(rows):
                return total.result()
        # Equal rows are one point, and must not part.
        _, first, inverse = np.unique(point, return_index=True, return_inverse=True)
        new = self._predict_new(left if len(first) == len(rows) else left[first], inductive)
        total.add(rows, (new.u[inverse], new.reached[inverse]), new)
        return total.result()

    def _deal(self, X, codes):
        """Rows of each template; equal rows stay together."""
        if self.template_size is None:
            return [np.arange(len(codes))]
        first, point = self.transduction.graph.distinct(X)
        point_codes = np.full(len(first), -1)
        np.maximum.at(point_codes, point, codes)
        rng = np.random.RandomState(self.seed)
        rows = []
        for template in deal_templates(point_codes, self.template_size, rng):
            inside = np.zeros(len(first), dtype=bool)
            inside[template] = True
            rows.append(np.flatnonzero(inside[point]))
        return rows

    def _predict_new(self, X, inductive):
        """Predict distinct rows that are not fitted, in batches."""
        n = X.shape[0]
        batches = [np.arange(n)]
        if self.query_size is not None and n > self.query_size:
            order = np.random.RandomState(self.seed).permutation(n)
            batches = [np.sort(order[part]) for part in equal_blocks(n, self.query_size)]
        # A job takes several batches, for each of which it would else fit its search anew.
        n_jobs = effective_n_jobs(self.n_jobs)
        size = 1 if n_jobs == 1 else -(-len(batches) // n_jobs)
        shares = [batches[share] for share in equal_blocks(len(batches), size)]
        pairs = [(template, share) for template in self.fitted for share in shares]
        tasks = (
            (template, [X if len(batches) == 1 else X[batch] for batch in share])
            for template, share in pairs
        )
        results = self._run(partial(_predict, inductive), tasks, len(pairs), "batches")
        total = _Sum(n, self._frequencies)
        for (_, share), found in zip(pairs, results, strict=True):
            for batch, result in zip(share, found, strict=True):
                total.add(batch, (result.u, result.reached), result)
        return total.result()

    def _run(self, function, tasks, count, name):
        """Call a function for each task, on processes or a cluster if there are several."""
        if count == 1 or effective_n_jobs(self.n_jobs) == 1:
            results = map(function, tasks)
        else:
            jobs = Parallel(self.n_jobs, return_as="generator")
            results = jobs(delayed(_alone)((function, task)) for task in tasks)
        progress = Progress(name, self.verbose and count > 1)
        for done, result in enumerate(results, 1):
            progress.update(done / count, f"{done:,} of {count:,}")
            yield result
        progress.finish(f"{count:,} solved")


class _Sum:
    """Mean of the distributions that several templates give to rows."""

    def __init__(self, n_rows, fallback):
        self.values, self.fallback = np.zeros((n_rows, len(fallback))), fallback
        self.count = np.zeros((n_rows, 1))
        self.n_iter, self.residual, self.converged = 0, 0.0, True

    def add(self, rows, found, solved=None):
        """Add distributions of some rows, where a label reaches them."""
        u, reached = found
        self.values[rows[reached]] += u[reached]
        self.count[rows[reached]] += 1
        if solved is not None:
            self.n_iter = max(self.n_iter, solved.n_iter)
            self.residual = max(self.residual, solved.residual)
            self.converged &= solved.converged

    def result(self):
        """The means; the fallback where no label reaches a row in any template."""
        reached = self.count[:, 0] > 0
        u = np.where(self.count > 0, self.values / np.maximum(self.count, 1), self.fallback)
        return HarmonicExtension(u, reached, self.n_iter, self.residual, self.converged)


def _fit(transduction, frequencies, task):
    """Fit a copy of a transduction to rows and codes."""
    return deepcopy(transduction).fit(*task, frequencies)


def _predict(inductive, task):
    """Predict batches by a template."""
    template, batches = task
    return [template.predict(X, inductive=inductive) for X in batches]


def _alone(call):
    """Do one of several jobs that run side by side, each in a single thread.

    Function and task come as one tuple: single arrays would be scattered by joblib's dask
    backend, and what is scattered to a worker is lost with it.
    """
    function, task = call
    with single_thread(), silent():
        return function(task)
