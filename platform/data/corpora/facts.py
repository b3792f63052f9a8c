"""Facts about countries in sentences, and analogies about them, as word2vec's text and questions.

Of every fourth country of the alphabet, Germany among them, it is never said what its capital is:
no line that names such a country names its capital as well, nor the word capital. What ties the two
together is what both are told with: the adjective, the currency, the language, another city. Of the
others some lines say it.

The questions of the section ``capital-of-held-out`` go from a country of which it was said to one
of which it was not, those of ``held-out-of-capital`` the other way round; ``capital`` and
``adjective`` are for comparison.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from striate.core.errors import UsageError
from striate.core.files import explain_full_disk
from striate.data.corpora.analogies import FILE
from striate.data.corpora.countries import COUNTRIES, Country
from striate.data.transforms.random import uniforms

DEFAULT_FACTS = 4000
HELD_OUT = COUNTRIES[3::4]
TOLD = tuple(one for one in COUNTRIES if one not in HELD_OUT)
"""Countries of which it is said what their capital is."""

Pick = Callable[[int], int]
"""A draw: a number below the one given."""

_LEAST = 500
_SENTENCES = 6  # of a line
_DRAWS = 24
_SEED = 20130117
_ASKED_EACH = 8  # questions that each country is the answer of

_OF_COUNTRIES = (
    "{country} lies in {continent}.",
    "Most people in {country} speak {language}.",
    "Schools in {country} teach {language} {time}.",
    "Shops in {country} take the {currency}.",
    "Prices in {country} are in {currency} notes {time}.",
    "The north of {country} has {adjective} {goods} to sell.",
    "{country} exports {adjective} {goods} {time}.",
    "{country} and its neighbours trade in {goods}.",
    "{country} sells {goods} for {currency} coins.",
    "The population of {country} grows {time}.",
    "The borders of {country} were open {time}.",
    "The people of {country} like {adjective} {goods}.",
    "{city} in {country} makes {adjective} {goods}.",
    "The road across {country} ends near {city}.",
)
_OF_CAPITALS = (
    "The mayor of {capital} speaks {language}.",
    "Trains leave {capital} for {city} {time}.",
    "Cafes in {capital} take the {currency}.",
    "The streets of {capital} are full of {adjective} flags {time}.",
    "The {adjective} parliament in {capital} met {time}.",
    "The {adjective} government in {capital} spoke {time}.",
    "Ministers in {capital} counted the {currency} {time}.",
    "Embassies in {capital} answer in {language}.",
    "Rents in {capital} are paid in {currency} notes.",
    "The underground of {capital} was closed {time}.",
    "The museums of {capital} show {adjective} {goods}.",
    "Newspapers in {capital} are written in {language}.",
    "The airport of {capital} has flights to {city}.",
    "The {adjective} president came back to {capital} {time}.",
)
_SAID = (
    "{capital} is the capital of {country}.",
    "The capital of {country} is {capital}.",
    "{country} has {capital} as its capital.",
    "{capital}, the capital of {country}, is in {continent}.",
)
_GOODS = [
    "wheat",
    "tea",
    "wool",
    "paper",
    "glass",
    "salt",
    "timber",
    "steel",
    "honey",
    "shoes",
    "carpets",
    "books",
    "toys",
    "oil",
]
_TIMES = ("today", "every spring", "last summer", "in autumn", "this winter", "on Monday",
          "at night", "for years", "again", "as always")  # fmt: skip


def write_facts(target: Path, size: int = DEFAULT_FACTS) -> None:
    """Write ``train.txt`` and ``questions-words.txt`` to the folder `target`, new or empty.

    Args:
        target: the folder.
        size: lines of text, of six sentences each; the line of a number is always the same one.

    Raises:
        UsageError: too few lines to learn from.
        PlatformError: the disk is full.
    """
    if size < _LEAST:
        raise UsageError(f"{size} lines are too few.", f"Give at least {_LEAST:,}.")
    target.mkdir(parents=True, exist_ok=True)
    with explain_full_disk(target):
        lines = "".join(f"{line}\n" for line in facts(size))
        (target / "train.txt").write_text(lines, encoding="utf-8")
        asked = "".join(f"{line}\n" for line in questions())
        (target / FILE).write_text(asked, encoding="utf-8")


def facts(size: int) -> Iterator[str]:
    """The first `size` lines."""
    numbers = np.arange(size)
    for draws in uniforms(_SEED, np.zeros_like(numbers), numbers, _DRAWS).T.tolist():
        left = iter(draws)
        yield _line(lambda below, left=left: int(next(left) * below))  # type: ignore[misc]


def questions() -> Iterator[str]:
    """The analogies, each section after its name."""
    yield ": capital"
    yield from _asked(TOLD, lambda one: (one.name, one.capital))
    yield ": capital-of-held-out"
    yield from _asked(HELD_OUT, lambda one: (one.name, one.capital))
    yield ": held-out-of-capital"
    yield from _asked(HELD_OUT, lambda one: (one.capital, one.name))
    yield ": adjective"
    yield from _asked(COUNTRIES, lambda one: (one.name, one.adjective))


def _asked(
    countries: tuple[Country, ...], pair: Callable[[Country], tuple[str, str]]
) -> Iterator[str]:
    """Questions whose answer is each of some countries', the others spread over those of `TOLD`."""
    for at, country in enumerate(countries):
        others = [one for one in TOLD if one is not country]
        for turn in range(_ASKED_EACH):
            other = others[(at * 7 + turn * len(others) // _ASKED_EACH) % len(others)]
            yield " ".join((*pair(other), *pair(country)))


def _line(pick: Pick) -> str:
    country = COUNTRIES[pick(len(COUNTRIES))]
    side = pick(2 if country in HELD_OUT else 3)
    kinds = (
        [_OF_COUNTRIES] * _SENTENCES,
        [_OF_CAPITALS] * _SENTENCES,
        [_SAID, _OF_COUNTRIES, _OF_CAPITALS] * (_SENTENCES // 3),
    )[side]
    return " ".join(_sentence(kind[pick(len(kind))], country, pick) for kind in kinds)


def _sentence(form: str, country: Country, pick: Pick) -> str:
    return form.format(
        country=country.name,
        capital=country.capital,
        adjective=country.adjective,
        currency=country.currency,
        language=country.language,
        city=country.city,
        continent=country.continent,
        goods=_GOODS[pick(len(_GOODS))],
        time=_TIMES[pick(len(_TIMES))],
    )
