"""The table of deployed applications: what the edge routes by and `striate apps ls` shows.

It lies in the edge's folder as one JSON document that is written whole or not at all.
"""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from striate.core.errors import PlatformError
from striate.core.files import write_atomic

TABLE_FILE = "table.json"


class DeployedApp(BaseModel):
    """One application that takes traffic.

    Attributes:
        name: what callers send as the metadata `striate-app`.
        app: its kind, a name in `striate.serve.apps.APPS`.
        serve_name: the Serve application behind it; another one for every deployment.
        addresses: `host:port` of its replicas; several replicas of a node share one.
        model_uri: the pinned model, for example ``models:/lenet5-digits/3``.
        model: the model's name.
        version: the model's version.
        pool: the pool it was placed on, or None.
        replicas: how many were asked for.
        deployed_unix_s: when it began to take traffic.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    app: str
    serve_name: str
    addresses: tuple[str, ...] = ()
    model_uri: str
    model: str
    version: str
    pool: str | None = None
    replicas: int = 1
    deployed_unix_s: float


class Table(BaseModel):
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

    def routes(self) -> dict[str, tuple[str, ...]]:
        """Addresses by application, the default first."""
        return {app.name: app.addresses for app in self.apps}


def read_table(folder: Path) -> Table:
    """The table in the edge's folder; an empty one when none was written.

    Raises:
        PlatformError: the file is damaged.
    """
    path = folder / TABLE_FILE
    if not path.is_file():
        return Table()
    try:
        return Table.model_validate_json(path.read_bytes())
    except ValidationError:
        raise PlatformError(
            f"The edge's table {path} is damaged.", "Remove it and deploy again."
        ) from None


def write_table(folder: Path, table: Table) -> None:
    """Store the table in the edge's folder, whole or not at all."""
    write_atomic(folder / TABLE_FILE, (table.model_dump_json(indent=2) + "\n").encode())
