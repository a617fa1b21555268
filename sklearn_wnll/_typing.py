"""Types shared by the annotations of several modules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse


class SupportsArray(Protocol):
    """An object that numpy can convert: an array, a Series, a tensor."""

    def __array__(self) -> NDArray[Any]: ...


class NeighborsTransformer(Protocol):
    """A transformer from rows to a sparse graph of distances."""

    def fit(self, X: Any, /) -> Any: ...
    def fit_transform(self, X: Any, /) -> Any: ...
    def transform(self, X: Any, /) -> Any: ...


class Classifier(Protocol):
    """A classifier that predicts distributions."""

    def fit(self, X: Any, y: Any, /) -> Any: ...
    def predict_proba(self, X: Any, /) -> Any: ...


class Splitter(Protocol):
    """A splitter of scikit-learn's kind."""

    def split(self, X: Any, y: Any, groups: Any, /) -> Iterable[Any]: ...
    def get_n_splits(self, X: Any, y: Any, groups: Any, /) -> int: ...


Rows: TypeAlias = ArrayLike | sparse.sparray | sparse.spmatrix
Blocks: TypeAlias = Iterator[Rows]
# ArrayLike does not allow None among the labels.
Labels: TypeAlias = ArrayLike | Sequence[object]
Numbers: TypeAlias = ArrayLike | Sequence[float | None] | Sequence[Sequence[float | None]]
NetworkClassPrior: TypeAlias = (
    Literal["labeled"] | Mapping[Any, float] | Sequence[float] | SupportsArray
)
ClassPrior: TypeAlias = NetworkClassPrior | Literal["estimated"]
RandomState: TypeAlias = int | np.random.RandomState | None
NetworkLabelWeight: TypeAlias = Literal["wnll", "laplace"] | float
LabelWeight: TypeAlias = NetworkLabelWeight | Literal["auto", "poisson"]
Gradient: TypeAlias = Literal["exact", "surrogate"]
PredictMode: TypeAlias = Literal["transductive", "inductive"]
Metric: TypeAlias = Literal[
    "euclidean", "l2", "minkowski", "sqeuclidean", "manhattan", "l1", "cityblock", "chebyshev",
    "cosine", "correlation", "canberra", "braycurtis", "hamming", "haversine", "jaccard", "dice",
    "rogerstanimoto", "sokalsneath", "yule", "precomputed",
]  # fmt: skip

# Returned arrays.
Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
Mask: TypeAlias = NDArray[np.bool_]
