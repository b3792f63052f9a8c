"""A sweep on the screen: a bar a trial, and the table of what came of them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from striate.cli import train_progress
from striate.cli.output import console, print_json, print_table, progress_console
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
    with redirect_stdout(sys.stderr), _shown(events, as_json) as on_trial:
        result = sweep(
            recipe, trials, settings,
            register_best=register_best, promoted=promoted, on_trial=on_trial,
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
    with _trial_bars(hidden) as progress:
        yield _teller(progress)


@contextmanager
def show_run_or_sweep(hidden: bool = False) -> "Iterator[tuple[OnEvent, OnTrial]]":
    """What shows a run, and what shows a sweep, whichever a job turns out to be."""
    shown: list[Any] = []
    waiting = progress_console.status("waiting for the job to begin")
    if not hidden:
        waiting.start()

    def opened(kind: Any) -> Any:
        if not shown:
            waiting.stop()
            context = kind(hidden)
            shown.extend([context, context.__enter__()])
        return shown[1]

    try:
        yield (
            lambda event: opened(train_progress.progress)(event),
            lambda event: opened(bars)(event),
        )
    finally:
        waiting.stop()
        if shown:
            shown[0].__exit__(*sys.exc_info())


def print_sweep(result: Mapping[str, Any]) -> None:
    """The trials, best first, and where they are kept."""
    from striate.train.tracking.metric_names import display_name

    trials: list[Mapping[str, Any]] = list(result["trials"])
    fields = list(trials[0]["values"])
    columns = ("run", *fields, display_name(result["headline"]), "loss", "seconds")
    rows = [
        (
            trial["run_id"][:8] or None,
            *(_short(trial["values"][field]) for field in fields),
            "failed" if trial["error"] else trial["score"],
            trial["metrics"].get("loss"),
            None if trial["seconds"] is None else round(trial["seconds"], 1),
        )
        for trial in trials
    ]
    print_table("trials, best first", columns, rows)
    for trial in trials:
        if trial["error"]:
            values = " ".join(f"{field}={value}" for field, value in trial["values"].items())
            console.print(f"failed   {values}: {trial['error']}", soft_wrap=True)
    if result["model_uri"]:
        console.print(f"model    {result['model_uri']}")
    url = result["run_url"]
    console.print(f"sweep    [link={url}]{url}[/link]", soft_wrap=True)
    if result["picture"]:
        console.print(f"picture  {result['picture']}", soft_wrap=True)
    console.print(f"{len(trials)} trials, {result['seconds']:.1f} s")


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _trial_bars(hidden: bool) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        console=progress_console,
        disable=hidden,
    )


def _teller(progress: Progress) -> "OnTrial":
    """Shows each trial's latest in a bar of its own."""
    from striate.train.tracking.metric_names import display_name

    tasks: dict[int, Any] = {}

    def tell(event: "TrialEvent") -> None:
        if event.number not in tasks:
            tasks[event.number] = progress.add_task(event.name, total=None, state="")
        score = "" if event.score is None else f"{display_name(event.headline)} {event.score:.4f}"
        state = "  ".join(filter(None, [score, event.status]))
        progress.update(
            tasks[event.number],
            completed=event.step,
            total=event.total_steps or None,
            state=state,
        )

    return tell
