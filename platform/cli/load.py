"""`striate load`: an open-loop load on an application, with its latencies."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.durations import SECONDS
from striate.cli.number_options import DAY_S, SEED, FiniteRange
from striate.cli.numbers import format_ms
from striate.cli.output import (
    json_option,
    print_json,
    print_labelled,
    print_note,
    print_table,
    wide_option,
)
from striate.cli.progress import stage
from striate.cli.tables import Column, Table
from striate.core.errors import PlatformError, UnknownName, UsageError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.capacity.load_calls import LoadTarget
    from striate.serve.capacity.load_generator import LoadResult

_LATE_MS = 5.0
_MOST_CALLS = 10_000_000
_PHOTO = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("app")
@click.option("--rate", type=FiniteRange(0, 1e6, min_open=True), required=True,
              help="Calls a second, Poisson.")  # fmt: skip
@click.option("--seconds", type=FiniteRange(0, DAY_S, min_open=True), default=10.0,
              show_default=True, help="How long.")  # fmt: skip
@click.option("--deadline", type=SECONDS, default="10s", show_default=True, help="Of a call.")
@click.option("--photo", "photos", type=_PHOTO, multiple=True,
              help="Sent in turn; generated ones of 65 KB if left out.")  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the arrivals.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.png",
              help="Draw the latencies.")  # fmt: skip
@wide_option
@json_option
def load(
    app: str,
    rate: float,
    seconds: float,
    deadline: float,
    photos: tuple[Path, ...],
    seed: int,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Call APP at a rate, whether or not it keeps up, and show how long callers wait.

    Each call's latency counts from when it was due, so the waiting behind a slow answer is in the
    figures. Calls go through the platform's edge, to whatever service APP answers.

    \b
    Example: striate load photos --rate 50 --seconds 10 --picture latency.png
    """
    from striate.serve.capacity.arrivals import poisson_arrivals

    if rate * seconds > _MOST_CALLS:
        raise UsageError(
            f"{rate:g} calls a second for {seconds:g} s are more than {_MOST_CALLS:,} calls.",
            "Lower --rate or --seconds.",
        )
    target = target_of(app, Settings.load(), deadline)
    sent = payloads(photos)
    with stage(f"{app} is called {rate:g} times a second for {seconds:g} s"):
        result = asyncio.run(_run(target, sent, poisson_arrivals(rate, seconds, seed)))
    if picture is not None:
        from striate.serve.capacity.plots import draw_load

        draw_load(result, f"{app}: {rate:g} calls a second", picture, deadline)
    document = _document(result, rate, picture)
    if as_json:
        print_json(document)
    else:
        _show(app, document)


def target_of(app: str, settings: Settings, deadline_s: float) -> "LoadTarget":
    """The application of that name, behind the platform's edge.

    Raises:
        UnknownName: nothing of that name is deployed.
        PlatformError: no edge is known.
    """
    from striate.serve.capacity.load_calls import LoadTarget
    from striate.serve.client.channel import speaks_tls
    from striate.serve.client.errors import plain_text_error
    from striate.serve.edge.app_table import edge_folder, read_table

    table = read_table(edge_folder(settings.home))
    entry = table.find(app)
    if entry is None:
        raise UnknownName.of("deployed application", app, [known.name for known in table.apps])
    if settings.grpc_address is None:
        raise PlatformError("No gRPC edge is known.", "Run `striate up`.")
    if settings.grpc_ca is None and speaks_tls(settings.grpc_address):
        raise plain_text_error(settings.grpc_address)
    return LoadTarget(settings.grpc_address, entry, deadline_s, settings.grpc_ca, settings.token)


def payloads(photos: tuple[Path, ...]) -> list[bytes]:
    """The photos' bytes, or those of generated ones."""
    from striate.serve.capacity.load_calls import sample_photo

    return [photo.read_bytes() for photo in photos] or [sample_photo(seed) for seed in range(8)]


async def _run(target: "LoadTarget", photos: list[bytes], due_s: Any) -> "LoadResult":
    from striate.serve.capacity.load_calls import Calls
    from striate.serve.capacity.load_generator import run_closed_loop, run_open_loop

    async with Calls(target, photos) as call:
        await run_closed_loop(
            call, target.connections, 0.1
        )  # connections are made before, not in it
        return await run_open_loop(call, due_s)


def _document(result: "LoadResult", rate: float, picture: Path | None) -> dict[str, Any]:
    return {
        "asked_per_s": rate,
        "answered_per_s": result.rate,
        "calls": len(result.due_s),
        "outcomes": result.counts(),
        "latency_ms": result.quantiles_ms(),
        "generator_late_ms": result.late_ms(),
        "picture": str(picture) if picture else None,
    }


def load_table(app: str, document: dict[str, Any]) -> Table:
    """What callers waited for, for people."""
    rows: list[tuple[str, object]] = [
        ("asked for, calls/s", document["asked_per_s"]),
        ("answered, calls/s", document["answered_per_s"]),
        *((f"{name}, ms", value) for name, value in document["latency_ms"].items()),
        *((f"calls {name}", count) for name, count in document["outcomes"].items()),
    ]
    columns = (Column("", 0, folds=True), Column("value", 0, show=_figure))
    return Table(f"{app}: {document['calls']:,} calls", columns, rows)


def _figure(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else format_ms(value)


def _show(app: str, document: dict[str, Any]) -> None:
    print_table(load_table(app, document))
    if document["generator_late_ms"] > _LATE_MS:
        print_note(
            f"This machine sent 1 % of the calls {document['generator_late_ms']:.1f} ms late or"
            " more: the generator itself was busy, and the figures are too high by that."
        )
    if document["picture"]:
        print_labelled([("picture", document["picture"])])
