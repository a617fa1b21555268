"""Dask collections: their partitions, and arrays made of blocks."""

from typing import Any, NamedTuple
from uuid import uuid4

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph
from sklearn.utils.validation import _check_feature_names

__all__ = ["ONE_COLUMN", "Partitions", "array_of", "chunk_sizes", "is_frame", "label_parts"]

ONE_COLUMN = (
    "y must be one column of labels: several labels per row need all rows in one place, but X is a "
    "dask collection. Pass a single column, such as y['label'] or y[:, 0]; or arrays."
)


class Partitions(NamedTuple):
    """Rows in partitions: a Delayed object for each.

    ``sizes`` are the numbers of their rows, None if unknown; ``like`` is an empty piece.
    """

    parts: list[Any]
    n_features: int
    sizes: tuple[int, ...] | None
    like: Any

    @classmethod
    def of(cls, X):
        """Check a dask.array of rows, or a dask.dataframe."""
        if is_frame(X):
            return cls(_parts(X), len(X.columns), None, X._meta)
        if len(getattr(X, "shape", ())) != 2 or not hasattr(X, "chunks"):
            raise ValueError(
                f"X is a dask collection ({type(X).__name__}) of shape {getattr(X, 'shape', '?')}. "
                "Pass a dask.array of shape (n_samples, n_features), such as X[:, None] for a "
                "single feature and X[None] for a single row, or a dask.dataframe."
            )
        if np.isnan(X.shape[1]):
            raise ValueError(
                "X has an unknown number of features. Call X.compute_chunk_sizes() before."
            )
        if X.numblocks[1] > 1:
            raise ValueError(
                f"X has chunks of columns {X.chunks[1]}, but a partition must hold whole rows. "
                "Pass X.rechunk({1: -1})."
            )
        return cls(_parts(X), X.shape[1], chunk_sizes(X), X._meta)

    def check_features(self, model, *, reset):
        """Compare number and names of features with the fitted ones, or set them."""
        _check_feature_names(model, self.like, reset=reset)
        if reset:
            model.n_features_in_ = self.n_features
        elif self.n_features != model.n_features_in_:
            raise ValueError(
                f"X has {self.n_features} features, but {type(model).__name__} is expecting "
                f"{model.n_features_in_} features as input."
            )


def is_frame(X):
    """Return whether a collection is a dask.dataframe; a Series has columns too."""
    return hasattr(X, "columns") and getattr(X, "ndim", 0) == 2


def chunk_sizes(collection):
    """Return the numbers of rows of an array's chunks, None if unknown."""
    sizes = collection.chunks[0]
    return None if np.isnan(sizes).any() else tuple(map(int, sizes))


def label_parts(y, rows):
    """Return a Delayed object of the labels of each partition of rows."""
    if getattr(y, "ndim", 0) != 1:
        raise ValueError(ONE_COLUMN)
    sizes = chunk_sizes(y) if hasattr(y, "chunks") else None
    if sizes is not None and rows.sizes is not None:
        if sum(sizes) != sum(rows.sizes):
            raise ValueError(
                f"Inconsistent numbers of samples: X has {sum(rows.sizes)} rows and y {sum(sizes)} "
                "entries. y needs an entry for every row of X."
            )
        if sizes != rows.sizes:
            y = y.rechunk((rows.sizes,))
    parts = _parts(y)
    if len(parts) != len(rows.parts):
        raise ValueError(
            f"X has {len(rows.parts)} partitions and y {len(parts)}, and the numbers of their rows "
            "are unknown. Take both from one frame, repartition y like X, or call "
            "compute_chunk_sizes() of both arrays."
        )
    return parts


def _parts(collection):
    """Return a Delayed object of each partition."""
    if hasattr(collection, "simplify"):  # a full optimization of a frame may merge partitions
        return list(collection.simplify().to_delayed(optimize_graph=False))
    return np.ravel(collection.to_delayed()).tolist()


def array_of(blocks, sizes, *shape, dtype=np.float64):
    """Make a dask.array of Delayed blocks (size, *shape), whose sizes may be unknown."""
    sizes = (np.nan,) * len(blocks) if sizes is None else tuple(sizes)
    name, place = f"rows-{uuid4().hex}", (0,) * len(shape)
    tasks = {(name, i, *place): (_itself, block.key) for i, block in enumerate(blocks)}
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=blocks)
    return da.Array(graph, name, (sizes, *((n,) for n in shape)), dtype=dtype)


def _itself(block):
    return block
