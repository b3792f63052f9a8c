"""A knowledge base's files by name: to go along with shards, and into a bundle."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from striate.core.locks import hold_lock
from striate.core.settings import Settings
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.manifest import FILES, KNOWLEDGE_FILE, WORDING, KnowledgeManifest
from striate.data.knowledge.wording import Wording
from striate.data.storage import Source, Target


def contents(place: Source) -> dict[str, memoryview]:
    """File name → content of a base; in a folder the files are mapped, and not read.

    Raises:
        DataError: there is no base.
    """
    KnowledgeManifest.load(place)
    return {name: memoryview(_content(place, name)) for name in (KNOWLEDGE_FILE, *FILES)}


def has_base(place: Source) -> bool:
    """Whether a place holds a knowledge base."""
    return place.exists(KNOWLEDGE_FILE)


def wording_of(place: Source) -> Wording:
    """How questions about a base are put.

    Raises:
        DataError: the file is missing or damaged.
    """
    return Wording.of_text(bytes(place.read(WORDING)).decode(), place.named(WORDING))


def local_files(place: Source) -> Mapping[str, Path]:
    """File name → where it lies on this machine; what lies elsewhere is copied once.

    Raises:
        DataError: there is no base, or a file is missing or damaged.
        PlatformError: the disk is full.
    """
    names = (KNOWLEDGE_FILE, *FILES)
    if place.local is not None:
        return {name: place.local / name for name in names}
    manifest = KnowledgeManifest.load(place)
    kept = Settings.load().home / "cache" / "knowledge" / manifest.sha256
    kept.mkdir(parents=True, exist_ok=True)
    with hold_lock(kept.with_suffix(".lock")):
        target = Target.of(kept)
        for name in (*FILES, KNOWLEDGE_FILE):  # the manifest last: it says that all is there
            if not target.exists(name):
                target.write(name, place.read(name))
    KnowledgeBase.open(kept, hashed=True)
    return {name: kept / name for name in names}


def _content(place: Source, name: str) -> pa.Buffer | bytes:
    if place.local is None:
        return place.read(name)
    with pa.memory_map(str(place.local / name)) as file:
        return file.read_buffer()
