"""What a run says, on the screen: a progress bar, notes, and its result."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

import click

from striate.cli.numbers import (
    format_loss,
    format_metric,
    format_rate,
    format_seconds,
    format_share,
)
from striate.cli.output import print_labelled, print_line, print_note
from striate.cli.progress import stages
from striate.cli.tables import Link
from striate.core import errors
from striate.core.errors import StriateError, TrainingFailed

if TYPE_CHECKING:
    from striate.train.launch.run import TrainResult
    from striate.train.sweep.grid import OnTrial
    from striate.train.tracking.events import OnEvent, TrainEvent

OnLine = Callable[[str], None]
_PLAIN_EVERY_S = 1.0


@contextmanager
def progress(hidden: bool = False, ending: str = "published") -> "Iterator[OnEvent]":
    """The step, loss, samples a second and the share of time spent waiting for data.

    Args:
        hidden: show nothing.
        ending: what is said when the block is left without an error.
    """
    with stages(hidden=hidden, kept=True) as opened:
        shown = opened("starting")

        def show(event: "TrainEvent") -> None:
            if event.note and not hidden:
                print_note(event.note)
            if event.loss is not None:
                total = event.total_steps
                shown.tell("training", done=event.step, total=total, state=state_of(event))

        yield show
        shown.end(ending)


def state_of(event: "TrainEvent") -> str:
    """The figures of an event in one line.

    >>> from striate.train.tracking.events import TrainEvent
    >>> state_of(TrainEvent(1, 9, loss=2.5, samples_per_s=80.0, unit="clips", wait_share=0.1))
    'loss 2.5  80 clips/s  data wait 10.0%'
    """
    from striate.train.tracking.metric_names import display_name

    parts = [] if event.loss is None else [f"loss {format_loss(event.loss)}"]
    if event.samples_per_s is not None:
        parts.append(f"{format_rate(event.samples_per_s)} {event.unit}/s")
    if event.wait_share is not None:
        parts.append(f"data wait {format_share(event.wait_share)}")
    if event.score is not None:
        parts.append(f"{display_name(event.headline)} {format_metric(event.headline, event.score)}")
    return "  ".join(parts)


@contextmanager
def lines() -> "Iterator[OnEvent]":
    """Print each note, and progress at most once a second, as lines that a program reads."""
    from striate.train.tracking.events import event_line

    last: list[TrainEvent] = []
    since = time.monotonic() - _PLAIN_EVERY_S

    def tell(event: "TrainEvent") -> None:
        nonlocal since
        last[:] = [event]
        if event.note or time.monotonic() - since >= _PLAIN_EVERY_S:
            since = time.monotonic()
            last.clear()
            click.echo(event_line(event))

    yield tell
    for event in last:
        click.echo(event_line(event))


def tell_run(run_id: str, run_url: str, out: TextIO | None = None) -> None:
    """Print which run it is, before anything that it says, as a line that a program reads."""
    from striate.train.tracking.events import line_of

    click.echo(line_of("run", {"run_id": run_id, "run_url": run_url}), file=out)


@contextmanager
def errors_as_lines(wanted: bool) -> Iterator[None]:
    """Where it is wanted, print an error as a line that a program reads, and end."""
    from striate.train.tracking.events import line_of

    try:
        yield
    except StriateError as error:
        if not wanted:
            raise
        click.echo(line_of("error", error_document(error)))
        sys.exit(error.exit_code)


def result_document(result: "TrainResult") -> dict[str, Any]:
    """A result as JSON holds it."""
    return {**asdict(result), "bundle_path": str(result.bundle_path)}


def error_document(error: StriateError) -> dict[str, Any]:
    """An error as JSON holds it."""
    return {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}


def to_error(document: Mapping[str, Any]) -> StriateError:
    """The error of such a document."""
    kind = getattr(errors, str(document.get("error")), TrainingFailed)
    error: StriateError = kind(document.get("message", ""), document.get("remedy", ""))
    return error


def follow_log(
    log: Iterable[str], on_event: "OnEvent", on_trial: "OnTrial", on_line: OnLine
) -> dict[str, Any]:
    """Follow the log of a job to its end.

    Args:
        log: its lines.
        on_event: told what the run says.
        on_trial: told what the trials of a sweep say.
        on_line: told every other line.

    Returns:
        The document of its result; empty when it printed none.

    Raises:
        StriateError: what the job failed with.
    """
    from striate.train.sweep.grid import TrialEvent
    from striate.train.tracking.events import TrainEvent, parse_event

    result: dict[str, Any] = {}
    for line in log:
        found = parse_event(line)
        if found is None:
            if line.strip():
                on_line(line)
            continue
        kind, document = found
        if kind == "event":
            on_event(TrainEvent(**document))
        elif kind == "trial":
            on_trial(TrialEvent(**document))
        elif kind == "result":
            result = document
        elif kind == "error":
            raise to_error(document)
    return result


def print_summary(result: Mapping[str, Any]) -> None:
    """A result for people: the headline metric first, then where everything is."""
    from striate.train.tracking.metric_names import display_name

    metrics: dict[str, float] = dict(result["metrics"])
    headline = str(result["headline"])
    score = format_metric(headline, metrics.pop(headline))
    others = ", ".join(
        f"{display_name(name)} {format_metric(name, value)}" for name, value in metrics.items()
    )
    url = str(result["run_url"])
    print_labelled(
        [
            (f"held-out {display_name(headline)}", f"{score} ({others})" if others else score),
            ("model", str(result["model_uri"])),
            ("run", Link(url, url)),
            ("bundle", str(result["bundle_path"])),
        ]
    )
    print_line(f"{result['steps']:,} steps, {format_seconds(result['seconds'])} s")


def plain(line: str) -> str:
    """A line of a job's log for people: what the run says in words, all else as it is."""
    from striate.train.tracking.events import TrainEvent, parse_event
    from striate.train.tracking.metric_names import display_name

    found = parse_event(line)
    if found is None:
        return line
    kind, said = found
    if kind == "event":
        event = TrainEvent(**said)
        return f"step {event.step:,} of {event.total_steps:,}  {event.note or state_of(event)}"
    if kind == "trial":
        headline, score = said["headline"], said["score"]
        figure = f"  {display_name(headline)} {format_metric(headline, score)}"
        end = "" if score is None else figure
        return f"trial {said['number']} ({said['name']})  {said['status']}{end}"
    if kind == "error":
        return f"error  {to_error(said)}"
    if kind == "run":
        return f"run  {said['run_url']}"
    kept = said.get("model_uri") or f"{len(said.get('trials', ()))} trials"
    return f"result  {kept}, run {said['run_id']}"
