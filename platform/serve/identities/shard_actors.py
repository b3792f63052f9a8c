"""The actors of an index in shares, as they are started on a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from striate.core.errors import UsageError
from striate.serve.identities.segment import Hashing
from striate.serve.identities.shard_replica import ShardReplica

FOLLOW_EVERY_S = 1.0
SAVE_EVERY_S = 600.0
Copies = Sequence[Any]
"""Handles of the actors that hold one share."""


@dataclass(frozen=True)
class ShardLayout:
    """How an index is laid out over a cluster.

    Attributes:
        shards: shares of the faces.
        replicas: copies of each share, on different nodes where there are enough.
        cpus: of each copy; it scans with so many threads at best.
        hashing: as `CodeIndex`.
    """

    shards: int = 1
    replicas: int = 1
    cpus: float = 1.0
    hashing: Hashing | None = None

    def __post_init__(self) -> None:
        if self.shards < 1 or self.replicas < 1:
            raise UsageError(
                f"An index cannot have {self.shards} shards of {self.replicas} replicas.",
                "Give at least one of each.",
            )


@dataclass(frozen=True)
class ShardActors:
    """What was started.

    Attributes:
        shards: handles of the copies of each share.
        groups: of placement, which hold their room.
    """

    shards: Sequence[Copies]
    groups: Sequence[PlacementGroup]


def start_shards(
    url: str,
    folder: str | None,
    layout: ShardLayout,
    *,
    follow_every_s: float = FOLLOW_EVERY_S,
    save_every_s: float = SAVE_EVERY_S,
) -> ShardActors:
    """Start the actors on the connected cluster; Ray starts one again whenever it ends.

    Args:
        url: of the store, as every node reaches it.
        folder: for snapshots, a path of every node's own disk; None keeps none.
        layout: shares and copies.
        follow_every_s: how often a copy follows the store by itself.
        save_every_s: how often a copy writes a snapshot.
    """
    groups = [
        placement_group([{"CPU": layout.cpus}] * layout.replicas, strategy="SPREAD")
        for _ in range(layout.shards)
    ]

    def start(shard: int, replica: int) -> Any:
        place = PlacementGroupSchedulingStrategy(
            groups[shard], placement_group_bundle_index=replica
        )
        options = ray.remote(ShardReplica).options(
            num_cpus=layout.cpus, max_restarts=-1, max_concurrency=8, scheduling_strategy=place
        )
        return options.remote(
            url,
            folder,
            shard,
            layout.shards,
            replica,
            layout.replicas,
            layout.hashing,
            follow_every_s,
            save_every_s,
        )

    return ShardActors(
        [[start(shard, n) for n in range(layout.replicas)] for shard in range(layout.shards)],
        groups,
    )
