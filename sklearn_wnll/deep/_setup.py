"""The context of a training, made once from parameters and data."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ._augmentation import crop_and_flip, strong_augmentation
from ._features.input_features import InputFeatures
from ._inputs import Standardizer, as_tensor, memory_format
from ._network import WNLLNetwork, make_backbone
from ._predictor import NetworkFeatures
from ._training.batches import Samples
from ._training.context import TrainingContext
from ._training.validation import Validation

__all__ = ["Start", "TrainingSetup"]


class Start(NamedTuple):
    """Start of a training: a network, changed in place, and the preparation of its inputs.

    Features of the samples by ``input_features``, if already computed, are ``known``
    (n_samples, n_features).
    """

    network: WNLLNetwork
    prepare: Standardizer
    input_features: InputFeatures | None = None
    known: np.ndarray | None = None

    @classmethod
    def from_nothing(
        cls, X, n_classes, *, module, module_params, buffer, standardize, mixed_precision
    ):
        """Make a network for samples; arguments are named as the estimator's parameters."""
        prepare = Standardizer(X, standardize)
        network = WNLLNetwork(
            make_backbone(module, module_params, X),
            prepare(as_tensor(X[:2])),
            n_classes,
            buffer,
            mixed_precision=mixed_precision,
        )
        return cls(network, prepare)

    def graph_features(self, X, device, **options):
        """Return the input features, learned from samples if new, and their values for these."""
        old = self.input_features
        if old is not None and old.mirrored == options["mirrored"]:
            return old, self.known
        features = InputFeatures(**options).fit(X, device)
        return features, features(X, device)


@dataclass(frozen=True)
class TrainingSetup:
    """The context of a training, the input features of the graph, and held-out samples.

    The context's ``prepare`` is on the device; ``prepare`` itself is in main memory.
    """

    context: TrainingContext
    prepare: Standardizer
    input_features: InputFeatures | None
    validation: Validation | None

    def network_features(self):
        """Features computed by the network in its current state."""
        network = self.context.network.eval()
        return NetworkFeatures(network, self.prepare, self.input_features)

    @classmethod
    def make(
        cls,
        X,
        codes,
        start,
        *,
        validation,
        augment,
        standardize,
        learns_from_unlabeled,
        class_prior,
        wnll,
        linear_weight,
        device,
        seed,
        verbose,
        compile,
    ):
        """Make features and augmentation; arguments are named as the estimator's parameters.

        ``validation`` are held-out samples and codes, or None.
        """
        start.network.to(device, memory_format=memory_format(X.ndim))
        weak = strong = augment
        if isinstance(augment, str):
            weak, strong = (crop_and_flip, strong_augmentation) if X.ndim == 4 else (None, None)
        input_features = known = None
        if learns_from_unlabeled:
            mirrored = weak is crop_and_flip
            options = {"mirrored": mirrored, "seed": seed, "standardize": standardize}
            input_features, known = start.graph_features(X, device, **options)
        context = TrainingContext(
            network=start.network,
            samples=Samples(X, codes, device),
            prepare=start.prepare.to(device),
            augment=weak,
            augment_strongly=strong,
            wnll=wnll,
            linear_weight=linear_weight,
            input_features=known,
            class_prior=class_prior,
            device=device,
            seed=seed,
            verbose=verbose,
            compile=compile,
        )
        if validation is not None:
            validation = Validation.make(*validation, context, input_features)
        return cls(context, start.prepare, input_features, validation)
