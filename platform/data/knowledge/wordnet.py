"""WordNet's nouns, from the database files that it is published in (``wndb(5WN)``).

``data.noun`` has a synset a line: its offset, lexicographer file, type, words and pointers, and
behind a bar a gloss; ``index.noun`` has for each word its synsets, the most frequent sense first.
Facts are made of these pointers between nouns: ``@`` (hypernym), ``@i`` (instance hypernym),
``#p``, ``#m``, ``#s`` (holonyms by part, member and substance), ``;c`` (topic) and ``;r`` (region).
The pointers the other way say the same again.
"""

from pathlib import Path

from striate.core.errors import DataError
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.reading import BROKEN, read_lines

DATA, INDEX = "data.noun", "index.noun"
POINTERS = {
    "@": "hypernym",
    "@i": "class",
    "#p": "whole",
    "#m": "group",
    "#s": "product",
    ";c": "topic",
    ";r": "area",
}
LABELS = {
    "hypernym": "kind",
    "class": "class",
    "whole": "whole",
    "group": "group",
    "product": "product",
    "topic": "topic",
    "area": "region",
}
_LICENCE = "  "  # lines of the licence begin so
_LEAST_WORDS = 6


def read_wordnet(path: Path, gathered: GatheredFacts) -> None:
    """Gather the nouns of a folder such as ``/usr/share/wordnet``, or of one around ``dict``.

    Raises:
        DataError: the files are not there.
    """
    folder = path / "dict" if (path / "dict" / DATA).is_file() else path
    for name in (DATA, INDEX):
        if not (folder / name).is_file():
            raise DataError(
                f"{folder} holds no {name} of WordNet.",
                "Unpack WordNet 3.0 or 3.1, or the package wordnet-base, and name its folder of"
                " data.noun and index.noun.",
            )
    senses = _senses(folder / INDEX, gathered)
    gathered.labels |= LABELS
    gathered.hierarchical |= {"hypernym", "whole", "group", "product"}
    for line in read_lines(folder / DATA, gathered):
        if line.startswith(_LICENCE):
            gathered.lines -= 1
        elif not _read_synset(line.partition(" | ")[0].split(), senses, gathered):
            gathered.skip(BROKEN)


def _senses(path: Path, gathered: GatheredFacts) -> dict[tuple[str, str], int]:
    """(word in small letters, offset) → which sense of the word the synset is, from 0."""
    senses: dict[tuple[str, str], int] = {}
    for line in read_lines(path, gathered):
        if line.startswith(_LICENCE):
            gathered.lines -= 1
            continue
        words = line.split()
        count = int(words[2]) if len(words) > _LEAST_WORDS and words[2].isdigit() else 0
        offsets = words[-count:]
        if not 0 < count <= len(words) - _LEAST_WORDS or not all(map(str.isdigit, offsets)):
            gathered.skip(BROKEN)
            continue
        senses |= {(words[0], offset): sense for sense, offset in enumerate(offsets)}
    return senses


def _read_synset(
    words: list[str], senses: dict[tuple[str, str], int], gathered: GatheredFacts
) -> bool:
    """Gather a synset; False where the line is no synset."""
    try:
        offset, kind, count = words[0], words[2], int(words[3], 16)
        names = words[4 : 4 + 2 * count : 2]
        pointers = int(words[4 + 2 * count])
        rest = words[5 + 2 * count :]
        told = [tuple(rest[4 * at : 4 * at + 4]) for at in range(pointers)]
    except (IndexError, ValueError):
        return False
    if kind != "n" or not offset.isdigit() or len(names) != count or not count:
        return False
    if any(len(pointer) != 4 for pointer in told):
        return False
    key = f"n{offset}"
    for name in names:
        gathered.name(key, name.replace("_", " "), senses.get((name.lower(), offset), 99))
    for symbol, target, part, source in told:
        # Pointers between single words of synsets (``source`` is not 0000) are no facts of both.
        if symbol in POINTERS and part == "n" and source == "0000" and target.isdigit():
            gathered.fact(key, POINTERS[symbol], f"n{target}")
    return True
