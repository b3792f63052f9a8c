"""The learning rate as a pure function of the step, the recipe and the evaluations so far."""

import math
from collections.abc import Sequence

from striate.train.config import ScheduleConfig


def rate_at(
    step: int,
    total_steps: int,
    config: ScheduleConfig,
    steps_per_epoch: float = 1.0,
    history: Sequence[float] = (),
) -> float:
    """The learning rate over its peak for the step that comes after `step` steps.

    Args:
        step: optimiser steps done.
        total_steps: of the whole run.
        config: the recipe's schedule.
        steps_per_epoch: optimiser steps of one pass over the training split; for ``step``.
        history: the headline metric of every evaluation so far, larger is better; for ``plateau``.

    >>> [round(rate_at(s, 5, ScheduleConfig(name="cosine")), 2) for s in range(5)]
    [1.0, 0.9, 0.65, 0.35, 0.1]
    >>> step = ScheduleConfig(name="step", milestones_epochs=(1, 2), factor=0.5)
    >>> [rate_at(s, 6, step, steps_per_epoch=2) for s in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    warmup = round(config.warmup_share * total_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if config.name == "constant":
        return 1.0
    if config.name == "step":
        return _fallen(_drops(step / steps_per_epoch, config), config)
    if config.name == "plateau":
        return _fallen(plateaus(history, config.patience), config)
    progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    if config.name == "polynomial":
        falling = math.pow(1 - progress, config.power)
    else:
        falling = (1 + math.cos(math.pi * progress)) / 2
    return config.final_share + (1 - config.final_share) * falling


def plateaus(history: Sequence[float], patience: int) -> int:
    """How often `patience` evaluations in a row were no better than the best before them.

    >>> plateaus([0.5, 0.6, 0.6, 0.55, 0.7], patience=2)
    1
    """
    best, since, met = -math.inf, 0, 0
    for value in history:
        if value > best:
            best, since = value, 0
            continue
        since += 1
        if since == patience:
            since, met = 0, met + 1
    return met


def _fallen(times: int, config: ScheduleConfig) -> float:
    return max(config.final_share, math.pow(config.factor, times))


def _drops(epochs: float, config: ScheduleConfig) -> int:
    """Milestones at or behind `epochs`; a hair early, so that rounding does not cost a step."""
    reached = epochs + 1e-9
    if config.every_epochs is not None:
        return int(reached / config.every_epochs)
    return sum(milestone <= reached for milestone in config.milestones_epochs)
