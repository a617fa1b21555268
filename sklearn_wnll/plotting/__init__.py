"""Pictures, as displays in scikit-learn's convention; drawing needs matplotlib."""

from .transduction import TransductionDisplay

__all__ = ["TransductionDisplay"]
