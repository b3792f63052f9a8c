"""Who owns the actors of a sharded index: one small actor a store, for as long as somebody asks it.

Replicas of several versions and applications search one index of a store. Whichever comes first
lets Ray start its keeper, which starts the shards. Each replica says again and again that it is
there; when the last one has gone, or was killed and has been silent, the keeper ends, and with it
the shards. So no replica's end takes the index from another, and none is left behind.
"""

import hashlib
import time
import uuid
from contextlib import ExitStack
from typing import Any

import ray

from striate.core.periodic import call_every
from striate.serve.identities.shard_actors import Copies, ShardLayout, start_shards
from striate.serve.identities.sharded_index import ShardedIndex

NAMESPACE = "striate"
LEASE_S = 60.0
"""A replica that has said nothing for so long is gone."""
_LOOK_EVERY_S = 5.0


class IndexKeeper:
    """A Ray actor; see `find_keeper`.

    Args:
        url: of the store, as every node reaches it.
        folder: for snapshots, a path of every node's own disk; None keeps none.
        layout: shares and copies.
        lease_s: how long a replica may say nothing.
    """

    def __init__(
        self, url: str, folder: str | None, layout: ShardLayout, lease_s: float = LEASE_S
    ) -> None:
        self._born = uuid.uuid4().hex
        self._lease_s = lease_s
        self._seen_s: dict[str, float] = {"": time.monotonic()}  # as if somebody had asked for it
        actors = start_shards(url, folder, layout)
        self._index = ShardedIndex(actors.shards, actors.groups)
        self._beside = ExitStack()  # for as long as the process lives
        me = ray.get_runtime_context().current_actor
        self._beside.enter_context(
            call_every(min(_LOOK_EVERY_S, lease_s), lambda: me.look.remote(), name="look")
        )

    def hold(self, replica: str) -> str:
        """A replica is there.

        Returns:
            A word that changes when the keeper was started anew, and its shards with it.
        """
        self._seen_s[replica] = time.monotonic()
        return self._born

    def shards(self) -> list[Copies]:
        """Handles of the copies of each share."""
        return [list(copies) for copies in self._index.shards]

    def has_room(self) -> bool:
        """As `ShardedIndex.has_room`."""
        return self._index.has_room()

    def release(self, replica: str) -> None:
        """A replica goes; after the last one this ends."""
        self._seen_s.pop(replica, None)
        self._seen_s.pop("", None)
        self._end_if_alone()

    def look(self) -> None:
        """End where nobody is there any more."""
        before_s = time.monotonic() - self._lease_s
        self._seen_s = {name: at for name, at in self._seen_s.items() if at > before_s}
        self._end_if_alone()

    def _end_if_alone(self) -> None:
        if not self._seen_s:
            self._index.close()
            ray.actor.exit_actor()


def find_keeper(url: str, folder: str | None, layout: ShardLayout) -> Any:
    """The handle of a store's keeper, which Ray starts where there is none."""
    known = hashlib.sha256(repr((url, folder, layout)).encode()).hexdigest()[:16]
    return (
        ray.remote(IndexKeeper)
        .options(
            name=f"faces-{known}",
            namespace=NAMESPACE,
            get_if_exists=True,
            lifetime="detached",
            max_restarts=-1,
            num_cpus=0,
        )
        .remote(url, folder, layout)
    )
