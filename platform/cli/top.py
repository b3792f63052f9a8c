"""`striate apps top`: what the deployed applications do now, live."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Group
from rich.live import Live

from striate.cli.number_options import COUNT, DAY_S, FiniteRange
from striate.cli.numbers import format_mean, format_mebibytes, format_ms, format_rate, format_share
from striate.cli.output import (
    console,
    json_option,
    print_json,
    print_note,
    print_table,
    table_width,
    wide_option,
)
from striate.cli.tables import Column, Table, table_lines
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.capacity.metrics_scrape import Figures, MetricSample

_COLUMNS = (
    Column("application", 0), Column("replicas", 4), Column("calls/s", 1, show=format_rate),
    Column("faults", 3, show=format_share), Column("p50 ms", 5, show=format_ms),
    Column("p99 ms", 2, show=format_ms), Column("batch", 9, show=format_mean),
    Column("queue ms", 8, show=format_ms), Column("in flight", 7), Column("queued", 6),
    Column("memory", 10, show=format_mebibytes), Column("versions", 11, folds=True),
)  # fmt: skip


@click.command()
@click.option("--interval", type=FiniteRange(0.2, DAY_S), default=2.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--looks", type=COUNT, help="End after so many; for ever if left out.")
@wide_option
@json_option
def top(interval: float, looks: int | None, as_json: bool) -> None:
    """Show the load of every application, live.

    Calls a second, latencies, batches and queues: figures of the last interval, from the replicas'
    own metrics. Ctrl-C ends it. With --json, one look is printed. To a pipe or a file, and with
    --wide, a table is printed each look.

    \b
    Example: striate apps top --interval 1
    """
    from striate.serve.deployment import ray_serve

    settings = Settings.load()
    ray_serve.connect(settings)
    before = _look(settings)
    if not before:
        print_note("No application is deployed.")
    if as_json:
        time.sleep(interval)
        print_json([asdict(figures) for figures in _between(before, _look(settings), interval)])
        return
    if table_width() is None:
        for found in _looks(settings, before, interval, looks):
            print_table(top_table(found))
        return
    with Live(_drawn([]), console=console, refresh_per_second=4) as live:
        for found in _looks(settings, before, interval, looks):
            live.update(_drawn(found))


def _looks(
    settings: Settings, before: dict[str, list["MetricSample"]], interval: float, looks: int | None
) -> Iterator[list["Figures"]]:
    """Figures between two looks, so many times."""
    for _ in itertools.count() if looks is None else range(looks):
        began = time.monotonic()
        time.sleep(interval)
        now = _look(settings)
        yield _between(before, now, time.monotonic() - began)
        before = now


def _look(settings: Settings) -> dict[str, list["MetricSample"]]:
    """The metrics of every replica, by application."""
    from striate.core.errors import PlatformError
    from striate.serve.capacity import metrics_scrape
    from striate.serve.deployment import ray_serve
    from striate.serve.edge.app_table import edge_folder, read_table

    found: dict[str, list[MetricSample]] = {}
    for app in read_table(edge_folder(settings.home)).apps:
        addresses: list[str] = []
        for version in app.versions:
            try:
                addresses += [
                    place.metrics for place in ray_serve.list_replicas(version.serve_name)
                ]
            except PlatformError:
                continue  # it is shown with the replicas that answer
        found[app.name] = metrics_scrape.fetch(addresses)
    return found


def _between(
    before: dict[str, list["MetricSample"]], after: dict[str, list["MetricSample"]], seconds: float
) -> list["Figures"]:
    from striate.serve.capacity.metrics_scrape import figures

    return [figures(app, before.get(app, []), now, seconds) for app, now in after.items()]


def top_table(rows: list["Figures"]) -> Table:
    """What applications do now, for people."""
    return Table("", _COLUMNS, [_row(row) for row in rows])


def _drawn(rows: list["Figures"]) -> Group:
    return Group(*table_lines(top_table(rows), table_width()))


def _row(row: "Figures") -> list[object]:
    versions = ", ".join(f"{name} {format_rate(rate)}/s" for name, rate in row.versions.items())
    return [
        row.app, row.replicas, row.rate, row.errors, row.p50_ms, row.p99_ms, row.mean_batch,
        row.queue_ms, row.in_flight, row.queued, row.memory_bytes, versions or None,
    ]  # fmt: skip
