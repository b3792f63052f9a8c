"""Facts about countries that are written here, as a knowledge base: in the public domain.

A small table of capitals, regions, currencies, languages, neighbours (among the countries of the
table), internet domains and cities, asked about in the Factbook's wordings.
"""

import json
from pathlib import Path

from striate.core.errors import UsageError
from striate.core.files import explain_full_disk
from striate.data.knowledge.builder import write_base
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.sources import bundled_wording

_TABLE = Path(__file__).with_name("kb_countries.json")
DEFAULT_COUNTRIES = 86
_LEAST = 10


def write_countries(target: Path, size: int = DEFAULT_COUNTRIES) -> None:
    """Write a knowledge base of the first countries of the table to the folder `target`.

    Args:
        target: the folder.
        size: countries, all of them at most.

    Raises:
        UsageError: less than 10.
        PlatformError: the disk is full.
    """
    if size < _LEAST:
        raise UsageError(f"{size} countries are too few.", f"Give at least {_LEAST}.")
    with explain_full_disk(target):
        write_base("countries", gather_countries(size), target, bundled_wording("factbook"))


def gather_countries(size: int = DEFAULT_COUNTRIES) -> GatheredFacts:
    """The facts about the first countries of the table."""
    gathered = GatheredFacts()
    gathered.begin(_TABLE.name)
    table: dict[str, dict[str, list[str]]] = json.loads(_TABLE.read_text(encoding="utf-8"))
    for line, (country, facts) in enumerate(list(table.items())[:size], 2):
        gathered.at(line)
        for relation, values in facts.items():
            for value in values:
                gathered.fact(country, relation, value)
    return gathered
