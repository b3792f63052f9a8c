"""`striate runs show`: one run's figures, its course, and its recipe."""

import datetime

from striate.cli.output import console, print_table
from striate.train.tracking.metric_names import display_name
from striate.train.tracking.reference_results import references_for
from striate.train.tracking.runs import RunSummary

_STARTUP = "startup/"
_COURSE = {
    "train/loss": "training loss, last step",
    "train/samples_per_s": "{unit} a second, last report",
    "train/data_wait_share": "share of time waited for data, last report",
    "train/checkpoint_blocked_share": "share of time that checkpoints blocked",
    "train/restarts": "restarts",
    "train/repeated_steps": "steps repeated by restarts",
    "train/skipped_steps": "steps skipped, not finite",
    "train/damaged_samples": "damaged samples",
}


def print_run(run: RunSummary) -> None:
    """A run for people: how good, what was published, how it went, from what, with what code."""
    held_out = [(display_name(k), v) for k, v in run.metrics.items() if k.startswith("test/")]
    best = display_name(run.headline)
    print_table("held out", ("", "value"), sorted(held_out, key=lambda row: row[0] != best))
    if known := references_for(run.recipe):
        columns = ("", "this run", "published", "how", "source", "certainty")
        rows = [
            (display_name(one.metric), run.metrics.get(f"test/{one.metric}"), one.value,
             one.how, one.source, one.certainty)
            for one in known
        ]  # fmt: skip
        print_table("published", columns, rows)
    _print_course(run)
    about = {k: v for k, v in sorted(run.tags.items()) if k not in {"unit", "headline"}}
    print_table("data and code", ("", "value"), list(about.items()))
    fields = sorted((k, v) for k, v in run.parameters.items() if k != "name")
    print_table("recipe", ("field", "value"), fields)
    console.print(f"[link={run.url}]{run.url}[/link]", soft_wrap=True)


def _print_course(run: RunSummary) -> None:
    """When it ran, how fast, what was lost, and where the time to the first step went."""
    unit = run.tags.get("unit", "samples")
    course: list[tuple[str, object]] = [
        ("status", run.status.lower()),
        ("began", format_time(run.started_unix_s)),
        ("seconds", run.seconds),
    ]
    course += [
        (text.format(unit=unit), run.metrics[key])
        for key, text in _COURSE.items()
        if key in run.metrics
    ]
    print_table("the run", ("", "value"), course)
    if parts := startup_of(run):
        rows = sorted(parts.items(), key=lambda part: -part[1])
        whole = ("to the first step", sum(parts.values()))
        print_table("start-up", ("", "seconds"), [*rows, whole])


def startup_of(run: RunSummary) -> dict[str, float]:
    """Seconds from the command to the first step, by part."""
    named = {k: v for k, v in run.metrics.items() if k.startswith(_STARTUP)}
    parts = {k.removeprefix(_STARTUP).removesuffix("_s"): v for k, v in named.items()}
    return {k.replace("_", " "): v for k, v in parts.items() if k != "total"}


def format_time(unix_s: float) -> str:
    """A moment as people write it."""
    return datetime.datetime.fromtimestamp(unix_s).strftime("%Y-%m-%d %H:%M")
