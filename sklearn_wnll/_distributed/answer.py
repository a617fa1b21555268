"""Templates that live on workers, and the answers made of theirs."""

import sys
import warnings
from dataclasses import dataclass
from operator import getitem
from typing import Any, NamedTuple
from uuid import uuid4

import dask
import numpy as np

from .._certainty import certainty
from .._extension.class_prior import corrected
from .._extension.system import HarmonicExtension
from .collections import Partitions, array_of
from .templates import Template, Votes, checked_rows

__all__ = ["Finish", "PartitionedAnswer", "on_workers"]

_TOGETHER = 8  # votes that one task adds


def on_workers(function, *args, **kwargs):
    """Return the Delayed call of a function, whose arguments may be Delayed or lists of them."""
    key = f"{function.__qualname__}-{uuid4().hex}"
    return dask.delayed(function, pure=False)(*args, **kwargs, dask_key_name=key)


class Finish(NamedTuple):
    """Turns extensions into results, by the ``classes`` and the factors on them."""

    classes: np.ndarray
    class_factors: np.ndarray | None

    def corrected(self, extension):
        """Correct an extension's distributions (n, n_classes) by the class prior."""
        return corrected(extension, self.class_factors)

    def result(self, extension, name):
        """Return the result of a method of the estimator, or whether a label reaches rows."""
        if name == "reached":
            return extension.reached
        u = self.corrected(extension)
        if name == "predict":
            return self.classes[u.argmax(axis=1)]
        return certainty(u, extension.reached) if name == "certainty" else u

    def arrays(self, extensions, sizes, name):
        """Return a dask.array of the results of Delayed extensions."""
        blocks = [on_workers(Finish.result, self, extension, name) for extension in extensions]
        shape = (len(self.classes),) if name == "predict_proba" else ()
        dtype = {"predict": self.classes.dtype, "reached": np.dtype(bool)}
        return array_of(blocks, sizes, *shape, dtype=dtype.get(name, np.dtype(float)))


@dataclass(frozen=True)
class PartitionedAnswer:
    """Labels extended over ``templates``, each a Delayed :class:`Template`.

    ``partitions`` are the numbers of those that each template has rows of. ``labeled`` are the
    :class:`LabeledRows` of each partition, without features. ``labeled_values`` are the
    distributions of all of them, and a mask of those that a label reaches. Rows that no label
    reaches get ``fallback``.
    """

    model: Any
    templates: list[Any]
    template_sizes: list[int]
    partitions: list[list[int]]
    labeled: list[Any]
    labeled_values: tuple[np.ndarray, np.ndarray]
    fallback: np.ndarray
    finish: Finish

    @property
    def sizes(self):
        """Numbers of rows of the partitions."""
        return tuple(part.n_rows for part in self.labeled)

    @property
    def n_points(self):
        """Number of fitted rows."""
        return sum(self.sizes)

    def fitted(self):
        """Return the Delayed extension to the rows of each partition."""
        starts = np.cumsum([0, *self.sizes]).tolist()
        ends = np.cumsum([0, *(len(part.codes) for part in self.labeled)]).tolist()
        rows = [[] for _ in self.labeled]
        for template, own in zip(self.templates, self.partitions, strict=True):
            # One task for all: a template may have to be read from a disk.
            values = on_workers(Template.values_in, template, [starts[n : n + 2] for n in own])
            for place, number in enumerate(own):
                rows[number].append(on_workers(getitem, values, place))
        for number, part in enumerate(self.labeled):
            known = (values[ends[number] : ends[number + 1]] for values in self.labeled_values)
            rows[number].append((part.rows.numbers, *known))
        sizes = zip(rows, self.labeled, strict=True)
        return [on_workers(_scattered, each, part.n_rows) for each, part in sizes]

    def rows_of_templates(self):
        """Return a dask.array of the numbers of rows in each template."""
        dtype = np.dtype(np.intp)
        return [
            array_of([on_workers(getattr, template, "numbers")], [size], dtype=dtype)
            for template, size in zip(self.templates, self.template_sizes, strict=True)
        ]

    def predict(self, X, given, **options):
        """Predict rows of the client, as :class:`~.answer.Answer` does."""
        self.check_reachable()
        votes = self._votes(dask.delayed(X, pure=False, traverse=False), options)
        with warnings.catch_warnings():
            # Rows that are part of the tasks are not lost with a worker.
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            (votes,) = dask.compute(votes)
        extension = votes.mean(self.fallback)
        return self.finish.corrected(extension), extension

    def predict_partitions(self, model, X, name, **options):
        """Return a dask.array of the result of a method for each row of a collection."""
        rows = Partitions.of(X)
        rows.check_features(model, reset=False)
        self.check_reachable()
        found = []
        for part in rows.parts:
            votes = self._votes(on_workers(checked_rows, self.model, part), options)
            found.append(on_workers(Votes.mean, votes, self.fallback))
        return self.finish.arrays(found, rows.sizes, name)

    def check_reachable(self):
        """Check that the client of the cluster where the templates are is open."""
        if not self.templates:
            raise RuntimeError(
                "This model was read without its templates. Load its folder by "
                "WNLLClassifier.load_templates(folder)."
            )
        for template in self.templates:
            for future in _futures(template):
                if future.client.status == "closed":
                    raise RuntimeError(
                        "The templates of this model were on the workers of a cluster, and its "
                        "client has been closed. Fit again; before closing a client, keep them "
                        "with save_templates(folder), and load_templates(folder) later."
                    )

    def _votes(self, X, options):
        """Return the Delayed sum of the templates' :class:`Votes`."""
        votes = [on_workers(Template.vote, template, X, **options) for template in self.templates]
        while len(votes) > 1:
            several = range(0, len(votes), _TOGETHER)
            votes = [on_workers(Votes.sum, votes[i : i + _TOGETHER]) for i in several]
        return votes[0]

    def __getstate__(self):
        if any(map(_futures, self.templates)):
            self.check_reachable()
            raise ValueError(
                "The templates of this model live on the workers of a cluster, and a pickle would "
                "bring them all to one place. Save them one by one with save_templates(folder)."
            )
        return self.__dict__

    def __deepcopy__(self, memo):
        return self


def _scattered(parts, n_rows):
    """Gather positions, distributions and masks of all rows of a partition."""
    positions, u, reached = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.empty(n_rows, dtype=np.intp)
    order[positions] = np.arange(n_rows)
    return HarmonicExtension(u[order], reached[order], 0, 0.0, True)


def _futures(template):
    """Return the results on a cluster that a Delayed template consists of."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return []
    values = dict(template.dask).values()
    return [value for value in values if isinstance(value, distributed.Future)]
