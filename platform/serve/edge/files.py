"""The files of the edge's folder: what is deployed and lives, and the configuration from both.

`striate deploy` writes the table; whoever follows the replicas writes who lives; whoever drains a
replica writes that. The configuration is made of them, so that it always says what holds.
"""

import contextlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.core.files import temporary_beside, write_atomic
from striate.core.locks import hold_lock
from striate.serve.edge.app_table import read_table
from striate.serve.edge.config import config_text
from striate.serve.edge.constants import DRAINING_FILE, LIVING_FILE, SHARES_FILE, TOKENS_FILE
from striate.serve.edge.options import EdgeOptions, EdgeState
from striate.serve.edge.routing import ReplicaGroup, Route, shares_text

CONFIG_FILE = "haproxy.cfg"
STATE_FILE = "edge.json"
KEY_FILE = "edge.key"
LOCK_FILE = "edge.lock"


def read_state(folder: Path) -> EdgeState | None:
    """Where the folder's edge listens, or None when none was started."""
    path = folder / STATE_FILE
    return EdgeState.model_validate_json(path.read_bytes()) if path.is_file() else None


def write_state(folder: Path, state: EdgeState) -> None:
    """Record where the folder's edge listens."""
    write_atomic(folder / STATE_FILE, (state.model_dump_json(indent=2) + "\n").encode())


def edge_key(folder: Path) -> str:
    """What the folder's edge proves itself with to replicas; made once."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / KEY_FILE
    if not path.is_file():
        made = temporary_beside(path)
        made.touch(mode=0o600)
        made.write_text(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(made)  # another process may have been first
        made.unlink()
    return path.read_text()


def read_living(folder: Path) -> dict[str, tuple[str, ...]]:
    """Addresses of the living replicas, by Serve's name of the application."""
    return {name: tuple(addresses) for name, addresses in _read(folder / LIVING_FILE, {}).items()}


def write_living(folder: Path, found: Mapping[str, Sequence[str]]) -> None:
    """Record who lives."""
    write_atomic(folder / LIVING_FILE, json.dumps(found, sort_keys=True).encode())


def read_draining(folder: Path) -> set[str]:
    """Addresses that get no new calls."""
    return set(_read(folder / DRAINING_FILE, []))


def write_draining(folder: Path, addresses: set[str]) -> None:
    """Record who gets no new calls."""
    write_atomic(folder / DRAINING_FILE, json.dumps(sorted(addresses)).encode())


def routes_of(folder: Path) -> tuple[Route, ...]:
    """What holds now: the table, with the replicas that live, less those that drain."""
    known, ending = read_living(folder), read_draining(folder)

    def current(group: ReplicaGroup) -> ReplicaGroup:
        addresses = known.get(group.serve_name, group.addresses)
        return replace(group, addresses=tuple(a for a in addresses if a not in ending))

    return tuple(
        replace(route, groups=tuple(map(current, route.groups)))
        for route in read_table(folder).routes()
    )


def write_config(
    folder: Path, options: EdgeOptions, routes: Sequence[Route], key: str | None
) -> None:
    """Write HAProxy's configuration and its maps; the configuration is for this user alone.

    Args:
        folder: the edge's folder, in which HAProxy runs.
        options: how the edge listens.
        routes: the applications.
        key: what the edge proves itself with to replicas, or None.

    Raises:
        UsageError: a name or address cannot stand in it.
    """
    text = config_text(routes, options, key)
    path = folder / CONFIG_FILE
    if options.token_file is not None:
        _link(folder / TOKENS_FILE, options.token_file)
    write_atomic(folder / SHARES_FILE, shares_text(routes).encode())
    write_atomic(path, text.encode(), mode=0o600)


def _link(link: Path, target: Path) -> None:
    """The name by which HAProxy knows a file, wherever that lies."""
    if link.is_symlink() and link.readlink() == target.absolute():
        return
    if link.absolute() != target.absolute():
        link.unlink(missing_ok=True)
        link.symlink_to(target.absolute())


def lock_edge(folder: Path) -> contextlib.AbstractContextManager[None]:
    """One process at a time changes the edge."""
    return hold_lock(folder / LOCK_FILE)


def _read(path: Path, otherwise: Any) -> Any:
    return json.loads(path.read_bytes()) if path.is_file() else otherwise
