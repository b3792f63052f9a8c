"""`striate sort`: asks the deployed application into which folder each photo belongs."""

from pathlib import Path

import click

from striate.cli.output import json_option, print_json, print_table
from striate.core.errors import PlatformError
from striate.core.settings import Settings


@click.command()
@click.argument("photos", nargs=-1, required=True,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--app", default="sorter", show_default=True, help="The application's name.")
@json_option
def sort(photos: tuple[Path, ...], app: str, as_json: bool) -> None:
    """Say into which class folder each of PHOTOS belongs.

    \b
    Example: striate sort photo.png
    """
    from own_model import sorting_pb2 as pb
    from own_model.declaration import SORTING
    from striate.serve.client.client import ChannelSecurity, Client

    settings = Settings.load()
    if settings.grpc_address is None:
        raise PlatformError("No gRPC edge is known.", "Run `striate up`.")
    security = ChannelSecurity(ca=settings.grpc_ca, token=settings.token)
    with Client(settings.grpc_address, app, security=security) as client:
        found = [
            (path, client.call(SORTING.name, "Sort", pb.SortRequest(image=path.read_bytes())))
            for path in photos
        ]
    rows = [
        {"photo": str(path), "folder": answer.folder, "score": answer.score, "sure": answer.sure}
        for path, answer in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        "Sorted", ("photo", "folder", "score", "sure"), [list(row.values()) for row in rows]
    )
