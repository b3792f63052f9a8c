"""`striate up`, `down`, `status` and `doctor`: the local platform."""

import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli.numbers import format_mebibytes
from striate.cli.output import (
    console,
    json_option,
    print_json,
    print_line,
    print_table,
    wide_option,
)
from striate.cli.progress import stage
from striate.cli.tables import Column, Table, show_id
from striate.core.addresses import is_loopback, plain_address, plain_host
from striate.core.errors import UsageError
from striate.core.settings import ENVIRONMENT, Settings
from striate.local import platform as local
from striate.local.addresses import others_host, ray_program_note, tunnel
from striate.local.security import EdgeSecurity
from striate.local.security import check as check_security
from striate.local.state import PlatformState

if TYPE_CHECKING:
    from striate.local.doctor import Check
    from striate.local.status import PartStatus

_CPUS = (
    "Logical CPUs that Ray offers. Unless given: as many as there are and at least 4, so that"
    " two training workers and a served model fit on two cores."
)
MOST_OFFERED = 100_000
_PORT = click.IntRange(1, 65535)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)


@click.command()
@click.option("--host", help="Interface that the gRPC edge listens on; 127.0.0.1 unless given.")
@click.option("--cpus", type=click.IntRange(1, MOST_OFFERED), help=_CPUS)
@click.option("--chip", "chips", multiple=True, metavar="NAME[=N]",
              help="Offer N emulated chips by a node of their own; may be repeated.")  # fmt: skip
@click.option("--mlflow-port", type=_PORT, help="Port of MLflow; 5000 or a free one.")
@click.option("--dashboard-port", type=_PORT, help="Port of Ray's dashboard; 8265 or a free one.")
@click.option("--edge-port", type=_PORT, help="Port of the gRPC edge; 9000 or a free one.")
@click.option("--ray-port", type=_PORT, help="Port of Ray's control service; 6379 or a free one.")
@click.option(
    "--tls",
    is_flag=True,
    help="The gRPC edge speaks TLS, with a development certificate unless given one.",
)
@click.option("--tls-cert", type=_FILE, help="PEM file of the edge's certificate; implies --tls.")
@click.option("--tls-key", type=_FILE, help="PEM file of its key, unless --tls-cert holds it.")
@click.option(
    "--client-ca",
    type=_FILE,
    help="PEM file of the authority that callers' certificates must come from.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path, resolve_path=True),
    help="Callers need a token of this file; see `striate token`.",
)
@click.option("--insecure", is_flag=True,
              help="With --host: open the edge to that network without TLS or tokens.")  # fmt: skip
@wide_option
@json_option
def up(
    host: str | None, cpus: int | None, chips: tuple[str, ...], tls: bool, tls_cert: Path | None,
    tls_key: Path | None, client_ca: Path | None, token_file: Path | None, insecure: bool,
    as_json: bool, **asked: int | None,
) -> None:  # fmt: skip
    """Bring up the local platform: Ray, MLflow and the gRPC edge.

    What runs already is kept, what died is started again, and the addresses stay the same. All
    of it listens on loopback only. --host opens the gRPC edge, and nothing else, to another
    interface; it must then speak TLS and ask for tokens, unless --insecure is given.

    \b
    Example: striate up --tls --token-file tokens.map
    """
    ports = {name.removesuffix("_port"): port for name, port in asked.items() if port is not None}
    security = EdgeSecurity(
        tls=tls or tls_cert is not None, certificate=tls_cert, key=tls_key, client_ca=client_ca,
        token_file=token_file,
    )  # fmt: skip
    host = host and plain_host(host)
    check_security(security, host, insecure)
    options = local.PlatformOptions(
        host=host, cpus=cpus, chips=_chips(chips), ports=ports,
        security=None if security == EdgeSecurity() else security,
    )  # fmt: skip
    home = Settings.load().home
    with stage("starting") as shown:
        state = local.up(home, options, on_progress=shown.tell)
    if as_json:
        print_json({"home": str(home), **state.model_dump(mode="json")})
    else:
        _print_addresses(state)


@click.command()
@json_option
def down(as_json: bool) -> None:
    """End exactly what `striate up` started, and wait until it is gone.

    \b
    Example: striate down
    """
    with stage("ending"):
        ended = local.down(Settings.load().home)
    if as_json:
        print_json({"ended": ended})
    else:
        print_line(local.describe_ended(ended))


def _chips(values: tuple[str, ...]) -> dict[str, int]:
    from striate.accelerators.chips import chip

    chips: dict[str, int] = {}
    for value in values:
        name, _, count = value.partition("=")
        chip(name)  # an unknown one is said before anything is started
        if count and not (re.fullmatch(r"[0-9]{1,6}", count) and 1 <= int(count) <= MOST_OFFERED):
            raise UsageError(
                f"--chip {value}: {count!r} is no count from 1 to {MOST_OFFERED:,}.",
                "Write NAME or NAME=N.",
            )
        chips[name] = int(count or 1)
    return chips


def _print_addresses(state: PlatformState) -> None:
    host = others_host(state.host)
    port = state.addresses["grpc_address"].rpartition(":")[2]
    addresses = {**state.addresses, "grpc_address": f"{host}:{port}"}
    print_table(addresses_table(addresses))
    if note := ray_program_note(addresses):
        console.print(note, markup=False, soft_wrap=True)
    if not is_loopback(state.host):
        console.print(tunnel(addresses, host), markup=False, soft_wrap=True)


def addresses_table(addresses: Mapping[str, str]) -> Table:
    """Where the parts of the platform answer, for people."""
    shown = {"MLflow": "tracking_uri", "Ray dashboard": "ray_dashboard",
             "Ray": "ray_address", "gRPC": "grpc_address"}  # fmt: skip
    rows = [(name, plain_address(addresses[key]), ENVIRONMENT[key]) for name, key in shown.items()]
    columns = (Column("part", 0), Column("address", 0), Column("variable", 1))
    return Table("The platform is up", columns, rows)


@click.command()
@wide_option
@json_option
def status(as_json: bool) -> None:
    """Show what runs, where, and since when; every part is asked for real.

    The exit code is 0 when all of it is healthy, else 1.

    \b
    Example: striate status --json
    """
    from striate.local.status import status as look

    found = look(Settings.load().home)
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif not found.parts:
        print_line("Nothing is up. Run `striate up`.")
    else:
        print_table(parts_table(found.parts))
        offered = ", ".join(f"{name} {amount:g}" for name, amount in found.resources.items())
        print_line(f"Cluster: {offered or 'does not answer'}")
    sys.exit(0 if found.up else 1)


def parts_table(parts: "Sequence[PartStatus]") -> Table:
    """What runs, for people."""
    columns = (
        Column("part", 0), Column("state", 0, folds=True), Column("address", 1),
        Column("pid", 4, show=show_id), Column("since", 2),
        Column("memory", 3, show=format_mebibytes),
    )  # fmt: skip
    rows = [
        [part.name, "healthy" if part.healthy else part.problem,
         part.address and plain_address(part.address), part.pid,
         time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(part.since_s)), part.memory_bytes]
        for part in parts
    ]  # fmt: skip
    return Table("Platform", columns, rows)


@click.command()
@wide_option
@json_option
def doctor(as_json: bool) -> None:
    """Find what is wrong here and say how to mend it; changes nothing.

    The exit code is 1 when a check fails.

    \b
    Example: striate doctor
    """
    from striate.cli.verbs import ALL_COMMANDS
    from striate.local.doctor import examine

    with stage("looking"):
        checks = examine(Settings.load(), ALL_COMMANDS)
    healthy = all(check.result != "fail" for check in checks)
    if as_json:
        print_json({"healthy": healthy, "checks": [check.model_dump() for check in checks]})
    else:
        print_table(checks_table(checks))
    sys.exit(0 if healthy else 1)


def checks_table(checks: "Sequence[Check]") -> Table:
    """What was looked at, for people."""
    columns = (
        Column("result", 0), Column("what", 0, folds=True), Column("found", 0, folds=True),
        Column("remedy", 0, folds=True),
    )  # fmt: skip
    rows = [[check.result, check.name, check.found, check.remedy] for check in checks]
    return Table("Doctor", columns, rows)
