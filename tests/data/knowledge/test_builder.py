"""Building: what is broken, doubled or circular is named by its line, and nothing is half there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.errors import DataError, UnknownName, UsageError
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.facts import (
    Facts,
    adjacency,
    by_frequency,
    find_cycles,
    find_duplicates,
    find_two_cycles,
)
from striate.data.knowledge.manifest import EDGES, NAMES
from striate.data.knowledge.sources import SourceOptions, build

pytestmark = pytest.mark.unit

MakeBase = Callable[..., KnowledgeBase]
TRIPLES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1), st.integers(0, 5)), max_size=24)


def facts_of(triples: list[tuple[int, int, int]]) -> Facts:
    subjects, relations, objects = np.array(triples, np.int64).reshape(-1, 3).T
    return Facts(subjects, relations, objects, np.arange(len(triples)), 6, 2)


@given(TRIPLES)
def test_duplicates_and_contradictions_are_the_later_ones(
    triples: list[tuple[int, int, int]],
) -> None:
    facts = facts_of(triples)
    doubled = [fact in triples[:at] for at, fact in enumerate(triples)]
    assert find_duplicates(facts).tolist() == doubled
    once = list(dict.fromkeys(triples))
    against = [r == 0 and s != o and (o, r, s) in once[:at] for at, (s, r, o) in enumerate(once)]
    ordered = np.array([True, False])
    assert find_two_cycles(facts_of(once), ordered).tolist() == against


@given(TRIPLES)
def test_a_fact_on_a_cycle_is_found_and_a_tree_has_none(
    triples: list[tuple[int, int, int]],
) -> None:
    found = find_cycles(facts_of(triples), np.array([True, False]))
    edges = {(s, o) for s, r, o in triples if r == 0}

    def reaches(start: int, goal: int) -> bool:
        seen, left = set[int](), [start]
        while left:
            here = left.pop()
            further = {o for s, o in edges if s == here} - seen
            seen |= further
            left += further
        return goal in seen

    for (subject, relation, target), said in zip(triples, found.tolist(), strict=True):
        if relation == 0 and reaches(target, subject):
            assert said  # on a cycle
        if said:  # on one, or between two
            assert relation == 0 and any(reaches(one, one) for one in range(6))


@given(TRIPLES)
@settings(max_examples=50)
def test_both_directions_of_every_fact_are_around_its_entities(
    triples: list[tuple[int, int, int]],
) -> None:
    once = list(dict.fromkeys(triples))
    around = adjacency(facts_of(once))
    starts = [*around.group_starts.tolist(), len(around.group_relations)]
    edges = [*around.edge_starts.tolist(), len(around.edges)]
    found = {
        (entity, int(around.group_relations[group]), int(other))
        for entity in range(6)
        for group in range(starts[entity], starts[entity + 1])
        for other in around.edges[edges[group] : edges[group + 1]]
    }
    assert found == {x for s, r, o in once for x in ((s, r, o), (o, r + 2, s))}
    assert len(around.edges) == 2 * len(once)


def test_the_most_frequent_come_first() -> None:
    assert by_frequency(np.array([1, 5, 5, 0])).tolist() == [2, 0, 1, 3]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_and_what_is_wrong_with_it_is_named(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        "own.csv",
        "subject,relation,object\n"
        "Rome,country,Italy\n"
        "Rome,country\n"  # 3: broken
        'Rome,twin,"Paris, France"\n'
        "Rome,country,Italy\n"  # 5: again
        "\n"
        'Oslo,country,"Norway\n'  # 7: broken quotes
        "dog,kind,animal\n"
        "animal,kind,dog\n"  # 9: the opposite
        "animal,kind,animal\n"  # 10: before itself
        "Rome,near,Rome\n"  # no order: allowed
        "a,kind,b\nb,kind,c\nc,kind,a\n",
    )
    names = write(tmp_path, "names.csv", "Rome,Roma\nRome,the Eternal City\nNowhere,Utopia\n")
    options = SourceOptions(aliases=names, hierarchical=("kind",))
    report = build("csv", table, tmp_path / "kb", options)
    manifest = report.manifest
    assert manifest.skipped_keys == {
        "broken line": ("own.csv:3", "own.csv:7"),
        "duplicated fact": ("own.csv:5",),
        "entity that comes before itself": ("own.csv:10",),
        "fact that says the opposite of an earlier one": ("own.csv:9",),
        "name of an entity that no fact is about": ("names.csv:3",),
    }
    cycle = ("own.csv:12", "own.csv:13", "own.csv:14")
    assert manifest.flawed_keys == {"fact in a longer cycle": cycle}
    base = KnowledgeBase.open(tmp_path / "kb", hashed=True)
    (rome,) = base.names.find(["roma"])[0]
    assert (base.name(rome), base.key(rome)) == ("Rome", "Rome")
    numbers = base.relation_numbers
    assert [base.name(e) for e in base.follow(rome, numbers["twin"])] == ["Paris, France"]
    (italy,) = base.names.find(["italy"])[0]
    assert base.follow(italy, numbers["~country"]).tolist() == [rome]
    assert base.entities_of(["Italy", "Atlantis"]) == [italy, None]
    assert base.follow(rome, numbers["~twin"]).tolist() == []
    first = (tmp_path / "kb" / "knowledge.json").read_bytes()
    build("csv", table, tmp_path / "kb", options)
    assert (tmp_path / "kb" / "knowledge.json").read_bytes() == first


def test_objects_of_a_line_may_be_several(tmp_path: Path) -> None:
    table = write(tmp_path, "f.txt", "m/1\tbook/subject\tm/2 m/3\nm/2\tbook/subject\t \n")
    manifest = build("csv", table, tmp_path / "kb", SourceOptions(separator=" ")).manifest
    assert (manifest.facts, manifest.skipped) == (2, {"broken line": 1})


def test_too_much_that_cannot_be_read_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    table = write(tmp_path, "own.tsv", "a\tb\tc\nbroken\nx\ty\tz\n")
    build("csv", table, tmp_path / "kb", SourceOptions(max_skipped=0.4))
    before = {path: path.read_bytes() for path in (tmp_path / "kb").iterdir()}
    with pytest.raises(DataError, match=r"More than the allowed 20\.00% of 3 lines.*own\.tsv:2"):
        build("csv", table, tmp_path / "kb", SourceOptions(max_skipped=0.2))
    assert {path: path.read_bytes() for path in (tmp_path / "kb").iterdir()} == before
    only_broken = write(tmp_path, "bad.tsv", "nothing\n")
    with pytest.raises(DataError, match=r"There is no fact in bad\.tsv: 1 × broken line"):
        build("csv", only_broken, tmp_path / "other")
    with pytest.raises(DataError, match="There is no file"):
        build("csv", tmp_path / "absent.csv", tmp_path / "other")
    with pytest.raises(UnknownName, match=r"kin.*kind|relation"):
        build("csv", table, tmp_path / "other", SourceOptions(hierarchical=("kin",)))
    assert not (tmp_path / "other").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".tmp-")]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(UsageError, match="is no knowledge base"):
        build("csv", table, tmp_path / "photos")


def test_a_damaged_base_is_refused_by_the_name_of_its_file(make_base: MakeBase) -> None:
    base = make_base([("a", "b", "c")])
    assert base.place.local is not None
    edges, names = base.place.local / EDGES, base.place.local / NAMES
    content = names.read_bytes()
    names.write_bytes(content[:-9] + b"x" + content[-8:])
    KnowledgeBase.open(base.place)  # sizes alone
    with pytest.raises(DataError, match=f"{NAMES} is damaged"):
        KnowledgeBase.open(base.place, hashed=True)
    edges.write_bytes(b"")
    with pytest.raises(DataError, match=f"{EDGES} is damaged"):
        KnowledgeBase.open(base.place)
    edges.unlink()
    with pytest.raises(DataError, match=f"{EDGES} is missing"):
        KnowledgeBase.open(base.place)
    with pytest.raises(DataError, match="holds no knowledge base"):
        KnowledgeBase.open(base.place.local.parent)


NTRIPLES = r"""
# a comment
<http://x.org/Rome> <http://x.org/p/country> <http://x.org/It%C3%A1ly> .
<http://x.org/Rome> <http://www.w3.org/2000/01/rdf-schema#label> "Rome"@en .
<http://x.org/Rome> <http://www.w3.org/2000/01/rdf-schema#label> "Rom"@de .
<http://x.org/Rome> <http://www.w3.org/2004/02/skos/core#altLabel> "Roma \u0041eterna"@en-GB .
<http://x.org/Rome> <http://x.org/p/area> "1,285 km\u00B2"^^<http://x.org/area> .
<http://x.org/p/area> <http://www.w3.org/2000/01/rdf-schema#label> "surface" .
_:b1 <http://x.org/p/said> "a \"quoted\"\ttext" . # said
<http://x.org/Rome> <http://x.org/p/country> "no dot"
<http://x.org/Rome> <http://x.org/p/bad> "\q" .
<http://x.org/Rome> <http://x.org/p/bad> "\uD800" .
not a triple
<http://x.org/a> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://x.org/a> .
<http://x.org/Oslo> <http://www.w3.org/2000/01/rdf-schema#label> "Oslo" .
"""


def test_ntriples_are_read_with_their_escapes_languages_and_labels(tmp_path: Path) -> None:
    file = write(tmp_path, "facts.nt", NTRIPLES.lstrip("\n"))
    manifest = build("ntriples", file, tmp_path / "kb").manifest
    assert manifest.skipped_keys == {
        "broken line": ("facts.nt:9", "facts.nt:10", "facts.nt:11", "facts.nt:12"),
        "entity that comes before itself": ("facts.nt:13",),
        "literal in another language": ("facts.nt:4",),
    }
    base = KnowledgeBase.open(tmp_path / "kb")
    (rome,) = base.names.find(["roma aeterna"])[0]
    assert (base.name(rome), base.key(rome)) == ("Rome", "http://x.org/Rome")
    labels = {one.name: one.label for one in manifest.relations}
    assert labels["http://x.org/p/area"] == "surface"
    area = base.follow(rome, base.relation_numbers["http://x.org/p/area"])
    assert [base.name(one) for one in area] == ["1,285 km²"]
    country = base.follow(rome, base.relation_numbers["http://x.org/p/country"])
    assert [base.name(one) for one in country] == ["Itály"]
    assert base.names.find(["a quoted text"])[0]
    (oslo,) = base.names.find(["oslo"])[0]
    assert base.relations_around(oslo).tolist() == []


def test_an_encoding_or_a_long_line_is_said(tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_bytes("a,b,c\n".encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16, not UTF-8"):
        build("csv", wide, tmp_path / "kb")
    odd = tmp_path / "odd.csv"
    odd.write_bytes(b"a,b,c\n\xff,b,c\n" + b"x" * (2**20 + 9) + b",b,c\nd,b,c\n")
    manifest = build("csv", odd, tmp_path / "kb").manifest
    assert manifest.skipped_keys == {
        "line longer than a megabyte": ("odd.csv:3",),
        "not UTF-8": ("odd.csv:2",),
    }
    packed = tmp_path / "facts.csv.gz"
    packed.write_bytes(b"\x1f\x8b\x08nonsense")
    with pytest.raises(DataError, match="truncated or damaged"):
        build("csv", packed, tmp_path / "kb")
