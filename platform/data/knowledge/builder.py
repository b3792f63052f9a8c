"""Facts that were gathered → the files of a knowledge base, whole or absent."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from striate.core.errors import UsageError
from striate.core.files import atomic_folder, is_temporary
from striate.data.knowledge.columns import write_columns
from striate.data.knowledge.facts import (
    DUPLICATED,
    LONGER_CYCLE,
    LOOP,
    TWO_CYCLE,
    Chosen,
    Facts,
    adjacency,
    find_cycles,
    find_duplicates,
    find_two_cycles,
    renumber,
)
from striate.data.knowledge.gathered import GatheredFacts, Reasons
from striate.data.knowledge.manifest import (
    EDGES,
    ENTITIES,
    FILES,
    GROUPS,
    KNOWLEDGE_FILE,
    WORDING,
    KnowledgeManifest,
    Relation,
    file_entry,
)
from striate.data.knowledge.names import is_findable, write_names
from striate.data.knowledge.wording import Wording
from striate.data.knowledge.words import name_key, plain_name

MOST_FACTS = 2**30
_OLD_S = 3600.0


@dataclass(frozen=True)
class KnowledgeReport:
    """What a build did: the base's manifest, where it lies, and how long it took."""

    manifest: KnowledgeManifest
    target: Path
    seconds: float


def build_base(
    kind: str, gathered: GatheredFacts, target: Path, wording: Wording, max_skipped: float = 1.0
) -> KnowledgeReport:
    """Write a knowledge base to a folder, whole or not at all; one that is there is replaced.

    Left out, named and counted are facts said twice, entities that a hierarchical relation puts
    before themselves, and of two such facts that contradict each other the later one; longer cycles
    are named and stay.

    Args:
        kind: of the source.
        gathered: what it says.
        target: the folder.
        wording: how questions about it are put.
        max_skipped: share of the lines that may have been left out.

    Raises:
        DataError: more was, or there is no fact.
        UsageError: there is something else at the target.
        DiskFull: the disk is full.
    """
    began = time.perf_counter()
    gathered.hold_limit(max_skipped)
    _check_target(target)
    with atomic_folder(target) as folder:
        manifest = write_base(kind, gathered, folder, wording)
    _sweep(target)
    return KnowledgeReport(manifest, target, time.perf_counter() - began)


def write_base(
    kind: str, gathered: GatheredFacts, folder: Path, wording: Wording
) -> KnowledgeManifest:
    """Write the files of a base into a folder, one after the other; see `build_base`."""
    skipped, flaws = gathered.skipped, Reasons()
    facts = _cleaned(gathered, skipped, flaws)
    facts, entities, relations = renumber(facts)
    keys = _keys(gathered, entities.tolist())
    folder.mkdir(parents=True, exist_ok=True)
    names = _write_entities(folder, gathered, keys, facts)
    (folder / WORDING).write_text(wording.to_text(), encoding="utf-8")
    manifest = KnowledgeManifest(
        kind=kind,
        entities=len(keys),
        facts=len(facts.subjects),
        names=names,
        relations=tuple(_relations(gathered, relations.tolist(), facts)),
        lines=gathered.lines,
        skipped=dict(sorted(skipped.counts.items())),
        skipped_keys={name: tuple(some) for name, some in sorted(skipped.keys.items())},
        flaws=flaws.counts,
        flawed_keys={name: tuple(some) for name, some in flaws.keys.items()},
        files={name: file_entry(folder / name) for name in FILES},
    )
    (folder / KNOWLEDGE_FILE).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _check_target(target: Path) -> None:
    other = target.exists() and not (target / KNOWLEDGE_FILE).is_file()
    if other and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target} is there already, and is no knowledge base.", "Name another folder."
        )


def _cleaned(gathered: GatheredFacts, skipped: Reasons, flaws: Reasons) -> Facts:
    """The facts that hold together; of the others the lines are told."""
    facts = Facts(
        subjects=np.array(gathered.subjects, np.int64),
        relations=np.array(gathered.kinds, np.int64),
        objects=np.array(gathered.objects, np.int64),
        places=np.array(gathered.places, np.int64),
        entities=len(gathered.keys),
        kinds=len(gathered.relations),
    )
    ordered = np.array([name in gathered.hierarchical for name in gathered.relations], bool)

    def without(found: Chosen, reason: str) -> Facts:
        _tell(gathered, facts, found, reason, skipped)
        return facts.only(~found)

    facts = without(find_duplicates(facts), DUPLICATED)
    facts = without(ordered[facts.relations] & (facts.subjects == facts.objects), LOOP)
    facts = without(find_two_cycles(facts, ordered), TWO_CYCLE)
    _tell(gathered, facts, find_cycles(facts, ordered), LONGER_CYCLE, flaws)
    return facts


def _tell(gathered: GatheredFacts, facts: Facts, found: Chosen, reason: str, to: Reasons) -> None:
    for place in np.sort(facts.places[found]).tolist():
        to.add(reason, gathered.place_name(place))


def _keys(gathered: GatheredFacts, numbers: list[int]) -> list[str]:
    """The entities' keys by number; after those of facts, those that have names alone."""
    keys = [""] * len(numbers)
    for key, number in zip(gathered.keys, numbers, strict=True):
        keys[number] = key
    more = {key for key, _, _ in gathered.names} - gathered.keys.keys() - gathered.relations.keys()
    return keys + sorted(more)


def _write_entities(folder: Path, gathered: GatheredFacts, keys: list[str], facts: Facts) -> int:
    """Write all tables but the wording; how many names there are."""
    number_of = {key: number for number, key in enumerate(keys)}
    shown: dict[int, tuple[int, str]] = {}
    found: list[tuple[str, int, int]] = []
    for key, name, rank in gathered.names:
        if (number := number_of.get(key)) is not None:
            if number not in shown or rank < shown[number][0]:
                shown[number] = rank, name
            found.append((name_key(name), rank, number))
    for number, key in enumerate(keys):
        if number not in shown:
            shown[number] = 1, plain_name(key)
            found.append((name_key(plain_name(key)), 1, number))
    around = adjacency(facts)
    groups = np.full(len(keys), len(around.group_relations), np.int64)
    groups[: len(around.group_starts)] = around.group_starts
    columns = {
        "key": pa.array(keys, pa.large_string()),
        "name": pa.array([shown[number][1] for number in range(len(keys))], pa.large_string()),
        "group": pa.array(groups),
    }
    write_columns(folder / ENTITIES, columns)
    relations = pa.array(around.group_relations.astype(np.int32))
    write_columns(folder / GROUPS, {"relation": relations, "edge": pa.array(around.edge_starts)})
    write_columns(folder / EDGES, {"entity": pa.array(around.edges.astype(np.int32))})
    return write_names(folder, [one for one in found if is_findable(one[0])])


def _relations(gathered: GatheredFacts, numbers: list[int], facts: Facts) -> Iterator[Relation]:
    """The relations by number."""
    counts = np.bincount(facts.relations, minlength=facts.kinds).tolist()
    named = dict(zip(numbers, gathered.relations, strict=True))
    for number, count in enumerate(counts):
        name = named[number]
        yield Relation(
            name=name,
            label=gathered.labels.get(name) or plain_name(name).lower(),
            hierarchical=name in gathered.hierarchical,
            facts=count,
        )


def _sweep(target: Path) -> None:
    """Remove what builds of the same base left half written when they were killed."""
    for path in target.parent.glob(f".tmp-*-{target.name}"):
        with suppress(OSError):
            if is_temporary(path) and time.time() - path.stat().st_mtime > _OLD_S:
                shutil.rmtree(path, ignore_errors=True)
