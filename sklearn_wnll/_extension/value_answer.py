"""From values on graphs to answers for rows."""

from dataclasses import dataclass, replace

from .layers import Layers
from .row_values import RowValues

__all__ = ["ValueAnswer"]


@dataclass(frozen=True)
class ValueAnswer:
    """Values of rows extended over graphs, the ``templates``."""

    labels: RowValues
    templates: Layers

    def compact(self):
        """Keep only the parts that an inductive prediction needs."""
        return replace(self, labels=self.labels.of_rows([]), templates=self.templates.compact())
