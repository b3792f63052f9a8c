"""The options of every command that calls an application over gRPC, and the client they make."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli.number_options import DAY_S, FiniteRange
from striate.cli.output import json_option, wide_option
from striate.core.errors import PlatformError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.client.client import Client

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def calling(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every call has; they are passed on for `open_client`."""
    app = click.option("--app", help="The application's name; the edge's default if left out.")
    return app(_calling(command, 10.0))


def calling_faces(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every call about faces has, likewise."""
    options = (
        click.option("--app", help="The application's name; the first for faces if left out."),
        click.option(
            "--region",
            default="",
            help="Where the photos' owner is: DE, US-CA, EU; the deployment's unless given.",
        ),
        lambda wrapped: _calling(wrapped, 60.0),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _calling(command: Callable[..., None], deadline_s: float) -> Callable[..., None]:
    options = (
        click.option("--address", help="HOST:PORT to call; the platform's edge if left out."),
        click.option(
            "--deadline",
            type=FiniteRange(0, DAY_S, min_open=True),
            default=deadline_s,
            show_default=True,
            help="Seconds.",
        ),
        click.option("--ca", type=EXISTING_FILE, help="Use TLS: PEM file of the edge's authority."),
        click.option(
            "--cert", type=EXISTING_FILE, help="Your certificate, where the edge asks for one."
        ),
        click.option("--key", type=EXISTING_FILE, help="Its private key."),
        click.option("--token", help="Bearer token; better given in STRIATE_TOKEN."),
        wide_option,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def open_client(
    app: str | None,
    address: str | None,
    deadline: float,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    token: str | None,
    region: str = "",
) -> "Client":
    """A client, out of what `calling` or `calling_faces` passes on.

    Raises:
        PlatformError: no edge is known.
        UsageError: the files for TLS cannot be used.
    """
    from striate.serve.client.client import ChannelSecurity, Client

    settings = Settings.load()
    ca, token = ca or settings.grpc_ca, token or settings.token
    security = ChannelSecurity(ca=ca, certificate=cert, key=key, token=token)
    return Client(address or _address(), app, deadline, security, region)


def _address() -> str:
    address = Settings.load().grpc_address
    if address is None:
        raise PlatformError(
            "No gRPC edge is known.", "Run `striate up`, or give --address HOST:PORT."
        )
    return address
