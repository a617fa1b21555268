"""Random changes of training images that keep their class."""

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["crop_and_flip", "exchange_squares", "strong_augmentation"]

_SIDE = 0.5  # of a square, relative to the side of its image
_CONTRAST, _BRIGHTNESS, _SATURATION = 0.4, 0.4, 0.5


def crop_and_flip(images: Tensor, padding: int | None = None, *, flip: bool = True) -> Tensor:
    """Shift each image at random, filling with zeros, and mirror it with probability 1/2.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    images : tensor of shape (n, n_channels, height, width)
        Batch of images.
    padding : int, default=None
        Maximum shift, in pixels. If None, an eighth of the shorter side: 4 for 32 x 32.
    flip : bool, default=True
        Whether to mirror images. For digits, pass ``functools.partial(crop_and_flip, flip=False)``
        as ``augment``.

    Returns
    -------
    tensor of shape (n, n_channels, height, width)
        The augmented images. Torch draws the random numbers on the device of the images: the same
        seed gives the same images on the same device, and others on another one.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep import crop_and_flip
    >>> crop_and_flip(torch.ones(5, 3, 8, 8)).shape
    torch.Size([5, 3, 8, 8])
    """
    n, _, height, width = images.shape
    padding = min(height, width) // 8 if padding is None else padding
    device = images.device
    top, left = torch.randint(2 * padding + 1, (2, n), device=device)
    mirrored = torch.rand(n, device=device) < 0.5 * flip
    rows = top[:, None] + torch.arange(height, device=device)
    columns = left[:, None] + torch.arange(width, device=device)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    padded = pad(images, (padding,) * 4)
    place = torch.arange(n, device=device)[:, None, None]
    shifted = padded[place, :, rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)


def strong_augmentation(
    images: Tensor, padding: int | None = None, *, flip: bool = True, cut: bool = True
) -> Tensor:
    """Crop, flip, change the colours, and cut a square out of each image, at random.

    Contrast is multiplied by 0.6 to 1.4 and saturation by 0.5 to 1.5; brightness is shifted by up
    to 0.4, in the units of the images (standard deviations if they are standardized). The square is
    half as wide as the shorter side, is placed at random, and is filled with 0.

    Read more in the :doc:`user guide </guide/deep>`.

    Parameters
    ----------
    images : tensor of shape (n, n_channels, height, width)
        Batch of images.
    padding : int, default=None
        As for :func:`crop_and_flip`.
    flip : bool, default=True
        As for :func:`crop_and_flip`.
    cut : bool, default=True
        Whether to cut out a square.

    Returns
    -------
    tensor of shape (n, n_channels, height, width)
        The augmented images. Torch draws the random numbers on the device of the images: the same
        seed gives the same images on the same device, and others on another one.

    References
    ----------
    T. DeVries and G. W. Taylor, "Improved regularization of convolutional neural networks with
    cutout", arXiv 1708.04552 (2017): the square.

    Examples
    --------
    >>> import torch
    >>> from sklearn_wnll.deep import strong_augmentation
    >>> strong_augmentation(torch.ones(5, 3, 8, 8)).shape
    torch.Size([5, 3, 8, 8])
    """
    images = crop_and_flip(images, padding, flip=flip)
    n, _, height, width = images.shape
    device = images.device
    contrast, brightness, saturation = 2 * torch.rand(3, n, 1, 1, 1, device=device) - 1
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * (1 + _CONTRAST * contrast) + mean + _BRIGHTNESS * brightness
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (1 + _SATURATION * saturation) + grey
    if not cut:
        return images
    row, column = torch.rand(2, n, 1, 1, device=device)
    half = _SIDE * min(height, width) / 2
    rows = (torch.arange(height, device=device)[:, None] - row * height).abs() < half
    columns = (torch.arange(width, device=device) - column * width).abs() < half
    return images.masked_fill((rows & columns)[:, None], 0)


def exchange_squares(images: Tensor) -> tuple[Tensor, Tensor, float]:
    """Fill a square of each image, at one random place, by that of another image of the batch.

    The square has half the height and the width of an image, as far as it lies within. Returns the
    images, the place of the other image of each (n,), and the share of an image that is its own.

    S. Yun et al., "CutMix: Regularization strategy to train strong classifiers with localizable
    features", ICCV 2019, with squares of one size.
    """
    other = torch.randperm(len(images), device=images.device)
    rows, columns = (
        _around(place, side)
        for place, side in zip(torch.rand(2).tolist(), images.shape[2:], strict=True)
    )
    images = images.clone()
    square = images[:, :, rows, columns]
    share = 1 - square[0, 0].numel() / images[0, 0].numel()
    square.copy_(square[other])
    return images, other, share


def _around(place: float, side: int) -> slice:
    """Return the part of a side within half a square of a place, in 0 to 1."""
    edges = ((place - _SIDE / 2) * side, (place + _SIDE / 2) * side)
    start, end = (min(max(round(edge), 0), side) for edge in edges)
    return slice(start, end)
