"""`striate query`: calls to a deployed application over gRPC."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.output import console, json_option, print_json, print_table
from striate.core.errors import PlatformError, StriateError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.client.client import Client, TagResult
    from striate.serve.client.results import AnalysisPart


@click.group()
def query() -> None:
    """Call a deployed application over gRPC.

    \b
    Example: striate query tag photo.png --top-k 3
    """


def _calling(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every call has."""
    options = (
        click.option("--app", help="The application's name; the edge's default if left out."),
        click.option("--address", help="HOST:PORT to call; the platform's edge if left out."),
        click.option("--deadline", type=float, default=10.0, show_default=True, help="Seconds."),
        click.option("--ca", type=_FILE, help="Use TLS: PEM file of the edge's authority."),
        click.option("--cert", type=_FILE, help="Your certificate, where the edge asks for one."),
        click.option("--key", type=_FILE, help="Its private key."),
        click.option("--token", help="Bearer token; better given in STRIATE_TOKEN."),
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_photos = click.argument("photos", nargs=-1, required=True, type=_FILE)
_top_k = click.option("--top-k", type=click.IntRange(1), default=5, show_default=True)
_min_score = click.option(
    "--min-score", type=click.FloatRange(0, 1), default=0.0, show_default=True
)


@query.command()
@_photos
@_top_k
@_min_score
@click.option("--stream", is_flag=True, help="Send all photos on one call; best for many.")
@_calling
def tag(
    photos: tuple[Path, ...],
    top_k: int,
    min_score: float,
    stream: bool,
    as_json: bool,
    **calling: Any,
) -> None:
    """Tag photos: the labels that each shows, the best first.

    \b
    Example: striate query tag photo.png --top-k 3
    """
    with _client(**calling) as client:
        if stream:
            _tag_stream(client, photos, top_k, min_score, as_json)
            return
        answers = [(path, *_timed(client, path, top_k, min_score)) for path in photos]
    if as_json:
        print_json([_tag_row(path, result, took_ms) for path, result, took_ms in answers])
        return
    for path, result, took_ms in answers:
        title = f"{path.name}: {result.model} version {result.version}, {took_ms:.1f} ms"
        print_table(title, ("label", "score"), [(tag.name, tag.score) for tag in result.labels])


@query.command()
@_photos
@click.option("--region", default="", help="Where the photos' owner is: DE, US-CA, EU.")
@_top_k
@_min_score
@_calling
def analyze(
    photos: tuple[Path, ...],
    region: str,
    top_k: int,
    min_score: float,
    as_json: bool,
    **calling: Any,
) -> None:
    """Analyze photos: tags, faces, and content to be filtered, within two seconds.

    A part that is late, switched off or failed says so; the others are answered.

    \b
    Example: striate query analyze photo.jpg --region US
    """
    with _client(**calling) as client:
        found = [
            (path, client.analyze(path.read_bytes(), region, top_k, min_score)) for path in photos
        ]
    if as_json:
        print_json([{"photo": str(path), **asdict(result)} for path, result in found])
        return
    for path, result in found:
        parts = {"tags": result.tags, "faces": result.faces, "content": result.content}
        rows = [(name, part.status, _said(part), part.model.name) for name, part in parts.items()]
        print_table(path.name, ("part", "status", "answer", "model"), rows)


def _client(
    app: str | None,
    address: str | None,
    deadline: float,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    token: str | None,
) -> "Client":
    from striate.serve.client.client import ChannelSecurity, Client

    settings = Settings.load()
    ca, token = ca or settings.grpc_ca, token or settings.token
    security = ChannelSecurity(ca=ca, certificate=cert, key=key, token=token)
    return Client(address or _address(), app, deadline, security)


def _tag_stream(
    client: "Client", photos: tuple[Path, ...], top_k: int, min_score: float, as_json: bool
) -> None:
    """A line a photo, as it is answered; a photo that cannot be used fails at the end."""
    failed: list[StriateError] = []
    rows: list[dict[str, Any]] = []
    images = ((str(path), path.read_bytes()) for path in photos)
    for name, answer in client.tag_stream(images, top_k, min_score):
        if isinstance(answer, StriateError):
            failed.append(answer)
            rows.append({"photo": name, "error": str(answer)})
            said = str(answer)
        else:
            rows.append(_tag_row(Path(name), answer, None))
            said = ", ".join(f"{tag.name} {tag.score:.3f}" for tag in answer.labels)
        if not as_json:
            console.print(f"{name}: {said}", markup=False)
    if as_json:
        print_json(rows)
    if failed:
        raise failed[0]


def _said(part: "AnalysisPart") -> str:
    """A part's answer in one line."""
    if part.reason:
        return part.reason
    if part.vector:
        return f"a vector of {len(part.vector)} numbers"
    return ", ".join(f"{tag.name} {tag.score:.3f}" for tag in part.labels) or "nothing"


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


def _tag_row(path: Path, result: "TagResult", took_ms: float | None) -> dict[str, Any]:
    labels = [{"name": tag.name, "index": tag.index, "score": tag.score} for tag in result.labels]
    model = {"name": result.model, "version": result.version}
    return {"photo": str(path), "labels": labels, "model": model, "ms": took_ms}
