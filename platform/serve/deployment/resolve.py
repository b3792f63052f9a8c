"""From what a user asks to deploy to the pinned arguments that bring it up, now and again later."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from striate.accelerators.placement.pools import parse_pool, pool_options
from striate.core.bundle import Bundle
from striate.core.errors import UnknownName, UsageError
from striate.core.registry import fetch
from striate.core.settings import Settings
from striate.core.validation import describe_invalid, first_invalid
from striate.serve.deployment.chip_programs import program_for

if TYPE_CHECKING:
    from ray.serve import Application

    from striate.serve.apps.replica import AppKind
    from striate.serve.edge.app_table import DeployedApp

CPUS = 0.25  # a replica shares small machines with training; torch then uses one thread
PLACEMENT = {"port", "replicas", "edge_key"}
_ROLE = re.compile(r"(?P<role>[a-z_]+)=(?P<uri>.+)")
_TORCH = {"cpu", "cuda"}


@dataclass(frozen=True)
class ResolvedModels:
    """What is deployed: aliases pinned to versions, every model opened once.

    Attributes:
        arguments: of the kind's `build`, placement left out; they can stand in a file.
        model_uri: the pinned models, with spaces between them.
        aliases: the aliases that were pinned, with their versions.
        model: their names.
        version: their versions.
    """

    arguments: dict[str, Any]
    model_uri: str
    aliases: dict[str, int]
    model: str
    version: str


def resolve_models(
    kind: "AppKind[Any]",
    models: Sequence[str],
    settings: Settings,
    device: str,
    program: Path | None,
    options: dict[str, Any],
) -> ResolvedModels:
    """Pin the models, and load them once here.

    What cannot be served is so refused in the open, before anything starts.

    Args:
        kind: the kind of application.
        models: as `fetch` takes them; ``ROLE=URI`` where the application has several roles.
        settings: say where MLflow is, and where bundles are kept.
        device: ``cpu``, ``cuda``, or a chip's name.
        program: for a chip, the model's program; None compiles it, once.
        options: further arguments of the kind's.

    Raises:
        UsageError: the application takes no such models or options.
        StriateError: as `fetch`, `program_for` and the kind's own loading.
    """
    from striate.serve.apps.factory import name_model

    fields = kind.arguments.model_fields
    arguments: dict[str, Any] = {
        **options, "tracking_uri": settings.tracking_uri, "home": settings.home
    }  # fmt: skip
    uris, names, bundles = [], [], []
    aliases: dict[str, int] = {}
    for field, given in _roles(models, fields):
        bundle, registered = fetch(given, settings)
        if registered is not None and "@" in given:
            aliases[given] = registered.version
        uri = registered.uri if registered else str(bundle.path.absolute())
        if field == "models":
            arguments[field] = (*arguments.get(field, ()), uri)
        else:
            arguments[field] = uri
        bundles.append(bundle)
        uris.append(uri)
        names.append(name_model(bundle, registered))
    if bundles:
        arguments |= _device(fields, bundles, settings, device, program)
    checked = _checked(kind, arguments)
    _load_once(kind, checked, device)
    kept = checked.model_dump(mode="json", exclude=PLACEMENT, exclude_unset=True)
    return ResolvedModels(
        arguments=kept,
        model_uri=" ".join(uris),
        aliases=aliases,
        model=", ".join(name for name, _ in names),
        version=", ".join(version for _, version in names),
    )


def kind_of(app: "DeployedApp") -> "AppKind[Any]":
    """The kind of a version that the table holds.

    Raises:
        UnknownName: another process deployed it, with an extension that this one does not have.
        ExtensionError: the extension cannot be used.
    """
    from striate.serve.apps.app_kinds import ALL_APPS

    try:
        return ALL_APPS.find(app.app)
    except UnknownName:
        raise UnknownName(
            f"The application {app.name} is of the kind {app.app}, which is not known here.",
            "Install the package that it was deployed with, or name its module with --module.",
        ) from None


def application_of(app: "DeployedApp", kind: "AppKind[Any]", edge_key: str | None) -> "Application":
    """The Serve application of a version, from what the table holds.

    Raises:
        UsageError: its arguments are not for this version of Striate.
        PlacementError: the cluster has no such pool.
    """
    placement = {
        "port": 0,
        "replicas": app.replicas,
        "actor_options": replica_options(app),
        "edge_key": edge_key,
    }
    return kind.build(_checked(kind, {**app.arguments, **placement}))


def replica_options(app: "DeployedApp") -> dict[str, Any]:
    """Ray's options for a replica of a version; on a chip or GPU it claims a whole one.

    Raises:
        PlacementError: the cluster has no such pool.
        PlatformError: this process is connected to no cluster.
    """
    own: dict[str, Any] = app.arguments.get("actor_options", {})
    if app.pool is None:
        return {"num_cpus": CPUS, **own}
    units = CPUS if parse_pool(app.pool).kind == "cpu" else 1
    return {"num_cpus": CPUS, **pool_options(app.pool, units), **own}


def device_of(pool: str | None) -> str:
    """The device of a pool: ``cpu``, ``cuda``, or a chip's name."""
    return "cpu" if pool is None else parse_pool(pool).device


def _roles(models: Sequence[str], fields: Any) -> list[tuple[str, str]]:
    """Each model with the field that it is for."""
    plain = next((field for field in ("model", "models") if field in fields), None)
    found: list[tuple[str, str]] = []
    for given in models:
        role = _ROLE.fullmatch(given)
        if role and role["role"] in fields:
            found.append((role["role"], role["uri"]))
        elif plain is None:
            raise UsageError(
                f"The application does not know what the model {given} is for.",
                "Give each as ROLE=URI, with one of its own fields as the role.",
            )
        else:
            found.append((plain, given))
    roles = [field for field, _ in found if field != "models"]
    if twice := {role for role in roles if roles.count(role) > 1}:
        raise UsageError(f"The application takes one {twice.pop()}, and several are given.")
    return found


def _device(
    fields: Any, bundles: Sequence[Bundle], settings: Settings, device: str, program: Path | None
) -> dict[str, Any]:
    if "device" not in fields:
        if device != "cpu":
            raise UsageError("The application runs on CPUs alone.", "Leave --pool out.")
        return {}
    if device not in _TORCH:
        if "program" not in fields:
            raise UsageError(
                f"The application does not run on chips such as {device}.", "Deploy photos there."
            )
        program = program or program_for(bundles[0], device, settings)
    chosen: dict[str, Any] = {"device": device}
    return {**chosen, "program": program.absolute()} if program else chosen


def _checked(kind: "AppKind[Any]", arguments: dict[str, Any]) -> Any:
    try:
        return kind.arguments(**arguments)
    except ValidationError as error:
        invalid = first_invalid(error)
        if invalid.kind == "missing":
            needed = invalid.path if invalid.path.endswith("s") else f"a {invalid.path}"
            raise UsageError(f"The application needs {needed}.", "Name it with --model.") from None
        what = describe_invalid(error, whole="these arguments")
        raise UsageError(f"The application does not take {what}.") from None


def _load_once(kind: "AppKind[Any]", arguments: Any, device: str) -> None:
    """A GPU may be on the replicas' machines alone: the bundle is then loaded on the CPU here."""
    here = arguments.model_copy(update={"device": "cpu"}) if device == "cuda" else arguments
    for service in kind.services(here):
        service.close()
