"""Deep learning with the weighted nonlocal Laplacian; needs torch and skorch."""

try:
    import skorch  # noqa: F401
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"{error.name} is not installed. sklearn_wnll.deep needs torch and skorch: "
        'pip install "sklearn-wnll[deep]".'
    ) from error

from ._augmentation import crop_and_flip, strong_augmentation
from ._estimator import DeepWNLLClassifier
from ._head import WNLLHead
from ._layer.interpolation import wnll_interpolate
from ._training.base import TrainingStep
from ._training.steps import LinearStep, PseudoLabelStep, WNLLStep

__all__ = [
    "DeepWNLLClassifier",
    "LinearStep",
    "PseudoLabelStep",
    "TrainingStep",
    "WNLLHead",
    "WNLLStep",
    "crop_and_flip",
    "strong_augmentation",
    "wnll_interpolate",
]
