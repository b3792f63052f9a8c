"""Applications that were deployed by an alias: which of them the alias has left behind.

A deployment pins the version that the alias points at, so that nothing changes under its callers;
it says when the alias has moved.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from striate.core.errors import StriateError, UnknownName
from striate.core.registry import list_versions
from striate.core.settings import Settings
from striate.core.tracking import tracking_uri_of
from striate.serve.edge.app_table import DeployedApp


class AliasMoved(NamedTuple):
    """An application that serves another version than its alias points at now."""

    app: str
    alias_uri: str
    served: int
    now: int

    def __str__(self) -> str:
        return (
            f"{self.app} serves version {self.served} of {self.alias_uri}, which is version"
            f" {self.now} now; deploy it again to follow."
        )


def apps_behind(apps: Iterable[DeployedApp], current: Mapping[str, int]) -> list[AliasMoved]:
    """The applications whose alias has moved.

    Args:
        apps: the deployed ones.
        current: the version that each alias points at now; those not in it are not looked at.
    """
    return [
        AliasMoved(app.name, uri, served, current[uri])
        for app in apps
        for uri, served in app.aliases.items()
        if current.get(uri, served) != served
    ]


def current_versions(alias_uris: Collection[str], settings: Settings) -> dict[str, int]:
    """The version that each ``models:/NAME@ALIAS`` points at now; none where MLflow is away.

    An alias that is gone, or whose model is, is not among them.
    """
    found: dict[str, int] = {}
    for uri in alias_uris:
        name, _, alias = uri.removeprefix("models:/").partition("@")
        try:
            versions = list_versions(tracking_uri_of(settings), name)
        except UnknownName:
            continue
        except StriateError:
            return {}
        for version in versions:
            if alias in version.aliases:
                found[uri] = version.version
    return found
