"""Learning with few labels: the weighted nonlocal Laplacian as scikit-learn estimators."""

from typing import TYPE_CHECKING, Any

from ._classifier import WNLLClassifier
from ._labels import required_labels
from ._regressor import WNLLRegressor

__all__ = ["DeepWNLLClassifier", "WNLLClassifier", "WNLLRegressor", "required_labels"]
__version__ = "0.1.0.dev0"


if TYPE_CHECKING:
    from .deep import DeepWNLLClassifier
else:

    def __getattr__(name: str) -> Any:
        # torch takes seconds to import, so it is imported on first use.
        if name == "DeepWNLLClassifier":
            from .deep import DeepWNLLClassifier

            return DeepWNLLClassifier
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "DeepWNLLClassifier"]
