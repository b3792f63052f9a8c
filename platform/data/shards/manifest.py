"""The manifest: what a folder of shards holds, and the hash of every shard."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from striate.core.errors import DataError, UnknownName
from striate.core.numbers import Positive, Total
from striate.core.validation import describe_invalid
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    OpenCorpus,
    PayloadColumn,
)
from striate.data.storage import Source

FORMAT_VERSION: Literal[1] = 1
MANIFEST_FILE = "manifest.json"
TEXT = "text"
"""What a payload of text is called that has no other name."""
KEYS_KEPT = 20
"""Names of skipped items that are kept for each reason."""
RECORDS_FOLDER = ".ingest"
"""Where an ingest leaves what it has finished until the manifest is written."""
_AGAIN = "Run `striate data ingest` again."
_FIRST = "Ingest a corpus into it with `striate data ingest`, or name another folder."


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
        flaws: flaw → samples that are in it in spite of that.
        flawed_keys: flaw → names of the first of them.
    """

    file: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    split: str
    rows: Total
    units: Total | None = None
    bytes: Total
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    skipped: dict[str, Total] = Field(default_factory=dict)
    skipped_keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    flaws: dict[str, Total] = Field(default_factory=dict)
    flawed_keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _without_flaws(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As ever where there are none: a manifest's hash stays what it was."""
        written: dict[str, Any] = write(self)
        flaws = ("flaws", "flawed_keys")
        return {name: value for name, value in written.items() if value or name not in flaws}


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
    def texts(self) -> tuple[str, ...]:
        """The columns of text, that of the payload first; none where it is no text."""
        if self.payload.kind != "text":
            return ()
        return (self.text_name, *(name for name, kind in self.fields.items() if kind == "string"))

    @property
    def text_name(self) -> str:
        """What the payload is called among the columns of text."""
        return self.payload.name or TEXT

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
        assets: name → hash of the files that go along with the shards.
        shard_mb: size that shards were cut to.
    """

    format_version: Literal[1] = FORMAT_VERSION
    corpus: str
    columns: Columns = Field(alias="schema")
    splits: dict[str, Total]
    labels: tuple[str, ...]
    shards: tuple[ShardEntry, ...]
    source_sha256: str
    shard_mb: Positive
    assets: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _rows_add_up(self) -> Self:
        for split, rows in self.splits.items():
            held = sum(shard.rows for shard in self.shards if shard.split == split)
            if held != rows:
                raise ValueError(f"split {split} has {rows} rows and its shards {held}")
        return self

    @classmethod
    def load(cls, path: Path | str | Source) -> Self:
        """Read and check the manifest of a folder or bucket of shards, or the file itself.

        Raises:
            DataError: no manifest, or one that cannot be used.
        """
        place, file = _manifest_file(Source.of(path))
        try:
            return cls.model_validate_json(place.read(file))
        except ValidationError as error:
            raise DataError(
                f"{place.named(file)} is damaged: {describe_invalid(error)}.", _AGAIN
            ) from None

    def to_json(self) -> str:
        """The file's text: the same for the same content."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"

    @cached_property
    def sha256(self) -> str:
        """Hash of the manifest, and through it of every shard: what a run records."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def skipped(self) -> dict[str, int]:
        """Reason → items of the source that are in no shard."""
        return _sums(shard.skipped for shard in self.shards)

    @property
    def skipped_keys(self) -> dict[str, tuple[str, ...]]:
        """Reason → names of the first items that are in no shard."""
        return _first(shard.skipped_keys for shard in self.shards)

    @property
    def flaws(self) -> dict[str, int]:
        """Flaw → samples that are in the shards in spite of it."""
        return _sums(shard.flaws for shard in self.shards)

    @property
    def flawed_keys(self) -> dict[str, tuple[str, ...]]:
        """Flaw → names of the first such samples."""
        return _first(shard.flawed_keys for shard in self.shards)

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


def _sums(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return dict(sorted(total.items()))


def _first(names: Iterable[Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for some in names:
        for reason, keys in some.items():
            found[reason] = (found.get(reason, ()) + keys)[:KEYS_KEPT]
    return dict(sorted(found.items()))


def _manifest_file(place: Source) -> tuple[Source, str]:
    """Where the manifest of a folder of shards is: the folder itself may be named, or the file."""
    if place.local is not None and place.local.is_file():
        return Source.of(place.local.parent), place.local.name
    if not place.exists(MANIFEST_FILE):
        raise DataError(
            f"{place.name} holds no finished shards: there is no {MANIFEST_FILE}.",
            _AGAIN if place.exists(RECORDS_FOLDER) else _FIRST,
        )
    return place, MANIFEST_FILE
