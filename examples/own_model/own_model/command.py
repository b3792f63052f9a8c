"""`striate sort`: asks the deployed application into which folder each photo belongs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from striate.cli.numbers import format_probability
from striate.cli.output import json_option, print_json, print_table, wide_option
from striate.cli.tables import Column, Table
from striate.core.errors import PlatformError
from striate.core.settings import Settings


@click.command()
@click.argument("photos", nargs=-1, required=True,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--app", default="sorter", show_default=True, help="The application's name.")
@wide_option
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
    print_table(sorted_table(rows))


def sorted_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Where photos belong, for people."""
    columns = ("photo", "folder", Column("score", show=format_probability), "sure")
    return Table("Sorted", columns, [list(row.values()) for row in rows])
