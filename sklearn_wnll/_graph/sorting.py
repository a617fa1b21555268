"""Sorting by labels: whole numbers from 0, many of them equal."""

from itertools import pairwise

import numpy as np

__all__ = ["groups", "stable_order"]

_BITS = 16  # numpy sorts 16-bit numbers several times as fast as others


def stable_order(labels):
    """Return the order that sorts nonnegative labels (n,); equal ones keep their order.

    >>> import numpy as np
    >>> stable_order(np.array([70000, 3, 70000, 4])).tolist()
    [1, 3, 0, 2]
    """
    largest = int(labels.max()) if len(labels) else 0
    order = np.argsort(labels.astype(np.uint16), kind="stable")  # by the lowest 16 bits
    for shift in range(_BITS, largest.bit_length(), _BITS):
        digit = (labels >> shift).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order


def groups(labels):
    """Yield each distinct label of ``labels`` (n,), with its places.

    >>> import numpy as np
    >>> [(int(label), places.tolist()) for label, places in groups(np.array([3, 0, 3]))]
    [(0, [1]), (3, [0, 2])]
    """
    order = stable_order(labels)
    edges = np.flatnonzero(np.diff(labels[order], prepend=-1, append=-1))
    for start, end in pairwise(edges):
        yield labels[order[start]], order[start:end]
