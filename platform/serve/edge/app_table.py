"""The table of deployed applications: what the edge routes by and `striate apps ls` shows.

It lies in the edge's folder as one JSON document that is written whole or not at all.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from striate.core.errors import PlatformError
from striate.core.files import write_atomic
from striate.core.locks import hold_lock
from striate.core.numbers import Count, UnixSeconds
from striate.serve.common.service_spec import ServiceSpec
from striate.serve.edge.routing import ReplicaGroup, Route

TABLE_FILE = "table.json"
LOCK_FILE = "table.lock"
HISTORY = 10
"""Versions that an application can be rolled back to, one after the other."""
HOLD_S = 10
COLD_HOLD_S = 60
"""How long calls wait at the edge for a replica: the longer one where none may be there at all,
since a replica that starts loads torch and the model first."""


def edge_folder(home: Path) -> Path:
    """Where the edge of a home keeps its configuration, the table and its control socket."""
    return home / "edge"


class DeployedApp(BaseModel):
    """One version of an application, as it takes traffic.

    Attributes:
        name: what callers send as the metadata `striate-app`.
        app: its kind, a name in `striate.serve.apps.app_kinds.ALL_APPS`.
        serve_name: the Serve application behind it; another one for every deployment.
        addresses: `host:port` of its replicas when it began; the edge follows them from then on.
        services: full names of the gRPC services that it answers.
        declared: their declarations, which the edge's rules follow.
        models: names that it answers for in the Open Inference Protocol.
        model_uri: the pinned model, for example ``models:/lenet5-digits/3``; several with spaces
            between them.
        aliases: what of it was asked for by an alias, ``models:/NAME@ALIAS``, and the version that
            the alias pointed at.
        model: the model's name.
        version: the model's version.
        pool: the pool it was placed on, or None.
        replicas: how many were asked for, or ``MIN:MAX``.
        arguments: what its kind's `build` was given, placement left out: it can be brought up
            again from them.
        deployed_unix_s: when it began to take traffic.
        canary: the version on trial beside it.
        canary_percent: the share of the calls that the version on trial takes.
        history: what ran before, the latest last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    app: str
    serve_name: str
    addresses: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    declared: tuple[ServiceSpec, ...] = ()
    models: tuple[str, ...] = ()
    model_uri: str
    aliases: dict[str, Count] = Field(default_factory=dict)
    model: str
    version: str
    pool: str | None = None
    replicas: int | str = 1
    arguments: dict[str, Any] = Field(default_factory=dict)
    deployed_unix_s: UnixSeconds
    canary: "DeployedApp | None" = None
    canary_percent: float = Field(default=0, ge=0, le=100, allow_inf_nan=False)
    history: tuple["DeployedApp", ...] = ()

    @property
    def versions(self) -> tuple["DeployedApp", ...]:
        """The versions that run: itself, and the one on trial."""
        return (self, self.canary) if self.canary else (self,)

    def trying(self, canary: "DeployedApp", percent: float) -> "DeployedApp":
        """The application with a version on trial."""
        return self.model_copy(update={"canary": canary, "canary_percent": percent})

    def settled(self) -> "DeployedApp":
        """The application without a version on trial."""
        return self.model_copy(update={"canary": None, "canary_percent": 0})

    def followed_by(self, version: "DeployedApp") -> "DeployedApp":
        """`version` in this one's place, with this one as the latest of its history."""
        former = self.model_copy(
            update={"canary": None, "canary_percent": 0, "history": (), "addresses": ()}
        )
        return version.model_copy(update={"history": (*self.history, former)[-HISTORY:]})

    def route(self) -> Route:
        """What the edge is told."""
        shares = (100 - self.canary_percent, self.canary_percent)
        groups = [
            ReplicaGroup(version.addresses, round(100 * share), version.serve_name)
            for version, share in zip(self.versions, shares, strict=False)
        ]
        return Route(
            name=self.name,
            services=self.services,
            models=self.models,
            groups=tuple(groups),
            declared=tuple(spec for version in self.versions for spec in version.declared),
            hold_s=COLD_HOLD_S if str(self.replicas).startswith("0:") else HOLD_S,
        )


class AppTable(BaseModel):
    """The deployed applications; the first one answers callers that name none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    apps: tuple[DeployedApp, ...] = ()

    def find(self, name: str) -> DeployedApp | None:
        """The application of that name."""
        return next((app for app in self.apps if app.name == name), None)

    def with_app(self, app: DeployedApp) -> Self:
        """The table with `app` in the place of the one of its name, or at the end."""
        if self.find(app.name) is None:
            return type(self)(apps=(*self.apps, app))
        return type(self)(apps=tuple(app if old.name == app.name else old for old in self.apps))

    def without(self, name: str) -> Self:
        """The table less the application of that name."""
        return type(self)(apps=tuple(app for app in self.apps if app.name != name))

    def routes(self) -> tuple[Route, ...]:
        """What the edge routes by, the default first."""
        return tuple(app.route() for app in self.apps)


def read_table(folder: Path) -> AppTable:
    """The table in the edge's folder; an empty one when none was written.

    Raises:
        PlatformError: the file is damaged.
    """
    path = folder / TABLE_FILE
    if not path.is_file():
        return AppTable()
    try:
        return AppTable.model_validate_json(path.read_bytes())
    except ValidationError:
        raise PlatformError(
            f"The edge's table {path} is damaged.", "Remove it and deploy again."
        ) from None


def write_table(folder: Path, table: AppTable) -> None:
    """Store the table in the edge's folder, whole or not at all."""
    write_atomic(folder / TABLE_FILE, (table.model_dump_json(indent=2) + "\n").encode())


def table_lock(folder: Path) -> AbstractContextManager[None]:
    """Hold the table from reading to writing: two that change it would lose each other's change."""
    folder.mkdir(parents=True, exist_ok=True)
    return hold_lock(folder / LOCK_FILE)
