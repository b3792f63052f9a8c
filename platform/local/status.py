"""How the local platform is: every part asked over its own protocol."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field

from striate.local import probes, processes
from striate.local.addresses import SETTING
from striate.local.platform import probe
from striate.local.state import PlatformProcess, PlatformState, load

_OWN_RESOURCES = ("node:", "object_store_memory", "memory")  # Ray's bookkeeping, not an offer


class PartStatus(BaseModel):
    """How one part is.

    Attributes:
        name: ``ray``, ``mlflow``, ``edge`` or ``chip:NAME``.
        pid: process id of its leader.
        since_s: when it was started, Unix seconds.
        running: the recorded process lives.
        healthy: it answers over its own protocol.
        problem: what is wrong, else empty.
        memory_bytes: proportional share of memory of it and all that came of it.
        address: where it answers, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pid: int
    since_s: float
    running: bool
    healthy: bool
    problem: str = ""
    memory_bytes: int = 0
    address: str | None = None


class PlatformStatus(BaseModel):
    """How the platform is.

    Attributes:
        up: something was brought up and all of it is healthy.
        parts: each part.
        addresses: settings' names to addresses.
        resources: what the cluster offers, by Ray's names: CPU, GPU, chip_….
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    up: bool
    parts: tuple[PartStatus, ...] = ()
    addresses: dict[str, str] = Field(default_factory=dict)
    resources: dict[str, float] = Field(default_factory=dict)


def status(home: Path) -> PlatformStatus:
    """Ask every part that `up` recorded in this home.

    Raises:
        PlatformError: the record is damaged.
    """
    state = load(home.expanduser().absolute())
    if state is None or not state.parts:
        return PlatformStatus(up=False)
    with ThreadPoolExecutor(len(state.parts)) as asked:
        parts = tuple(asked.map(lambda part: _ask(state, part), state.parts))
    return PlatformStatus(
        up=all(part.healthy for part in parts),
        parts=parts,
        addresses=state.addresses,
        resources=resources(state),
    )


def resources(state: PlatformState) -> dict[str, float]:
    """The sum of what the cluster's nodes offer; empty when Ray does not answer."""
    total: dict[str, float] = {}
    try:
        nodes = probes.ray_nodes(state.addresses["ray_dashboard"])
    except probes.Unanswered:
        return {}
    for node in nodes:
        for name, amount in node["resources_total"].items():
            if not name.startswith(_OWN_RESOURCES):
                total[name] = total.get(name, 0.0) + amount
    return dict(sorted(total.items()))


def _ask(state: PlatformState, part: PlatformProcess) -> PartStatus:
    running = processes.is_alive(part)
    problem = _problem(state, part) if running else f"ended: {processes.last_line(Path(part.log))}"
    setting = SETTING.get(part.name)
    return PartStatus(
        name=part.name,
        pid=part.pid,
        since_s=part.created_s,
        running=running,
        healthy=not problem,
        problem=problem,
        memory_bytes=_memory_bytes(part),
        address=state.addresses[setting] if setting else None,
    )


def _problem(state: PlatformState, part: PlatformProcess) -> str:
    try:
        probe(state, part)
    except probes.Unanswered as problem:
        return str(problem) or "it does not answer"
    return ""


def _memory_bytes(part: PlatformProcess) -> int:
    alone = PlatformState(id=processes.NO_MARK, parts=(part,))
    return sum(_share_bytes(process) for process in processes.members(alone))


def _share_bytes(process: psutil.Process) -> int:
    """Memory of a process, what it shares with others divided among them."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, OSError):
        return 0
