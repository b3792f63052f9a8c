"""What is asked of an index of faces, and who can be asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from striate.serve.identities.answers import Nearest
from striate.serve.identities.fingerprint import ModelFingerprint


@dataclass(frozen=True)
class Query:
    """What is asked of an index.

    Attributes:
        tenant_id: whose faces.
        codes: uint8 (n, 32).
        k: faces a query.
        fingerprint: of the model that the codes come from; None where the caller vouches for it.
        within: look up in hash tables, within this distance in bits; None searches exactly.
        with_hidden: whether hidden people's faces count.
        at_least: the change that the answer must know.
    """

    tenant_id: int
    codes: np.ndarray
    k: int = 1
    fingerprint: ModelFingerprint | None = None
    within: int | None = None
    with_hidden: bool = False
    at_least: int = 0


class Searchable(Protocol):
    """An index in this process, or one in parts elsewhere."""

    def search(self, query: Query) -> Nearest:
        """The nearest faces of each code."""
        ...

    def follow(self, at_least: int = 0) -> int:
        """Bring it up to date, what was forgotten gone from snapshots too.

        Returns:
            How many parts of it did not answer; they do so when they come back.
        """
        ...

    def prepare(self) -> int:
        """Make ready for the model that faces are described anew by, before it serves.

        Returns:
            How many parts of it are not; they make themselves ready as soon as they can.
        """
        ...

    def count_faces(self, face_ids: Sequence[int]) -> int:
        """Rows of those faces, in memory and in snapshots, removed ones that lie there too."""
        ...
