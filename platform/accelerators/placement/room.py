"""Whether the cluster has room for work now, and who holds what it lacks.

Ray queues what has no room without a word. Here what is free is looked at first, node by node,
since a part of a work lies whole on one of them, and what is taken is told by the names that users
know: an application, a job, the command of a process.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from striate.accelerators.placement.pools import CHIP_PREFIX
from striate.core import ray_private
from striate.core.ray_private import RayClaim, RayDriver
from striate.core.retry import wait_until

GRACE_S = 1.0
"""How long a shortage must last before it is believed: what Ray says is free may be that old."""
LOOK_S = 0.25
_SMALLEST = 1e-4  # Ray counts resources in steps of this size
_NAMED = 4
_LONGEST_COMMAND = 60

Amounts = Mapping[str, float]
"""Amounts by Ray's names of resources: ``CPU``, ``GPU``, ``chip_anna_talk``."""


@dataclass(frozen=True, slots=True)
class Need:
    """Work that wants room: equal parts, each of which lies whole on one node.

    Attributes:
        name: what it is, as its user named it.
        pool: the pool that was asked for, a `Pool.name`.
        each: what one part claims.
        parts: how many there are.
    """

    name: str
    pool: str
    each: Amounts
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who holds resources.

    Attributes:
        what: as a sentence names it, for example ``the application photos``.
        remedy: what makes it let go, for example ``striate undeploy photos``.
    """

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Resources of one node that somebody holds.

    Attributes:
        holder: who.
        node: the node's id.
        amounts: how much.
        serve_name: of an application: Serve's name of the version that holds them; else empty.
    """

    holder: Holder
    node: str
    amounts: Amounts
    serve_name: str = ""


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a need has no room.

    Attributes:
        text: one clause on what is asked for, what is free and who holds the rest.
        asked: how much of what is asked for, for example ``2 GPUs``.
        whole: how much of it the cluster has in all.
        holders: who holds it, each with how much, for a sentence.
        remedies: what makes the holders let go.
    """

    text: str
    asked: str
    whole: str
    holders: str
    remedies: tuple[str, ...]


def need_of(name: str, pool: str, options: Mapping[str, Any], parts: int) -> Need:
    """What actors with these options of Ray's claim (pure).

    Args:
        name: as `Need.name`.
        pool: as `Need.pool`.
        options: ``num_cpus``, ``num_gpus``, ``memory`` and ``resources`` count.
        parts: how many such actors.
    """
    named = {
        "CPU": options.get("num_cpus") or 0,
        "GPU": options.get("num_gpus") or 0,
        "memory": options.get("memory") or 0,
        **(options.get("resources") or {}),
    }
    each = {resource: float(amount) for resource, amount in named.items() if amount}
    return Need(name, pool, each, parts)


def has_room(need: Need, free: Mapping[str, Amounts]) -> bool:
    """Whether all parts of a need find a place in what is `free` on each node (pure)."""
    return _fitting(need.each, free) >= need.parts


def with_released(free: Mapping[str, Amounts], claims: Iterable[Claim]) -> dict[str, Amounts]:
    """What would be free on each node were some claims given up (pure)."""
    found: dict[str, Amounts] = dict(free)
    for claim in claims:
        before = found.get(claim.node, {})
        more = {name: before.get(name, 0) + amount for name, amount in claim.amounts.items()}
        found[claim.node] = {**before, **more}
    return found


def unnamed_claims(
    free: Mapping[str, Amounts], total: Mapping[str, Amounts], claims: Sequence[Claim]
) -> list[Claim]:
    """What is neither free nor claimed by anybody, node by node (pure).

    Plain tasks hold it, or an actor that is dead while its process still ends, or one that starts.
    """
    nobody = Holder("work that Ray gives no name", "")
    found = []
    for node, whole in total.items():
        left = dict(free.get(node, {}))
        for claim in claims:
            if claim.node == node:
                left = {name: left.get(name, 0) + claim.amounts.get(name, 0) for name in whole}
        rest = {name: amount - left.get(name, 0) for name, amount in whole.items()}
        found.append(Claim(nobody, node, {k: v for k, v in rest.items() if v > _SMALLEST}))
    return [claim for claim in found if claim.amounts]


def explain_shortage(
    need: Need,
    free: Mapping[str, Amounts],
    total: Mapping[str, Amounts],
    claims: Sequence[Claim],
) -> Shortage:
    """What a need lacks, and who holds it (pure).

    Args:
        need: what has no room.
        free: what is free on each node.
        total: what each node has in all.
        claims: who holds what.
    """
    scarce = _scarce(need, free)
    asked = need.each[scarce] * need.parts
    left, whole = _sum(scarce, free), _sum(scarce, total)
    held = _held(scarce, claims) | _held(scarce, unnamed_claims(free, total, claims))
    said = [f"{holder.what} ({amount:g})" for holder, amount in held.items()]
    if len(said) > _NAMED:
        said[_NAMED:] = [f"{len(said) - _NAMED} others"]
    holders = ", ".join(said)
    apart = ", on nodes that each have too few" if left + _SMALLEST >= asked else ""
    counted, needed = f"{left:g} of {_count(whole, scarce)}", _count(asked, scarce)
    return Shortage(
        f"it asks for {needed} in the pool {need.pool}, {counted} {_are(left)} free{apart}"
        + (f"; held by {holders}" if holders else ""),
        needed,
        _count(whole, scarce),
        holders,
        tuple(holder.remedy for holder in list(held)[:_NAMED] if holder.remedy),
    )


def claims_of(taken: Iterable[RayClaim], drivers: Mapping[str, RayDriver]) -> list[Claim]:
    """Claims with their holders' names (pure).

    Args:
        taken: what actors and placement groups hold, as Ray lists it.
        drivers: the processes that they belong to, by Ray's id of the job.
    """
    return [
        Claim(
            _holder(one, drivers.get(one.job)),
            one.node,
            one.resources,
            ray_private.serve_app_of(one.name),
        )
        for one in taken
    ]


def read_claims() -> list[Claim]:
    """Who holds what on the cluster that this process is connected to."""
    ray_private.check("placement")
    return claims_of(ray_private.list_claims(), ray_private.list_drivers())


def read_free() -> dict[str, Amounts]:
    """What each living node of the connected cluster has free."""
    return dict(ray_private.free_by_node())


def read_total() -> dict[str, Amounts]:
    """What each living node of the connected cluster has in all."""
    import ray

    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def find_shortage(need: Need) -> Shortage | None:
    """Why a need has no room on the connected cluster; None where it has within `GRACE_S`."""
    if wait_until(lambda: has_room(need, read_free()), GRACE_S, LOOK_S):
        return None
    return explain_shortage(need, read_free(), read_total(), read_claims())


def _fitting(each: Amounts, free: Mapping[str, Amounts]) -> int:
    """How many equal parts the nodes take, one beside the other."""
    if not each:
        return 2**31
    return sum(
        min(int((have.get(name, 0) + _SMALLEST / 2) / amount) for name, amount in each.items())
        for have in free.values()
    )


def _scarce(need: Need, free: Mapping[str, Amounts]) -> str:
    """The resource that most lacks room: a chip or GPU before the CPUs beside it."""
    order = sorted(need.each, key=lambda name: (name in {"CPU", "memory"}, name))
    fitting = {name: _fitting({name: need.each[name]}, free) for name in order}
    return min(order, key=lambda name: fitting[name])


def _sum(resource: str, by_node: Mapping[str, Amounts]) -> float:
    return sum(amounts.get(resource, 0) for amounts in by_node.values())


def _held(resource: str, claims: Iterable[Claim]) -> dict[Holder, float]:
    """How much of a resource each holds, who holds the most first."""
    held: dict[Holder, float] = {}
    for claim in claims:
        if amount := claim.amounts.get(resource, 0):
            held[claim.holder] = held.get(claim.holder, 0) + amount
    return dict(sorted(held.items(), key=lambda item: (-item[1], item[0].what)))


def _holder(claim: RayClaim, driver: RayDriver | None) -> Holder:
    if serve_name := ray_private.serve_app_of(claim.name):
        return _application(serve_name)
    if submission := ray_private.submission_of(claim.name):
        return _job(submission)
    if driver is None:
        return Holder("work of a process that has ended", "")
    if driver.submission:
        return _job(driver.submission)
    where = f"process {driver.pid} on {driver.address}"
    return Holder(f"{where}, `{_command(driver.command)}`", f"end {where}")


def _application(serve_name: str) -> Holder:
    """Behind the application's name, Serve's has the number of the deployment."""
    stem, _, number = serve_name.rpartition(".")
    name = stem if stem and number.isdigit() else serve_name
    return Holder(f"the application {name}", f"`striate undeploy {name}`")


def _job(submission: str) -> Holder:
    return Holder(f"the job {submission}", f"`striate jobs stop {submission}`")


def _command(line: str) -> str:
    """A process's command as its user typed it, shortened.

    >>> _command("/opt/venv/bin/python3.12 /opt/venv/bin/striate train lenet5-digits")
    'striate train lenet5-digits'
    >>> _command("python -m pytest")
    'pytest'
    """
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    if len(words) > 1 and PurePath(words[0]).name.startswith("python"):
        del words[: 2 if words[1] == "-m" and len(words) > 2 else 1]
    text = " ".join([PurePath(words[0]).name, *words[1:]]) if words else "a process"
    return text if len(text) <= _LONGEST_COMMAND else text[: _LONGEST_COMMAND - 2] + " …"


def _count(amount: float, resource: str) -> str:
    """An amount with its unit.

    >>> _count(1, "chip_anna_talk"), _count(2, "GPU"), _count(0.25, "CPU")
    ('1 chip', '2 GPUs', '0.25 CPUs')
    """
    if resource == "memory":
        return f"{amount / 2**30:.3g} GiB of memory"
    unit = "chip" if resource.startswith(CHIP_PREFIX) else resource
    return f"{amount:g} {unit}{'s' if amount != 1 else ''}"


def _are(amount: float) -> str:
    return "is" if amount == 1 else "are"
