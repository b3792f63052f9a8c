"""One copy of one share of the index, in a process of its own: a Ray actor."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from striate.core.errors import StriateError
from striate.core.periodic import call_every
from striate.serve.identities.answers import Nearest
from striate.serve.identities.face_index import FaceIndex
from striate.serve.identities.model_index import IndexProgress
from striate.serve.identities.query import Query
from striate.serve.identities.segment import Hashing
from striate.serve.identities.store import IdentityStore


class ShardReplica:
    """What `striate.serve.identities.sharded_index` starts for each copy of each share.

    A new one, also one that Ray starts again or on another node, begins with its snapshot where
    there is one, and says that it is being built until it has followed the store.

    Args:
        url: of the store, as this node reaches it.
        folder: for snapshots, on this node; None keeps none.
        shard: which share.
        shards: of so many.
        replica: which copy.
        replicas: of so many.
        hashing: as `CodeIndex`.
        follow_every_s: how often it follows the store by itself.
        save_every_s: how often it writes a snapshot.
    """

    def __init__(
        self,
        url: str,
        folder: str | None,
        shard: int,
        shards: int,
        replica: int,
        replicas: int,
        hashing: Hashing | None,
        follow_every_s: float,
        save_every_s: float,
    ) -> None:
        place = None
        self._folder = Path(folder) if folder is not None else None
        self._layout = (shards, replicas)
        self._remove_other_layouts()
        if folder is not None:
            place = Path(folder) / f"shard-{shard}-of-{shards}" / f"replica-{replica}"
        self._index = FaceIndex(
            IdentityStore.open(url), place, shard=shard, shards=shards, hashing=hashing, beside=True
        )
        self._beside = ExitStack()  # held for as long as this lives: who lets it go ends it
        actions: tuple[tuple[float, Callable[[], object], str], ...] = (
            (follow_every_s, self._tend, "follow the store"),
            (save_every_s, self.save, "write a snapshot"),
        )
        for every_s, action, name in actions:
            at_once, ignored = action == self._tend, (StriateError, OSError)
            self._beside.enter_context(
                call_every(every_s, action, name=name, ignored=ignored, at_once=at_once)
            )

    def search(self, query: Query) -> Nearest:
        """As `FaceIndex.search`, over this share."""
        return self._index.search(query)

    def follow(self, at_least: int = 0) -> int:
        """As `FaceIndex.follow`."""
        self._remove_other_layouts()
        return self._index.follow(at_least)

    def progress(self, wait_s: float = 0.0) -> IndexProgress:
        """As `FaceIndex.progress`."""
        return self._index.progress(wait_s)

    def prepare(self) -> int:
        """As `FaceIndex.prepare`."""
        return self._index.prepare()

    def save(self) -> int:
        """Write a snapshot; rows in it."""
        self._remove_other_layouts()
        card = self._index.save()
        return card.rows if card is not None else 0

    def count_faces(self, face_ids: Sequence[int]) -> int:
        """As `FaceIndex.count_faces`."""
        return self._index.count_faces(face_ids)

    def rows(self) -> int:
        """Rows of this share."""
        return len(self._index)

    def pid(self) -> int:
        """Its process."""
        return os.getpid()

    def _tend(self) -> None:
        """Make what is lacking, and follow; others are answered meanwhile."""
        self._remove_other_layouts()
        self._index.build()
        self._index.follow()

    def _remove_other_layouts(self) -> None:
        """Snapshots of more shards or copies: nobody would keep forgotten faces out of them.

        Again and again: actors of the layout before may still write theirs.
        """
        if self._folder is None:
            return
        shards, replicas = self._layout
        for path in self._folder.glob("shard-*-of-*"):
            if path.name.rsplit("-", 1)[1] != str(shards):
                shutil.rmtree(path, ignore_errors=True)
        for path in self._folder.glob("shard-*/replica-*"):
            if int(path.name.rsplit("-", 1)[1]) >= replicas:
                shutil.rmtree(path, ignore_errors=True)
