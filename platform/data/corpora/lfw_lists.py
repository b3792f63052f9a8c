"""LFW's lists: pairs of images in ten folds, and people (torchvision, `lfw.py`)."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from striate.core.errors import DataError
from striate.core.text import numbered_lines

_REMEDY = "Fetch the file again."


class FacePair(NamedTuple):
    """Two images by their keys, whether they show the same person, and the fold."""

    first: str
    second: str
    same: bool
    fold: int


def image_key(name: str, number: int) -> str:
    """``Aaron_Eckhart/Aaron_Eckhart_0001.jpg``."""
    return f"{name}/{name}_{number:04d}.jpg"


def read_pairs(text: str, name: str) -> tuple[FacePair, ...]:
    """The pairs of ``pairs.txt`` (ten folds) or ``pairsDevTrain.txt``, ``pairsDevTest.txt`` (one).

    The first line is ``folds<TAB>pairs`` or ``pairs``; a fold has so many pairs of one person,
    ``name<TAB>i<TAB>j``, and then as many of two, ``name<TAB>i<TAB>name<TAB>j``.

    Args:
        text: of the file.
        name: of the file, for messages.

    Raises:
        DataError: it is malformed; the message names the line.
    """
    (first, line), *rows = numbered_lines(text) or [(1, "")]
    head = _whole_numbers(line.split(), f"{name} line {first}")
    if len(head) not in (1, 2):
        raise DataError(f"{name} line {first} is not the numbers of folds and pairs.", _REMEDY)
    folds, pairs = head if len(head) == 2 else (1, head[0])
    if len(rows) != folds * pairs * 2:
        raise DataError(
            f"{name} announces {folds * pairs * 2} pairs and holds {len(rows)}.", _REMEDY
        )
    return tuple(
        _pair(line.split(), place // (2 * pairs), place // pairs % 2 == 0, f"{name} line {n}")
        for place, (n, line) in enumerate(rows)
    )


def write_pairs(folds: int, pairs: int, chosen: Iterator[tuple[str, int, str, int]]) -> str:
    """The text of a ``pairs.txt``, or of a Dev list where there is but one fold.

    Args:
        folds: number of folds.
        pairs: of one kind in each fold.
        chosen: (name, number, name, number) of every pair in the file's order.
    """
    lines = [f"{folds}\t{pairs}" if folds > 1 else f"{pairs}"]
    for first, i, second, j in chosen:
        lines.append(f"{first}\t{i}\t{j}" if first == second else f"{first}\t{i}\t{second}\t{j}")
    return "\n".join(lines) + "\n"


def read_people(text: str, name: str) -> Mapping[str, tuple[int, int]]:
    """The people of ``people.txt`` or a Dev list: name → (fold, number of images).

    Raises:
        DataError: it is malformed, or names someone twice; the message names the line.
    """
    lines = [(number, line.split()) for number, line in numbered_lines(text)]
    counts = [_whole_numbers(p, f"{name} line {n}")[0] for n, p in lines if len(p) == 1]
    several = len(counts) > 1 and len(lines[0][1]) == len(lines[1][1]) == 1
    people: dict[str, tuple[int, int]] = {}
    fold = -1
    for number, parts in lines[1:] if several else lines:
        if len(parts) == 1:
            fold += 1
            continue
        where = f"{name} line {number}"
        if len(parts) != 2 or parts[0] in people:
            raise DataError(f"{where} is malformed, or names a person again.", _REMEDY)
        people[parts[0]] = (fold, _whole_numbers(parts[1:], where)[0])
    if not counts or sum(counts[1:] if several else counts) != len(people):
        raise DataError(f"{name} announces another number of people than it holds.", _REMEDY)
    return people


def _pair(parts: list[str], fold: int, same: bool, where: str) -> FacePair:
    if len(parts) != (3 if same else 4):
        raise DataError(f"{where} is no pair of {'one' if same else 'two'}.", _REMEDY)
    i, j = _whole_numbers([parts[1], parts[-1]], where)
    return FacePair(image_key(parts[0], i), image_key(parts[0 if same else 2], j), same, fold)


def _whole_numbers(parts: list[str], where: str) -> list[int]:
    try:
        return [int(part) for part in parts]
    except ValueError:
        raise DataError(f"{where} has no whole number where one belongs.", _REMEDY) from None
