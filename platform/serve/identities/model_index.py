"""The codes of one model up to a change of the store: made of all, and followed from there."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.feed import Delta, all_rows, changes_since, count_codes
from striate.serve.identities.sharding import FaceShare
from striate.serve.identities.store import IdentityStore, KnownModel

CHANGES_AT_A_TIME = 10_000


@dataclass(frozen=True, eq=False)
class ModelIndex:
    """An index, and what it knows.

    Attributes:
        model: whose codes; None in a store in which nobody was enrolled, where the index is empty.
        seq: the newest change that it knows.
        index: the codes.
    """

    model: KnownModel | None
    seq: int
    index: CodeIndex

    def is_of(self, model: KnownModel | None) -> bool:
        """Whether it has that model's codes."""
        return self.model is not None and model is not None and self.model.id == model.id


@dataclass(frozen=True)
class IndexProgress:
    """How far an index is.

    Attributes:
        ready: it is whole, and answers.
        done: faces that are in it.
        faces: that will be.
    """

    ready: bool
    done: int = 0
    faces: int = 0


def make_index(
    store: IdentityStore,
    model: KnownModel,
    share: FaceShare,
    index: CodeIndex,
    told: Callable[[IndexProgress], bool],
) -> ModelIndex | None:
    """Put all codes of a model into an index; it has no row of who was forgotten before.

    Args:
        store: of record.
        model: whose codes.
        share: of the faces.
        index: an empty one.
        told: of how far it is, after each page; False gives it up.

    Returns:
        None where it was given up.
    """
    seq = store.newest_change()
    done, faces = 0, count_codes(store, model.id, share)
    wanted = told(IndexProgress(False, done, faces))
    for rows in all_rows(store, model.id, share):
        if not wanted:
            return None
        index.update(rows)
        done += len(rows)
        wanted = told(IndexProgress(False, done, max(done, faces)))
    return ModelIndex(model, seq, index)


def catch_up(
    store: IdentityStore,
    one: ModelIndex,
    share: FaceShare,
    left: Callable[[Delta], object] = lambda delta: None,
) -> ModelIndex | None:
    """Bring an index up to the store's newest change, and say what it knows then.

    Args:
        store: of record.
        one: the index, which is changed in place.
        share: of the faces.
        left: told of each part of the changes.

    Returns:
        None where the changes are no longer listed, or the model serves no longer.
    """
    assert one.model is not None
    while True:
        delta = changes_since(store, one.model.id, one.seq, CHANGES_AT_A_TIME, share)
        if delta is None or delta.seq == one.seq:
            return one if delta is not None else None
        one.index.update(delta.rows, delta.gone, delta.gone_tenants)
        left(delta)
        one = replace(one, seq=delta.seq)
