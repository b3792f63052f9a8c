"""`striate train`: a recipe to a tracked and registered model, here or on a cluster."""

import os
import re
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from striate.cli import watching
from striate.cli.output import json_option, print_json
from striate.core.errors import StriateError, UsageError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.cli.jobs import Sent
    from striate.train.recipe import Recipe

_WORKERS = "Ray Train workers; MIN:MAX come and go with the cluster's nodes; 0 trains here."
_SUBMIT = "Send it to the cluster with this head as a job, and follow it."


@click.command()
@click.argument("recipe", required=False)
@click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--workers", metavar="N|MIN:MAX", help=_WORKERS)
@click.option("--resume", metavar="RUN", help="Go on with a run from its latest checkpoint.")
@click.option("--submit", metavar="http://HEAD:8265", help=_SUBMIT)
@click.option("--detach", is_flag=True, help="With --submit: do not follow the job.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE",
              help="With --submit: a variable of the job; may be repeated.")  # fmt: skip
@click.option("--events", is_flag=True, help="Print what happens as JSON lines, for programs.")
@json_option
def train(
    recipe: str | None,
    overrides: tuple[str, ...],
    workers: str | None,
    resume: str | None,
    submit: str | None,
    detach: bool,
    variables: tuple[str, ...],
    events: bool,
    as_json: bool,
) -> None:
    """Train RECIPE, a recipe's name or a stored recipe.json, tracked and registered.

    FIELD=VALUE overrides a field of the recipe: optimizer.lr=0.01, epochs=20, seed=1. With
    --resume, the run goes on with its own recipe, and RECIPE may be left out.

    \b
    Example: striate train lenet5-digits epochs=20 --workers 2
             striate train lenet5-digits --submit http://127.0.0.1:8265
    """
    settings = Settings.load()
    if submit is None and (detach or variables):
        raise UsageError("--detach and --env belong to --submit.", "Name a cluster's head.")
    if workers is not None:
        overrides = (*overrides, *_scaling(workers))
    if submit is not None:
        from striate.cli.jobs import send

        what = _sent(recipe, overrides, resume)
        send(what, settings, submit, variables, detach=detach, as_json=as_json)
        return
    chosen = _chosen(recipe, overrides, resume, settings)
    _present_token()
    if events:
        _tell(chosen, settings, resume)
    else:
        _show(chosen, settings, resume, as_json)


def _show(chosen: "Recipe", settings: Settings, resume: str | None, as_json: bool) -> None:
    from striate.train.job import run

    # Ray tells of a dead worker on standard output, where only the result belongs.
    with redirect_stdout(sys.stderr), watching.progress(hidden=as_json) as on_event:
        result = watching.result_document(run(chosen, settings, resume=resume, on_event=on_event))
    if as_json:
        print_json(result)
    else:
        watching.print_summary(result)


def _tell(chosen: "Recipe", settings: Settings, resume: str | None) -> None:
    """The same for a program: every line of standard output is one of `events.line_of`."""
    from striate.train.events import line_of
    from striate.train.job import run

    try:
        with watching.lines() as on_event:
            result = run(chosen, settings, resume=resume, on_event=on_event)
    except StriateError as error:
        click.echo(line_of("error", watching.error_document(error)))
        sys.exit(error.exit_code)
    click.echo(line_of("result", watching.result_document(result)))


def _scaling(workers: str) -> tuple[str, ...]:
    """`--workers` as overrides.

    >>> _scaling("2:8")
    ('scaling.max_workers=8', 'scaling.workers=2')
    >>> _scaling("2")
    ('scaling.max_workers=none', 'scaling.workers=2')
    """
    match = re.fullmatch(r"(\d+)(?::(\d+))?", workers)
    if match is None:
        raise UsageError(f"--workers {workers} is no number.", "Write N, or MIN:MAX such as 2:8.")
    return f"scaling.max_workers={match[2] or 'none'}", f"scaling.workers={match[1]}"


def _sent(recipe: str | None, overrides: tuple[str, ...], resume: str | None) -> "Sent":
    """What a cluster shall do; a run to resume is known there, and a recipe is checked here."""
    from striate.cli.jobs import Sent
    from striate.train.recipe import resolve

    if resume is not None:
        given = [recipe] if recipe is not None else []
        return Sent(f"resumed-{resume[:8]}", None, (*given, *overrides, "--resume", resume))
    if recipe is None:
        raise UsageError("No recipe is named.", "See `striate train --help`.")
    chosen = resolve(recipe, overrides, shards_here=False)
    return Sent(chosen.name, chosen, ())


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
    from striate.cli.local.token import authorise

    authorise(os.environ)
