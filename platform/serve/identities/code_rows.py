"""Codes with whose they are, as columns: what the index is made of, in memory and in Arrow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from striate.core.errors import DataError
from striate.serve.identities.fingerprint import CODE_BYTES

ARROW_SCHEMA = pa.schema(
    [
        pa.field("face_id", pa.int64(), nullable=False),
        pa.field("tenant_id", pa.int64(), nullable=False),
        pa.field("hidden", pa.bool_(), nullable=False),
        pa.field("code", pa.binary(CODE_BYTES), nullable=False),
    ]
)


@dataclass(frozen=True, eq=False)
class CodeRows:
    """Rows of equal length.

    Attributes:
        face_ids: int64 (n,).
        tenant_ids: int64 (n,).
        hidden: bool (n,); hidden people's faces are not found by ordinary searches.
        codes: uint8 (n, 32).
    """

    face_ids: np.ndarray
    tenant_ids: np.ndarray
    hidden: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.face_ids)

    @classmethod
    def empty(cls) -> Self:
        """No rows."""
        return cls.of([], [], [], b"")

    @classmethod
    def of(
        cls,
        face_ids: Sequence[int],
        tenant_ids: Sequence[int],
        hidden: Sequence[bool],
        codes: bytes,
    ) -> Self:
        """Rows out of lists, and all codes in one string of bytes."""
        return cls(
            np.array(face_ids, np.int64),
            np.array(tenant_ids, np.int64),
            np.array(hidden, bool),
            np.frombuffer(codes, np.uint8).reshape(-1, CODE_BYTES),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, one part after the other."""
        if not parts:
            return cls.empty()
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.face_ids for part in parts]),
            np.concatenate([part.tenant_ids for part in parts]),
            np.concatenate([part.hidden for part in parts]),
            np.concatenate([part.codes for part in parts]),
        )

    @classmethod
    def from_arrow(cls, batch: pa.RecordBatch) -> Self:
        """Rows out of a batch that has the columns of `ARROW_SCHEMA`; others are left out.

        Raises:
            DataError: a column is missing, of another type, or holds nothing somewhere.
        """
        columns = []
        for field in ARROW_SCHEMA:
            place = batch.schema.get_field_index(field.name)
            found = batch.column(place) if place >= 0 else None
            if found is None or found.type != field.type or found.null_count:
                raise DataError(
                    f"A batch of codes has no whole column {field.name} of type {field.type}.",
                    "Give face_id, tenant_id, hidden and code, as a snapshot has them.",
                )
            columns.append(found)
        faces, tenants, hidden, codes = columns
        offset = codes.offset * CODE_BYTES
        flat = np.frombuffer(codes.buffers()[1] or b"", np.uint8)
        return cls(
            faces.to_numpy(),
            tenants.to_numpy(),
            hidden.to_numpy(zero_copy_only=False),
            flat[offset : offset + len(codes) * CODE_BYTES].reshape(-1, CODE_BYTES),
        )

    def to_arrow(self) -> pa.RecordBatch:
        """A batch of `ARROW_SCHEMA`."""
        flat = pa.py_buffer(np.ascontiguousarray(self.codes).reshape(-1))
        codes = pa.Array.from_buffers(pa.binary(CODE_BYTES), len(self), [None, flat])
        arrays = [
            pa.array(self.face_ids, pa.int64()),
            pa.array(self.tenant_ids, pa.int64()),
            pa.array(self.hidden, pa.bool_()),
            codes,
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=ARROW_SCHEMA)

    def take(self, where: np.ndarray | slice) -> Self:
        """The rows at those places, or where a mask is true; a slice copies nothing."""
        return type(self)(
            self.face_ids[where], self.tenant_ids[where], self.hidden[where], self.codes[where]
        )

    def sorted(self) -> Self:
        """In the order of face numbers."""
        if len(self) < 2 or bool((np.diff(self.face_ids) > 0).all()):
            return self
        return self.take(np.argsort(self.face_ids, kind="stable"))
