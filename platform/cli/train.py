"""`striate train`: a recipe to a tracked and registered model, with its progress."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from striate.cli.output import console, json_option, note, print_json, progress_console
from striate.core.errors import UsageError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.train.events import TrainEvent
    from striate.train.job import TrainResult
    from striate.train.recipe import Recipe


@click.command()
@click.argument("recipe", required=False)
@click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--workers", type=click.IntRange(0), help="Ray Train workers; 0 trains here.")
@click.option("--resume", metavar="RUN", help="Go on with a run from its latest checkpoint.")
@json_option
def train(
    recipe: str | None,
    overrides: tuple[str, ...],
    workers: int | None,
    resume: str | None,
    as_json: bool,
) -> None:
    """Train RECIPE, a recipe's name or a stored recipe.json, tracked and registered.

    FIELD=VALUE overrides a field of the recipe: optimizer.lr=0.01, epochs=20, seed=1. With
    --resume, the run goes on with its own recipe, and RECIPE may be left out.

    \b
    Example: striate train lenet5-digits epochs=20 --workers 2
    """
    settings = Settings.load()
    if workers is not None:
        overrides = (*overrides, f"scaling.workers={workers}")
    chosen = _chosen(recipe, overrides, resume, settings)
    _present_token()
    from striate.train.job import run

    # Ray tells of a dead worker on standard output, where only the result belongs.
    with redirect_stdout(sys.stderr), _progress(hidden=as_json) as on_event:
        result = run(chosen, settings, resume=resume, on_event=on_event)
    if as_json:
        print_json({**asdict(result), "bundle_path": str(result.bundle_path)})
    else:
        _print_summary(result)


def _chosen(
    recipe: str | None, overrides: tuple[str, ...], resume: str | None, settings: Settings
) -> "Recipe":
    from striate.train.recipe import resolve

    if resume is None:
        if recipe is None:
            raise UsageError("No recipe is named.", "See `striate train --help`.")
        return resolve(recipe, overrides)
    from striate.train.job import recipe_of

    left_out = recipe is None or "=" in recipe
    if recipe is not None and left_out:
        overrides = (recipe, *overrides)
    stored = recipe_of(settings, resume, overrides)
    if not left_out and recipe != stored.name:
        raise UsageError(
            f"The run {resume} trains {stored.name}, not {recipe}.", "Leave the recipe out."
        )
    return stored


def _present_token() -> None:
    """Ray reads its token when it is imported."""
    import os

    from striate.cli.local.token import authorise

    authorise(os.environ)


@contextmanager
def _progress(hidden: bool) -> Iterator[Callable[["TrainEvent"], None]]:
    """A bar with the step, loss, images a second and the share of time spent waiting for data."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress_console, disable=hidden) as progress:
        bar = progress.add_task("starting", total=None, state="")

        def show(event: "TrainEvent") -> None:
            if event.note:
                note(event.note)
            if event.loss is not None:
                progress.update(
                    bar,
                    description="training",
                    completed=event.step,
                    total=event.total_steps,
                    state=_state(event),
                )

        yield show
        progress.update(bar, description="published")


def _state(event: "TrainEvent") -> str:
    parts = [f"loss {event.loss:.4g}"]
    if event.images_per_s is not None:
        parts.append(f"{event.images_per_s:,.0f} images/s")
    if event.wait_share is not None:
        parts.append(f"data wait {event.wait_share:.0%}")
    if event.top1 is not None:
        parts.append(f"top-1 {event.top1:.4f}")
    return "  ".join(parts)


def _print_summary(result: "TrainResult") -> None:
    top1, top5 = result.metrics["top1"], result.metrics["top5"]
    console.print(f"held-out top-1   [bold]{top1:.4f}[/bold]  (top-5 {top5:.4f})")
    console.print(f"model            {result.model_uri}")
    console.print(
        f"run              [link={result.run_url}]{result.run_url}[/link]", soft_wrap=True
    )
    console.print(f"bundle           {result.bundle_path}", soft_wrap=True)
    console.print(f"{result.steps:,} steps, {result.seconds:.1f} s")
