"""The sharded index of a store as one of many processes searches it."""

import logging
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from itertools import chain
from typing import Any

import ray
from ray.exceptions import RayError

from striate.core.errors import StriateError
from striate.core.periodic import call_every
from striate.serve.identities.answers import Nearest
from striate.serve.identities.errors import IndexUnavailable
from striate.serve.identities.index_keeper import find_keeper
from striate.serve.identities.kept_faces import WHOLE_WITHIN_S
from striate.serve.identities.query import Query
from striate.serve.identities.shard_actors import ShardLayout
from striate.serve.identities.sharded_index import ShardedIndex

logger = logging.getLogger(__name__)

HOLD_EVERY_S = 5.0
BEGUN_WITHIN_S = 30.0
"""Time for a copy to get room and a process; one with room may take longer."""
_ANSWER_S = 30.0
_TRIES = 3


class SharedIndex:
    """Holds a store's keeper, and searches its shards.

    Args:
        url: of the store, as every node reaches it.
        folder: for snapshots, a path of every node's own disk; None keeps none.
        layout: shares and copies.

    Raises:
        IndexUnavailable: the shards do not start, for example for want of room.
    """

    def __init__(self, url: str, folder: str | None, layout: ShardLayout) -> None:
        self._place = (url, folder, layout)
        self._me = uuid.uuid4().hex
        self._born = ""
        self._keeper: Any = None
        self._index = ShardedIndex([])
        self._take_hold()
        self._beside = ExitStack()
        self._beside.enter_context(
            call_every(HOLD_EVERY_S, self._hold, name="hold", ignored=(StriateError, RayError))
        )
        try:
            self._wait()
        except Exception:
            self.close()
            raise

    def search(self, query: Query) -> Nearest:
        """As `ShardedIndex.search`."""
        return self._index.search(query)

    def follow(self, at_least: int = 0) -> int:
        """As `ShardedIndex.follow`."""
        return self._index.follow(at_least)

    def prepare(self) -> int:
        """As `ShardedIndex.prepare`."""
        return self._index.prepare()

    def count_faces(self, face_ids: Sequence[int]) -> int:
        """As `ShardedIndex.count_faces`."""
        return self._index.count_faces(face_ids)

    def close(self) -> None:
        """Let it go; where nobody else holds it, it ends."""
        self._beside.close()
        with suppress(RayError):
            ray.get(self._keeper.release.remote(self._me), timeout=_ANSWER_S)

    def _wait(self) -> None:
        """Wait for every copy to begin; one that takes long to be whole goes on by itself.

        Raises:
            IndexUnavailable: a copy has no room, or failed.
        """
        layout = self._place[2]
        told = list(chain.from_iterable(self._index.progress(WHOLE_WITHIN_S, BEGUN_WITHIN_S)))
        failed = next((one for one in told if isinstance(one, Exception)), None)
        if failed is not None:
            logger.warning("A part of the index of faces failed: %s", failed)
        if failed is None and (None not in told or self._has_room()):
            return  # nodes that are slow to start processes are no failure either
        raise IndexUnavailable(
            "The index of faces does not start.",
            f"It asks for {layout.shards * layout.replicas} times {layout.cpus:g} CPUs: see "
            f"`striate status`.",
        )

    def _has_room(self) -> bool:
        with suppress(RayError):
            return bool(ray.get(self._keeper.has_room.remote(), timeout=_ANSWER_S))
        return False

    def _hold(self) -> None:
        try:
            born = ray.get(self._keeper.hold.remote(self._me), timeout=_ANSWER_S)
        except RayError:
            born = ""
        if born != self._born:
            logger.warning("The index of faces was started anew.")
            self._take_hold()

    def _take_hold(self) -> None:
        """Hold the keeper; one that ends in this moment is replaced by another."""
        for _ in range(_TRIES):
            try:
                self._keeper = find_keeper(*self._place)
                born = ray.get(self._keeper.hold.remote(self._me), timeout=_ANSWER_S)
                shards = ray.get(self._keeper.shards.remote(), timeout=_ANSWER_S)
            except RayError as error:
                logger.warning("The keeper of the index of faces does not answer: %s", error)
                continue
            self._index, self._born = ShardedIndex(shards), born
            return
        raise IndexUnavailable(
            "The index of faces does not start.", "See the cluster with `striate status`."
        )
