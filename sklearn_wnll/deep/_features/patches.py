"""Features of the samples themselves, whatever the network: whitened patches of images."""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import PatchExtractor
from sklearn.preprocessing import StandardScaler, normalize
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from ..._progress import Progress
from .._inputs import Standardizer, as_tensor
from .._network import BLOCK

__all__ = ["InputFeatures", "PatchEncoder"]

_LONGEST, _SHORTEST = 32, 8  # sides to which images are reduced; with a shorter one, they are rows
_MOST_FITTED = 20_000  # images from which principal components are learned
_N_COMPONENTS, _LEAST_VARIANCE = 256, 1e-3  # the latter as a part of the largest
_N_IMAGES, _PER_IMAGE = 5_000, 10  # from which patches are taken, and how many from each
_MOST_NUMBERS = 2**28  # of these images
_PATCHES_ALONG, _MOST_IN_PATCH = 4, 1024  # patches along the shorter side, numbers of one
_N_FILTERS = 128
_CONTRAST, _WHITENING = 0.05, 0.1
_THRESHOLD = 1.0  # in standard deviations of a filter's answer
_CACHED = 20  # images whose answers stay in a processor's cache


class InputFeatures:
    """Features of samples for a graph that no training changes.

    Images: the responses of :class:`PatchEncoder`, of which whitened principal components are
    taken; if ``mirrored``, the mean over an image and its mirror image. All else, and images
    whose shorter side has less than 8 pixels: the raw values, each scaled to the same spread if
    ``standardize``. Both are then scaled to unit length.
    """

    def __init__(self, *, mirrored, seed, standardize=True):
        self.mirrored, self.seed, self.standardize = mirrored, seed, standardize

    def fit(self, X, device):
        """Learn the features from samples (n, ...), of images at most 20,000, on a device."""
        rng = np.random.RandomState(self.seed)
        self._encoder = self._scaler = self._pca = None
        are_images = X.ndim == 4 and min(X.shape[2:]) >= _SHORTEST
        self._standardize = (
            Standardizer(X) if are_images else Standardizer(_as_rows(X), self.standardize)
        )
        if are_images:
            rows = rng.permutation(len(X))[:_MOST_FITTED]
            n_images = max(_N_FILTERS, min(_N_IMAGES, _MOST_NUMBERS // X[0].size))
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
        # From few samples, components of small variance are noise, which whitening would raise.
        least = max(_LEAST_VARIANCE * pca.explained_variance_[0], n_answers / n)
        self._pca, self._spread = pca, np.sqrt(pca.explained_variance_ + least)

    def __call__(self, X, device):
        """Features of samples (n, n_features), at most 256 of images, as float32."""
        progress = Progress("patches", enabled=self._encoder is not None)
        parts, done = [], 0
        for block in _blocks(X, np.arange(len(X))):
            parts.append(self._block(block, device))
            done += len(block)
            progress.update(done / len(X), f"{done:,} of {len(X):,} samples")
        progress.finish(f"{len(X):,} samples")
        return np.concatenate(parts)

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
        """Standardized images, reduced to 32 pixels, or to 8 across, on the device."""
        images = self._standardize(as_tensor(X).to(device))
        sides = images.shape[2:]
        part = max(_LONGEST / max(sides), _SHORTEST / min(sides))
        if part >= 1:
            return images
        return interpolate(images, [round(part * side) for side in sides], mode="area")


def _as_rows(X):
    return X.reshape(len(X), -1)


def _blocks(X, rows):
    """Samples of some rows, block by block."""
    for start in range(0, len(rows), BLOCK):
        yield X[rows[start : start + BLOCK]]


class PatchEncoder:
    """Responses of an image's patches to random whitened patches of other images.

    A patch has mean 0 and standard deviation 1, is whitened, and is compared with each of 128
    patches by the inner product. What is above 1, and what is below -1, is averaged over the four
    quarters of the image. The patches are those of ``images`` (n, n_channels, height, width) in
    units of their standard deviation.

    A. Coates and A. Y. Ng, "The importance of encoding versus training with sparse coding and
    vector quantization", ICML 2011: random whitened patches, soft threshold, pooling.
    """

    def __init__(self, images, rng):
        n_channels, *sides = images.shape[1:]
        size = min(min(sides) // _PATCHES_ALONG, int((_MOST_IN_PATCH / n_channels) ** 0.5))
        self.size = max(1, size)
        extractor = PatchExtractor(
            patch_size=(self.size, self.size), max_patches=_PER_IMAGE, random_state=rng
        )
        patches = extractor.transform(images.permute(0, 2, 3, 1).cpu().numpy())
        patches = patches.reshape(len(patches), -1).astype(np.float64)
        patches -= patches.mean(axis=1, keepdims=True)
        patches /= np.sqrt(patches.var(axis=1, keepdims=True) + _CONTRAST**2)
        center = patches.mean(axis=0)
        variance, axes = np.linalg.eigh(np.cov(patches.T, bias=True))
        whitening = axes / np.sqrt(np.maximum(variance, 0) + _WHITENING)
        chosen = rng.permutation(len(patches))[:_N_FILTERS]
        filters = normalize((patches[chosen] - center) @ whitening) @ whitening.T
        self._shift = torch.from_numpy(-filters @ center).float()
        # Without its mean, a filter does the subtraction of a patch's mean.
        filters -= filters.mean(axis=1, keepdims=True)
        filters = torch.from_numpy(filters).float()
        filters = filters.reshape(-1, self.size, self.size, n_channels)
        self._filters = filters.permute(0, 3, 1, 2).contiguous()

    @torch.no_grad()
    def __call__(self, images, mirrored):
        """Encode images: means over the quarters of each (n, 8 n_filters), as float32.

        If ``mirrored``, the mean over each image and its mirror image.
        """
        weights = self._filters.to(images.device), self._shift.to(images.device)[:, None, None]
        views = [images, images.flip(-1)] if mirrored else [images]
        found = [
            torch.cat([self._answers(part, *weights) for part in view.split(_CACHED)])
            for view in views
        ]
        return (sum(found) / len(views)).cpu().numpy()

    def _answers(self, x, filters, shift):
        mean, square = (
            avg_pool2d(part.mean(dim=1, keepdim=True), self.size, stride=1) for part in (x, x**2)
        )
        spread = ((square - mean**2).clamp(min=0) + _CONTRAST**2).sqrt()
        answers = conv2d(x, filters) / spread + shift
        sides = (answers - _THRESHOLD).relu_(), (-answers - _THRESHOLD).relu_()
        return torch.cat([_quarters(side) for side in sides], dim=1)


def _quarters(maps):
    """Means over the quarters of maps, which share a middle row or column."""
    rows, columns = ((slice((side + 1) // 2), slice(side // 2, side)) for side in maps.shape[2:])
    means = [maps[:, :, row, column].mean(dim=(2, 3)) for row in rows for column in columns]
    return torch.stack(means, dim=2).flatten(1)
