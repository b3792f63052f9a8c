"""An index on the disk: a folder that is whole or absent, checked by its hashes when it is read.

A snapshot is never the truth: one that is missing, damaged, or of another store, model or share is
left aside, and the index is made of the store.
"""

import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from striate.core.errors import DataError
from striate.core.files import atomic_folder, is_temporary, sha256_of, write_atomic
from striate.core.numbers import Amount, Count, Total
from striate.serve.identities.code_rows import ARROW_SCHEMA, CodeRows

logger = logging.getLogger(__name__)
FORMAT = 2
CARD = "snapshot.json"


RowNumber = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""What a database numbers with."""


class SnapshotFile(BaseModel):
    """One file of codes.

    Attributes:
        name: in the folder.
        rows: in it.
        sha256: of its content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: Total
    sha256: str


class SnapshotCard(BaseModel):
    """What a snapshot holds.

    Attributes:
        format: of the folder.
        store: the number that names the store of record.
        model: the model's number in that store.
        shard: which share of the faces.
        shards: of so many.
        seq: the newest change that is in it.
        purged: no face that was forgotten up to this change is in it.
        files: of codes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Count = FORMAT
    store: RowNumber
    model: RowNumber
    shard: Amount
    shards: Count
    seq: RowNumber
    purged: RowNumber
    files: tuple[SnapshotFile, ...] = ()

    @property
    def rows(self) -> int:
        """In all files."""
        return sum(file.rows for file in self.files)

    def same_source(self, other: "SnapshotCard") -> bool:
        """Whether both are of one store, model and share."""
        mine = (self.format, self.store, self.model, self.shard, self.shards)
        return mine == (other.format, other.store, other.model, other.shard, other.shards)


def write_snapshot(folder: Path, card: SnapshotCard, parts: Iterable[CodeRows]) -> SnapshotCard:
    """Write a snapshot in place of the one that is there.

    Args:
        folder: becomes the snapshot.
        card: what it is; its files are filled in.
        parts: the rows.

    Returns:
        The card as written.

    Raises:
        PlatformError: the disk is full; the old snapshot stays.
    """
    with atomic_folder(folder) as temporary:
        files = []
        for number, rows in enumerate(parts):
            files.append(_write_file(temporary / f"codes-{number:04d}.arrow", rows))
        whole = card.model_copy(update={"files": tuple(files)})
        write_atomic(temporary / CARD, whole.model_dump_json(indent=2).encode())
    return whole


def purge_snapshot(
    folder: Path, card: SnapshotCard, gone: np.ndarray, gone_tenants: Iterable[int], purged: int
) -> SnapshotCard:
    """Take forgotten faces out of a snapshot; files without any of them stay as they are.

    Args:
        folder: of the snapshot.
        card: what it is.
        gone: numbers of forgotten faces, int64 (n,).
        gone_tenants: all of whose faces are forgotten.
        purged: the change up to which these are all.

    Raises:
        DataError: a file is missing.
        PlatformError: the disk is full; the old snapshot stays.
    """
    tenants = np.array(sorted(gone_tenants), np.int64)
    with atomic_folder(folder) as temporary:
        files = []
        for file in card.files:
            rows = _read_file(folder / file.name)
            leaving = np.isin(rows.face_ids, gone) | np.isin(rows.tenant_ids, tenants)
            if leaving.any():
                files.append(_write_file(temporary / file.name, rows.take(~leaving)))
            else:
                (temporary / file.name).hardlink_to(folder / file.name)
                files.append(file)
        whole = card.model_copy(update={"files": tuple(files), "purged": purged})
        write_atomic(temporary / CARD, whole.model_dump_json(indent=2).encode())
    return whole


def _write_file(path: Path, rows: CodeRows) -> SnapshotFile:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, ARROW_SCHEMA) as writer:
        writer.write_batch(rows.to_arrow())
    return SnapshotFile(name=path.name, rows=len(rows), sha256=sha256_of(path))


def _read_file(path: Path) -> CodeRows:
    """The rows of a file, which is mapped and not read at once.

    Raises:
        DataError: it is missing or no file of codes.
    """
    try:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"The snapshot's file {path.name} cannot be read: {error}.") from None
    return CodeRows.concatenate([CodeRows.from_arrow(batch) for batch in batches])


def read_card(folder: Path) -> SnapshotCard | None:
    """What a snapshot says that it holds; None where there is none that can be read."""
    try:
        return SnapshotCard.model_validate_json((folder / CARD).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        logger.warning("The snapshot %s is left aside: %s", folder.name, error)
        return None


def count_faces(folder: Path, face_ids: np.ndarray) -> int:
    """How many of those faces have a row in the snapshot's files, whole or not."""
    return sum(
        int(np.isin(_read_file(path).face_ids, face_ids).sum())
        for path in sorted(folder.glob("codes-*.arrow"))
    )


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed left beside a snapshot; it may hold forgotten faces."""
    if not folder.parent.is_dir():
        return
    for path in folder.parent.iterdir():
        if is_temporary(path) and path.name.endswith(f"-{folder.name}"):
            shutil.rmtree(path, ignore_errors=True)


def read_snapshot(folder: Path, card: SnapshotCard) -> Iterator[CodeRows]:
    """The rows of a snapshot, a file at a time, each after its hash was checked.

    Raises:
        DataError: a file is missing or is not what was written.
    """
    for file in card.files:
        path = folder / file.name
        if not path.is_file() or sha256_of(path) != file.sha256:
            raise DataError(f"The snapshot's file {file.name} is damaged or missing.")
        yield _read_file(path)
