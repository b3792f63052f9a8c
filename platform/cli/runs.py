"""`striate runs`: tracked runs, side by side, and bringing a kept one to MLflow."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from striate.cli.numbers import format_metric, format_seconds
from striate.cli.output import (
    format_time,
    json_option,
    print_json,
    print_labelled,
    print_note,
    print_table,
    wide_option,
)
from striate.cli.tables import Column, Link, Table
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.train.tracking.runs import RunSummary


@click.group()
def runs() -> None:
    """List, show and compare tracked runs.

    \b
    Example: striate runs ls
    """


@runs.command("ls")
@click.argument("recipe", required=False)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most so many, newest first.",
)
@wide_option
@json_option
def list_runs(recipe: str | None, limit: int, as_json: bool) -> None:
    """List the latest runs, or those of RECIPE.

    \b
    Example: striate runs ls lenet5-digits
    """
    from striate.core.tracking import tracking_uri_of
    from striate.train.tracking import runs as tracked

    settings = Settings.load()
    found = tracked.list_runs(
        tracking_uri_of(settings), recipe, limit, runs_folder=settings.runs_folder
    )
    if as_json:
        print_json([run.model_dump(mode="json") for run in found])
        return
    if not found:
        print_note("There are no runs; `striate train RECIPE` makes one.")
        return
    print_table(runs_table(found))


def runs_table(found: "Sequence[RunSummary]") -> Table:
    """Runs for people."""
    from striate.train.tracking.metric_names import display_name

    columns = (
        Column("run", 0), Column("recipe", 1, folds=True), Column("status", 2),
        Column("held out", 3), Column("seconds", 5, show=format_seconds), Column("began", 4),
    )  # fmt: skip
    rows = [
        (
            Link(run.run_id[:8], run.url),
            _what(run),
            run.status.lower(),
            None
            if run.score is None
            else f"{display_name(run.headline)} {format_metric(run.headline, run.score)}",
            run.seconds,
            format_time(run.started_unix_s),
        )
        for run in found
    ]
    return Table("runs", columns, rows)


@runs.command()
@click.argument("run_id", metavar="RUN")
@wide_option
@json_option
def show(run_id: str, as_json: bool) -> None:
    """Show a run's figures, its course and its recipe.

    RUN may be the beginning of its id.

    \b
    Example: striate runs show 4c645a1f
    """
    from striate.cli.runs_show import print_run
    from striate.core.tracking import tracking_uri_of
    from striate.train.tracking.reference_results import references_for
    from striate.train.tracking.runs import find_run

    settings = Settings.load()
    run = find_run(tracking_uri_of(settings), run_id, runs_folder=settings.runs_folder)
    if as_json:
        known = [asdict(one) for one in references_for(run.recipe)]
        print_json({**run.model_dump(mode="json"), "published": known})
    else:
        print_run(run)


@runs.command()
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)
@wide_option
@json_option
def compare(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Show in what runs differ, and what came of it.

    What it cost is shown too; the first run is the measure. The curves are drawn into a picture.
    It and the comparison are kept in this home, and in MLflow with each of the runs.

    \b
    Example: striate runs compare 4c645a1f aec1c87c
    """
    from striate.cli.runs_compare import compare as compare_runs
    from striate.cli.runs_compare import print_comparison
    from striate.core.tracking import tracking_uri_of

    settings = Settings.load()
    result, picture = compare_runs(tracking_uri_of(settings), run_ids, settings.home)
    if as_json:
        print_json({**result.model_dump(mode="json"), "curves": str(picture)})
    else:
        print_comparison(result, result.runs, picture)


@runs.command()
@click.argument("run_id", metavar="RUN")
@json_option
def sync(run_id: str, as_json: bool) -> None:
    """Bring a run to MLflow that could not take it in.

    What was kept of it in this home is published: metrics, pictures and the model.

    One that was interrupted is ended there as failed; it can be resumed all the same.

    \b
    Example: striate runs sync 4c645a1f43f34764a5a1f28e4af3fae5
    """
    from striate.core.files import explain_full_disk
    from striate.core.tracking import tracking_uri_of
    from striate.train.launch.publish import close_interrupted, publish
    from striate.train.run.folder import Run
    from striate.train.run.lease import hold_lease

    settings = Settings.load()
    run = Run.load(settings, run_id).with_spec(tracking_uri=tracking_uri_of(settings))
    notes: list[str] = []
    with hold_lease(run.folder.path, run.spec.run_id):  # who drives it publishes it as well
        with explain_full_disk(run.folder.path):
            version = publish(run, tell=notes.append)
        close_interrupted(run)
    uri = version.uri if version else None
    if as_json:
        print_json({"run_id": run.spec.run_id, "run_url": run.spec.run_url, "model_uri": uri})
        return
    url = str(run.spec.run_url)
    print_labelled([("run", Link(url, url)), *([("model", uri)] if uri else [])])
    for note in notes:
        print_note(note)


def _what(run: "RunSummary") -> str:
    """The recipe, and whether the run is a sweep or a trial of one."""
    if "sweep" in run.tags:
        return f"{run.recipe} (sweep)"
    return f"{run.recipe} (trial {run.tags['trial']})" if "trial" in run.tags else run.recipe
