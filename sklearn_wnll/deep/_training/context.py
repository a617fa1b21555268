"""Objects shared by the steps of a training."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..._classifier import WNLLClassifier
from .._inputs import Standardizer
from .._network import WNLLNetwork
from .batches import Samples

__all__ = ["TrainingContext"]


@dataclass(frozen=True)
class TrainingContext:
    """Objects that a step may use, made once in a fit.

    Attributes
    ----------
    network : WNLLNetwork
        The network that is trained, in place, on the device.
    samples : Samples
        The training samples: ``X`` (n_samples, ...) and ``codes`` (n_samples,), tensors in main
        memory; a code is the position of a class in ``classes_``, -1 for an unlabelled sample.
        ``stored`` is ``X`` on the device if it fits.
    prepare : callable
        Turns a batch of samples on the device into network inputs.
    augment, augment_strongly : callable or None
        Change a batch of network inputs at random.
    wnll : WNLLClassifier
        The graph that labels and predicts, not fitted.
    input_features : ndarray of shape (n_samples, n_features) or None
        Features of the samples, not changed by any training, for the graph; None if the plan has
        no ``pseudo_step``.
    class_prior : ndarray of shape (n_classes,) or None
        Frequencies of the classes, towards which pseudo-labels are corrected.
    device : torch.device
        Device of the network.
    seed : int
        An epoch depends on the state before it and on this number.
    verbose : int
        Whether to print progress.
    compile : bool
        Whether to compile the network's forward pass.
    average : WNLLNetwork or None
        Moving average of the network, in a step that keeps one.
    linear_weight : float
        Strength with which the linear head's distributions pull on the graph.
    """

    network: WNLLNetwork
    samples: Samples
    prepare: Standardizer
    augment: Callable | None
    augment_strongly: Callable | None
    wnll: WNLLClassifier
    input_features: np.ndarray | None
    class_prior: np.ndarray | None
    device: torch.device
    seed: int
    verbose: int = 0
    compile: bool = False
    average: WNLLNetwork | None = None
    linear_weight: float = 0.0
