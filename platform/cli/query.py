"""`striate query`: calls to a deployed application over gRPC."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.output import json_option, print_json, print_table
from striate.core.errors import PlatformError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.client import Client, TagResult


@click.group()
def query() -> None:
    """Call a deployed application over gRPC.

    \b
    Example: striate query tag photo.png --top-k 3
    """


@query.command()
@click.argument(
    "photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--top-k", type=click.IntRange(1), default=5, show_default=True)
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, show_default=True)
@click.option("--app", help="The application's name; the edge's default if left out.")
@click.option("--address", help="HOST:PORT to call; the platform's edge if left out.")
@click.option("--deadline", type=float, default=10.0, show_default=True, help="Seconds a photo.")
@json_option
def tag(
    photos: tuple[Path, ...],
    top_k: int,
    min_score: float,
    app: str | None,
    address: str | None,
    deadline: float,
    as_json: bool,
) -> None:
    """Tag photos: the labels that each shows, the best first.

    \b
    Example: striate query tag photo.png --top-k 3
    """
    from striate.serve.client import Client

    with Client(address or _address(), app, deadline) as client:
        answers = [(path, *_timed(client, path, top_k, min_score)) for path in photos]
    if as_json:
        print_json([_tag_row(path, result, took_ms) for path, result, took_ms in answers])
        return
    for path, result, took_ms in answers:
        title = f"{path.name}: {result.model} version {result.version}, {took_ms:.1f} ms"
        print_table(title, ("label", "score"), [(tag.name, tag.score) for tag in result.labels])


def _address() -> str:
    address = Settings.load().grpc_address
    if address is None:
        raise PlatformError(
            "No gRPC edge is known.", "Run `striate up`, or give --address HOST:PORT."
        )
    return address


def _timed(client: "Client", path: Path, top_k: int, min_score: float) -> tuple["TagResult", float]:
    image = path.read_bytes()
    started = time.perf_counter()
    result = client.tag(image, top_k, min_score)
    return result, (time.perf_counter() - started) * 1000


def _tag_row(path: Path, result: "TagResult", took_ms: float) -> dict[str, Any]:
    labels = [{"name": tag.name, "index": tag.index, "score": tag.score} for tag in result.labels]
    model = {"name": result.model, "version": result.version}
    return {"photo": str(path), "labels": labels, "model": model, "ms": took_ms}
