"""Ray's token authentication: one private token for this user's local clusters."""

import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

from striate.core.addresses import is_loopback

MODE = "RAY_AUTH_MODE"
_GIVEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def default_path() -> Path:
    """Where Ray itself looks for the token of this user."""
    return Path.home() / ".ray" / "auth_token"


def authorise(environment: MutableMapping[str, str]) -> None:
    """Make Ray in a process with this environment present the token, unless told otherwise.

    Ray turns this on by itself only for clusters that it finds or starts itself, never for one
    that an address names; here it is on for those on this machine, and another machine is not
    shown the token unasked. Call it before Ray is imported.
    """
    known = any(environment.get(name) for name in _GIVEN) or default_path().is_file()
    if known and is_near(environment.get("RAY_ADDRESS", "")):
        environment.setdefault(MODE, "token")


def ensure(environment: MutableMapping[str, str]) -> None:
    """Make sure that a token exists, readable by this user alone, and is used."""
    if environment.get(MODE, "token") == "token":
        if not any(environment.get(name) for name in _GIVEN):
            _create(default_path())
        environment.setdefault(MODE, "token")


def current(environment: MutableMapping[str, str]) -> str | None:
    """The token to present, or None when authentication is off or no token is there."""
    if environment.get(MODE, "token") != "token":
        return None
    if environment.get("RAY_AUTH_TOKEN"):
        return environment["RAY_AUTH_TOKEN"]
    path = Path(environment.get("RAY_AUTH_TOKEN_PATH") or default_path())
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def for_head(environment: MutableMapping[str, str], address: str) -> str | None:
    """The token to present to the head at a web address.

    On this machine it is `current`; another machine is shown only a token that was given in the
    environment, which is meant for it.
    """
    host = urlsplit(address).hostname or "unknown"
    if is_near(f"[{host}]:0") or any(environment.get(name) for name in _GIVEN):
        return current(environment)
    return None


def is_near(address: str) -> bool:
    """Whether ``HOST:PORT`` is on this machine."""
    host = address.rpartition(":")[0].strip("[]")
    return not host or is_loopback(host)


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(32))
