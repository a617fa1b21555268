"""What a graph sees of samples themselves, whatever the network: whitened patches of images."""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import PatchExtractor
from sklearn.preprocessing import StandardScaler, normalize
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d, interpolate

from .._progress import Progress
from .inputs import as_tensor
from .network import BLOCK

__all__ = ["PatchEncoder", "SampleFeatures"]

_MOST_FITTED = 20_000  # samples from which the features are learned
_N_COMPONENTS, _LEAST_VARIANCE = 256, 1e-3  # the latter as a part of the largest
_LONGEST, _SHORTEST = 32, 8  # sides to which images are reduced; with a shorter one, they are rows
_PATCHES_ALONG = 4  # the shorter side
_MOST_NUMBERS = 1024  # of a patch
_N_IMAGES, _PER_IMAGE = 5_000, 10  # from which patches are taken, and how many from each
_N_FILTERS = 128
_CONTRAST, _WHITENING = 0.05, 0.1
_THRESHOLD = 1.0  # in standard deviations of a filter's answer
_GRID = 2
_CACHED = 20  # images whose answers stay in a processor's cache


class SampleFeatures:
    """Features of samples for a graph that no training changes.

    Images: the answers of :class:`PatchEncoder`, of which whitened principal components are
    taken. Everything else, and images of less than 8 pixels: the numbers themselves, each scaled
    to the same spread. Both are then scaled to unit length.

    Parameters
    ----------
    prepare : callable
        Turns samples into what the network takes.
    device : torch.device
        Where to compute answers.
    mirrored : bool
        Whether to take the mean of an image and its mirror image.
    seed : int
        Of the samples and patches that features are learned from.
    verbose : int, default=0
        Whether to show progress.
    """

    def __init__(self, prepare, device, *, mirrored, seed, verbose=0):
        self.prepare, self.device, self.mirrored = prepare, device, mirrored
        self.seed, self.verbose = seed, verbose

    def fit(self, X):
        """Learn the features.

        Parameters
        ----------
        X : ndarray of shape (n, ...)
            Samples, of which at most 20,000 are used.

        Returns
        -------
        SampleFeatures
            Itself.
        """
        rng = np.random.RandomState(self.seed)
        rows = rng.permutation(len(X))[:_MOST_FITTED]
        self._encoder = self._pca = None
        if X.ndim == 4 and min(X.shape[2:]) >= _SHORTEST:
            images = [self._images(part) for part in _blocks(X, rows[:_N_IMAGES])]
            self._encoder = PatchEncoder(torch.cat(images), rng)
        numbers = np.concatenate(list(self._numbers(X, rows)))
        self._scaler = StandardScaler().fit(numbers)
        if self._encoder is not None and self._scaler.var_.any():
            n_components = min(_N_COMPONENTS, *numbers.shape)
            pca = PCA(n_components, random_state=rng).fit(self._scaler.transform(numbers))
            least = _LEAST_VARIANCE * pca.explained_variance_[0] + np.finfo(np.float32).tiny
            self._pca, self._spread = pca, np.sqrt(pca.explained_variance_ + least)
        return self

    def __call__(self, X):
        """Compute the features.

        Parameters
        ----------
        X : ndarray or tensor of shape (n, ...)
            Samples.

        Returns
        -------
        ndarray of float32 of shape (n, n_features)
            Features of unit length; at most 256 of images.
        """
        parts = []
        for numbers in self._numbers(np.asarray(X), np.arange(len(X))):
            found = self._scaler.transform(numbers)
            if self._pca is not None:
                found = self._pca.transform(found) / self._spread
            parts.append(normalize(found))
        return np.concatenate(parts).astype(np.float32)

    def _numbers(self, X, rows):
        """Give what features are made of, block by block."""
        progress, done = Progress("patches", self.verbose and self._encoder is not None), 0
        for block in _blocks(X, rows):
            if self._encoder is None:
                yield self.prepare(as_tensor(block)).flatten(1).numpy()
            else:
                yield self._encoder(self._images(block), self.mirrored)
            done += len(block)
            progress.update(done / len(rows), f"{done:,} of {len(rows):,} samples")
        progress.finish(f"{len(rows):,} samples")

    def _images(self, X):
        """Images as the network takes them, reduced to 32 pixels, or to 8 across, on the device."""
        images = self.prepare(as_tensor(X).to(self.device))
        sides = images.shape[2:]
        part = max(_LONGEST / max(sides), _SHORTEST / min(sides))
        if part >= 1:
            return images
        return interpolate(images, [round(part * side) for side in sides], mode="area")


def _blocks(X, rows):
    """Samples of some rows, block by block."""
    for start in range(0, len(rows), BLOCK):
        yield X[rows[start : start + BLOCK]]


class PatchEncoder:
    """Answers of random patches of the images, whitened, to all patches of an image.

    A patch has mean 0 and standard deviation 1, is whitened, and is compared with each of 128
    patches by the inner product. Of that, what is above 1 counts, and what is below -1, each
    averaged over the four quarters of the image.

    Parameters
    ----------
    images : tensor of shape (n, n_channels, height, width)
        Images to take patches from, in units of their standard deviation.
    rng : numpy.random.RandomState
        Chooses the patches.

    References
    ----------
    A. Coates and A. Y. Ng, "The importance of encoding versus training with sparse coding and
    vector quantization", ICML 2011: random whitened patches, soft threshold, pooling.
    """

    def __init__(self, images, rng):
        n_channels, *sides = images.shape[1:]
        size = min(min(sides) // _PATCHES_ALONG, int((_MOST_NUMBERS / n_channels) ** 0.5))
        size = max(1, size)
        extractor = PatchExtractor(
            patch_size=(size, size), max_patches=_PER_IMAGE, random_state=rng
        )
        patches = extractor.transform(images.permute(0, 2, 3, 1).cpu().numpy())
        patches = patches.reshape(len(patches), -1).astype(np.float64)
        patches -= patches.mean(axis=1, keepdims=True)
        patches /= np.sqrt(patches.var(axis=1, keepdims=True) + _CONTRAST**2)
        center = patches.mean(axis=0)
        variance, axes = np.linalg.eigh(np.cov(patches.T, bias=True).reshape(2 * center.shape))
        whitening = axes / np.sqrt(np.maximum(variance, 0) + _WHITENING)
        chosen = rng.permutation(len(patches))[:_N_FILTERS]
        filters = normalize((patches[chosen] - center) @ whitening) @ whitening.T
        self.size, self._shift = size, torch.from_numpy(-filters @ center).float()
        # Without its mean, a filter does the subtraction of a patch's mean.
        filters -= filters.mean(axis=1, keepdims=True)
        filters = torch.from_numpy(filters.reshape(-1, size, size, n_channels)).float()
        self._filters = filters.permute(0, 3, 1, 2).contiguous()

    @torch.no_grad()
    def __call__(self, images, mirrored):
        """Encode images.

        Parameters
        ----------
        images : tensor of shape (n, n_channels, height, width)
            Images, on any device.
        mirrored : bool
            Whether to take the mean of an image and its mirror image.

        Returns
        -------
        ndarray of float32 of shape (n, n_answers)
            Means over the quarters of each image, 8 of each filter.
        """
        views = [images, images.flip(-1)] if mirrored else [images]
        found = [torch.cat([self._answers(x) for x in view.split(_CACHED)]) for view in views]
        return (sum(found) / len(views)).cpu().numpy()

    def _answers(self, x):
        mean, square = (
            avg_pool2d(part.mean(dim=1, keepdim=True), self.size, stride=1) for part in (x, x**2)
        )
        spread = ((square - mean**2).clamp(min=0) + _CONTRAST**2).sqrt()
        answers = conv2d(x, self._filters.to(x.device)) / spread
        answers += self._shift.to(x.device)[:, None, None]
        sides = [(answers - _THRESHOLD).relu_(), (-answers - _THRESHOLD).relu_()]
        return torch.cat([adaptive_avg_pool2d(side, _GRID).flatten(1) for side in sides], dim=1)
