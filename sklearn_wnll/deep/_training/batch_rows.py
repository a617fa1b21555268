"""The row of a batch in a history, whose loss may still be on the device."""

import torch

__all__ = ["BatchRow"]

_LOSS = "train_loss"


class BatchRow(dict):
    """Numbers of a batch by name; a loss on the device is read when it is first needed."""

    def __getitem__(self, key):
        value = super().__getitem__(key)
        if key == _LOSS and isinstance(value, torch.Tensor):
            value = self[key] = value.item()
        return value

    def get(self, key, default=None):
        """Return a number, or a default."""
        try:
            return self[key]
        except KeyError:
            return default

    @classmethod
    def read(cls, rows):
        """Read the losses of rows, those on the device all at once, and return them."""
        unread = [row for row in rows if isinstance(row._unread, torch.Tensor)]
        if len(unread) > 1:
            losses = torch.stack([row._unread.reshape(()) for row in unread]).tolist()
            for row, loss in zip(unread, losses, strict=True):
                row[_LOSS] = loss
        return [row[_LOSS] for row in rows]

    @property
    def _unread(self):
        return super().__getitem__(_LOSS)
