"""All that a process needs to keep people and know them again, opened and closed together."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from striate.core.errors import StriateError
from striate.core.periodic import call_every
from striate.serve.identities.audit import AuditWriter
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.face_index import FaceIndex
from striate.serve.identities.forget import finish_forgetting
from striate.serve.identities.query import Searchable
from striate.serve.identities.segment import Hashing
from striate.serve.identities.store import IdentityStore, counter
from striate.serve.sql.store import BUSY_TIMEOUT_S

FOLLOW_EVERY_S = 1.0
WHOLE_WITHIN_S = 10.0
"""How long a server waits for its index at the start; after that it says that it is being built."""


class HeldIndex(Searchable, Protocol):
    """An index that is held until it is closed."""

    def close(self) -> None:
        """Let it go."""
        ...


class OwnIndex(FaceIndex):
    """An index in this process, which follows the store by itself.

    It is given `WHOLE_WITHIN_S` to be whole, and goes on by itself where that is not enough.

    Args:
        store: of record.
        hashing: as `CodeIndex`.
    """

    def __init__(self, store: IdentityStore, hashing: Hashing | None = None) -> None:
        super().__init__(store, hashing=hashing, beside=True)
        self._tending = ExitStack()
        self._tending.enter_context(
            call_every(
                FOLLOW_EVERY_S,
                self._tend,
                name="follow",
                ignored=(StriateError, OSError),
                at_once=True,
            )
        )
        self.progress(WHOLE_WITHIN_S)

    def close(self) -> None:
        """Follow no more; one that is being made is given up."""
        super().close()
        self._tending.close()

    def _tend(self) -> None:
        self.build()
        self.follow()


class KeptFaces:
    """The store of record, the kept crops, the index and the audit.

    Args:
        url: of the store.
        crops: folder of kept crops; each store's lie in one of their own there.
        index: makes the index of the opened store.
        busy_timeout_s: how long a writer waits for another.
        keep_crops: whether those of new faces are kept; what was kept before is looked after.

    Attributes:
        crops: what was kept.
        new_crops: where those of new faces go; None keeps none.

    Raises:
        StoreOutdated, StoreBusy, StoreFull, StoreDamaged: as `IdentityStore.open`.
        IndexUnavailable: the index does not answer.
    """

    def __init__(
        self,
        url: str,
        crops: Path,
        index: Callable[[IdentityStore], HeldIndex],
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        keep_crops: bool = True,
    ) -> None:
        with ExitStack() as opened:
            self.store = IdentityStore.open(url, busy_timeout_s=busy_timeout_s)
            opened.callback(self.store.close)
            # A store takes a crop that it does not name for a stray: it sees no other's.
            self.crops = CropFolder(crops / f"{_number_of(self.store):x}")
            self.new_crops = self.crops if keep_crops else None
            finish_forgetting(self.store, self.crops)  # of a process that was killed
            self.index = index(self.store)
            opened.callback(self.index.close)
            self.audit = AuditWriter(self.store)
            opened.callback(self.audit.close)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Write what the audit waits for, let the index go, and close the store."""
        self._opened.close()


def _number_of(store: IdentityStore) -> int:
    """The random number that names a store."""
    with store.read() as connection:
        return counter(connection, "store")
