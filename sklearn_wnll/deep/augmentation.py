"""Random changes of training images that leave their class as it is."""

import torch
from torch.nn.functional import pad

__all__ = ["crop_and_flip"]


def crop_and_flip(images, padding=None):
    """Shift each image at random, filling with zeros, and mirror it with probability 1/2.

    Parameters
    ----------
    images : tensor of shape (n, n_channels, height, width)
        A batch.
    padding : int, default=None
        Largest shift, in pixels. None is an eighth of the shorter side: 4 for 32 x 32.

    Returns
    -------
    tensor of shape (n, n_channels, height, width)
        The changed images. The random numbers are torch's own.

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
    # Drawn on the CPU, so that they are the same on every device.
    top, left = torch.randint(2 * padding + 1, (2, n)).to(device)
    flip = (torch.rand(n) < 0.5).to(device)
    rows = top[:, None] + torch.arange(height, device=device)
    columns = left[:, None] + torch.arange(width, device=device)
    columns = torch.where(flip[:, None], columns.flip(1), columns)
    padded = pad(images, (padding,) * 4)
    place = torch.arange(n, device=device)[:, None, None]
    shifted = padded[place, :, rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)
