"""What a run tells whoever watches it: in this process, or over the log of a submitted job."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from striate.train.config import Recipe
from striate.train.tracking.metric_log import MetricRecord
from striate.train.tracking.metric_names import LOSS, THROUGHPUT, WAIT_SHARE

_MARK = '{"striate": '


@dataclass(frozen=True)
class TrainEvent:
    """The latest a run has said.

    Attributes:
        step: optimiser steps done.
        total_steps: of the whole run.
        loss: of that step, or None before the first report.
        samples_per_s: since the report before.
        unit: what a sample is, in the plural, for example ``images``.
        wait_share: share of that time spent waiting for data.
        headline: name of the metric that says which model is best, for example ``top1``.
        score: that metric at the last evaluation, or None before it.
        note: one sentence (a restart, a checkpoint that could not be written), or empty.
    """

    step: int
    total_steps: int
    loss: float | None = None
    samples_per_s: float | None = None
    unit: str = "samples"
    wait_share: float | None = None
    headline: str = "top1"
    score: float | None = None
    note: str = ""


OnEvent = Callable[[TrainEvent], None]
"""Takes what a run says."""


class EventBuilder:
    """Turns records into events, remembering what was said last.

    Args:
        total_steps: of the whole run.
        unit: what a sample is.
        headline: the task's own.
    """

    def __init__(self, total_steps: int, unit: str = "samples", headline: str = "top1") -> None:
        self._total_steps = total_steps
        self._unit = unit
        self._headline = headline
        self._step = 0
        self._latest: dict[str, float] = {}

    @classmethod
    def of(cls, recipe: Recipe, classes: int, total_steps: int) -> "EventBuilder":
        """The events of a run of a recipe."""
        return cls(total_steps, unit_of(recipe), headline_of(recipe, classes))

    def events(self, records: Sequence[MetricRecord]) -> list[TrainEvent]:
        """One event for each note, and one for all metrics together."""
        for record in records:
            if record.kind == "metric":
                self._latest[record.key] = record.value
                self._step = max(self._step, record.step)
        notes = [self._event(record.text) for record in records if record.kind == "note"]
        return notes + ([self._event()] if len(notes) < len(records) else [])

    def note(self, text: str) -> TrainEvent:
        """One sentence, with what was said last."""
        return self._event(text)

    def _event(self, note: str = "") -> TrainEvent:
        return TrainEvent(
            step=self._step,
            total_steps=self._total_steps,
            loss=self._latest.get(LOSS),
            samples_per_s=self._latest.get(THROUGHPUT),
            unit=self._unit,
            wait_share=self._latest.get(WAIT_SHARE),
            headline=self._headline,
            score=self._latest.get(f"test/{self._headline}"),
            note=note,
        )


def unit_of(recipe: Recipe) -> str:
    """What a sample of a recipe's task is, in the plural."""
    from striate.train.tasks import build_task

    return build_task(recipe.task, 2).unit


def headline_of(recipe: Recipe, classes: int = 2) -> str:
    """The name of the metric that says which model of a recipe is best."""
    from striate.train.tasks import build_task

    return build_task(recipe.task, classes).headline


def line_of(kind: str, document: Mapping[str, Any]) -> str:
    """One line of a log that a program reads.

    Its kind is ``run``, which comes first, ``event``, ``trial``, ``result`` or ``error``.
    """
    return json.dumps({"striate": kind, **document}, default=str)


def parse_event(line: str) -> tuple[str, dict[str, Any]] | None:
    """Kind and content of such a line; None for any other line of a log."""
    if not line.startswith(_MARK):
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None  # torn by a process that was killed
    return str(document.pop("striate")), document


def event_line(event: TrainEvent) -> str:
    """The line of an event."""
    return line_of("event", asdict(event))
