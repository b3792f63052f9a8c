"""The index of the model that serves, and that of the one which is to follow it."""

from dataclasses import replace

from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.model_index import ModelIndex, catch_up
from striate.serve.identities.sharding import FaceShare
from striate.serve.identities.share_snapshot import ShareSnapshot
from striate.serve.identities.store import IdentityStore, KnownModel, counter, known_models


class FollowedModels:
    """Both indexes, as one thread at a time changes them; any may search `live` meanwhile.

    Args:
        store: of record.
        share: of the faces.
        snapshot: of `live`.
        empty: an index without a row.

    Attributes:
        live: answers.
        following: of the model that faces are described anew by; None where there is none.
        whole: `live` has been brought up to date once, and answers.
    """

    def __init__(
        self, store: IdentityStore, share: FaceShare, snapshot: ShareSnapshot, empty: CodeIndex
    ) -> None:
        self._store, self._share, self.snapshot = store, share, snapshot
        self._lost = False  # changes since are no longer listed: it must be made anew
        self._purged = 0  # the newest change after which no removed row was left
        self.live = ModelIndex(None, 0, empty)
        self.following: ModelIndex | None = None
        self.whole = False

    def begin(self, restored: ModelIndex, purged: int) -> None:
        """Begin with a snapshot, unless there is something better already."""
        if not self.whole:
            self.live, self._purged = restored, purged

    def lacking(self) -> list[KnownModel]:
        """Models whose indexes must be made."""
        _, serving, building = self._models()
        held = [self.following] if self._lost else [self.live, self.following]
        found = [
            model
            for model in (serving, building)
            if model is not None and not any(one is not None and one.is_of(model) for one in held)
        ]
        return [] if self._is_of_nobody() and not self._lost else found

    def _is_of_nobody(self) -> bool:
        """Whether nobody was enrolled when it looked last: then it is whole, and empty."""
        return self.whole and self.live.model is None

    def put(self, made: ModelIndex) -> None:
        """Take in an index that was made, unless its model was given up meanwhile."""
        _, serving, building = self._models()
        if made.is_of(serving):
            self._replace(made)
        elif made.is_of(building):
            self.following = made

    def _replace(self, one: ModelIndex) -> None:
        """Let one answer from now on; the old one's threads end with its last search."""
        if self.live.model is not None:
            self.snapshot.leave_aside()
        self.live, self._purged, self._lost = one, one.seq, False

    def follow(self) -> bool:
        """Whether it knows all; else something must be made first."""
        seq, serving, building = self._models()
        if serving is None:
            self.live = replace(self.live, seq=seq)  # no code is as old as that
            self.whole = True
            return True
        if self._is_of_nobody() or self.live.is_of(serving):
            self.live = replace(self.live, model=serving)
        else:
            if self.following is None or not self.following.is_of(serving):
                return False
            ready = catch_up(self._store, self.following, self._share)
            self.following = None
            if ready is None:
                return False
            ready.index.compact()
            self._replace(ready)
        live = catch_up(self._store, self.live, self._share, self.snapshot.note)
        if live is None:
            self._lost = True
            return False
        self.live = live
        if self.following is not None:
            known = self.following.is_of(building)
            self.following = catch_up(self._store, self.following, self._share) if known else None
        self.whole = True
        return True

    def purge(self) -> None:
        """Where somebody was forgotten: no removed row stays in memory or in the snapshot."""
        with self._store.read() as connection:
            erased = counter(connection, "erased")
        if self._purged >= erased and not self.snapshot.stale:
            return
        for one in (self.live, self.following):
            if one is not None:
                one.index.compact()
        self.snapshot.purge(self.live)
        self._purged = self.live.seq

    def _models(self) -> tuple[int, KnownModel | None, KnownModel | None]:
        """The newest change, and then the model that serves and the one that is to follow it."""
        seq = self._store.newest_change()
        with self._store.read() as connection:
            known = {model.state: model for model in known_models(connection)}
        return seq, known.get("serving"), known.get("building")
