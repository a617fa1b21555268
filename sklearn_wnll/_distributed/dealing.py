"""Rows of partitions dealt to templates."""

from typing import NamedTuple

import numpy as np

from .._parallel import equal_blocks

__all__ = ["Piece", "deal_pieces", "dealt_rows"]

# Partitions that a template takes rows from, if there are so many. Neighbouring rows are often
# alike, as in sorted data, and a template of a few kinds of rows is less accurate.
_MIXED = 16


class Piece(NamedTuple):
    """Some unlabelled rows of a partition: from ``start`` to ``stop`` in the order of dealing."""

    partition: int
    start: int
    stop: int


def deal_pieces(free, template_size, n_labeled):
    """Deal the ``free`` rows (n_partitions,) of partitions to templates: lists of `Piece`.

    The labelled rows are in every template. Templates take rows from 16 partitions or more, evenly
    spaced; partitions are cut if there are too few of them.

    >>> for pieces in deal_pieces([3, 3], 5, 2):
    ...     print([tuple(piece) for piece in pieces])
    [(0, 0, 1), (1, 0, 1), (0, 1, 2)]
    [(0, 2, 3), (1, 1, 3)]
    """
    n_free = sum(free)
    filled = [number for number, size in enumerate(free) if size]
    if n_free + n_labeled <= template_size:
        return [[Piece(number, 0, free[number]) for number in filled]]
    if 2 * n_labeled > template_size:
        raise ValueError(
            f"{n_labeled} of {n_free + n_labeled} rows are labelled, which is more than half of "
            f"template_size={template_size}. Rows of dask collections are divided into templates "
            f"that all hold every labelled row. Pass template_size={2 * n_labeled} or more, or "
            "leave some labels out; if these rows have no labels, name their marker: unlabeled=..."
        )
    blocks = equal_blocks(n_free, template_size - n_labeled)
    order = _order(filled, free, len(blocks))
    ends = np.cumsum([piece.stop - piece.start for piece in order])
    templates = []
    for block in blocks:
        first, last = np.searchsorted(ends, [block.start, block.stop - 1], side="right")
        pieces = order[first : last + 1]
        offsets = [ends[first + i] - piece.stop for i, piece in enumerate(pieces)]
        templates.append(
            [
                Piece(
                    piece.partition,
                    max(piece.start, int(block.start - offset)),
                    min(piece.stop, int(block.stop - offset)),
                )
                for piece, offset in zip(pieces, offsets, strict=True)
            ]
        )
    return templates


def _order(filled, free, n_templates):
    """Order pieces of the partitions such that any template's share of them is mixed."""
    n_groups = min(n_templates, max(1, len(filled) // _MIXED))
    n_cuts = -(-n_templates // n_groups)
    order = []
    for group in range(n_groups):
        members = filled[group::n_groups]
        cuts = {number: np.arange(n_cuts + 1) * free[number] // n_cuts for number in members}
        for cut in range(n_cuts):
            pieces = (Piece(n, int(cuts[n][cut]), int(cuts[n][cut + 1])) for n in members)
            order.extend(piece for piece in pieces if piece.stop > piece.start)
    return order


def dealt_rows(piece, n_rows, labeled, seed):
    """Return the rows of a `Piece` of a partition of ``n_rows``, without its ``labeled`` ones."""
    is_free = np.ones(n_rows, dtype=bool)
    is_free[labeled] = False
    free = np.flatnonzero(is_free)
    if piece.stop - piece.start == len(free):
        return free
    order = np.random.RandomState([seed, piece.partition]).permutation(free)
    return np.sort(order[piece.start : piece.stop])
