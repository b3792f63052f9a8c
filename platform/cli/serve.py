"""`striate deploy`, `apps`, `undeploy` and `query`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.output import console, json_option, note, print_json, print_table, progress_console
from striate.core.errors import PlatformError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.client import Client, TagResult


@click.command()
@click.argument("app", default="photos")
@click.option("--model", required=True, help="models:/NAME@ALIAS, models:/NAME/VERSION, a folder.")
@click.option("--name", help="What callers ask for; the application's own name if left out.")
@click.option("--pool", help="Where it runs: cpu, gpu, chip:NAME.")
@click.option("--replicas", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option(
    "--program",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="For a chip: folder of the model's program; compiled if left out.",
)
@json_option
def deploy(
    app: str,
    model: str,
    name: str | None,
    pool: str | None,
    replicas: int,
    program: Path | None,
    as_json: bool,
) -> None:
    """Deploy a registered model behind gRPC, or replace the version that runs.

    The new version takes traffic once it has answered a real call; the old one drains.

    \b
    Example: striate deploy photos --model models:/lenet5-digits@champion
    """
    from striate.serve.deploy import deploy as deploy_app

    settings = Settings.load()
    with progress_console.status(f"{name or app} comes up with {model} …"):
        deployed = deploy_app(
            app, model, settings, name=name, pool=pool, replicas=replicas, program=program
        )
    if as_json:
        print_json(deployed.model_dump())
        return
    model_name = f"{deployed.model} version {deployed.version}"
    console.print(f"{deployed.name} answers at {deployed.address} with {model_name}.", markup=False)


@click.group()
def apps() -> None:
    """List deployed applications.

    \b
    Example: striate apps ls
    """


@apps.command("ls")
@json_option
def list_(as_json: bool) -> None:
    """List the deployed applications; the first answers callers that name none.

    \b
    Example: striate apps ls
    """
    from striate.serve.deploy import list_apps

    found = list_apps(Settings.load())
    if as_json:
        print_json([_app_row(entry) for entry in found])
        return
    if not found:
        note(
            "No application is deployed. Example: striate deploy photos --model models:/NAME@ALIAS"
        )
        return
    columns = ("name", "app", "status", "model", "version", "pool", "replicas", "address")
    rows = [[_app_row(entry)[column] for column in columns] for entry in found]
    print_table("Deployed applications", columns, rows)


@click.command()
@click.argument("name")
@json_option
def undeploy(name: str, as_json: bool) -> None:
    """Take an application down; its calls in flight finish first.

    \b
    Example: striate undeploy photos
    """
    from striate.serve.deploy import undeploy as undeploy_app

    with progress_console.status(f"{name} drains and ends …"):
        undeploy_app(name, Settings.load())
    if as_json:
        print_json({"undeployed": name})
    else:
        console.print(f"{name} is down.", markup=False)


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


def _app_row(entry: Any) -> dict[str, Any]:
    app = entry.app
    fields = {"address": ", ".join(app.addresses), "status": entry.status, "message": entry.message}
    return {**app.model_dump(exclude={"addresses"}), **fields}
