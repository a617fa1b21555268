"""Responses of an image's patches to whitened patches of other images."""

import numpy as np
import torch
from sklearn.feature_extraction.image import PatchExtractor
from sklearn.preprocessing import normalize
from torch.nn.functional import avg_pool2d, conv2d

__all__ = ["N_FILTERS", "PatchEncoder"]

_PER_IMAGE = 10  # patches taken from an image
_PATCHES_ALONG, _MOST_IN_PATCH = 4, 1024  # patches along the shorter side; numbers in a patch
N_FILTERS = 128
_CONTRAST, _WHITENING = 0.05, 0.1
_THRESHOLD = 1.0  # in standard deviations of a filter's response
_CACHED = 20  # images whose responses stay in a processor's cache


class PatchEncoder:
    """Responses of an image's patches to random whitened patches of other images.

    A patch is scaled to mean 0 and standard deviation 1, whitened, and compared with each of 128
    patches by the inner product. The parts above 1 and below -1 are averaged over the four
    quarters of the image. The patches are taken from ``images`` (n, n_channels, height, width) in
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
        chosen = rng.permutation(len(patches))[:N_FILTERS]
        filters = normalize((patches[chosen] - center) @ whitening) @ whitening.T
        self._shift = torch.from_numpy(-filters @ center).float()
        # A filter of mean 0 ignores a patch's mean, which saves its subtraction.
        filters -= filters.mean(axis=1, keepdims=True)
        filters = torch.from_numpy(filters).float()
        filters = filters.reshape(-1, self.size, self.size, n_channels)
        self._filters = filters.permute(0, 3, 1, 2).contiguous()

    def state(self):
        """Return the tensors from which :meth:`from_state` restores the encoder."""
        return {"filters": self._filters, "shift": self._shift}

    @classmethod
    def from_state(cls, state):
        """Restore an encoder from its state."""
        encoder = cls.__new__(cls)
        encoder._filters, encoder._shift = state["filters"], state["shift"]
        encoder.size = encoder._filters.shape[-1]
        return encoder

    @torch.no_grad()
    def __call__(self, images, mirrored):
        """Encode images: means over the quarters of each (n, 8 n_filters), as float32.

        If ``mirrored``, take the mean over each image and its mirror image.
        """
        weights = self._filters.to(images.device), self._shift.to(images.device)[:, None, None]
        views = [images, images.flip(-1)] if mirrored else [images]
        size = _CACHED if images.device.type == "cpu" else len(images)
        found = [
            torch.cat([self._answers(part, *weights) for part in view.split(size)])
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
    """Average maps over their quarters, which share a middle row or column."""
    rows, columns = ((slice((side + 1) // 2), slice(side // 2, side)) for side in maps.shape[2:])
    means = [maps[:, :, row, column].mean(dim=(2, 3)) for row in rows for column in columns]
    return torch.stack(means, dim=2).flatten(1)
