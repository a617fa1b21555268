"""Pictures, as displays in scikit-learn's convention; drawing needs matplotlib."""

from .label_budget import LabelBudgetDisplay
from .transduction import TransductionDisplay

__all__ = ["LabelBudgetDisplay", "TransductionDisplay"]
