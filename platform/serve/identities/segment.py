"""A part of the index that never changes: codes in FAISS, ordered by face, with rows marked off.

What changes is a new `Segment` around the same codes, so that whoever searches goes on with the old
one and waits for nobody.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import faiss as faiss_library
import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from striate.core.numbers import Amount
from striate.serve.identities.answers import NOBODY, keys_of
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.fingerprint import CODE_BITS, CODE_BYTES

faiss: Any = faiss_library  # its stubs lack what SWIG adds


@checked_dataclass(frozen=True)
class Hashing:
    """Multi-index hashing (Norouzi, Punjani, Fleet, CVPR 2012): a code's pieces, one table each.

    Two codes that differ in fewer than ``tables * (flips + 1)`` bits are equal in one piece but for
    `flips` bits, so all of these are found; of those further away, some. Tables are large: with
    sixteen of them a code takes some 2 KB of memory (measured at 10 million), and 50 bytes without.

    Attributes:
        tables: pieces.
        bits: of a piece, from 1 to 32; ``tables * bits`` is at most 256.
        flips: bits of a piece that may differ.
        least_rows: of a segment with tables; below, a scan is as fast as a look-up.

    Raises:
        ValueError: a code has no room for such pieces, or they have fewer bits than may differ.
    """

    tables: Annotated[int, Field(ge=1, le=CODE_BITS)] = 16
    bits: Annotated[int, Field(ge=1, le=32)] = 16
    flips: Annotated[int, Field(ge=0, le=32)] = 0
    least_rows: Amount = 10_000

    def __post_init__(self) -> None:
        asked = f"{self.tables} tables of {self.bits} bits"
        if self.tables * self.bits > CODE_BITS:
            raise ValueError(f"{asked} take {self.tables * self.bits}, and a code has {CODE_BITS}")
        if self.flips > self.bits:
            raise ValueError(f"{self.flips} of {self.bits} bits cannot be flipped")

    @property
    def sure_below(self) -> int:
        """All codes that differ in fewer bits than this are found."""
        return self.tables * (self.flips + 1)


@dataclass(frozen=True, eq=False)
class Segment:
    """Codes of one tenant, ordered by face number.

    FAISS's flat index keeps the nearest by distance and then by place (its heap compares both), so
    with rows in the order of their numbers an answer is ordered by distance, then number.

    Attributes:
        face_ids: int64 (n,), ascending.
        alive: bool (n,); false for removed rows.
        hidden: bool (n,).
        flat: the codes.
        hashed: hash tables on the same codes, or None.
    """

    face_ids: np.ndarray
    alive: np.ndarray
    hidden: np.ndarray
    flat: Any
    hashed: Any = None

    @classmethod
    def build(cls, rows: CodeRows, hashing: Hashing | None = None) -> "Segment":
        """A segment of rows, each face once."""
        rows = rows.sorted()
        codes = np.ascontiguousarray(rows.codes)
        hashed = None
        if hashing is not None and len(rows) >= hashing.least_rows:
            hashed = faiss.IndexBinaryMultiHash(CODE_BITS, hashing.tables, hashing.bits)
            hashed.nflip = hashing.flips
            hashed.add(codes)
            flat = hashed.storage  # a view; `hashed` is kept beside it
        else:
            flat = faiss.IndexBinaryFlat(CODE_BITS)
            flat.add(codes)
        alive = np.ones(len(rows), bool)
        return cls(rows.face_ids, alive, np.array(rows.hidden), flat, hashed)

    def __len__(self) -> int:
        return len(self.face_ids)

    @cached_property
    def living(self) -> int:
        """Rows that are not removed."""
        return int(self.alive.sum())

    def codes(self) -> np.ndarray:
        """The codes, uint8 (n, 32); a view that lives as long as the segment."""
        flat: np.ndarray = faiss.rev_swig_ptr(self.flat.xb.data(), len(self) * CODE_BYTES)
        codes: np.ndarray = flat.reshape(-1, CODE_BYTES)
        return codes

    def rows(self, tenant_id: int) -> CodeRows:
        """The living rows."""
        tenants = np.full(len(self), tenant_id, np.int64)
        whole = CodeRows(self.face_ids, tenants, self.hidden, self.codes())
        return whole.take(self.alive)  # copies

    def without(self, face_ids: np.ndarray) -> "Segment":
        """The segment with those faces removed; itself where it holds none of them."""
        places = self._places(face_ids)
        if not len(places) or not self.alive[places].any():
            return self
        alive = self.alive.copy()
        alive[places] = False
        return replace(self, alive=alive)

    def _places(self, face_ids: np.ndarray) -> np.ndarray:
        places = np.searchsorted(self.face_ids, face_ids)
        inside = places < len(self)
        places, face_ids = places[inside], face_ids[inside]
        theirs: np.ndarray = places[self.face_ids[places] == face_ids]
        return theirs

    @cached_property
    def _selected(self) -> dict[bool, Any]:
        """FAISS's selection of rows, without and with hidden ones; None selects all."""
        return {
            with_hidden: _selection(self.alive if with_hidden else self.alive & ~self.hidden)
            for with_hidden in (False, True)
        }

    def search(self, codes: np.ndarray, k: int, with_hidden: bool) -> np.ndarray:
        """The nearest rows of each query, exactly.

        Args:
            codes: uint8 (queries, 32).
            k: rows a query.
            with_hidden: whether hidden people's faces count.

        Returns:
            Keys of `striate.serve.identities.answers.keys_of`, int64 (queries, min(k, n)).
        """
        selection = self._selected[with_hidden]
        options = {} if selection is None else {"params": selection.parameters}
        distances, places = self.flat.search(codes, min(k, len(self)), **options)
        face_ids = np.where(places >= 0, self.face_ids[places], NOBODY)
        return keys_of(distances, face_ids)

    def look_up(self, codes: np.ndarray, k: int, within: int, with_hidden: bool) -> np.ndarray:
        """The nearest rows among those within a distance that the hash tables lead to.

        Args:
            codes: uint8 (queries, 32).
            k: rows a query.
            within: the largest distance, in bits.
            with_hidden: whether hidden people's faces count.

        Returns:
            As `search`.
        """
        found = self.hashed if self.hashed is not None else self.flat
        limits, distances, places = found.range_search(codes, within + 1)  # FAISS: nearer than
        seen = self.alive if with_hidden else self.alive & ~self.hidden
        keys = keys_of(distances, np.where(seen[places], self.face_ids[places], NOBODY))
        answer = np.full((len(codes), k), np.iinfo(np.int64).max)
        for query in range(len(codes)):
            mine = np.sort(keys[limits[query] : limits[query + 1]])[:k]
            answer[query, : len(mine)] = mine
        return answer


@dataclass(frozen=True)
class _Selection:
    """What FAISS points into must live as long as it."""

    parameters: Any
    selector: Any
    bits: np.ndarray


def _selection(seen: np.ndarray) -> _Selection | None:
    if seen.all():
        return None
    bits = np.packbits(seen, bitorder="little")
    selector = faiss.IDSelectorBitmap(bits)
    return _Selection(faiss.SearchParameters(sel=selector), selector, bits)
