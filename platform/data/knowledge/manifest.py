"""What a knowledge base holds: its relations, its counts, and the hash of each of its files."""

import hashlib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from striate.core.errors import DataError
from striate.core.files import sha256_of
from striate.core.numbers import Total
from striate.core.validation import describe_invalid
from striate.data.storage import Source

KNOWLEDGE_FILE = "knowledge.json"
ENTITIES, GROUPS, EDGES = (f"knowledge-{name}.arrow" for name in ("entities", "groups", "edges"))
NAMES, SPELLINGS = (f"knowledge-{name}.arrow" for name in ("names", "spellings"))
WORDING = "knowledge-wording.json"
FILES = (ENTITIES, GROUPS, EDGES, NAMES, SPELLINGS, WORDING)
BACK = "~"
"""What the name of a relation begins with that is gone through from its object to its subject."""

_CHUNK = 4 << 20
_AGAIN = "Build it again with `striate data kb`."


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Relation(_Document):
    """A kind of fact.

    Attributes:
        name: what the source calls it: ``capital``, or an IRI.
        label: what people call it.
        hierarchical: whether it orders entities, so that no entity comes before itself.
        facts: of the kind.
    """

    name: str
    label: str
    hierarchical: bool = False
    facts: Total = 0


class KnowledgeFile(_Document):
    """One file: its content's hash and size."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: Total


class KnowledgeManifest(_Document):
    """What `KNOWLEDGE_FILE` says.

    Attributes:
        kind: of the source: ``factbook``, ``wordnet``, ``csv``, ``ntriples``.
        entities: of the base, those with the most facts first.
        facts: of the base, each once.
        names: that entities are found by.
        relations: the kinds of facts, the most frequent first.
        lines: of the source that were read.
        skipped: reason → lines or facts that were left out.
        skipped_keys: reason → the first of them, as ``FILE:LINE``.
        flaws: flaw → facts that are in the base in spite of it.
        flawed_keys: flaw → the first of them.
        files: name → hash and size.
    """

    format_version: Literal[1] = 1
    kind: str
    entities: Total
    facts: Total
    names: Total
    relations: tuple[Relation, ...]
    lines: Total
    skipped: dict[str, Total] = Field(default_factory=dict)
    skipped_keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    flaws: dict[str, Total] = Field(default_factory=dict)
    flawed_keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    files: dict[str, KnowledgeFile]

    @classmethod
    def load(cls, place: Source) -> Self:
        """Read the manifest of a folder.

        Raises:
            DataError: there is none, or one that cannot be used.
        """
        if not place.exists(KNOWLEDGE_FILE):
            raise DataError(
                f"{place.name} holds no knowledge base: there is no {KNOWLEDGE_FILE}.", _AGAIN
            )
        name = place.named(KNOWLEDGE_FILE)
        try:
            found = cls.model_validate_json(place.read(KNOWLEDGE_FILE))
        except ValidationError as error:
            raise DataError(f"{name} is damaged: {describe_invalid(error)}.", _AGAIN) from None
        if set(found.files) != set(FILES):
            raise DataError(f"{name} is damaged: it does not name the files of a base.", _AGAIN)
        return found

    def to_json(self) -> str:
        """The file's text: the same for the same content."""
        return self.model_dump_json(indent=1) + "\n"

    @property
    def sha256(self) -> str:
        """Of the manifest, and through it of every file."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())


def file_entry(path: Path) -> KnowledgeFile:
    """What a manifest says of a file."""
    return KnowledgeFile(sha256=sha256_of(path), bytes=path.stat().st_size)


def check_file(place: Source, name: str, entry: KnowledgeFile, *, hashed: bool) -> None:
    """Hold a file against its entry.

    Args:
        place: where it lies.
        name: of the file.
        entry: what the manifest says of it.
        hashed: whether its content is hashed; its size is looked at in any case.

    Raises:
        DataError: it is missing or damaged.
    """
    if not place.exists(name):
        raise DataError(f"{place.named(name)} is missing.", _AGAIN)
    if place.size(name) != entry.bytes or (hashed and _hash(place, name) != entry.sha256):
        raise DataError(f"{place.named(name)} is damaged: its hash differs.", _AGAIN)


def _hash(place: Source, name: str) -> str:
    digest = hashlib.sha256()
    with place.open(name) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
