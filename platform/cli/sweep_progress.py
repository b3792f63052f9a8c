"""A sweep on the screen: a bar a trial, and the table of what came of them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from striate.cli import train_progress
from striate.cli.numbers import format_loss, format_metric, format_seconds
from striate.cli.output import (
    print_json,
    print_labelled,
    print_line,
    print_note,
    print_table,
)
from striate.cli.progress import Opener, Stage, stage, stages
from striate.cli.tables import Column, Link, Table
from striate.core.errors import TrainingFailed
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.train.config import Recipe
    from striate.train.sweep.grid import OnTrial, TrialEvent
    from striate.train.tracking.events import OnEvent


def run_sweep(
    recipe: "Recipe",
    settings: Settings,
    sweeps: Sequence[str],
    register_best: bool,
    promoted: bool,
    *,
    events: bool,
    as_json: bool,
) -> None:
    """Run a grid of trials, and show what came of it.

    Raises:
        TrainingFailed: all trials failed.
        StriateError: as `striate.train.sweep.sweep.sweep`.
    """
    from striate.train.sweep.grid import grid
    from striate.train.sweep.sweep import sweep
    from striate.train.tracking.events import line_of

    trials = grid(recipe, sweeps)
    # Ray tells of its workers on standard output, where only the result belongs.
    out = sys.__stdout__

    def tell_parent(run_id: str, run_url: str) -> None:
        train_progress.tell_run(run_id, run_url, out)

    with redirect_stdout(sys.stderr), _shown(events, as_json) as on_trial:
        result = sweep(
            recipe, trials, settings,
            register_best=register_best, promoted=promoted,
            on_parent=tell_parent if events else None, on_trial=on_trial,
        )  # fmt: skip
    document = result.model_dump(mode="json")
    if events:
        click.echo(line_of("result", document))
    elif as_json:
        print_json(document)
    else:
        print_sweep(document)
    if result.best is None and not events:
        raise TrainingFailed("All trials of the sweep failed.", "The table says why.")


@contextmanager
def _shown(events: bool, as_json: bool) -> "Iterator[OnTrial]":
    from striate.train.tracking.events import line_of

    if events:
        out = sys.__stdout__
        yield lambda event: click.echo(line_of("trial", asdict(event)), file=out)
        return
    with bars(hidden=as_json) as on_trial:
        yield on_trial


@contextmanager
def bars(hidden: bool = False) -> "Iterator[OnTrial]":
    """A bar for each trial that has begun."""
    with stages(hidden=hidden, kept=True) as opened:
        yield _teller(opened)


@contextmanager
def show_run_or_sweep(hidden: bool = False) -> "Iterator[tuple[OnEvent, OnTrial]]":
    """What shows a run, and what shows a sweep, whichever a job turns out to be."""
    shown: list[Any] = []
    with ExitStack() as all_shown, ExitStack() as waiting:
        waiting.enter_context(stage("waiting for the job to begin", hidden=hidden))

        def opened(kind: Any) -> Any:
            if not shown:
                waiting.close()
                shown.append(all_shown.enter_context(kind(hidden)))
            return shown[0]

        yield (
            lambda event: opened(train_progress.progress)(event),
            lambda event: opened(bars)(event),
        )


def print_sweep(result: Mapping[str, Any]) -> None:
    """The trials, best first, and where they are kept."""
    trials: list[Mapping[str, Any]] = list(result["trials"])
    print_table(trials_table(trials, result["headline"]))
    for trial in trials:
        if trial["error"]:
            values = " ".join(f"{field}={value}" for field, value in trial["values"].items())
            print_labelled([("failed", f"{values}: {trial['error']}")])
    kept = {"model": result["model_uri"], "picture": result["picture"]}
    url = str(result["run_url"])
    print_labelled(
        [("sweep", Link(url, url)), *((name, str(where)) for name, where in kept.items() if where)]
    )
    if result.get("champion"):
        print_note(result["champion"])
    print_line(f"{len(trials)} trials, {format_seconds(result['seconds'])} s")


def trials_table(trials: Sequence[Mapping[str, Any]], headline: str) -> Table:
    """The trials for people."""
    from striate.train.tracking.metric_names import display_name

    fields = list(trials[0]["values"])
    columns = (
        Column("run", 0),
        *(Column(field, 2, right=True) for field in fields),
        Column(display_name(headline), 1, right=True),
        Column("loss", 3, show=format_loss),
        Column("seconds", 4, show=format_seconds),
    )
    rows = [
        (
            trial["run_id"][:8] or None,
            *(_short(trial["values"][field]) for field in fields),
            "failed" if trial["error"] else format_metric(headline, trial["score"]),
            trial["metrics"].get("loss"),
            trial["seconds"],
        )
        for trial in trials
    ]
    return Table("trials, best first", columns, rows)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _teller(opened: Opener) -> "OnTrial":
    """Shows each trial's latest in a stage of its own."""
    from striate.train.tracking.metric_names import display_name

    begun: dict[int, Stage] = {}

    def tell(event: "TrialEvent") -> None:
        if event.number not in begun:
            begun[event.number] = opened(event.name)
        figure = f"{display_name(event.headline)} {format_metric(event.headline, event.score)}"
        state = "  ".join([*([] if event.score is None else [figure]), event.status])
        begun[event.number].tell(done=event.step, total=event.total_steps or None, state=state)
        if event.status != "running":
            begun[event.number].end()

    return tell
