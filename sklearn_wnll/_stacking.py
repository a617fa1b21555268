"""Rows of one kind, such as arrays, DataFrames or texts, one pool beneath the other."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples

__all__ = ["stack"]


def stack(X: Any, pool: Any) -> Any:
    """Stack the rows of X and those of the pool."""
    if not any(hasattr(pool, name) for name in ("__len__", "shape", "__array__")):
        raise TypeError(
            f"X_unlabeled must be rows, images or texts, such as X[y == -1], got {pool!r}."
        )
    if _num_samples(pool) == 0:
        return X
    if sparse.issparse(X) or sparse.issparse(pool):
        blocks = [part if sparse.issparse(part) else np.asarray(part) for part in (X, pool)]
        _check_columns(*blocks)
        return sparse.vstack([sparse.csr_array(block) for block in blocks], format="csr")
    if hasattr(X, "columns"):
        return _stack_frames(X, pool)
    if _is_sequence(X):
        return _stack_sequences(X, pool)
    X, pool = np.asanyarray(X), np.asanyarray(pool)
    _check_columns(X, pool)
    masked = isinstance(X, np.ma.MaskedArray) or isinstance(pool, np.ma.MaskedArray)
    # numpy would drop the mask before the estimator sees it.
    return np.ma.concatenate([X, pool]) if masked else np.concatenate([X, pool])


def _is_sequence(X: Any) -> bool:
    """Return whether samples are single objects, such as texts, and not rows of numbers."""
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and np.ndim(X[0]) != 1
    return len(getattr(X, "shape", ())) == 1


def _stack_sequences(X: Any, pool: Any) -> list[Any]:
    """Make one list of samples, which may be texts, dicts or images."""
    dimensions = [np.ndim(next(iter(samples))) for samples in (X, pool)]
    if dimensions[0] != dimensions[1]:
        raise ValueError(
            "The samples of X have {} dimensions, but those of X_unlabeled {}. The pool must be "
            "like the X of fit: both texts, or both images.".format(*dimensions)
        )
    return [*X, *pool]


def _stack_frames(X: Any, pool: Any) -> Any:
    """Make a DataFrame of the kind of X; the pool may be of another kind, or an array."""
    names, of_pandas = list(X.columns), hasattr(X, "iloc")
    if hasattr(pool, "columns") and list(pool.columns) != names:
        raise ValueError(
            f"X and X_unlabeled must have the same columns in the same order, got {names} and "
            f"{list(pool.columns)}. Pass X_unlabeled[list(X.columns)]."
        )
    if type(pool) is not type(X):
        pool = np.asarray(pool)
        _check_columns(X, pool)
        pool = type(X)(pool, **{"columns" if of_pandas else "schema": names})
    if not of_pandas:  # polars
        return X.vstack(pool)
    import pandas as pd  # installed, because X is a pandas DataFrame

    return pd.concat([X, pool], ignore_index=True)


def _check_columns(X: Any, pool: Any) -> None:
    """Refuse a pool with rows of another shape."""
    if X.shape[1:] != pool.shape[1:]:
        raise ValueError(
            f"The rows of X are of shape {X.shape[1:]}, but those of X_unlabeled of "
            f"{pool.shape[1:]}. The pool must be like the X of fit. If a step before "
            "WithUnlabeled changes or selects columns, put WithUnlabeled around that step too."
        )
