"""The graph that an estimator's parameters ask for."""

from scipy import sparse

from .features import FeatureGraphBuilder
from .metrics import FeatureSpace
from .precomputed import PrecomputedGraphBuilder
from .search import compared_features, make_search
from .weights import scale_neighbor_value

__all__ = ["make_graph_builder"]


def make_graph_builder(
    X, *, metric, neighbors, n_neighbors, scale_neighbor, template_size, random_state
):
    """Make the builder for rows such as ``X``, by the estimator's parameters."""
    scale_neighbor = scale_neighbor_value(scale_neighbor, n_neighbors)
    if metric == "precomputed":
        if template_size is not None:
            raise ValueError(
                "template_size cannot be used with metric='precomputed': a graph that is cut into "
                "templates loses its edges. Pass features, or template_size=None."
            )
        return PrecomputedGraphBuilder(n_neighbors, scale_neighbor)
    # A transformer sees the rows as they are.
    metric = metric if isinstance(neighbors, str) else None
    search = make_search(
        neighbors,
        (min(X.shape[0], template_size or X.shape[0]), compared_features(X)),
        metric=FeatureSpace(metric).search_metric,
        is_sparse=sparse.issparse(X),
        random_state=random_state,
    )
    return FeatureGraphBuilder(metric, search, n_neighbors, scale_neighbor)
