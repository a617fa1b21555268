"""Pictures, as displays in scikit-learn's convention; drawing needs matplotlib."""

from .label_budget import LabelBudgetDisplay
from .stage_history import StageHistoryDisplay
from .transduction import TransductionDisplay

__all__ = ["LabelBudgetDisplay", "StageHistoryDisplay", "TransductionDisplay"]
