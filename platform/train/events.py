"""What a run tells whoever watches it."""

from collections.abc import Sequence
from dataclasses import dataclass

from striate.train.report import LOSS, THROUGHPUT, WAIT_SHARE
from striate.train.spool import Record


@dataclass(frozen=True)
class TrainEvent:
    """The latest a run has said.

    Attributes:
        step: optimiser steps done.
        total_steps: of the whole run.
        loss: of that step, or None before the first report.
        images_per_s: since the report before.
        wait_share: share of that time spent waiting for data.
        top1: of the last evaluation, or None before it.
        note: one sentence (a restart, a checkpoint that could not be written), or empty.
    """

    step: int
    total_steps: int
    loss: float | None = None
    images_per_s: float | None = None
    wait_share: float | None = None
    top1: float | None = None
    note: str = ""


class Digest:
    """Turns records into events, remembering what was said last."""

    def __init__(self, total_steps: int) -> None:
        self._total_steps = total_steps
        self._step = 0
        self._latest: dict[str, float] = {}

    def events(self, records: Sequence[Record]) -> list[TrainEvent]:
        """One event for each note, and one for all metrics together."""
        for record in records:
            if record.kind == "metric":
                self._latest[record.key] = record.value
                self._step = max(self._step, record.step)
        notes = [self._event(record.text) for record in records if record.kind == "note"]
        return notes + ([self._event()] if len(notes) < len(records) else [])

    def _event(self, note: str = "") -> TrainEvent:
        return TrainEvent(
            step=self._step,
            total_steps=self._total_steps,
            loss=self._latest.get(LOSS),
            images_per_s=self._latest.get(THROUGHPUT),
            wait_share=self._latest.get(WAIT_SHARE),
            top1=self._latest.get("test/top1"),
            note=note,
        )
