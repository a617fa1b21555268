"""What a fit is made of, from the parameters of the estimator."""

from copy import deepcopy
from typing import Any

from numpy.typing import NDArray

from ._extension.beside import Classifier, Companion, Known
from ._extension.row_labels import RowLabels
from ._extension.solution import Recipe
from ._extension.templates import Templates, fit_templates
from ._extension.transduction import Extender
from ._graph.builder import make_graph_builder

__all__ = ["check_combination", "extend", "make_recipe"]


def check_combination(model: Any, classes: NDArray[Any]) -> None:
    """Refuse parameters that do not go together, or not with the classes."""
    if model.volume_constraint and model.class_prior is None:
        raise ValueError(
            "volume_constraint=True needs the sizes of the classes, but class_prior is None. "
            "Pass class_prior='labeled' if the labelled rows were drawn at random, 'estimated' "
            "if not, or the frequencies themselves; or volume_constraint=False."
        )
    if model.estimator is None:
        return
    if model.metric == "precomputed":
        raise ValueError(
            "estimator needs features, but with metric='precomputed' X holds distances. Pass "
            "estimator=None, or the features with another metric."
        )
    if len(classes) < 2:
        raise ValueError(
            "estimator needs two classes, but y has one class only. Label rows of another, or "
            "pass estimator=None."
        )


def make_recipe(
    model: Any, X: Any, classes: NDArray[Any], seed: int, companion: Known | None
) -> Recipe:
    """What is done once labels are extended: a ``companion`` joins, or the estimator."""
    if model.estimator is None:
        return Recipe(companion, model.volume_constraint, model.n_jobs)
    learner = Companion(
        Classifier(model.estimator, classes),
        deepcopy(X),  # which the caller may overwrite before labels are held out
        given=model.estimator_labels == "given",
        strength=model.estimator_weight,
        n_stages=model.n_stages,
        seed=seed,
    )
    return Recipe(learner, model.volume_constraint, model.n_jobs)


def extend(model: Any, X: Any, labels: RowLabels, seed: int, *, stands_alone: bool) -> Templates:
    """Build the graph of the rows, and extend their labels."""
    builder = make_graph_builder(
        X,
        metric=model.metric,
        neighbors=model.neighbors,
        n_neighbors=model.n_neighbors,
        scale_neighbor=model.scale_neighbor,
        template_size=model.template_size,
        random_state=model.random_state,
    )
    beside_another = not stands_alone and model.label_weight == "auto"
    extender = Extender(
        label_weight="poisson" if beside_another else model.label_weight,
        label_noise=model.label_noise,
        fallback=labels.fallback,
        tol=model.tol,
        max_iter=model.max_iter,
        seed=seed,
    )
    return fit_templates(
        builder,
        X,
        labels.codes,
        extender,
        template_size=model.template_size,
        n_jobs=model.n_jobs,
    )
