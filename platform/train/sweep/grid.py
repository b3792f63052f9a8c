"""A grid of trials over a recipe: each a run of its own, all under one parent run in MLflow.

Ray Tune starts the trials as far as the cluster has room. A trial that fails ends no other one; one
whose process dies is started again and goes on with its own run.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from striate.core.errors import UsageError
from striate.train.config import Recipe
from striate.train.recipes.resolve import override, value_of

MOST_TRIALS = 500


@dataclass(frozen=True)
class Trial:
    """One point of the grid.

    Attributes:
        number: from 1.
        values: field → value.
        recipe: the swept one with these values; it registers nothing by itself.
    """

    number: int
    values: dict[str, Any]
    recipe: Recipe

    @property
    def name(self) -> str:
        """Its values in words: ``lr=0.01 seed=1``."""
        return " ".join(f"{field.rpartition('.')[2]}={v}" for field, v in self.values.items())


@dataclass(frozen=True)
class TrialEvent:
    """The latest a trial has said.

    Attributes:
        number: of the trial.
        name: its values in words.
        status: ``running``, ``finished`` or ``failed``.
        step: optimiser steps done.
        total_steps: of its run.
        headline: the metric that says which model is best.
        score: that metric, or None before the first evaluation.
        note: why it failed, or empty.
    """

    number: int
    name: str
    status: str
    step: int = 0
    total_steps: int = 0
    headline: str = "top1"
    score: float | None = None
    note: str = ""


class TrialResult(BaseModel):
    """What a trial came to.

    Attributes:
        number: of the trial.
        values: field → value.
        run_id: its run; empty when it failed before it had one.
        score: the headline metric over the whole evaluation split; None when it failed.
        metrics: all of them.
        seconds: of the trial.
        bundle: the folder of its model.
        error: why it failed, or empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    values: dict[str, Any]
    run_id: str = ""
    score: float | None = None
    metrics: dict[str, float] = {}
    seconds: float | None = None
    bundle: str = ""
    error: str = ""


class SweepResult(BaseModel):
    """What a sweep came to.

    Attributes:
        run_id: the parent run.
        run_url: its page.
        headline: the metric by which trials are ordered; larger is better.
        trials: the best first; those that failed last.
        picture: parallel coordinates of all trials; empty when none had a result.
        model_uri: the registered model of the best trial, when that was asked for.
        champion: one sentence on which version is champion then; else empty.
        seconds: of the whole sweep.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    run_url: str
    headline: str
    trials: tuple[TrialResult, ...]
    picture: str
    model_uri: str | None
    champion: str = ""
    seconds: float

    @property
    def best(self) -> TrialResult | None:
        """The best trial; None when all failed."""
        return self.trials[0] if self.trials and self.trials[0].score is not None else None


def grid(recipe: Recipe, sweeps: Sequence[str]) -> list[Trial]:
    """All combinations of swept values, each checked as a recipe.

    Args:
        recipe: what they are put into.
        sweeps: ``FIELD=VALUE,VALUE,…``, dotted as an override; a value may be any JSON.

    Raises:
        UsageError: no list of values, a field that is named twice, or too many trials.
        RecipeError: an unknown field or a wrong value.
    """
    axes: dict[str, list[str]] = {}
    for text in sweeps:
        field, equals, listed = text.partition("=")
        values = split(listed)
        if not equals or not all(values):
            raise UsageError(
                f"--sweep {text} names no values.",
                "Write FIELD=VALUE,VALUE, such as optimizer.lr=0.01,0.1.",
            )
        if field in axes:
            raise UsageError(f"--sweep names {field} twice.", "Give all its values in one list.")
        if len(set(values)) < len(values):
            raise UsageError(f"--sweep {text} has a value twice.", "Name each value once.")
        axes[field] = values
    size = math.prod(map(len, axes.values()))
    if size > MOST_TRIALS:
        raise UsageError(
            f"The grid has {size:,} trials, more than {MOST_TRIALS}.", "Sweep fewer values."
        )
    plain = recipe.model_copy(update={"registered_name": None})
    return [
        Trial(
            number,
            {field: value_of(text) for field, text in zip(axes, chosen, strict=True)},
            override(plain, [f"{f}={text}" for f, text in zip(axes, chosen, strict=True)]),
        )
        for number, chosen in enumerate(itertools.product(*axes.values()), start=1)
    ]


def split(listed: str) -> list[str]:
    """The values of a list: cut at commas that stand in no brackets, braces or quotes.

    >>> split('0.1,0.01')
    ['0.1', '0.01']
    >>> split('[1,2],{"a":1,"b":2},"x,y"')
    ['[1,2]', '{"a":1,"b":2}', '"x,y"']
    """
    parts, depth, quoted = [""], 0, False
    for character in listed:
        quoted ^= character == '"'
        depth += 0 if quoted else (character in "[{") - (character in "]}")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def rank_trials(results: Sequence[TrialResult]) -> tuple[TrialResult, ...]:
    """The best first, those without a score last, else in the order of the grid."""
    return tuple(
        sorted(results, key=lambda one: (one.score is None, -(one.score or 0.0), one.number))
    )


def concurrent_trials(room: Mapping[str, float], recipe: Recipe) -> int:
    """How many trials of a recipe a cluster's free resources hold, at least one."""
    scaling = recipe.scaling
    processes = max(1, scaling.most_workers)
    fits = [room.get("CPU", 0.0) // (processes * scaling.cpus_per_worker)]
    if scaling.gpu:
        fits.append(room.get("GPU", 0.0) // processes)
    return max(1, int(min(fits)))


def draw(results: Sequence[TrialResult], headline: str) -> Any:
    """The parallel coordinates of trials as a figure."""
    from striate.train.plots.comparison import draw_parallel_coordinates

    shown = sorted(results, key=lambda one: one.number)
    return draw_parallel_coordinates(
        [one.values for one in shown], [one.score for one in shown], headline
    )


OnTrial = Callable[[TrialEvent], None]
