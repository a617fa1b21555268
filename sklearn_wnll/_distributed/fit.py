"""A fit to rows in dask collections."""

from functools import partial
from numbers import Integral
from typing import NamedTuple

import dask
import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._arrays import as_host, is_partitioned
from .._base import check_has_y
from .._cells import hold_cells
from .._extension.balance import balancing_factors
from .._extension.class_prior import sharp_factors_of_sums
from .._extension.row_labels import RowLabels
from .answer import Finish, PartitionedAnswer, on_workers
from .collections import ONE_COLUMN, Partitions, label_parts
from .dealing import deal_pieces
from .labels import DistinctLabels, PartLabels, find_classes
from .templates import LabeledRows, Summary, Template, checked_rows, cut, stacked

__all__ = ["Fit", "fit_partitions"]


class Fit(NamedTuple):
    """An answer, the labels of the labelled rows alone, and facts about each template."""

    answer: PartitionedAnswer
    labels: RowLabels
    summaries: list[Summary]


def _check_supported(model):
    """Refuse parameters that need all rows in one place, with the cure."""
    without = "Leave it out, or pass arrays."
    refused = {
        "metric": (model.metric == "precomputed", "Pass features, with another metric."),
        "estimator": (model.estimator is not None, without),
        "held_out": (model.held_out is not None, without),
        "calibrate": (model.calibrate, without),
        "volume_constraint": (model.volume_constraint, "class_prior alone is supported."),
        "class_prior": (
            isinstance(model.class_prior, str) and model.class_prior == "estimated",
            "Pass 'labeled', or the frequencies themselves.",
        ),
        "warm_start": (model.warm_start, without),
    }
    for name, (is_refused, cure) in refused.items():
        if is_refused:
            raise ValueError(
                f"{name}={getattr(model, name)!r} needs all rows in one place, but X is a dask "
                f"collection. {cure}"
            )
    if model.template_size in (None, "auto"):
        raise ValueError(
            f"template_size={model.template_size!r} is a choice for rows in one place, but X is a "
            "dask collection. Pass the number of rows that one thread of a worker can take, or "
            "X.compute() if all rows fit into memory here."
        )


def fit_partitions(model, X, y):
    """Extend labels over templates of the rows of a collection, on the workers: a :class:`Fit`."""
    _check_supported(model)
    check_has_y(model, y)
    rows = Partitions.of(X)
    rows.check_features(model, reset=True)
    bare = clone(model)
    rows.check_features(bare, reset=True)
    if not isinstance(bare.random_state, Integral):  # a task that runs again must not draw again
        bare.random_state = check_random_state(model.random_state).randint(2**31 - 1)
    checked = [on_workers(checked_rows, bare, part) for part in rows.parts]
    classes, of_parts = _find_labels(model, rows, y)
    labeled = dask.persist(*map(partial(on_workers, LabeledRows.of), checked, of_parts))
    heads = dask.compute(*(on_workers(LabeledRows.without_rows, part) for part in labeled))
    codes = np.concatenate([head.codes for head in heads])
    if is_partitioned(y):  # otherwise, a warning is issued already
        model._warn_if_few(len(codes), len(classes))
    labels = RowLabels.of(codes, classes, model.class_prior)
    dealt = deal_pieces([h.n_rows - len(h.codes) for h in heads], model.template_size, len(codes))
    templates = _fit_templates(bare, classes, checked, labeled, heads, dealt)
    known, *summaries = dask.compute(
        on_workers(Template.labeled_values, templates[0]),
        *(on_workers(Template.summary, template) for template in templates),
    )
    factors = _find_factors(model, labels, templates, summaries)
    answer = PartitionedAnswer(
        bare,
        list(templates),
        [len(codes) + sum(piece.stop - piece.start for piece in pieces) for pieces in dealt],
        [sorted({piece.partition for piece in pieces}) for pieces in dealt],
        list(heads),
        known,
        labels.fallback,
        Finish(classes, factors),
    )
    return Fit(answer, labels, summaries)


def _find_labels(model, rows, y):
    """Find the classes, and the :class:`PartLabels` of each partition, which may be Delayed."""
    if is_partitioned(y):
        parts = label_parts(y, rows)
        found = dask.compute(*(on_workers(DistinctLabels.summary_of, part) for part in parts))
        if any(labels.counts.any() or labels.n_missing for labels in found):
            classes, tables = find_classes(found, model.unlabeled)
            return classes, list(map(partial(on_workers, PartLabels.read), parts, tables))
        y = np.empty(0)  # refused as an array is
    y = as_host(y, "y")
    if hold_cells(y):
        raise ValueError(ONE_COLUMN)
    sizes = rows.sizes
    if sizes is None:
        sizes = dask.compute(*(on_workers(_count_rows, part) for part in rows.parts))
    if not sum(sizes) and not len(y):
        raise ValueError(
            "X is a dask collection without rows, but at least one row, with its label, is needed. "
            "Check the paths, or the filter, that it was made with."
        )
    classes, codes = model._encode(sum(sizes), y)
    return classes, [PartLabels.of(part) for part in np.split(codes, np.cumsum(sizes)[:-1])]


def _count_rows(X):
    return X.shape[0]


def _fit_templates(bare, classes, checked, labeled, heads, dealt):
    """Let the workers fit all templates, and keep them there."""
    (everywhere,) = dask.persist(on_workers(stacked, list(labeled)))
    starts = np.cumsum([0, *(head.n_rows for head in heads)]).tolist()
    seed = bare.random_state

    def cut_off(piece):
        number = piece.partition
        known = heads[number].rows.numbers
        return on_workers(cut, checked[number], piece, known, starts[number], seed)

    fitted = (
        on_workers(Template.fit, bare, classes, everywhere, list(map(cut_off, pieces)))
        for pieces in dealt
    )
    return dask.persist(*fitted)


def _find_factors(model, labels, templates, summaries):
    """Compute factors on the classes by the prior or, without one, by the labels; None for none."""
    if labels.prior is not None:

        def find_sum(weights):
            tasks = (on_workers(Template.sharp_sum, template, weights) for template in templates)
            return sum(dask.compute(*tasks))

        n_rows = sum(summary.n_unlabeled for summary in summaries)
        return sharp_factors_of_sums(find_sum, n_rows, labels.fallback, labels.frequencies)
    n_free = sum(summary.n_free for summary in summaries)
    if model.label_weight != "auto" or not n_free:
        return None
    masses = sum(summary.label_masses[0] for summary in summaries)
    total = sum(summary.total for summary in summaries)
    return balancing_factors(total, n_free, masses, *summaries[0].label_masses[1:])
