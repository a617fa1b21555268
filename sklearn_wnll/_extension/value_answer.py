"""From values on graphs to answers for rows."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from .._lazy import Lazy
from .layers import Layers
from .row_values import RowValues
from .spread import Spread, find_spread

__all__ = ["ValueAnswer"]


@dataclass(frozen=True)
class ValueAnswer:
    """Values of rows extended over graphs, the ``templates``.

    ``spread`` is a :class:`Spread` that is found when it is first needed or, in a compact answer,
    has been found; None if there are too few values for it.
    """

    labels: RowValues
    templates: Layers
    spread: Lazy | Spread | None

    @classmethod
    def of(cls, labels, templates, n_folds=None, n_jobs=None, companion=None):
        """Take ``n_folds`` of the values, or the default, for the spread.

        A ``companion`` is one that has joined the ``templates``.
        """
        make = partial(find_spread, templates, n_folds, n_jobs, companion)
        return cls(labels, templates, Lazy(make))

    def find_spread(self):
        """Return the :class:`Spread`."""
        return self.spread.get() if isinstance(self.spread, Lazy) else self.spread

    def compact(self):
        """Keep only the parts that an inductive prediction needs."""
        few = any(np.ptp(layer.points.index[labels.rows]) == 0 for labels, layer in self._layers)
        spread = None if few else self.find_spread().compact()
        return ValueAnswer(self.labels.of_rows([]), self.templates.compact(), spread)

    @property
    def _layers(self):
        return zip(self.templates.labels, self.templates.layers, strict=True)
