"""An index that follows a store: restored from a snapshot, kept up to date, searched meanwhile."""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.serve.identities.answers import Nearest
from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.errors import IndexBuilding, IndexUnavailable
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.followed_models import FollowedModels
from striate.serve.identities.model_index import IndexProgress, ModelIndex, make_index
from striate.serve.identities.query import Query
from striate.serve.identities.segment import Hashing
from striate.serve.identities.sharding import FaceShare
from striate.serve.identities.share_snapshot import ShareSnapshot
from striate.serve.identities.snapshot import SnapshotCard
from striate.serve.identities.store import IdentityStore, KnownModel

logger = logging.getLogger(__name__)
BUILT_AT_ONCE = 10_000
"""Faces that are sooner indexed than somebody is told to call again."""


class FaceIndex:
    """The codes of the serving model, or of one shard's share of them.

    Beside them it keeps those of the model that faces are described anew by, so that it answers for
    that one as soon as it serves. Whoever makes an index of a large store lets `build` be called
    beside (`beside`): until it is whole for the first time nothing is answered, and later the old
    one goes on answering while a new one is made.

    Args:
        store: of record.
        folder: of the snapshot; None keeps none.
        shard: which share of the faces.
        shards: of so many.
        hashing: as `CodeIndex`.
        threads: as `CodeIndex`.
        beside: somebody calls `build`, and `follow`, again and again; else this begins with all
            faces, and every `follow` makes what is not there.

    Raises:
        StoreBusy, StoreOutdated: the store cannot be read.
    """

    def __init__(
        self,
        store: IdentityStore,
        folder: Path | None = None,
        *,
        shard: int = 0,
        shards: int = 1,
        hashing: Hashing | None = None,
        threads: int | None = None,
        beside: bool = False,
    ) -> None:
        self._store, self._share = store, FaceShare(shard, shards)
        self._hashing, self._threads, self._beside = hashing, threads, beside
        self._snapshot = ShareSnapshot(store, folder, self._share)
        self._building, self._following = threading.Lock(), threading.Lock()
        self._ready, self._ended = threading.Event(), threading.Event()
        self._restored = False
        self._made = IndexProgress(False)
        self._models = FollowedModels(store, self._share, self._snapshot, self._new_index())
        if not beside:
            self.follow()

    @property
    def seq(self) -> int:
        """The newest change that it knows."""
        return self._live.seq

    def __len__(self) -> int:
        return len(self._live.index)

    def count(self, tenant_id: int) -> int:
        """Rows of a tenant, hidden ones too."""
        return self._live.index.count(tenant_id)

    def progress(self, wait_s: float = 0.0) -> IndexProgress:
        """How far it is; waits so long at most for it to be whole."""
        if self._ready.wait(wait_s):
            return IndexProgress(True, len(self), len(self))
        return self._made

    def search(self, query: Query) -> Nearest:
        """The nearest faces of each code, by distance, then by face number.

        Raises:
            OtherModel: the codes are of another model.
            IndexBuilding: it is not whole yet.
        """
        index = self._knowing(query).index
        if query.within is None:
            return index.search(
                query.tenant_id, query.codes, query.k, with_hidden=query.with_hidden
            )
        return index.look_up(
            query.tenant_id, query.codes, query.k, query.within, with_hidden=query.with_hidden
        )

    def follow(self, at_least: int = 0) -> int:
        """Bring it up to the store's newest change.

        After a change of the serving model the next one's index takes the old one's place. Where
        somebody was forgotten since the snapshot, the removed rows leave memory and the snapshot is
        written anew.

        Args:
            at_least: the change that it must know afterwards.

        Returns:
            0: it answers. 1: it is being made, and knows that change before it answers.

        Raises:
            IndexUnavailable: the store has no such change.
        """
        return self._follow(at_least, purge=True)

    def build(self) -> None:
        """Make what the store's models ask for and is not there; others search and follow on.

        Raises:
            StoreBusy: the store cannot be read; what was made of it so far is given up.
        """
        with self._building:
            self._restore()
            with self._following:
                lacking = self._models.lacking()
            for model in lacking:
                began_s = time.monotonic()
                made = make_index(self._store, model, self._share, self._new_index(), self._tell)
                if made is None:
                    return
                logger.info(
                    "Indexed %d faces in %.1f s.", len(made.index), time.monotonic() - began_s
                )
                with self._following:
                    self._models.put(made)

    def prepare(self) -> int:
        """Have the index of the model that faces are described anew by, before it serves.

        Returns:
            0, once it is there.

        Raises:
            StoreBusy: the store cannot be read.
        """
        self.build()
        return self.follow()

    def save(self) -> SnapshotCard | None:
        """Write a snapshot; None where it has no folder or no model yet.

        Raises:
            PlatformError: the disk is full; the old snapshot stays.
        """
        with self._following:
            return self._snapshot.save(self._live) if self._ready.is_set() else None

    def count_faces(self, face_ids: Sequence[int]) -> int:
        """Rows of those faces, in memory and in the snapshot, removed ones that lie there too."""
        wanted = np.array(face_ids, np.int64)
        held = [one for one in (self._live, self._models.following) if one is not None]
        found = sum(one.index.count_faces(wanted) for one in held)
        return found + self._snapshot.count_faces(wanted)

    def close(self) -> None:
        """Make no more of it, and end its threads."""
        self._ended.set()
        for one in (self._live, self._models.following):
            if one is not None:
                one.index.close()

    @property
    def _live(self) -> ModelIndex:
        return self._models.live

    def _knowing(self, query: Query) -> ModelIndex:
        """The index that a query can be answered from."""
        if not self._ready.is_set():
            raise self._being_built()
        live, asked = self._live, query.fingerprint
        if live.seq < query.at_least or _another(live.model, asked):  # or the models changed
            if not self._caught_up(query.at_least):
                raise self._being_built()
            live = self._live
            if asked is not None and live.model is not None:
                live.model.fingerprint.check_same(asked)
        return live

    def _caught_up(self, at_least: int) -> bool:
        """Follow for somebody who searches, and does not wait for a snapshot to be written."""
        purge = not self._beside
        if self._follow(at_least, purge=purge) == 0:
            return True
        if len(self) > BUILT_AT_ONCE:
            return False
        self.build()
        return self._follow(at_least, purge=purge) == 0

    def _follow(self, at_least: int, *, purge: bool) -> int:
        """As `follow`; without `purge` forgotten rows stay where they are for now."""
        while True:
            if not self._beside:
                self.build()
            with self._following:
                # a second time: the models may have changed places under the first
                if self._models.follow() or self._models.follow():
                    self._ready.set()
                    if purge:
                        self._models.purge()
                    self._check(at_least)
                    return 0
            if self._beside:
                return 1

    def _being_built(self) -> IndexBuilding:
        return IndexBuilding.of(self._made.done, self._made.faces)

    def _check(self, at_least: int) -> None:
        if self._live.seq < at_least:
            raise IndexUnavailable(
                f"The index knows changes to {self._live.seq}, and {at_least} was asked for.",
                "Ask the store that the faces were enrolled in.",
            )

    def _new_index(self) -> CodeIndex:
        return CodeIndex(self._hashing, self._threads)

    def _tell(self, made: IndexProgress) -> bool:
        self._made = made
        return not self._ended.is_set()

    def _restore(self) -> None:
        """Begin with the snapshot, where there is one that fits."""
        if self._restored:
            return
        found = self._snapshot.restore(self._new_index(), self._tell)
        with self._following:
            if found is not None:
                self._models.begin(*found)
            self._restored = True


def _another(model: KnownModel | None, asked: ModelFingerprint | None) -> bool:
    return model is not None and asked is not None and model.fingerprint != asked
