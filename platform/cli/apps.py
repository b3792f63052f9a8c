"""`striate deploy`, `rollback`, `apps` and `undeploy`."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from striate.cli.modules import module_option
from striate.cli.number_options import POSITIVE, WITHIN_A_DAY
from striate.cli.output import (
    json_option,
    print_json,
    print_line,
    print_note,
    print_table,
    wide_option,
)
from striate.cli.progress import stage
from striate.cli.tables import Column, Table, show_id
from striate.cli.top import top
from striate.core.errors import UsageError
from striate.core.settings import Settings

BAKE_S = 30.0
_wait = click.option("--wait", is_flag=True, help="Wait for room that others hold.")
_PERCENT = re.compile(r"(?P<number>\d+(\.\d+)?)\s*%")


class Percent(click.ParamType[float]):
    """``10%`` as 10.0."""

    name = "percent"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number before the sign, from 0 to 100."""
        found = _PERCENT.fullmatch(str(value).strip())
        if isinstance(value, float) and 0 <= value <= 100:
            return value
        if found is None or not 0 <= float(found["number"]) <= 100:
            self.fail(f"{value!r} is no share; give one like 10%.", param, ctx)
        return float(found["number"])


@click.command()
@click.argument("app", default="photos")
@click.option(
    "--model", "models", multiple=True,
    help="models:/NAME@ALIAS, models:/NAME/VERSION, a folder; ROLE=… for one of several roles.",
)  # fmt: skip
@click.option("--name", help="What callers ask for; the application's own name if left out.")
@click.option("--pool", help="Where it runs: cpu, gpu, chip:NAME.")
@click.option("--replicas", default="1", show_default=True, help="N, or MIN:MAX with the load.")
@click.option(
    "--in-flight",
    type=POSITIVE,
    help="Calls in flight a replica that MIN:MAX aims at.  [default: 8]",
)
@click.option("--latency-ms", type=POSITIVE, help="99th percentile that MIN:MAX keeps under.")
@click.option("--canary", type=Percent(), help="Try it on a share of the calls first, like 10%.")
@click.option(
    "--bake", "bake_s", type=WITHIN_A_DAY, help="Seconds that it is watched.  [default: 30]"
)
@click.option("--max-error-rate", type=Percent(), help="Take it back above this.  [default: 1%]")
@click.option("--max-latency-ms", type=POSITIVE, help="Take it back when 1% of calls are slower.")
@click.option(
    "--program",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="For a chip: folder of the model's program; compiled if left out.",
)
@_wait
@click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE",
    help="A further field of the application's, as JSON or text.",
)  # fmt: skip
@module_option
@json_option
def deploy(
    app: str,
    models: tuple[str, ...],
    name: str | None,
    pool: str | None,
    replicas: str,
    in_flight: float | None,
    latency_ms: float | None,
    program: Path | None,
    wait: bool,
    settings: tuple[str, ...],
    as_json: bool,
    **trial: float | None,
) -> None:
    """Deploy registered models behind gRPC, or replace the version that runs.

    The new version takes traffic once it has answered a real call through the edge; the old one
    drains. With --canary, --bake, --max-error-rate or --max-latency-ms it is watched first, and
    taken back by itself when it does not keep its limits.

    Where its pool has no room, it is said at once who holds it; with --wait, it is waited for.

    \b
    Example: striate deploy photos --model models:/lenet5-digits@champion
             striate deploy photos --model models:/lenet5-digits/4 --canary 10% --bake 60
             striate deploy analyze --model tagger=models:/tags/1 --model content=models:/rude/2 \\
                 --set thresholds='{"rude": 0.8}'
    """
    from striate.serve.deployment.deploy import deploy as deploy_app

    given = {"target_in_flight": in_flight, "latency_ms": latency_ms}
    options = _fields(settings) | {
        name: value for name, value in given.items() if value is not None
    }
    with stage(f"{name or app} comes up") as shown:
        deployed = deploy_app(
            app, models, Settings.load(), name=name, pool=pool, replicas=replicas,
            program=program, trial=_trial(**trial), wait=wait, on_progress=shown.tell, **options,
        )  # fmt: skip
    _say_deployed(deployed, as_json)


@click.command()
@click.argument("name")
@_wait
@module_option
@json_option
def rollback(name: str, wait: bool, as_json: bool) -> None:
    """Go back to the version before, or take back the one that is on trial.

    \b
    Example: striate rollback photos
    """
    from striate.serve.deployment.deploy import rollback as roll_back

    with stage(f"{name} goes back") as shown:
        deployed = roll_back(name, Settings.load(), wait=wait, on_progress=shown.tell)
    _say_deployed(deployed, as_json)


@click.group()
def apps() -> None:
    """List and watch deployed applications.

    \b
    Example: striate apps ls
    """


apps.add_command(top)


@apps.command("ls")
@wide_option
@json_option
def list_(as_json: bool) -> None:
    """List the deployed applications.

    The first answers callers that name none. Replicas are those that run of those that are wanted,
    and the bounds between them; a canary is the version on trial and its share of the calls;
    `before` counts the versions to go back to. An application whose model's alias has moved since
    it was deployed is named.

    \b
    Example: striate apps ls
    """
    from striate.serve.deployment.deploy import list_apps
    from striate.serve.deployment.followed_aliases import apps_behind, current_versions

    settings = Settings.load()
    found = list_apps(settings)
    behind = apps_behind(
        [entry.app for entry in found],
        current_versions({uri for entry in found for uri in entry.app.aliases}, settings),
    )
    if as_json:
        moved = {one.app: one.now for one in behind}
        print_json([{**_app_row(entry), "moved_to": moved.get(entry.app.name)} for entry in found])
        return
    if not found:
        print_note(
            "No application is deployed. Example: striate deploy photos --model models:/NAME@ALIAS"
        )
        return
    print_table(apps_table(found))
    for one in behind:
        print_note(str(one))


@click.command()
@click.argument("name")
@json_option
def undeploy(name: str, as_json: bool) -> None:
    """Take an application down; its calls in flight finish first.

    \b
    Example: striate undeploy photos
    """
    from striate.serve.deployment.deploy import undeploy as undeploy_app

    with stage(f"{name} drains and ends"):
        undeploy_app(name, Settings.load())
    if as_json:
        print_json({"undeployed": name})
    else:
        print_line(f"{name} is down.")


def _fields(settings: tuple[str, ...]) -> dict[str, Any]:
    """``FIELD=VALUE`` by field; a value that is no JSON is text."""
    found: dict[str, Any] = {}
    for given in settings:
        field, separator, value = given.partition("=")
        if not (field and separator):
            raise UsageError(f"--set {given} sets nothing.", "Give it as FIELD=VALUE.")
        try:
            found[field] = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or more digits or depth than Python reads
            found[field] = value
    return found


def _trial(
    canary: float | None,
    bake_s: float | None,
    max_error_rate: float | None,
    max_latency_ms: float | None,
) -> Any:
    """How the new version is tried; None where nothing asks for it."""
    from striate.serve.deployment.canary import WHOLE, CanaryTrial
    from striate.serve.deployment.canary_analysis import Bounds

    if canary is bake_s is max_error_rate is max_latency_ms is None:
        return None
    share = {} if max_error_rate is None else {"max_error_rate": max_error_rate / 100}
    return CanaryTrial(
        percent=WHOLE if canary is None else canary,
        seconds=BAKE_S if bake_s is None else bake_s,
        bounds=Bounds(max_latency_ms=max_latency_ms, **share),
    )


def _say_deployed(deployed: Any, as_json: bool) -> None:
    if as_json:
        print_json(deployed.model_dump())
        return
    model = f" with {deployed.model} version {deployed.version}" if deployed.model else ""
    print_line(f"{deployed.name} answers at {deployed.address}{model}.")


def _app_row(entry: Any) -> dict[str, Any]:
    app = entry.app
    hidden = {"addresses", "arguments", "canary", "canary_percent", "history"}
    canary = None
    if app.canary is not None:
        canary = {"version": app.canary.version, "percent": app.canary_percent}
    return {
        **app.model_dump(mode="json", exclude=hidden),
        "address": ", ".join(app.addresses),
        "status": entry.status,
        "message": entry.message,
        "running": entry.running,
        "wanted": entry.wanted,
        "canary": canary,
        "before": [former.version for former in app.history],
    }


def apps_table(found: Sequence[Any]) -> Table:
    """Deployed applications for people."""
    columns = (
        Column("name", 0), Column("app", 7), Column("status", 1), Column("model", 3),
        Column("version", 2, show=show_id), Column("pool", 6), Column("replicas", 4),
        Column("canary", 5), Column("before", 8),
    )  # fmt: skip
    return Table("Deployed applications", columns, [_shown_row(entry) for entry in found])


def _shown_row(entry: Any) -> list[object]:
    app = entry.app
    replicas = f"{entry.running}/{entry.wanted}"
    if ":" in str(app.replicas):
        replicas += f" of {app.replicas}"
    canary = f"{app.canary.version} {app.canary_percent:g}%" if app.canary else None
    return [
        app.name, app.app, entry.status, app.model, app.version, app.pool, replicas, canary,
        len(app.history) or None,
    ]  # fmt: skip
