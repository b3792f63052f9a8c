"""`striate plan`: how many replicas and GPUs a demand takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.durations import SECONDS
from striate.cli.load import payloads, target_of
from striate.cli.number_options import WITHIN_A_DAY, FiniteRange
from striate.cli.numbers import format_mean, format_ms, format_rate, format_share
from striate.cli.output import (
    json_option,
    print_json,
    print_labelled,
    print_line,
    print_table,
    wide_option,
)
from striate.cli.progress import stage
from striate.cli.tables import Column, Table
from striate.core.errors import UsageError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.capacity.plan import Plan
    from striate.serve.capacity.service_times import ServiceTimes

_FILE = click.Path(path_type=Path, dir_okay=False)
_CALL_S = 30.0
MOST_A_DAY = 1e15


@click.command()
@click.option("--photos-per-day", type=FiniteRange(0, MOST_A_DAY, min_open=True), required=True,
              help="On average, for example 600e6.")  # fmt: skip
@click.option("--peak", type=FiniteRange(1, 1000), default=1.0, show_default=True,
              help="The busiest time's rate over the average's.")  # fmt: skip
@click.option("--deadline", type=SECONDS, default="2s", show_default=True,
              help="99 of 100 photos are answered within.")  # fmt: skip
@click.option("--app", "apps", multiple=True,
              help="An application that each photo goes to; all of them if left out.")  # fmt: skip
@click.option("--measure", "measure_s", type=WITHIN_A_DAY, default=8.0, show_default=True,
              help="Seconds that each application is loaded to measure it; 0 goes by what its"
              " replicas have measured since they came up.")  # fmt: skip
@click.option("--times", type=_FILE,
              help="Service times from a file, instead of deployed applications.")  # fmt: skip
@click.option("--save", type=_FILE, metavar="OUT.json", help="Keep the measured service times.")
@click.option("--picture", type=_FILE, metavar="OUT.png", help="Draw the plan.")
@wide_option
@json_option
def plan(
    photos_per_day: float,
    peak: float,
    deadline: float,
    apps: tuple[str, ...],
    measure_s: float,
    times: Path | None,
    save: Path | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """How many replicas and GPUs hold the latency of photos that all the applications look at.

    Measures the deployed applications by loading them for some seconds, then simulates the
    queueing at the edge and in the replicas, call by call, at the peak's rate.

    \b
    Example: striate plan --photos-per-day 600e6 --peak 3 --deadline 2s --picture plan.png
    """
    from striate.serve.capacity.plan import Demand
    from striate.serve.capacity.plan import plan as make_plan
    from striate.serve.capacity.service_times import read_times, times_text

    demand = Demand(photos_per_day, peak, deadline)
    services = read_times(times) if times else _measured(apps, measure_s)
    if save is not None:
        save.write_text(times_text(services), encoding="utf-8")
    with stage("pools are tried"):
        found = make_plan(demand, services)
    if picture is not None:
        from striate.serve.capacity.plots import draw_plan

        draw_plan(found, picture)
    if as_json:
        print_json(_document(found, picture))
    else:
        _show(found, picture)


def _measured(names: tuple[str, ...], seconds: float) -> list["ServiceTimes"]:
    from striate.serve.capacity.measure import measure_service_times
    from striate.serve.deployment import ray_serve
    from striate.serve.edge.app_table import edge_folder, read_table

    settings = Settings.load()
    chosen = names or tuple(app.name for app in read_table(edge_folder(settings.home)).apps)
    targets = [target_of(name, settings, _CALL_S) for name in chosen]
    if not targets:
        raise UsageError("There is no application to plan for.", "Deploy one, or give --times.")
    ray_serve.connect(settings)
    found = []
    for target in targets:
        with stage(f"{target.app.name} is measured"):
            places = ray_serve.list_replicas(target.app.serve_name)
            metrics = [place.metrics for place in places]
            found.append(measure_service_times(target, metrics, payloads(()), seconds))
    return found


def _document(found: "Plan", picture: Path | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "photos_per_s": found.demand.rate,
        "p50_ms": found.p50_ms,
        "p99_ms": found.p99_ms,
        "in_flight": found.in_flight,
        "replicas": sum(app.replicas for app in found.apps),
        "gpus": sum(app.gpus for app in found.apps),
        "cpus": sum(app.cpus for app in found.apps),
        "apps": [asdict(app) for app in found.apps],
        "picture": str(picture) if picture else None,
    }


def _show(found: "Plan", picture: Path | None) -> None:
    demand = found.demand
    print_line(
        f"{format_rate(demand.rate)} photos a second at the peak,"
        f" 99 of 100 within {demand.deadline_s:g} s:"
        f" p50 {format_ms(found.p50_ms)} ms, p99 {format_ms(found.p99_ms)} ms"
    )
    print_table(plan_table(found))
    print_line(f"{found.in_flight:,.0f} photos in flight")
    if picture is not None:
        print_labelled([("picture", str(picture))])


def plan_table(found: "Plan") -> Table:
    """What each application takes, for people."""
    columns = (
        Column("application", 0), Column("replicas", 1), Column("GPUs", 2), Column("CPUs", 4),
        Column("load", 5, show=format_share), Column("batch", 6, show=format_mean),
        Column("p99, ms", 3, show=format_ms),
    )  # fmt: skip
    rows = [
        (a.app, a.replicas, a.gpus, a.cpus, a.load_share, a.mean_batch, a.p99_ms)
        for a in found.apps
    ]
    return Table("", columns, rows)
