"""`striate apps top`: what the deployed applications do now, live."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.live import Live
from rich.table import Table

from striate.cli.output import console, json_option, print_json, print_note
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.capacity.metrics_scrape import Figures, MetricSample

_COLUMNS = (
    "application", "replicas", "calls/s", "faults", "p50 ms", "p99 ms", "batch", "queue ms",
    "in flight", "queued", "memory MiB", "versions",
)  # fmt: skip


@click.command()
@click.option("--interval", type=click.FloatRange(0.2), default=2.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--looks", type=click.IntRange(1), help="End after so many; for ever if left out.")
@json_option
def top(interval: float, looks: int | None, as_json: bool) -> None:
    """Show calls a second, latencies, batches and queues of every application, live.

    Figures are those of the last interval, from the replicas' own metrics. Ctrl-C ends it. With
    --json, one look is printed.

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
    with Live(_table([]), console=console, refresh_per_second=4) as live:
        shown = 0
        while looks is None or shown < looks:
            began = time.monotonic()
            time.sleep(interval)
            now = _look(settings)
            live.update(_table(_between(before, now, time.monotonic() - began)))
            before, shown = now, shown + 1


def _look(settings: Settings) -> dict[str, list["MetricSample"]]:
    """The metrics of every replica, by application."""
    from striate.core.errors import PlatformError
    from striate.serve.capacity import metrics_scrape
    from striate.serve.deployment import ray_serve
    from striate.serve.deployment.deploy import edge_folder
    from striate.serve.edge.app_table import read_table

    found: dict[str, list[MetricSample]] = {}
    for app in read_table(edge_folder(settings)).apps:
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


def _table(rows: list["Figures"]) -> Table:
    table = Table(header_style="bold")
    for index, column in enumerate(_COLUMNS):
        last = index in (0, len(_COLUMNS) - 1)
        table.add_column(column, justify="left" if last else "right", no_wrap=not last)
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: "Figures") -> list[str]:
    def number(value: Any, digits: int = 1) -> str:
        return "–" if value is None else f"{value:,.{digits}f}"

    versions = ", ".join(f"{name} {rate:,.1f}/s" for name, rate in row.versions.items())
    return [
        row.app,
        str(row.replicas),
        number(row.rate),
        f"{row.errors:.1%}",
        number(row.p50_ms),
        number(row.p99_ms),
        number(row.mean_batch),
        number(row.queue_ms, 2),
        str(row.in_flight),
        str(row.queued),
        number(row.memory_bytes / 2**20, 0),
        versions or "–",
    ]
