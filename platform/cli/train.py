"""`striate train`: a recipe to a tracked and registered model, here or on a cluster."""

import os
import re
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from striate.cli import train_progress
from striate.cli.modules import module_option
from striate.cli.output import json_option, print_json, wide_option
from striate.core.errors import UsageError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.cli.jobs import Sent
    from striate.train.config import Recipe

_WORKERS = "Ray Train workers; MIN:MAX come and go with the cluster's nodes; 0 trains here."
_SWEEP = "Train a grid of these values on Ray Tune; may be repeated."
_PROMOTE = "Make it champion even if it is no better than the present one."
_SET_NAME = "Set registered_name, or leave --promote out."
_SUBMIT = "Send it to the cluster with this head as a job, and follow it."


@click.command()
@click.argument("recipe", required=False)
@click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--workers", metavar="N|MIN:MAX", help=_WORKERS)
@click.option("--resume", metavar="RUN", help="Go on with a run from its latest checkpoint.")
@click.option("--sweep", "sweeps", multiple=True, metavar="FIELD=V1,V2,…", help=_SWEEP)
@click.option("--register-best", is_flag=True, help="With --sweep: register the best model.")
@click.option("--promote", is_flag=True, help=_PROMOTE)
@click.option("--submit", metavar="http://HEAD:8265", help=_SUBMIT)
@click.option("--detach", is_flag=True, help="With --submit: do not follow the job.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE",
              help="With --submit: a variable of the job; may be repeated.")  # fmt: skip
@click.option("--events", is_flag=True, help="Print what happens as JSON lines, for programs.")
@module_option
@wide_option
@json_option
def train(
    recipe: str | None,
    overrides: tuple[str, ...],
    workers: str | None,
    resume: str | None,
    sweeps: tuple[str, ...],
    register_best: bool,
    promote: bool,
    submit: str | None,
    detach: bool,
    variables: tuple[str, ...],
    events: bool,
    as_json: bool,
) -> None:
    """Train RECIPE, a recipe's name or a stored recipe.json, tracked and registered.

    FIELD=VALUE overrides a field of the recipe: optimizer.lr=0.01, epochs=20, seed=1. With
    --resume, the run goes on with its own recipe, and RECIPE may be left out. With --sweep, each
    trial is a run of its own under one parent run.

    \b
    Example: striate train lenet5-digits epochs=20 --workers 2
             striate train lenet5-digits --sweep optimizer.lr=0.005,0.015 --workers 0
             striate train lenet5-digits --submit http://127.0.0.1:8265
    """
    settings = Settings.load()
    _check_options(resume, sweeps, register_best, submit, detach or bool(variables))
    if promote and sweeps and not register_best:
        raise UsageError("--promote belongs to a model that is registered.", "Add --register-best.")
    if workers is not None:
        overrides = (*overrides, *_scaling(workers))
    if submit is not None:
        from striate.cli.jobs import send

        what = _sent(recipe, overrides, resume, sweeps, register_best, promote)
        send(what, settings, submit, variables, detach=detach, as_json=as_json)
        return
    with train_progress.errors_as_lines(events):
        chosen = _chosen(recipe, overrides, resume, settings)
        _check_registers(chosen, register_best, promote)
        _present_token()
        if sweeps:
            from striate.cli.sweep_progress import run_sweep

            run_sweep(
                chosen, settings, sweeps, register_best, promote, events=events, as_json=as_json
            )
        elif events:
            _tell(chosen, settings, resume, promote)
        else:
            _show(chosen, settings, resume, promote, as_json)


def _check_options(
    resume: str | None, sweeps: tuple[str, ...], register_best: bool, submit: str | None, sent: bool
) -> None:
    """Refuse options that make no sense together."""
    if submit is None and sent:
        raise UsageError("--detach and --env belong to --submit.", "Name a cluster's head.")
    if register_best and not sweeps:
        raise UsageError("--register-best belongs to --sweep.", "Name values to sweep.")
    if sweeps and resume is not None:
        raise UsageError(
            "--sweep begins new runs, and --resume goes on with one.",
            "Resume a trial by its own run: see `striate runs ls`.",
        )


def _check_registers(chosen: "Recipe", register_best: bool, promote: bool) -> None:
    """Refuse to register, or promote, the model of a recipe that gives it no name."""
    if chosen.registered_name is not None:
        return
    if register_best:
        raise UsageError(
            f"--register-best has no name to register under: registered_name of {chosen.name} is"
            " null.",
            "Set registered_name, or leave --register-best out.",
        )
    if promote:
        raise UsageError("--promote belongs to a model that is registered.", _SET_NAME)


def _show(
    chosen: "Recipe", settings: Settings, resume: str | None, promote: bool, as_json: bool
) -> None:
    from striate.train.launch.run import run

    # Ray tells of a dead worker on standard output, where only the result belongs.
    with redirect_stdout(sys.stderr), train_progress.progress(hidden=as_json) as on_event:
        trained = run(
            chosen, settings, resume=resume, promoted=promote, on_event=on_event,
            command_unix_s=_command_unix_s(),
        )  # fmt: skip
        result = train_progress.result_document(trained)
    if as_json:
        print_json(result)
    else:
        train_progress.print_summary(result)


def _tell(chosen: "Recipe", settings: Settings, resume: str | None, promote: bool) -> None:
    """The same for a program: every line of standard output is one of `events.line_of`."""
    from striate.train.launch.run import run
    from striate.train.tracking.events import line_of

    with train_progress.lines() as on_event:
        result = run(
            chosen, settings, resume=resume, promoted=promote, on_event=on_event,
            on_run=lambda spec: train_progress.tell_run(spec.run_id, spec.run_url),
            command_unix_s=_command_unix_s(),
        )  # fmt: skip
    click.echo(line_of("result", train_progress.result_document(result)))


def _command_unix_s() -> float:
    """When this process began, which the time of the first step is reckoned from."""
    import psutil

    return psutil.Process().create_time()


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


def _sent(
    recipe: str | None,
    overrides: tuple[str, ...],
    resume: str | None,
    sweeps: tuple[str, ...],
    register_best: bool,
    promote: bool,
) -> "Sent":
    """What a cluster shall do; a run to resume is known there, and a recipe is checked here."""
    from striate.cli.jobs import Sent
    from striate.train.recipes.resolve import resolve

    promoted = ("--promote",) if promote else ()
    if resume is not None:
        given = [recipe] if recipe is not None else []
        arguments = (*given, *overrides, "--resume", resume, *promoted)
        return Sent(f"resumed-{resume[:8]}", None, arguments)
    if recipe is None:
        raise UsageError("No recipe is named.", "See `striate train --help`.")
    chosen = resolve(recipe, overrides, shards_here=False)
    _check_registers(chosen, register_best, promote)
    if not sweeps:
        return Sent(chosen.name, chosen, promoted)
    from striate.train.sweep.grid import grid

    grid(chosen, sweeps)  # what is wrong in it is found here
    swept = tuple(part for text in sweeps for part in ("--sweep", text))
    best = ("--register-best",) if register_best else ()
    return Sent(f"{chosen.name}-sweep", chosen, (*swept, *best, *promoted))


def _chosen(
    recipe: str | None, overrides: tuple[str, ...], resume: str | None, settings: Settings
) -> "Recipe":
    from striate.train.recipes.resolve import resolve

    if resume is None:
        if recipe is None:
            raise UsageError("No recipe is named.", "See `striate train --help`.")
        return resolve(recipe, overrides)
    from striate.train.launch.run import recipe_of

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
    from striate.local.token import authorise

    authorise(os.environ)
