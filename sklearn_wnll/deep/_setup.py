"""What a fit needs, made once from parameters and data: the context of its training."""

from dataclasses import dataclass

from ._augmentation import crop_and_flip, strong_augmentation
from ._features.input_features import InputFeatures
from ._inputs import Standardizer, as_tensor, memory_format
from ._network import WNLLNetwork, make_backbone
from ._predictor import NetworkFeatures
from ._training.batches import Samples
from ._training.context import TrainingContext
from ._training.validation import Validation

__all__ = ["FitSetup"]


@dataclass(frozen=True)
class FitSetup:
    """The context of a training, the features that a graph sees of samples, what is held out."""

    context: TrainingContext
    input_features: InputFeatures | None
    validation: Validation | None

    def network_features(self):
        """The features that the network, as it is trained now, computes."""
        network = self.context.network.eval()
        return NetworkFeatures(network, self.context.prepare, self.input_features)

    @classmethod
    def make(
        cls,
        X,
        codes,
        n_classes,
        *,
        validation,
        module,
        module_params,
        buffer,
        augment,
        standardize,
        mixed_precision,
        learns_from_unlabeled,
        class_prior,
        wnll,
        linear_weight,
        device,
        seed,
        verbose,
    ):
        """Make network, features and augmentation, by the names of the estimator's parameters.

        ``validation`` are samples and codes that are held out, or None.
        """
        prepare = Standardizer(X, standardize)
        network = WNLLNetwork(
            make_backbone(module, module_params, X),
            prepare(as_tensor(X[:2])),
            n_classes,
            buffer,
            mixed_precision=mixed_precision,
        )
        network.to(device, memory_format=memory_format(X.ndim))
        weak = strong = augment
        if isinstance(augment, str):
            weak, strong = (crop_and_flip, strong_augmentation) if X.ndim == 4 else (None, None)
        mirrored = weak is crop_and_flip
        input_features = None
        if learns_from_unlabeled:
            input_features = InputFeatures(mirrored=mirrored, seed=seed, standardize=standardize)
            input_features.fit(X, device)
        context = TrainingContext(
            network=network,
            samples=Samples(X, codes),
            prepare=prepare,
            augment=weak,
            augment_strongly=strong,
            wnll=wnll,
            linear_weight=linear_weight,
            input_features=None if input_features is None else input_features(X, device),
            mirrored=mirrored,
            class_prior=class_prior,
            device=device,
            seed=seed,
            verbose=verbose,
        )
        if validation is not None:
            validation = Validation.make(*validation, context, input_features)
        return cls(context, input_features, validation)
