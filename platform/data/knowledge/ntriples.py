"""N-Triples (W3C recommendation, 2014): a subject, a predicate and an object a line, streamed.

An entity is called by its label (``rdfs:label``, ``skos:prefLabel``, ``foaf:name``, …) in the
language that is asked for, and found by its other names as well; one without is called by the last
part of its IRI. A literal is an entity by its text. What is said in another language is left out.
"""

import re
from pathlib import Path

from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.reading import BROKEN, read_lines

OTHER_LANGUAGE = "literal in another language"

_W3, _FREEBASE = "http://www.w3.org/", "http://rdf.freebase.com/ns/"
LABELS = frozenset(
    {
        f"{_W3}2000/01/rdf-schema#label",
        f"{_W3}2004/02/skos/core#prefLabel",
        "http://xmlns.com/foaf/0.1/name",
        "http://schema.org/name",
        f"{_FREEBASE}type.object.name",
    }
)
ALIASES = frozenset(
    {
        f"{_W3}2004/02/skos/core#altLabel",
        "http://schema.org/alternateName",
        f"{_FREEBASE}common.topic.alias",
    }
)
HIERARCHICAL = frozenset(
    {
        f"{_W3}2000/01/rdf-schema#subClassOf",
        f"{_W3}2000/01/rdf-schema#subPropertyOf",
        f"{_W3}2004/02/skos/core#broader",
    }
)
_IRI = r"<((?:[^\x00-\x20<>\"{}|^`\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*)>"
_BLANK = r"(_:[^\W_][\w.·-]*)"
_TEXT = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_LITERAL = rf"{_TEXT}(?:\^\^<[^<>\s]*>|@([A-Za-z]+(?:-[A-Za-z0-9]+)*))?"
_TRIPLE = re.compile(
    rf"\s*(?:{_IRI}|{_BLANK})\s*{_IRI}\s*(?:{_IRI}|{_BLANK}|{_LITERAL})\s*\.\s*(?:#.*)?"
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.S)
_SHORT = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


def read_ntriples(path: Path, gathered: GatheredFacts, language: str = "en") -> None:
    """Gather the triples of a file.

    Args:
        path: of the file; one that ends in ``.gz`` is unpacked.
        gathered: takes them.
        language: whose literals are read, with those of no language; a tag such as ``en``, which
            ``en-GB`` is one of.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    for line in read_lines(path, gathered):
        if line.lstrip().startswith("#"):
            gathered.lines -= 1
            continue
        reason = _read(line, gathered, language.lower())
        if reason is not None:
            gathered.skip(reason)
    for name in gathered.relations:
        if name in HIERARCHICAL:
            gathered.hierarchical.add(name)
    for key, name, _ in gathered.names:
        if key in gathered.relations:
            gathered.labels.setdefault(key, name)


def _read(line: str, gathered: GatheredFacts, language: str) -> str | None:
    """Gather a line; why it cannot be used."""
    found = _TRIPLE.fullmatch(line)
    if found is None:
        return BROKEN
    subject, blank, predicate, target, other, literal, tag = found.groups()
    try:
        subject, predicate = blank or unescape(subject), unescape(predicate)
        if literal is None:
            gathered.fact(subject, predicate, other or unescape(target))
            return None
        text = unescape(literal)
    except ValueError:
        return BROKEN
    if tag and tag.lower() != language and not tag.lower().startswith(f"{language}-"):
        return OTHER_LANGUAGE
    if predicate in LABELS | ALIASES:
        gathered.name(subject, text, int(predicate in ALIASES))
    else:
        gathered.fact(subject, predicate, f'"{text}"')
    return None


def unescape(text: str) -> str:
    r"""A text without N-Triples' escapes.

    >>> unescape(r"a\tb\u00e9")
    'a\tbé'

    Raises:
        ValueError: an escape is none, or stands for no character.
    """
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(found: re.Match[str]) -> str:
    short, long, letter = found.groups()
    if letter is not None:
        if letter not in _SHORT:
            raise ValueError(f"\\{letter} is no escape")
        return _SHORT[letter]
    number = int(short or long, 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise ValueError(f"U+{number:X} is no character")
    return chr(number)
