"""The snapshot of one share of an index, from which whoever is forgotten leaves."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from striate.core.errors import DataError
from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.feed import Delta
from striate.serve.identities.model_index import IndexProgress, ModelIndex
from striate.serve.identities.sharding import FaceShare
from striate.serve.identities.snapshot import (
    SnapshotCard,
    count_faces,
    purge_snapshot,
    read_card,
    read_snapshot,
    remove_unfinished,
    write_snapshot,
)
from striate.serve.identities.store import IdentityStore, KnownModel, counter, serving_model

logger = logging.getLogger(__name__)


class ShareSnapshot:
    """Writes, reads and purges it; one thread at a time.

    Args:
        store: of record.
        folder: becomes the snapshot; None keeps none.
        share: of the faces.
    """

    def __init__(self, store: IdentityStore, folder: Path | None, share: FaceShare) -> None:
        self._store, self._folder, self._share = store, folder, share
        self._stale = False  # a snapshot is there that is of no use
        self._gone: list[np.ndarray] = []  # faces that left since the snapshot was purged
        self._gone_tenants: set[int] = set()
        if folder is not None:
            remove_unfinished(folder)

    @property
    def stale(self) -> bool:
        """Whether one is there that is of no use, and must be replaced."""
        return self._stale

    def leave_aside(self) -> None:
        """What is there is of no use: of another model, or damaged."""
        self._stale = self._folder is not None and self._folder.exists()

    def note(self, delta: Delta) -> None:
        """Faces left the index."""
        if self._folder is not None:
            self._gone.append(delta.gone)
            self._gone_tenants |= set(delta.gone_tenants)

    def save(self, live: ModelIndex) -> SnapshotCard | None:
        """Write it anew; None where it has no folder, or there is no model yet.

        Raises:
            PlatformError: the disk is full; the old snapshot stays.
        """
        if self._folder is None or live.model is None:
            return None
        written = write_snapshot(self._folder, self._card(live.model, live.seq), live.index.rows())
        self._forget_gone()
        return written

    def purge(self, live: ModelIndex) -> None:
        """Nobody who left so far is in it afterwards.

        Raises:
            PlatformError: the disk is full; the old snapshot stays.
        """
        card = read_card(self._folder) if self._folder is not None else None
        if self._folder is not None and card is not None and not self._stale:
            gone = np.concatenate([np.zeros(0, np.int64), *self._gone])
            try:
                purge_snapshot(self._folder, card, gone, self._gone_tenants, live.seq)
                self._forget_gone()
            except DataError:
                self.save(live)
        elif self._stale:
            self.save(live)

    def restore(
        self, index: CodeIndex, told: Callable[[IndexProgress], object]
    ) -> tuple[ModelIndex, int] | None:
        """Fill an empty index with the snapshot; None where there is none that fits.

        Args:
            index: an empty one.
            told: of how far it is.

        Returns:
            The index, and the change up to which nobody who was forgotten is in it.
        """
        with self._store.read() as connection:
            model = serving_model(connection)
        if self._folder is None or not self._folder.exists():
            return None
        card = read_card(self._folder)
        if model is None or card is None or not card.same_source(self._card(model, 0)):
            self._stale = True
            return None
        done = 0
        try:
            for rows in read_snapshot(self._folder, card):
                index.update(rows)
                done += len(rows)
                told(IndexProgress(False, done, card.rows))
        except (DataError, OSError, ValueError) as error:  # Arrow's errors are ValueErrors
            logger.warning("The snapshot %s is left aside: %s", self._folder.name, error)
            self._stale = True
            return None
        return ModelIndex(model, card.seq, index), card.purged

    def count_faces(self, face_ids: np.ndarray) -> int:
        """Rows of those faces in it."""
        return count_faces(self._folder, face_ids) if self._folder is not None else 0

    def _card(self, model: KnownModel, seq: int) -> SnapshotCard:
        with self._store.read() as connection:
            store = counter(connection, "store")
        share = self._share
        return SnapshotCard(
            store=store, model=model.id, shard=share.shard, shards=share.shards, seq=seq, purged=seq
        )

    def _forget_gone(self) -> None:
        """The snapshot has nobody who left so far."""
        self._gone.clear()
        self._gone_tenants.clear()
        self._stale = False
