"""Held-out samples, and the scores of both heads on them."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.nn.functional import cross_entropy

from ..._extension.beside import Known
from ..._extension.dealing import interleaved
from .._features.graph_features import beside
from .._network import in_blocks
from .context import TrainingContext
from .pseudo_labels import extended_labels

__all__ = ["RecordValidation", "Validation", "held_out"]

_MOST_TEMPLATES = 5000  # labelled samples for the WNLL's interpolation to held-out ones


def held_out(codes, fraction, seed):
    """Draw places of a fraction of the labelled samples (n,), the classes in proportion.

    Each class keeps one sample for the training.
    """
    labeled = np.flatnonzero(codes >= 0)
    order = labeled[interleaved(codes[labeled], np.random.RandomState(seed))]
    _, kept = np.unique(codes[order], return_index=True)
    n = max(1, round(fraction * len(order)))
    most = len(order) - max(len(kept), 2)
    if n > most:
        raise ValueError(
            f"validation={fraction} would hold out {n} of {len(order)} labelled samples, but at "
            f"most {max(most, 0)} can be spared: each of {len(kept)} classes keeps one for the "
            "training, which needs at least two. Pass a smaller fraction, or samples "
            "validation=(X, y), or label more."
        )
    return np.sort(np.delete(order, kept)[:n])


@dataclass(frozen=True)
class Validation:
    """The held-out samples, followed by labelled ones of the training: ``X`` (n, ...).

    ``codes`` (n_held_out,) are the classes of the first, ``template_codes`` those of the others.
    """

    X: np.ndarray
    codes: torch.Tensor
    template_codes: np.ndarray
    input_features: np.ndarray | None
    context: TrainingContext

    @classmethod
    def make(cls, X, codes, context, input_features):
        """Hold out samples; ``input_features``, if any, computes their features for the graph."""
        known = context.samples.codes.numpy()
        places = np.flatnonzero(known >= 0)
        order = interleaved(known[places], np.random.RandomState(context.seed))
        places = np.sort(places[order[:_MOST_TEMPLATES]])
        X = np.concatenate([X, context.samples.X.numpy()[places]])
        features = None if input_features is None else input_features(X, context.device)
        return cls(X, torch.as_tensor(codes), known[places], features, context)

    def __call__(self, network):
        """Score a network: the linear head's loss, and the accuracy of each head."""
        n, device = len(self.codes), self.context.device
        with _evaluation(network), torch.no_grad():
            Z = in_blocks(network.features, self.X, self.context.prepare, device)
            logits = network.linear(Z[:n].to(device)).cpu()
        points = Z.numpy() if self.input_features is None else beside(self.input_features, Z)
        known = np.concatenate([np.full(n, -1), self.template_codes])
        classes = np.unique(self.template_codes)
        linear, strength = None, self.context.linear_weight
        if strength > 0:  # pulls at unlabelled samples
            p = np.zeros((len(known), len(classes)))
            p[:n] = logits.softmax(dim=1).double().numpy()[:, classes]
            linear = Known(p, strength)
        u = extended_labels(self.context.wnll, points, known, device, linear)[:n]
        codes = self.codes.numpy()
        return {
            "valid_loss": cross_entropy(logits, self.codes).item(),
            "valid_linear_accuracy": float(np.mean(logits.argmax(dim=1).numpy() == codes)),
            "valid_wnll_accuracy": float(np.mean(classes[u.argmax(axis=1)] == codes)),
        }


class RecordValidation(Callback):
    """Record a network's scores on held-out samples after each epoch.

    ``average`` is the network that the step keeps, if it differs from the one in training.
    """

    def __init__(self, validation, average=None):
        self.validation, self.average = validation, average

    def on_epoch_end(self, net, **kwargs):
        """Score the network; also record whether a number is the best of the step so far."""
        network = net.module_ if self.average is None else self.average
        past = net.history.to_list()[:-1]
        for name, value in self.validation(network).items():
            sign = 1 if name.endswith("loss") else -1
            best = min((sign * row[name] for row in past), default=np.inf)
            net.history.record(name, value)
            net.history.record(f"{name}_best", sign * value < best)


@contextmanager
def _evaluation(network):
    """Set evaluation mode within the context, and restore each layer's own mode."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
