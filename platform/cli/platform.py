"""`striate up`, `down`, `status` and `doctor`: the local platform."""

import click

from striate.cli.local import platform as local
from striate.cli.local.state import PlatformState
from striate.cli.output import console, json_option, print_json, print_table, progress_console
from striate.core.errors import UsageError
from striate.core.settings import ENVIRONMENT, Settings

_PORT = click.IntRange(1, 65535)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Interface to listen on.")
@click.option("--cpus", type=click.IntRange(1), help="Logical CPUs that Ray offers; at least 4 "
              "unless given, so that two training workers and a served model fit on two cores.")  # fmt: skip
@click.option("--chip", "chips", multiple=True, metavar="NAME[=N]",
              help="Offer N emulated chips by a node of their own; may be repeated.")  # fmt: skip
@click.option("--mlflow-port", type=_PORT, help="Port of MLflow; 5000 or a free one.")
@click.option("--dashboard-port", type=_PORT, help="Port of Ray's dashboard; 8265 or a free one.")
@click.option("--edge-port", type=_PORT, help="Port of the gRPC edge; 9000 or a free one.")
@click.option("--ray-port", type=_PORT, help="Port of Ray's control service; 6379 or a free one.")
@json_option
def up(
    host: str, cpus: int | None, chips: tuple[str, ...], as_json: bool, **asked: int | None
) -> None:
    """Bring up the local platform: Ray, MLflow and the gRPC edge.

    What runs already is kept, what died is started again, and the addresses stay the same. All
    of it listens on loopback only, unless --host names another interface.

    \b
    Example: striate up --chip anna-talk
    """
    ports = {name.removesuffix("_port"): port for name, port in asked.items() if port is not None}
    wish = local.Wish(host=host, cpus=cpus, chips=_chips(chips), ports=ports)
    home = Settings.load().home
    with progress_console.status("starting") as progress:
        state = local.up(home, wish, say=lambda text: progress.update(text))
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
    with progress_console.status("ending"):
        ended = local.down(Settings.load().home)
    if as_json:
        print_json({"ended": ended})
    else:
        console.print(local.ended_all(ended), markup=False)


def _chips(values: tuple[str, ...]) -> dict[str, int]:
    from striate.accelerators.chips import CHIPS
    from striate.core.errors import UnknownName

    chips: dict[str, int] = {}
    for value in values:
        name, _, count = value.partition("=")
        if name not in CHIPS:
            raise UnknownName.of("chip", name, CHIPS)
        if count and (not count.isdigit() or int(count) < 1):
            raise UsageError(f"--chip {value}: {count!r} is no count.", "Write NAME or NAME=N.")
        chips[name] = int(count or 1)
    return chips


def _print_addresses(state: PlatformState) -> None:
    shown = {"MLflow": "tracking_uri", "Ray dashboard": "ray_dashboard",
             "Ray": "ray_address", "gRPC": "grpc_address"}  # fmt: skip
    rows = [(name, state.addresses[key], ENVIRONMENT[key]) for name, key in shown.items()]
    print_table("The platform is up", ["part", "address", "variable"], rows)
