"""The kinds of sources that a knowledge base is built of, each with its reader."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from striate.core.errors import DataError, UnknownName
from striate.core.text import decode_text
from striate.data.knowledge.builder import KnowledgeReport, build_base
from striate.data.knowledge.factbook import read_factbook
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.geonames import add_geonames
from striate.data.knowledge.ntriples import read_ntriples
from striate.data.knowledge.tables import read_aliases, read_table
from striate.data.knowledge.wording import Wording
from striate.data.knowledge.wordnet import read_wordnet


@dataclass(frozen=True)
class SourceOptions:
    """How a source is read; see the readers.

    Attributes:
        aliases: a table of further names of entities.
        geonames: whether names of cities and countries in other languages are added.
        wording: a file of how questions are put; None: the one that comes with the kind.
        hierarchical: names of relations that order entities.
        separator: what the objects of a line of a table are apart by.
        language: whose literals of N-Triples are read.
        max_skipped: share of the lines that may be left out.
    """

    aliases: Path | None = None
    geonames: bool = False
    wording: Path | None = None
    hierarchical: tuple[str, ...] = ()
    separator: str | None = None
    language: str = "en"
    max_skipped: float = 1.0


AS_PUBLISHED = SourceOptions()

Reader = Callable[[Path, GatheredFacts, SourceOptions], None]
KINDS: dict[str, Reader] = {
    "factbook": lambda path, gathered, options: read_factbook(path, gathered),
    "wordnet": lambda path, gathered, options: read_wordnet(path, gathered),
    "csv": lambda path, gathered, options: read_table(path, gathered, options.separator),
    "ntriples": lambda path, gathered, options: read_ntriples(path, gathered, options.language),
}


def build(
    kind: str, source: Path, target: Path, options: SourceOptions = AS_PUBLISHED
) -> KnowledgeReport:
    """Read a source and write its knowledge base to the folder `target`, whole or not at all.

    Args:
        kind: one of `KINDS`.
        source: a file, or a folder of the kind.
        target: the folder; a knowledge base that is there is replaced.
        options: how it is read.

    Raises:
        DataError: the source is missing or damaged, holds no fact, or more of it cannot be used
            than is allowed.
        UsageError: there is something else at the target.
        UnknownName: no such relation.
        DiskFull: the disk is full.
    """
    gathered = GatheredFacts()
    KINDS[kind](source, gathered, options)
    if options.aliases is not None:
        read_aliases(options.aliases, gathered)
    if options.geonames:
        add_geonames(gathered)
    for relation in options.hierarchical:
        if relation not in gathered.relations:
            raise UnknownName.of("relation", relation, gathered.relations)
        gathered.hierarchical.add(relation)
    wording = bundled_wording(kind) if options.wording is None else _read(options.wording)
    return build_base(kind, gathered, target, wording, options.max_skipped)


def bundled_wording(kind: str) -> Wording:
    """How questions about a kind of source are put; by the relations' labels where none is kept."""
    path = Path(__file__).with_name(f"{kind}_wording.json")
    if not path.exists():
        return Wording()
    return Wording.of_text(path.read_text(encoding="utf-8"), path.name)


def _read(path: Path) -> Wording:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    return Wording.of_text(decode_text(content, str(path)), str(path))
