"""`striate query`: calls to a deployed application over gRPC."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.calling import EXISTING_FILE, calling, open_client
from striate.cli.number_options import COUNT, SHARE
from striate.cli.numbers import format_ms, format_probability
from striate.cli.output import console, print_json, print_table
from striate.cli.query_answers import ask
from striate.cli.query_language import analogy, nearest, translate
from striate.cli.query_speech import listen
from striate.cli.tables import Column, Table
from striate.core.errors import StriateError

if TYPE_CHECKING:
    from striate.serve.client.client import Client, TagResult
    from striate.serve.client.results import AnalysisPart, AnalyzeResult
    from striate.serve.common.types import Tag


@click.group()
def query() -> None:
    """Call a deployed application over gRPC.

    \b
    Example: striate query tag photo.png --top-k 3
    """


_photos = click.argument("photos", nargs=-1, required=True, type=EXISTING_FILE)
_top_k = click.option(
    "--top-k", type=COUNT, default=5, show_default=True, help="Labels of a photo."
)
_min_score = click.option(
    "--min-score",
    type=SHARE,
    default=0.0,
    show_default=True,
    help="Leave out labels below this.",
)


@query.command()
@_photos
@_top_k
@_min_score
@click.option("--stream", is_flag=True, help="Send all photos on one call; best for many.")
@calling
def tag(
    photos: tuple[Path, ...],
    top_k: int,
    min_score: float,
    stream: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Tag photos: the labels that each shows, the best first.

    \b
    Example: striate query tag photo.png --top-k 3
    """
    with open_client(**where) as client:
        if stream:
            _tag_stream(client, photos, top_k, min_score, as_json)
            return
        answers = [(path, *_timed(client, path, top_k, min_score)) for path in photos]
    if as_json:
        print_json([_tag_row(path, result, took_ms) for path, result, took_ms in answers])
        return
    print_table(*(tags_table(*answer) for answer in answers))


def tags_table(photo: Path, result: "TagResult", took_ms: float) -> Table:
    """A photo's labels for people."""
    title = f"{photo.name}: {result.model} version {result.version}, {format_ms(took_ms)} ms"
    columns = (Column("label", 0, folds=True), Column("score", 0, show=format_probability))
    return Table(title, columns, [(tag.name, tag.score) for tag in result.labels])


for _command in (ask, translate, analogy, nearest, listen):
    query.add_command(_command)


@query.command()
@_photos
@click.option("--region", default="", help="Where the photos' owner is: DE, US-CA, EU.")
@_top_k
@_min_score
@calling
def analyze(
    photos: tuple[Path, ...],
    region: str,
    top_k: int,
    min_score: float,
    as_json: bool,
    **where: Any,
) -> None:
    """Analyze photos: tags, faces, content to filter.

    The answer is there within two seconds. A part that is late, switched off or failed says so;
    the others are answered.

    \b
    Example: striate query analyze photo.jpg --region US
    """
    with open_client(**where) as client:
        found = [
            (path, client.analyze(path.read_bytes(), region, top_k, min_score)) for path in photos
        ]
    if as_json:
        print_json([{"photo": str(path), **asdict(result)} for path, result in found])
        return
    print_table(*(analysis_table(path.name, result) for path, result in found))


def analysis_table(title: str, result: "AnalyzeResult") -> Table:
    """What a photo shows, for people."""
    columns = (
        Column("part", 0), Column("status", 0), Column("answer", 0, folds=True), Column("model", 1),
    )  # fmt: skip
    parts = {"tags": result.tags, "faces": result.faces, "content": result.content}
    rows = [(name, part.status, _said(part), part.model.name) for name, part in parts.items()]
    return Table(title, columns, rows)


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
            said = _list_tags(answer.labels)
        if not as_json:
            console.print(f"{name}: {said}", markup=False, soft_wrap=True)
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
    return _list_tags(part.labels) or "nothing"


def _list_tags(tags: "Sequence[Tag]") -> str:
    return ", ".join(f"{tag.name} {format_probability(tag.score)}" for tag in tags)


def _timed(client: "Client", path: Path, top_k: int, min_score: float) -> tuple["TagResult", float]:
    image = path.read_bytes()
    started = time.perf_counter()
    result = client.tag(image, top_k, min_score)
    return result, (time.perf_counter() - started) * 1000


def _tag_row(path: Path, result: "TagResult", took_ms: float | None) -> dict[str, Any]:
    labels = [{"name": tag.name, "index": tag.index, "score": tag.score} for tag in result.labels]
    model = {"name": result.model, "version": result.version}
    return {"photo": str(path), "labels": labels, "model": model, "ms": took_ms}
