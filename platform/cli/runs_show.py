"""`striate runs show`: one run's figures, its course, and its recipe."""

from collections.abc import Callable, Sequence
from typing import Any

from striate.cli.numbers import (
    format_loss,
    format_metric,
    format_rate,
    format_score,
    format_seconds,
    format_share,
)
from striate.cli.output import console, format_time, print_labelled, print_table
from striate.cli.tables import Column, Link, Table, facts
from striate.train.tracking.metric_names import display_name
from striate.train.tracking.reference_results import Reference, references_for
from striate.train.tracking.runs import RunSummary

_STARTUP = "startup/"


def _count(value: float | None) -> str:
    return f"{value:,.0f}"


_COURSE: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "train/loss": ("training loss, last step", format_loss),
    "train/samples_per_s": ("{unit} a second, last report", format_rate),
    "train/data_wait_share": ("share of time waited for data, last report", format_share),
    "train/checkpoint_blocked_share": ("share of time that checkpoints blocked", format_share),
    "train/restarts": ("restarts", _count),
    "train/repeated_steps": ("steps repeated by restarts", _count),
    "train/skipped_steps": ("steps skipped, not finite", _count),
    "train/damaged_samples": ("damaged samples", _count),
}


def print_run(run: RunSummary) -> None:
    """A run for people: how good, what was published, how it went, from what, with what code."""
    print_table(held_out_table(run))
    if known := references_for(run.recipe):
        print_table(published_table(run, known))
    print_table(course_table(run))
    if parts := startup_of(run):
        print_table(startup_table(parts))
    print_table(origin_table(run), recipe_table(run))
    console.print()
    print_labelled([("page", Link(run.url, run.url))])


def held_out_table(run: RunSummary) -> Table:
    """Metrics of the held-out split, the headline first."""
    held_out = [
        (display_name(k), format_metric(k, v))
        for k, v in run.metrics.items()
        if k.startswith("test/")
    ]
    best = display_name(run.headline)
    return facts("held out", sorted(held_out, key=lambda row: row[0] != best))


def published_table(run: RunSummary, known: "Sequence[Reference]") -> Table:
    """A run beside what was published."""
    columns = (
        Column("", 0, folds=True), Column("this run", 0, show=format_score),
        Column("published", 0, show=format_score), Column("how", 3, folds=True),
        Column("source", 1, folds=True), Column("certainty", 2),
    )  # fmt: skip
    rows = [
        (display_name(one.metric), run.metrics.get(f"test/{one.metric}"), one.value,
         one.how, one.source, one.certainty)
        for one in known
    ]  # fmt: skip
    return Table("published", columns, rows)


def origin_table(run: RunSummary) -> Table:
    """Of what data and code a run came."""
    about = {k: v for k, v in sorted(run.tags.items()) if k not in {"unit", "headline"}}
    return facts("data and code", list(about.items()))


def recipe_table(run: RunSummary) -> Table:
    """The fields of a run's recipe."""
    fields = sorted((k, v) for k, v in run.parameters.items() if k != "name")
    columns = (Column("field", 0), Column("value", 0, folds=True))
    return Table("recipe", columns, fields)


def course_table(run: RunSummary) -> Table:
    """When a run went, how fast, and what was lost."""
    unit = run.tags.get("unit", "samples")
    course: list[tuple[str, Any]] = [
        ("status", run.status.lower()),
        ("began", format_time(run.started_unix_s)),
        ("seconds", format_seconds(run.seconds)),
    ]
    course += [
        (text.format(unit=unit), show(run.metrics[key]))
        for key, (text, show) in _COURSE.items()
        if key in run.metrics
    ]
    return facts("the run", course)


def startup_table(parts: dict[str, float]) -> Table:
    """Where the time to the first step went, the longest part first."""
    rows = sorted(parts.items(), key=lambda part: -part[1])
    whole = ("to the first step", sum(parts.values()))
    columns = (Column("", 0, folds=True), Column("seconds", 0, show=format_seconds))
    return Table("start-up", columns, [*rows, whole])


def startup_of(run: RunSummary) -> dict[str, float]:
    """Seconds from the command to the first step, by part."""
    named = {k: v for k, v in run.metrics.items() if k.startswith(_STARTUP)}
    parts = {k.removeprefix(_STARTUP).removesuffix("_s"): v for k, v in named.items()}
    return {k.replace("_", " "): v for k, v in parts.items() if k != "total"}
