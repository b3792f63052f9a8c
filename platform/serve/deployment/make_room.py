"""Sees that a version's replicas have room before it starts, or says who holds it.

Serve queues replicas that have no room, and its caller sees no more than a deployment that does
not end. On a chip or GPU that holds one version alone, the version that runs is ended first.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from striate.accelerators.placement.pools import parse_pool
from striate.accelerators.placement.room import (
    GRACE_S,
    LOOK_S,
    Claim,
    Need,
    Shortage,
    explain_shortage,
    has_room,
    need_of,
    read_claims,
    read_free,
    read_total,
    unnamed_claims,
    with_released,
)
from striate.core import ray_private
from striate.core.errors import PlacementError
from striate.core.progress import OnProgress
from striate.serve.deployment import ray_serve
from striate.serve.deployment.resolve import application_of, kind_of, replica_options
from striate.serve.edge.app_table import DeployedApp, read_table

if TYPE_CHECKING:
    from ray.serve import Application

LETTING_GO_S = 30.0
"""How long what nobody claims may stay taken: the process of a dead replica may end slowly."""


@dataclass(frozen=True)
class Ended:
    """The version that had to end first, and the Serve application that brings it back."""

    version: DeployedApp
    application: "Application"


def make_room(
    version: DeployedApp, folder: Path, key: str | None, wait: bool, on_progress: OnProgress
) -> Ended | None:
    """See that a version has room, and end the one that runs where there is none for both.

    Calls wait at the edge meanwhile, as they do while a replica restarts.

    Args:
        version: what is to start.
        folder: the edge's folder.
        key: the edge's, for the version that may have to come back.
        wait: wait for room that others hold, for as long as it takes.
        on_progress: told what is waited for.

    Returns:
        What was ended.

    Raises:
        PlacementError: others hold the room, and it is not to be waited for; or the cluster has
            too little in all.
        UnknownName, ExtensionError: the version that runs could not be brought back from here.
    """
    need = need_for(version)
    former = _same_place(version, folder)
    if _await_room(need, former, wait, on_progress) or former is None:
        return None
    ended = Ended(former, application_of(former, kind_of(former), key))
    ray_serve.delete(former.serve_name)
    return ended


def need_for(version: DeployedApp) -> Need:
    """The room that a version needs to come up.

    Raises:
        PlacementError: the cluster has no such pool.
    """
    from striate.serve.apps.replica import replica_range

    pool = parse_pool(version.pool).name if version.pool else "cpu"
    parts = max(1, replica_range(version.replicas)[0])
    return need_of(version.name, pool, replica_options(version), parts)


def _same_place(version: DeployedApp, folder: Path) -> DeployedApp | None:
    """The version that runs, where it is on the same chip or GPU as the one that is to start."""
    former = read_table(folder).find(version.name)
    if former is None or former.pool is None or version.pool is None:
        return None
    wanted = parse_pool(version.pool)
    return former if wanted.kind != "cpu" and wanted == parse_pool(former.pool) else None


def _await_room(
    need: Need, former: DeployedApp | None, wait: bool, on_progress: OnProgress
) -> bool:
    """Wait for room; whether there is some while `former`, if any, runs on."""
    began_s, stages = time.monotonic(), _LastingStages(on_progress)
    while not has_room(need, free := read_free()):
        claims = read_claims()
        own = [c for c in claims if former is not None and c.serve_name == former.serve_name]
        if own and has_room(need, with_released(free, own)):
            return False
        if time.monotonic() - began_s >= GRACE_S:
            total, others = read_total(), [claim for claim in claims if claim not in own]
            shortage = explain_shortage(need, with_released(free, own), total, others)
            if ray_private.has_autoscaler():
                on_progress(f"{_waits(need, shortage)}; the autoscaler is asked for a node")
                return True
            if not has_room(need, total):
                raise _too_small(need, shortage)
            early = time.monotonic() - began_s < LETTING_GO_S
            going = _given_up(claims, gone=early)
            if early:
                going += unnamed_claims(free, total, claims)
            if not (wait or has_room(need, with_released(free, going))):
                raise _held_by_others(need, shortage)
            stages.tell(_waits(need, shortage))
        time.sleep(LOOK_S)
    return True


class _LastingStages:
    """Tells the first stage at once, and another when it lasts: who goes is nobody for a moment."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._told = self._seen = ""
        self._since_s = 0.0

    def tell(self, stage: str) -> None:
        now_s = time.monotonic()
        if stage != self._seen:
            self._seen, self._since_s = stage, now_s
        lasts = now_s - self._since_s >= GRACE_S or not self._told
        if stage != self._told and lasts:
            self._told = stage
            self._on_progress(stage)


def _given_up(claims: Sequence[Claim], *, gone: bool) -> list[Claim]:
    """What versions hold that are ending: they drain for some seconds, and nobody need ask them.

    Args:
        claims: of all who hold something.
        gone: count those that Serve knows no more, whose replica's process is still to let go.
    """
    states = ray_serve.states()  # read after the claims: whoever holds one and runs is among them
    ending = {name for name, state in states.items() if state.status == "DELETING"}
    return [
        claim
        for claim in claims
        if claim.serve_name in ending
        or (gone and claim.serve_name and claim.serve_name not in states)
    ]


def _waits(need: Need, shortage: Shortage) -> str:
    """What is waited for, in the words of one line of a terminal."""
    held = f", held by {shortage.holders}" if shortage.holders else ""
    return f"{need.name} waits for {shortage.asked}{held}"


def _too_small(need: Need, shortage: Shortage) -> PlacementError:
    return PlacementError(
        f"{need.name} needs {shortage.asked} at once, and the pool {need.pool} has"
        f" {shortage.whole}.",
        "Ask for fewer replicas, or add nodes.",
    )


def _held_by_others(need: Need, shortage: Shortage) -> PlacementError:
    free_it = f"Free it with {' or '.join(shortage.remedies)}, c" if shortage.remedies else "C"
    return PlacementError(
        f"{need.name} has no room: {shortage.text}.",
        f"{free_it}hoose another pool, or wait for room with --wait.",
    )
