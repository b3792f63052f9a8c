"""The fields of the Factbook that are read, and how names come out of their text."""

import re
from collections.abc import Callable
from dataclasses import dataclass

COUNTRY = "country"
MOST_LETTERS, MOST_WORDS = 60, 7
"""Of a name: what is longer is prose."""

_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_NUMBERS = re.compile(
    r"\s+(?:(?:less|more) than|at least|only|about)?\s*-?\d[\d.,]*\s*(?:%|km)?(?:\s*-.*)?$"
)
_TAIL = re.compile(r"\s*(?:\bnote\b\s*[-:]|\+\+|\n).*", re.S)
_NO_NAME = re.compile(r"(?:other|some|various|unspecified|not |none|NA$|N/A|\d|note|each |all )")
_SPLIT = re.compile(r"[,;]|\band\b(?= [A-Z]\w*$)")
_DATE = re.compile(r"\d{1,2} [A-Z]\w+ \d{4}")
_HEIGHT = re.compile(r"\s+-?\d[\d.,]*\s*m\b.*", re.S)
_CURRENCY = re.compile(r"(?:the )?([A-Za-z. -]+?) \(([A-Z]{3})\)")
_USED = re.compile(r"(?:the )?([A-Za-z. -]+?) (?:is|are) used")
_TITLE = re.compile(
    r"(?:(?:Acting|Interim|Transitional|Vice|Prime|Chief|Deputy|Crown|Grand|Federal|State|Supreme"
    r"|Lt\.|Lieutenant|Gen\.|General|Maj\.|Col\.|Brig\.|Capt\.|Dr\.|Sir|Dame|Sheikh|Field|Marshal"
    r"|President|Minister|Chancellor|King|Queen|Prince|Emir|Amir|Sultan|Emperor|Duke|Leader|Pope"
    r"|Governor|Premier|Administrator|Taoiseach|Ret\.|Co-Prince|Chairman|Head|of|Government"
    r"|Territorial|Council)(?:,)?\s+)+"
)


def strip_brackets(text: str) -> str:
    """A text without what stands in brackets, however deep."""
    while (shorter := _BRACKETS.sub("", text)) != text:
        text = shorter
    return text


def plain(text: str) -> str:
    """A name without brackets, shares and notes.

    >>> plain("Arabic (official) 2.5%")
    'Arabic'
    """
    bare = _NUMBERS.sub("", strip_brackets(_TAIL.sub("", text))).strip(" *\"'.:")
    return " ".join(bare.split())


def _small(name: str) -> str:
    """A name with capitals as names have them: capitals and surnames are written in such alone."""
    return " ".join(word.title() if word.isupper() else word for word in name.split())


def items(text: str) -> list[str]:
    """The names in a list, each once.

    >>> items("Arabic (official), French 20%, some others, Berber dialects")
    ['Arabic', 'French', 'Berber dialects']
    """
    listed = _SPLIT.split(strip_brackets(_TAIL.sub("", text)))
    names = [plain(part.removeprefix(" and ").strip()) for part in listed]
    return list(dict.fromkeys(name for name in names if _is_name(name)))


def _is_name(name: str) -> bool:
    fits = 0 < len(name) <= MOST_LETTERS and len(name.split()) <= MOST_WORDS
    return fits and not _NO_NAME.match(name)


def _first(text: str) -> list[str]:
    return items(text)[:1]


def _distances(text: str) -> list[str]:
    return items(re.sub(r"(?<=\d),(?=\d)", "", text))


def _after_count(text: str) -> list[str]:
    """Names behind ``48 provinces (wilayas); ``."""
    count, _, names = strip_brackets(text).partition(";")
    return items(names.replace("*", "")) if count[:1].isdigit() else []


def _before_colors(text: str) -> list[str]:
    return items(text.partition("national colors")[0])


def _colors(text: str) -> list[str]:
    return items(text.partition("national colors:")[2])


def _match(pattern: str) -> Callable[[str], list[str]]:
    return lambda text: [found[0]] if (found := re.match(pattern, text)) else []


def _date(text: str) -> list[str]:
    found = _DATE.search(text)
    return [found[0]] if found else []


def _from_whom(text: str) -> list[str]:
    found = re.search(r"\(from (?:the )?([A-Z][\w ]*?)(?:[,;)]| under)", text)
    return [found[1]] if found else []


def _height(text: str) -> list[str]:
    return _first(_HEIGHT.sub("", text))


def _quoted(text: str) -> list[str]:
    found = re.search(r'"([^"]{1,60})"', text)
    return [found[1].strip(" !")] if found else []


def _currency(text: str) -> list[str]:
    """``euro|EUR``, or a name alone."""
    if found := _CURRENCY.match(text):
        return [f"{_singular(found[1])}|{found[2]}"]
    found = _USED.match(text)
    return [_singular(found[1])] if found else []


def _singular(name: str) -> str:
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def _person(text: str) -> list[str]:
    name = _TITLE.sub("", text.partition("(since")[0].partition(";")[0])
    return [_small(one) for one in _first(name)] if "(since" in text else []


def _population(text: str) -> list[str]:
    """``MUMBAI 21 million; Pune 5.7 million``."""
    bare = re.sub(r"\s+[\d.,]+(?: million)?(?=;|$|\s*\()", "", strip_brackets(text))
    return [_small(one) for one in items(bare)]


@dataclass(frozen=True)
class FactbookField:
    """A field that is read.

    Attributes:
        relation: what its facts are called.
        place: section, field, and part of it where it has parts.
        read: names in its text; a ``|`` stands before a further name of the same thing.
        kind: of what is named.
    """

    relation: str
    place: tuple[str, ...]
    read: Callable[[str], list[str]]
    kind: str


_G, _N, _E, _P = "Government", "Geography", "Economy", "People and Society"
FIELDS = (
    FactbookField("capital", (_G, "Capital", "name"), _first, "place"),
    FactbookField("region", (_N, "Map references"), _first, "region"),
    FactbookField("neighbor", (_N, "Land boundaries", "border countries"), _distances, COUNTRY),
    FactbookField("currency", (_E, "Exchange rates"), _currency, "currency"),
    FactbookField("language", (_P, "Languages"), items, "language"),
    FactbookField("religion", (_P, "Religions"), items, "religion"),
    FactbookField("ethnic group", (_P, "Ethnic groups"), items, "people"),
    FactbookField(
        "port", ("Transportation", "Ports and terminals", "major seaport(s)"), items, "place"
    ),
    FactbookField("city", (_P, "Major urban areas - population"), _population, "place"),
    FactbookField("division", (_G, "Administrative divisions"), _after_count, "division"),
    FactbookField("independence day", (_G, "Independence"), _date, "date"),
    FactbookField("former ruler", (_G, "Independence"), _from_whom, COUNTRY),
    FactbookField("anthem", (_G, "National anthem", "name"), _quoted, "anthem"),
    FactbookField("holiday", (_G, "National holiday"), _first, "holiday"),
    FactbookField("symbol", (_G, "National symbol(s)"), _before_colors, "symbol"),
    FactbookField("color", (_G, "National symbol(s)"), _colors, "color"),
    FactbookField("resource", (_N, "Natural resources"), items, "goods"),
    FactbookField("export", (_E, "Exports - commodities"), items, "goods"),
    FactbookField("crop", (_E, "Agriculture - products"), items, "goods"),
    FactbookField("industry", (_E, "Industries"), items, "industry"),
    FactbookField("customer", (_E, "Exports - partners"), items, COUNTRY),
    FactbookField("supplier", (_E, "Imports - partners"), items, COUNTRY),
    FactbookField("highest point", (_N, "Elevation extremes", "highest point"), _height, "place"),
    FactbookField("government", (_G, "Government type"), _first, "government"),
    FactbookField(
        "organization", (_G, "International organization participation"), items, "organization"
    ),
    FactbookField("head of state", (_G, "Executive branch", "chief of state"), _person, "person"),
    FactbookField(
        "head of government", (_G, "Executive branch", "head of government"), _person, "person"
    ),
    FactbookField(
        "internet domain", ("Communications", "Internet country code"), _match(r"\.\w+"), "domain"
    ),
    FactbookField("population", (_P, "Population"), _match(r"[\d,]+"), "number"),
    FactbookField("area", (_N, "Area", "total"), _match(r"[\d,.]+ sq km"), "area"),
)
