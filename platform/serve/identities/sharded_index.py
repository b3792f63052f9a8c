"""An index in shares over a Ray cluster, each in several copies: asked at once, merged in order.

A share is asked of one copy, and of the next when that one fails or is slow. What no copy answers
is named in the answer: it is partial, and never silently wrong.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.placement_group import PlacementGroup, remove_placement_group

from striate.core.errors import RequestError, StriateError
from striate.serve.identities.answers import Nearest, merge_nearest
from striate.serve.identities.errors import IndexBuilding, IndexUnavailable
from striate.serve.identities.model_index import IndexProgress
from striate.serve.identities.query import Query
from striate.serve.identities.shard_actors import Copies

DEADLINE_S = 5.0
HEDGE_AFTER_S = 0.5
TOLD_WITHIN_S = 60.0
PREPARED_WITHIN_S = 3600.0
"""A share of tens of millions of faces is made in minutes."""
COUNTED_WITHIN_S = 1.0
ROOM_WITHIN_S = 1
Progress = list[IndexProgress | Exception | None]
"""Of the copies of a share."""


@dataclass
class _Ask:
    """One share while it is being asked."""

    shard: int
    copies: list[Any]
    hedge_at: float = 0.0
    waiting: list[Any] = field(default_factory=list)


class ShardedIndex:
    """Searches all shares at once.

    Args:
        shards: copies of each share.
        groups: of placement, which hold their room.
        deadline_s: a share that has not answered by then is missing.
        hedge_after_s: the next copy is asked too when one has taken so long.
    """

    def __init__(
        self,
        shards: Sequence[Copies],
        groups: Sequence[PlacementGroup] = (),
        *,
        deadline_s: float = DEADLINE_S,
        hedge_after_s: float = HEDGE_AFTER_S,
    ) -> None:
        self._shards = shards
        self._deadline_s = deadline_s
        self._hedge_after_s = hedge_after_s
        self._turn = itertools.count()
        self._groups = groups
        self._whole = False  # every share has answered once

    @property
    def shards(self) -> Sequence[Copies]:
        """Handles of the copies of each share."""
        return self._shards

    def search(self, query: Query) -> Nearest:
        """The nearest faces of each code, as one index would answer.

        Returns:
            With the shares that did not answer, in `missing_shards`.

        Raises:
            OtherModel: the codes are of another model.
            IndexBuilding: a share is not whole yet, and this has not seen it whole before.
            IndexUnavailable: no share answers.
        """
        passed = ray.put(query) if query.codes.nbytes > 1 << 16 else query
        deadline = time.monotonic() + self._deadline_s
        turn = next(self._turn)
        asked = {shard: self._ask(shard, turn, passed) for shard in range(len(self._shards))}
        parts: dict[int, Nearest] = {}
        failed: dict[int, StriateError] = {}
        while asked and (left_s := deadline - time.monotonic()) > 0:
            refs = {ref: ask for ask in asked.values() for ref in ask.waiting}
            until_hedge_s = min(ask.hedge_at for ask in asked.values()) - time.monotonic()
            ready, _ = ray.wait(list(refs), timeout=max(0.0, min(left_s, until_hedge_s)))
            for ref in ready:
                ask = refs[ref]
                try:
                    parts[ask.shard] = ray.get(ref)
                    asked.pop(ask.shard, None)
                except RequestError:
                    raise  # every copy would say so
                except (StriateError, RayError) as error:
                    if isinstance(error, StriateError):
                        failed[ask.shard] = error
                    ask.waiting.remove(ref)
                    self._ask_next(ask, passed)
                    if not ask.waiting:
                        asked.pop(ask.shard, None)
            for ask in asked.values():
                if time.monotonic() >= ask.hedge_at:
                    self._ask_next(ask, passed)
        missing = [shard for shard in range(len(self._shards)) if shard not in parts]
        self._check(missing, failed)
        return merge_nearest(list(parts.values()), len(query.codes), query.k, missing)

    def follow(self, at_least: int = 0) -> int:
        """Let every copy follow the store now; how many did not answer, or are being made.

        One that is dead follows when Ray has started it again, before it answers.
        """
        return sum(1 if told is None else told for told in self._tell("follow", at_least))

    def prepare(self) -> int:
        """Let every copy make ready for the next model; how many are not."""
        told = self._tell("prepare", within_s=PREPARED_WITHIN_S)
        return sum(1 if one is None else one for one in told)

    def progress(self, wait_s: float, within_s: float) -> list[Progress]:
        """How far each copy of each share is, once all are whole or that time has passed.

        Args:
            wait_s: for them to be whole.
            within_s: for those that are there to answer.

        Returns:
            By share. In place of a copy that does not run (any more) its error, and None for one
            that does not answer yet.
        """
        told = iter(self._ask_all("progress", wait_s, within_s=wait_s + within_s))
        return [[next(told) for _ in copies] for copies in self._shards]

    def has_room(self) -> bool:
        """Whether the cluster gave all copies their room."""
        return all(group.wait(ROOM_WITHIN_S) for group in self._groups)

    def save(self) -> int:
        """Let every copy write a snapshot; rows in them all."""
        return sum(told or 0 for told in self._tell("save"))

    def count_faces(self, face_ids: Sequence[int]) -> int:
        """Rows of those faces in all copies that answer, in memory and in snapshots."""
        return sum(told or 0 for told in self._tell("count_faces", list(face_ids)))

    def close(self) -> None:
        """End the actors."""
        for handle in itertools.chain.from_iterable(self._shards):
            ray.kill(handle)
        for group in self._groups:
            remove_placement_group(group)

    def _ask(self, shard: int, turn: int, query: Any) -> _Ask:
        copies = self._shards[shard]
        first = turn % len(copies)
        ask = _Ask(shard, [*copies[first:], *copies[:first]])
        self._ask_next(ask, query)
        return ask

    def _ask_next(self, ask: _Ask, query: Any) -> None:
        """Ask the next copy, where there is one."""
        ask.hedge_at = time.monotonic() + self._hedge_after_s
        if ask.copies:
            ask.waiting.append(ask.copies.pop(0).search.remote(query))
        else:
            ask.hedge_at = float("inf")

    def _check(self, missing: Sequence[int], failed: Mapping[int, StriateError]) -> None:
        """Whether a search may be answered without those shares.

        Raises:
            IndexUnavailable: it may not.
        """
        built = any(isinstance(failed.get(shard), IndexBuilding) for shard in missing)
        if built and (not self._whole or len(missing) == len(self._shards)):
            raise self._being_built()
        if len(missing) == len(self._shards):
            raise next(iter(failed.values()), None) or IndexUnavailable(
                "No part of the index of faces answers.",
                "Look at the cluster's nodes with `striate status`, and call again.",
            )
        self._whole |= not missing

    def _being_built(self) -> IndexBuilding:
        """Say how far all shares are, each by the copy that is furthest."""
        furthest = [
            max(told, key=lambda one: one.done, default=IndexProgress(False))
            for copies in self.progress(0.0, COUNTED_WITHIN_S)
            for told in [[one for one in copies if isinstance(one, IndexProgress)]]
        ]
        return IndexBuilding.of(
            sum(one.done for one in furthest), sum(one.faces for one in furthest)
        )

    def _tell(self, method: str, *arguments: Any, within_s: float = TOLD_WITHIN_S) -> list[Any]:
        """What each copy answers; None for one that does not."""
        told = self._ask_all(method, *arguments, within_s=within_s)
        return [None if isinstance(one, Exception) else one for one in told]

    def _ask_all(self, method: str, *arguments: Any, within_s: float) -> list[Any]:
        """What each copy answers or fails with; None for one that has not answered by then."""
        handles = list(itertools.chain.from_iterable(self._shards))
        refs = [getattr(handle, method).remote(*arguments) for handle in handles]
        ready = set(ray.wait(refs, num_returns=len(refs), timeout=within_s)[0])
        told: list[Any] = []
        for ref in refs:
            try:
                told.append(ray.get(ref) if ref in ready else None)
            except (StriateError, RayError) as error:
                told.append(error)
        return told
