"""Where Striate keeps things and whom it talks to.

The environment wins over ``$STRIATE_HOME/settings.toml``, which wins over what `striate up`
recorded in ``$STRIATE_HOME/platform.json``, which wins over the defaults.

Read without pydantic-settings: it knows no source of a value, which each error here names, and
importing it adds 55 ms to every command (`striate.cli.data`: 172 ms without, 227 ms with; least of
40 interleaved imports).
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from striate.core.errors import DataError, SettingsError, nearest
from striate.core.numbers import NonNegative
from striate.core.text import decode_text
from striate.core.validation import first_invalid, show_value

ENVIRONMENT = {
    "home": "STRIATE_HOME",
    "ray_address": "RAY_ADDRESS",
    "ray_dashboard": "STRIATE_RAY_DASHBOARD",
    "tracking_uri": "MLFLOW_TRACKING_URI",
    "grpc_address": "STRIATE_GRPC_ADDRESS",
    "grpc_ca": "STRIATE_GRPC_CA",
    "token": "STRIATE_TOKEN",
    "cache_gb": "STRIATE_CACHE_GB",
    "modules": "STRIATE_MODULES",
}
SETTINGS_FILE = "settings.toml"
EXTENSIONS = "extensions"
PLATFORM_FILE = "platform.json"


class Settings(BaseModel):
    """The resolved settings.

    Attributes:
        home: folder for shards, runs, logs and the local platform's state.
        ray_address: `host:port` of the cluster's control service, or None when none is known.
        ray_dashboard: `http://host:port` of Ray's dashboard and job server, or None.
        tracking_uri: MLflow tracking URI, or None.
        grpc_address: `host:port` that `striate query` calls, or None.
        grpc_ca: PEM file of the authority that the gRPC edge's certificate must come from, or None:
            then `striate query` speaks plain text.
        token: what `striate query` shows to the gRPC edge, or None.
        cache_gb: gigabytes that remote shards may take in the local cache.
        modules: modules that add to Striate's tables, as in ``[extensions] modules = ["my_net"]``
            of the file; with commas between them in the variable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    ray_address: str | None = None
    ray_dashboard: str | None = None
    tracking_uri: str | None = None
    grpc_address: str | None = None
    grpc_ca: Path | None = None
    token: str | None = Field(default=None, repr=False)
    cache_gb: NonNegative = 50.0
    modules: tuple[str, ...] = ()

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("ray_address", "grpc_address")
    @classmethod
    def _host_and_port(cls, address: str | None) -> str | None:
        if address is None or address == "auto" or address.startswith("ray://"):
            return address
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be HOST:PORT, for example 127.0.0.1:9000")
        return address

    @field_validator("ray_dashboard")
    @classmethod
    def _web_address(cls, address: str | None) -> str | None:
        if address is not None and urlsplit(address).scheme not in {"http", "https"}:
            raise ValueError("must be a web address, for example http://127.0.0.1:8265")
        return address

    @field_validator("modules", mode="before")
    @classmethod
    def _names_of_modules(cls, names: Any) -> Any:
        """A list of names, or a text with commas between them."""
        found = names.split(",") if isinstance(names, str) else names
        if not isinstance(found, list | tuple):
            raise ValueError('must be a list of modules, for example ["my_net"]')
        found = [str(name).strip() for name in found]
        for name in found:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(
                    f"{name!r} is no name of a module, such as my_net or my_net.models"
                )
        return tuple(dict.fromkeys(found))

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings.

        Args:
            environment: the variables to read; the process's own when None.

        Raises:
            SettingsError: a value or a key is wrong; the message names it and where it stands.
        """
        variables = os.environ if environment is None else environment
        home = Path(variables.get(ENVIRONMENT["home"]) or Path.home() / ".striate").expanduser()
        values: dict[str, Any] = {"home": home, **_recorded(home), **_from_file(home)}
        sources = dict.fromkeys(values, str(home / SETTINGS_FILE))
        for field, variable in ENVIRONMENT.items():
            if variables.get(variable):
                values[field] = variables[variable]
                sources[field] = f"the variable {variable}"
        try:
            return cls(**values)
        except ValidationError as error:
            invalid = first_invalid(error)
            source = sources.get(invalid.path.partition(".")[0], "a default")
            raise SettingsError(
                f"The setting {invalid.path} = {show_value(invalid.value)} from {source}"
                f" is wrong: {invalid.reason}."
            ) from None

    @property
    def data_folder(self) -> Path:
        """Where corpora and shards go unless a command names another place."""
        return self.home / "data"

    @property
    def runs_folder(self) -> Path:
        """Where runs keep their recipe, metric log and checkpoints."""
        return self.home / "runs"


def _from_file(home: Path) -> dict[str, Any]:
    path = home / SETTINGS_FILE
    if not path.is_file():
        return {}
    try:
        values = tomllib.loads(decode_text(path.read_bytes(), str(path)))
    except DataError as error:
        raise SettingsError(error.message, error.remedy) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is no valid TOML: {error}.", "Mend or remove it.") from None
    _check_keys(path, values, set(ENVIRONMENT) - {"home", "modules"} | {EXTENSIONS})
    extensions = values.pop(EXTENSIONS, {})
    if not isinstance(extensions, dict):
        raise SettingsError(f"{EXTENSIONS} in {path} is no table.", f"Write [{EXTENSIONS}].")
    _check_keys(path, extensions, {"modules"})
    return {**values, **extensions}


def _check_keys(path: Path, values: Mapping[str, Any], allowed: set[str]) -> None:
    for key in values:
        if key not in allowed:
            raise SettingsError(f"{path} has an unknown setting {key!r}.", nearest(key, allowed))


def _recorded(home: Path) -> dict[str, Any]:
    """The addresses of the local platform that `striate up` recorded, if it is up."""
    path = home / PLATFORM_FILE
    if not path.is_file():
        return {}
    try:
        addresses = json.loads(path.read_text(encoding="utf-8"))["addresses"]
    except (ValueError, KeyError, TypeError):
        raise SettingsError(
            f"{path} is damaged.", "Run `striate down` or remove the file, then `striate up`."
        ) from None
    return {key: value for key, value in addresses.items() if key in ENVIRONMENT}
