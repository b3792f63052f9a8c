"""The manifest: what a folder of shards holds, and the hash of every shard."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from striate.core.errors import DataError, UnknownName
from striate.core.files import write_atomic
from striate.data.corpora.base import FieldKind, LabelColumn, OpenCorpus, PayloadColumn

FORMAT_VERSION: Literal[1] = 1
MANIFEST_FILE = "manifest.json"
_REMEDY = "Run `striate data ingest` again."


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ShardEntry(_Document):
    """One shard.

    Attributes:
        file: name inside the folder.
        split: the split that its rows belong to.
        rows: samples in it.
        units: units of the order in it; as many as rows when None.
        bytes: its size.
        sha256: hash of its content.
        skipped: reason → items of the source left out of it.
        skipped_keys: reason → names of the first of them.
    """

    file: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    split: str
    rows: int = Field(ge=0)
    units: int | None = Field(default=None, ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    skipped: dict[str, int] = Field(default_factory=dict)
    skipped_keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Columns(_Document):
    """The shards' Arrow schema.

    Beside these stand `key`, the sample's name in the source, and `item`, its index in the split
    of the source.

    Attributes:
        payload: how the samples are stored.
        label: what their labels are.
        fields: further columns.
    """

    payload: PayloadColumn
    label: LabelColumn = LabelColumn()
    fields: dict[str, FieldKind] = Field(default_factory=dict)

    @classmethod
    def of(cls, opened: OpenCorpus) -> Self:
        """The columns that a corpus's shards have."""
        return cls(payload=opened.payload, label=opened.label, fields=dict(opened.fields))

    @property
    def has_units(self) -> bool:
        """Whether rows have more than one unit of the order; see `OpenCorpus.fields`."""
        return "units" in self.fields


class Manifest(_Document):
    """What ``manifest.json`` says.

    Attributes:
        corpus: name in `striate.data.corpora.CORPORA`.
        columns: the shards' schema; ``schema`` in the file.
        splits: split → rows.
        labels: class names, indexed by the column `label`.
        shards: every shard, in the order that global row ids follow within each split.
        source_sha256: hash of the corpus that was read.
        shard_mb: size that shards were cut to.
    """

    format_version: Literal[1] = FORMAT_VERSION
    corpus: str
    columns: Columns = Field(alias="schema")
    splits: dict[str, int]
    labels: tuple[str, ...]
    shards: tuple[ShardEntry, ...]
    source_sha256: str
    shard_mb: float

    @model_validator(mode="after")
    def _rows_add_up(self) -> Self:
        for split, rows in self.splits.items():
            held = sum(shard.rows for shard in self.shards if shard.split == split)
            if held != rows:
                raise ValueError(f"split {split} has {rows} rows and its shards {held}")
        return self

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read and check the manifest of a folder of shards, or the file itself.

        Raises:
            DataError: no manifest, or one that cannot be used.
        """
        file = Path(path) / MANIFEST_FILE if Path(path).is_dir() else Path(path)
        if not file.is_file():
            raise DataError(
                f"{path} holds no finished shards: there is no {MANIFEST_FILE}.", _REMEDY
            )
        try:
            return cls.model_validate_json(file.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "content"
            raise DataError(f"{file} is damaged: {place}: {first['msg']}.", _REMEDY) from None

    def to_json(self) -> str:
        """The file's text: the same for the same content."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"

    def write(self, target: Path) -> None:
        """Write ``manifest.json`` into the folder `target`, whole or not at all."""
        write_atomic(target / MANIFEST_FILE, self.to_json().encode())

    @property
    def sha256(self) -> str:
        """Hash of the manifest, and through it of every shard: what a run records."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def skipped(self) -> dict[str, int]:
        """Reason → items of the source that are in no shard."""
        total: Counter[str] = Counter()
        for shard in self.shards:
            total.update(shard.skipped)
        return dict(sorted(total.items()))

    @property
    def bytes(self) -> int:
        """Size of all shards."""
        return sum(shard.bytes for shard in self.shards)

    def rows(self, split: str) -> int:
        """Samples in a split.

        Raises:
            UnknownName: there is no such split.
        """
        if split not in self.splits:
            raise UnknownName.of("split", split, self.splits)
        return self.splits[split]

    def split_shards(self, split: str) -> tuple[ShardEntry, ...]:
        """The shards of a split, in order.

        Raises:
            UnknownName: there is no such split.
        """
        self.rows(split)
        return tuple(shard for shard in self.shards if shard.split == split)
