"""`striate jobs`, and `striate train --submit`: trainings that run as jobs of a cluster."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from striate.cli import sweep_progress, train_progress
from striate.cli.numbers import format_seconds
from striate.cli.output import (
    console,
    format_time,
    json_option,
    print_json,
    print_note,
    print_table,
    progress_console,
    wide_option,
)
from striate.cli.tables import Column, Table
from striate.core.errors import PlatformError, TrainingFailed, TrainingStopped
from striate.core.settings import Settings
from striate.local import state, token

if TYPE_CHECKING:
    from striate.train.config import Recipe
    from striate.train.launch.ray_jobs import JobServer, SubmittedJob

_address = click.option(
    "--address", metavar="http://HOST:8265", help="The cluster's head; the local platform's else."
)

_LEAVE = "Ctrl-C leaves it running."
_RAYS_OWN = re.compile(r"^Running entrypoint for job|INFO job_manager")


@dataclass(frozen=True)
class Sent:
    """What a cluster shall do.

    Attributes:
        name: what is trained.
        recipe: resolved, or None for a run to resume.
        arguments: further ones of `striate train` there.
    """

    name: str
    recipe: "Recipe | None"
    arguments: tuple[str, ...]


@click.group()
def jobs() -> None:
    """List, follow and stop trainings that were sent to a cluster.

    \b
    Example: striate jobs ls
    """


@jobs.command("ls")
@_address
@wide_option
@json_option
def list_jobs(address: str | None, as_json: bool) -> None:
    """List the jobs of a cluster that Striate submitted, newest first.

    \b
    Example: striate jobs ls --address http://127.0.0.1:8265
    """
    found = _server(address).jobs()
    if as_json:
        print_json([job.model_dump(mode="json") for job in found])
        return
    if not found:
        print_note("There are no jobs; `striate train RECIPE --submit ADDRESS` sends one.")
        return
    print_table(jobs_table(found))


def jobs_table(found: "Sequence[SubmittedJob]") -> Table:
    """Jobs for people."""
    columns = (
        Column("job", 0), Column("status", 1), Column("began", 2),
        Column("seconds", 3, show=format_seconds),
    )  # fmt: skip
    rows = [
        (job.job_id, job.status.lower(), format_time(job.started_unix_s), job.seconds)
        for job in found
    ]
    return Table("jobs", columns, rows)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@click.option("-f", "--follow", is_flag=True, help="Go on to the job's end, with its progress.")
@_address
@wide_option
@json_option
def logs(job_id: str, follow: bool, address: str | None, as_json: bool) -> None:
    """Print what a job has said.

    JOB may be a part of its id that only one has. With --follow, a job is watched as `striate
    train` would show it, to its result. Ctrl-C leaves it running.

    \b
    Example: striate jobs logs -f lenet5-digits-1f0c
    """
    server = _server(address)
    job = server.job(job_id)
    if follow:
        _follow(server, job.job_id, as_json)
        return
    text = server.log(job.job_id)
    if as_json:
        print_json({**job.model_dump(mode="json"), "log": text})
        return
    for line in text.splitlines():
        console.print(train_progress.plain(line), markup=False, soft_wrap=True)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@_address
@json_option
def stop(job_id: str, address: str | None, as_json: bool) -> None:
    """End a job; its run keeps its checkpoints and can be resumed.

    \b
    Example: striate jobs stop lenet5-digits-1f0c
    """
    server = _server(address)
    job = server.job(job_id)
    stopped = server.stop(job.job_id)
    if as_json:
        print_json({"job_id": job.job_id, "stopped": stopped})
    else:
        said = "is being stopped" if stopped else f"had ended: {job.status.lower()}"
        console.print(f"{job.job_id} {said}", markup=False, soft_wrap=True)


def send(
    what: Sent,
    settings: Settings,
    address: str,
    variables: tuple[str, ...],
    *,
    detach: bool,
    as_json: bool,
) -> None:
    """Send a training to the cluster at `address`, and follow it unless `detach`.

    Raises:
        StriateError: the cluster does not take it, or what the training failed with.
    """
    from striate.train.launch.submit import job_environment, submit

    server = _server(address)
    known = state.load(settings.home)
    near = known is not None and server.address == known.addresses.get("ray_dashboard")
    environment = job_environment(settings, near, variables)
    job_id = submit(server, what.name, what.recipe, what.arguments, environment, settings.home)
    if detach:
        if as_json:
            print_json({"job_id": job_id, "address": server.address})
        else:
            console.print(job_id, markup=False, soft_wrap=True)
            _say_how_to_come_back(server, job_id)
        return
    _follow(server, job_id, as_json, f"The job {job_id} runs at {server.address}. {_LEAVE}")


def _follow(server: "JobServer", job_id: str, as_json: bool, note: str | None = None) -> None:
    """Show a job to its end as if it ran here.

    Args:
        server: of the job.
        job_id: of the job.
        as_json: print its result alone.
        note: said first; from then on Ctrl-C leaves the job.

    Raises:
        TrainingFailed: it ended without a result; or what it failed with.
        PlatformError: the head does not answer any more.
    """
    try:
        if note and not as_json:
            print_note(note)
        with sweep_progress.show_run_or_sweep(hidden=as_json) as (on_event, on_trial):
            result = train_progress.follow_log(
                server.follow(job_id), on_event, on_trial, _notes(as_json)
            )
            if not result:
                raise _ended(server, job_id)
    except KeyboardInterrupt:
        _say_how_to_come_back(server, job_id)
        sys.exit(130)
    if as_json:
        print_json({"job_id": job_id, **result})
    elif "trials" in result:
        sweep_progress.print_sweep(result)
    else:
        train_progress.print_summary(result)


def _ended(server: "JobServer", job_id: str) -> TrainingFailed:
    job = server.job(job_id)
    if job.status == "STOPPED":
        return TrainingStopped(
            f"The job {job_id} was stopped.",
            "Its run can be resumed: see `striate runs ls`, and --resume.",
        )
    said = [line.strip() for line in job.message.splitlines() if line.strip()]
    why = said[-1][:300] if said else "it printed nothing."
    return TrainingFailed(
        f"The job {job_id} ended without a result ({job.status.lower()}): {why}",
        f"See `striate jobs logs {job_id} --address {server.address}`.",
    )


def _notes(as_json: bool) -> "train_progress.OnLine":
    def show(line: str) -> None:
        if not as_json and not _RAYS_OWN.search(line):
            print_note(line)

    return show


def _say_how_to_come_back(server: "JobServer", job_id: str) -> None:
    where = f"--address {server.address}"
    progress_console.print(f"{job_id} runs on. Come back to it, or end it:", soft_wrap=True)
    progress_console.print(f"  striate jobs logs -f {job_id} {where}", soft_wrap=True)
    progress_console.print(f"  striate jobs stop {job_id} {where}", soft_wrap=True)


def _server(address: str | None) -> "JobServer":
    """The job server at an address, else the local platform's.

    Raises:
        PlatformError: none is known, or it does not answer.
    """
    found = address or Settings.load().ray_dashboard
    if found is None:
        raise PlatformError(
            "No Ray cluster is known.", "Run `striate up`, or name one with --address."
        )
    secret = token.for_head(os.environ, found)
    token.authorise(os.environ)
    from striate.train.launch.ray_jobs import JobServer

    return JobServer(found, secret)
