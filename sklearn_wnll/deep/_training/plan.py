"""The order of the steps: the stages of Algorithm 1 of the paper."""

from collections.abc import Iterable
from typing import NamedTuple

from .base import TrainingStep

__all__ = ["PlannedStep", "make_plan"]


class PlannedStep(NamedTuple):
    """A step in its stage, which has been planned ``repeat`` times before."""

    stage: int
    step: TrainingStep
    repeat: int


def make_plan(stages: Iterable[tuple[TrainingStep, ...]]) -> list[PlannedStep]:
    """Put the steps of stages in their order."""
    plan: list[PlannedStep] = []
    for stage, steps in enumerate(stages, 1):
        for step in steps:
            repeat = sum(planned.step is step for planned in plan)
            plan.append(PlannedStep(stage, step, repeat))
    return plan
