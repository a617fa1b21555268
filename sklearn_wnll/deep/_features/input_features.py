"""Features of the samples themselves, independent of the network, for a graph."""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler, normalize
from torch.nn.functional import interpolate

from ..._progress import Progress
from .._inputs import Standardizer, as_tensor
from .._network import BLOCK
from .patches import N_FILTERS, PatchEncoder

__all__ = ["InputFeatures"]

_LONGEST, _SHORTEST = 32, 8  # sides of reduced images; images with a shorter side are rows
_MOST_FITTED = 20_000  # images from which principal components are learned
_N_COMPONENTS, _LEAST_VARIANCE = 256, 1e-3  # the latter relative to the largest
_N_IMAGES = 5_000  # images from which patches are taken
_MOST_NUMBERS = 2**28  # numbers in these images

# Fitted attributes needed by scikit-learn's transformers.
_SCALER = "mean_", "scale_", "var_"
_PCA = "components_", "mean_", "explained_variance_"


class InputFeatures:
    """Features of samples for a graph, not changed by any training.

    For images, these are whitened principal components of the responses of :class:`PatchEncoder`;
    if ``mirrored``, the mean over an image and its mirror image. For all other samples, and images
    with a side of less than 8 pixels, these are the raw values, each scaled to the same spread if
    ``standardize``. Both are then scaled to unit length.
    """

    def __init__(self, *, mirrored, seed, standardize=True):
        self.mirrored, self.seed, self.standardize = mirrored, seed, standardize

    def fit(self, X, device):
        """Learn the features from samples (n, ...), at most 20,000 if images, on a device."""
        rng = np.random.RandomState(self.seed)
        self._encoder = self._scaler = self._pca = None
        are_images = X.ndim == 4 and min(X.shape[2:]) >= _SHORTEST
        self._standardize = (
            Standardizer(X) if are_images else Standardizer(_as_rows(X), self.standardize)
        )
        if are_images:
            rows = rng.permutation(len(X))[:_MOST_FITTED]
            n_images = max(N_FILTERS, min(_N_IMAGES, _MOST_NUMBERS // X[0].size))
            images = [self._images(part, device) for part in _blocks(X, rows[:n_images])]
            self._encoder = PatchEncoder(torch.cat(images), rng)
            answers = [self._answers(part, device) for part in _blocks(X, rows)]
            self._fit_components(np.concatenate(answers), rng)
        return self

    def _fit_components(self, answers, rng):
        self._scaler = StandardScaler().fit(answers)
        if not self._scaler.var_.any():
            return
        n, n_answers = answers.shape
        pca = PCA(min(_N_COMPONENTS, *answers.shape), random_state=rng)
        pca.fit(self._scaler.transform(answers))
        # With few samples, components of small variance are noise, and whitening would amplify it.
        least = max(_LEAST_VARIANCE * pca.explained_variance_[0], n_answers / n)
        self._pca, self._spread = pca, np.sqrt(pca.explained_variance_ + least)

    def __call__(self, X, device):
        """Compute features of samples (n, n_features) as float32, at most 256 for images."""
        progress = Progress("patches", enabled=self._encoder is not None)
        parts, done = [], 0
        for block in _blocks(X, np.arange(len(X))):
            parts.append(self._block(block, device))
            done += len(block)
            progress.update(done / len(X), f"{done:,} of {len(X):,} samples")
        progress.finish(f"{len(X):,} samples")
        return np.concatenate(parts)

    def state(self):
        """Return the tensors and numbers from which :meth:`from_state` restores the features."""
        given = {
            "encoder": self._encoder and self._encoder.state(),
            "scaler": self._scaler and _tensors(self._scaler, _SCALER),
            "pca": self._pca and _tensors(self._pca, _PCA),
            "spread": None if self._pca is None else torch.from_numpy(self._spread),
        }
        return {"mirrored": self.mirrored, "standardize": self._standardize.state(), **given}

    @classmethod
    def from_state(cls, state):
        """Restore fitted features from their state."""
        features = cls(mirrored=state["mirrored"], seed=None)
        features._standardize = Standardizer.from_state(state["standardize"])
        encoder, scaler, pca = (state[name] for name in ("encoder", "scaler", "pca"))
        features._encoder = encoder and PatchEncoder.from_state(encoder)
        features._scaler = scaler and _with_tensors(StandardScaler(), scaler)
        features._pca = pca and _with_tensors(PCA(), pca)
        if pca:
            features._spread = state["spread"].numpy()
        return features

    def _block(self, X, device):
        if self._encoder is None:
            found = self._standardize(as_tensor(_as_rows(X))).numpy()
        else:
            found = self._scaler.transform(self._answers(X, device))
        if self._pca is not None:
            found = self._pca.transform(found) / self._spread
        return normalize(found).astype(np.float32, copy=False)

    def _answers(self, X, device):
        return self._encoder(self._images(X, device), self.mirrored)

    def _images(self, X, device):
        """Standardize images, and reduce them to 32 pixels, or to 8 across, on the device."""
        images = self._standardize(as_tensor(X).to(device))
        sides = images.shape[2:]
        part = max(_LONGEST / max(sides), _SHORTEST / min(sides))
        if part >= 1:
            return images
        return interpolate(images, [round(part * side) for side in sides], mode="area")


def _tensors(transformer, names):
    return {name: torch.from_numpy(getattr(transformer, name)) for name in names}


def _with_tensors(transformer, tensors):
    """Return the transformer, fitted."""
    vars(transformer).update({name: tensor.numpy() for name, tensor in tensors.items()})
    return transformer


def _as_rows(X):
    return X.reshape(len(X), -1)


def _blocks(X, rows):
    """Yield samples of some rows block by block."""
    for start in range(0, len(rows), BLOCK):
        yield X[rows[start : start + BLOCK]]
