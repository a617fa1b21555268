"""Pictures, as displays in scikit-learn's convention; drawing needs matplotlib."""

from ._label_budget import LabelBudgetDisplay
from ._labeling import LabelingDisplay
from ._stage_history import StageHistoryDisplay
from ._transduction import TransductionDisplay

__all__ = ["LabelBudgetDisplay", "LabelingDisplay", "StageHistoryDisplay", "TransductionDisplay"]
