"""What the cluster offers of each kind: CPUs, GPUs and chips, read from Ray itself.

A chip is a Ray custom resource, ``chip_`` and the chip's name with ``_`` for ``-``, and the node
label ``chip=NAME``. Such a node starts with::

    ray start --address=… --resources='{"chip_anna_talk": 1}' --labels='chip=anna-talk'
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from striate.core import ray_private
from striate.core.errors import PlacementError, PlatformError

CHIP_PREFIX = "chip_"
CHIP_LABEL = "chip"

PoolKind = Literal["cpu", "gpu", "chip"]
_NO_CHIPS: dict[str, PoolKind] = {"cpu": "cpu", "gpu": "gpu"}


class Pool(BaseModel):
    """What the cluster offers of one kind.

    Attributes:
        name: ``cpu``, ``gpu`` or a chip's name.
        kind: which of the three.
        resource: Ray's name of the resource.
        total: units in the cluster.
        free: units that nothing has claimed.
        nodes: ids of the nodes that have any.
        labels: labels that all of these nodes share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: PoolKind
    resource: str
    total: float
    free: float
    nodes: tuple[str, ...]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class PoolName:
    """A pool that is asked for, whether or not the cluster has it.

    Attributes:
        kind: CPU, GPU or chip.
        name: as `Pool.name`.
    """

    kind: PoolKind
    name: str

    @property
    def device(self) -> str:
        """What runs a network there: torch's ``cpu`` or ``cuda``, or the chip's name."""
        return "cuda" if self.kind == "gpu" else self.name

    def means(self, pool: Pool) -> bool:
        """Whether it is that pool."""
        return (pool.kind, pool.name) == (self.kind, self.name)


def parse_pool(text: str) -> PoolName:
    """The pool that a user's words mean (pure).

    Args:
        text: ``cpu``, ``gpu``, a chip's name, or ``chip:`` and a chip's name.
    """
    return PoolName(_NO_CHIPS.get(text, "chip"), text.removeprefix("chip:"))


def chip_resource(chip: str) -> str:
    """Ray's resource for a chip: ``anna-talk`` is ``chip_anna_talk``."""
    return CHIP_PREFIX + re.sub(r"[^0-9A-Za-z]", "_", chip)


def read_pools() -> list[Pool]:
    """The pools of the cluster that this process is connected to.

    Raises:
        PlatformError: this process is connected to no cluster.
    """
    import ray

    if not ray.is_initialized():
        raise PlatformError("There is no connection to a Ray cluster.", "Run: striate up.")
    return pools_of(ray.nodes(), ray.available_resources())


def pools_of(nodes: Iterable[Mapping[str, Any]], available: Mapping[str, float]) -> list[Pool]:
    """The pools among `nodes`, as Ray lists them, with what is `available` (pure).

    A pool whose resource Ray leaves out of `available` is wholly claimed.
    """
    alive = [node for node in nodes if node["Alive"]]
    resources = sorted({name for node in alive for name in node["Resources"] if _kind(name)})
    pools = [_pool(resource, alive, available) for resource in resources]
    order = {"cpu": 0, "gpu": 1, "chip": 2}
    return sorted(pools, key=lambda pool: (order[pool.kind], pool.name))


def pool_options(pool: str, units: float = 1) -> dict[str, Any]:
    """Ray options that place a task, an actor or a Serve replica on a pool.

    Args:
        pool: as `parse_pool` takes it.
        units: how many of its units the work claims.

    Raises:
        PlacementError: the cluster has no such pool, and no autoscaler that may bring it; names
            those that it has.
        PlatformError: this process is connected to no cluster.
    """
    try:
        return options_of(pool, read_pools(), units)
    except PlacementError:
        if ray_private.has_autoscaler():
            wanted = parse_pool(pool)
            return _options(wanted.kind, _resource(wanted), units)
        raise


def options_of(pool: str, pools: Iterable[Pool], units: float = 1) -> dict[str, Any]:
    """As `pool_options`, among given pools (pure)."""
    known, wanted = list(pools), parse_pool(pool)
    found = next(filter(wanted.means, known), None)
    if found is None:
        names = ", ".join(sorted(item.name for item in known))
        raise PlacementError(f"The cluster has no pool {pool!r}.", f"It has: {names or 'none'}.")
    if units > found.total:
        raise PlacementError(
            f"The pool {found.name} has {found.total:g} units and {units:g} are asked for.",
            "Ask for fewer, or add nodes.",
        )
    return _options(found.kind, found.resource, units)


def _options(kind: PoolKind, resource: str, units: float) -> dict[str, Any]:
    if kind == "cpu":
        return {"num_cpus": units}
    if kind == "gpu":
        return {"num_gpus": units}
    return {"num_cpus": 0, "resources": {resource: units}}


def _resource(wanted: PoolName) -> str:
    return chip_resource(wanted.name) if wanted.kind == "chip" else wanted.name.upper()


def _kind(resource: str) -> PoolKind | None:
    if resource.startswith(CHIP_PREFIX):
        return "chip"
    kinds: dict[str, PoolKind] = {"CPU": "cpu", "GPU": "gpu"}
    return kinds.get(resource)


def _pool(
    resource: str, nodes: Iterable[Mapping[str, Any]], available: Mapping[str, float]
) -> Pool:
    kind = _kind(resource)
    assert kind is not None
    mine = [node for node in nodes if node["Resources"].get(resource)]
    labels = _shared_labels(mine)
    name = resource.lower() if kind != "chip" else _chip_name(resource, labels)
    return Pool(
        name=name,
        kind=kind,
        resource=resource,
        total=sum(node["Resources"][resource] for node in mine),
        free=available.get(resource, 0.0),
        nodes=tuple(node["NodeID"] for node in mine),
        labels={key: value for key, value in labels.items() if key != "ray.io/node-id"},
    )


def _chip_name(resource: str, labels: Mapping[str, str]) -> str:
    """The label has the name as it is spelled; without it, dashes are the best guess."""
    label = labels.get(CHIP_LABEL, "")
    return label if label and chip_resource(label) == resource else _dashed(resource)


def _dashed(resource: str) -> str:
    return resource.removeprefix(CHIP_PREFIX).replace("_", "-")


def _shared_labels(nodes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    labels = [set((node.get("Labels") or {}).items()) for node in nodes]
    return dict(sorted(set.intersection(*labels))) if labels else {}
