"""The order of the steps: the stages of Algorithm 1 of the paper."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .base import TrainingStep

__all__ = ["PlannedStep", "make_plan", "passes", "shorten"]

_SHORT = 1 / 4
_EPOCHS = {"linear_step__epochs": "linear_step", "wnll_step__epochs": "wnll_step"}


class PlannedStep(NamedTuple):
    """A step in its stage; ``repeat`` counts its earlier occurrences in the plan."""

    stage: int
    step: TrainingStep
    repeat: int


def make_plan(stages: Iterable[tuple[TrainingStep, ...]], first: int = 1) -> list[PlannedStep]:
    """List the steps of stages in order; ``first`` is the number of the first stage."""
    plan: list[PlannedStep] = []
    for stage, steps in enumerate(stages, first):
        for step in steps:
            repeat = sum(planned.step is step for planned in plan)
            plan.append(PlannedStep(stage, step, repeat))
    return plan


def shorten(step: TrainingStep) -> None:
    """Reduce a step's epochs to the part that suffices for a network trained before."""
    step.set_params(epochs=math.ceil(_SHORT * step.epochs))


def passes(
    plan: list[PlannedStep],
    steps: dict[str, TrainingStep],
    state: dict[str, Any],
    names: Sequence[str],
) -> bool:
    """Return whether a training by a plan passes a state whose plan differs in some parameters.

    These may be the number of stages, and the epochs of steps: for a past step the same number,
    for the last one begun also more, if its earlier epochs do not depend on the number.
    """
    last, done, ended = state["step"], state["n_epochs"], state["ended"]
    if not {*_EPOCHS, "n_stages"}.issuperset(names) or last >= len(plan):
        return False
    for number, (planned, n_epochs) in enumerate(zip(plan[:last], done, strict=False)):
        epochs = planned.step.epochs
        if epochs != n_epochs and not (number in ended and epochs > n_epochs):
            return False
    step = plan[last].step
    changed = any(steps[_EPOCHS[name]] is step for name in names if name in _EPOCHS)
    extensible = step.extensible and not step.averages_weights
    return done[last] <= step.epochs and (extensible or not changed)
