"""Learning with few labels: the weighted nonlocal Laplacian as scikit-learn estimators."""

from .classifier import WNLLClassifier
from .labels import required_labels

__all__ = ["WNLLClassifier", "required_labels"]
__version__ = "0.1.0.dev0"
