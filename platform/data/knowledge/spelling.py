"""Names within one edit of what was written, found by what is left when a character is taken out.

Two texts lie within one insertion, deletion, substitution or exchange of neighbours exactly if they
are equal, one is the other less a character, or both less a character are equal and `one_edit` says
so (the deletions of SymSpell, W. Garbe, 2012). Texts are stood for by hashes, which numpy makes of
many at a time; what two hashes have in common is always looked at letter by letter.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Owners = NDArray[np.int64]

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
_TOGETHER = 1 << 16  # texts whose hashes are made at once


def one_edit(one: str, other: str) -> bool:
    """Whether two texts are equal but for one edit at most.

    An edit is an insertion, a deletion, a substitution, or an exchange of two neighbours.

    >>> one_edit("germany", "gremany"), one_edit("mali", "bali"), one_edit("mali", "malta")
    (True, True, False)
    """
    if abs(len(one) - len(other)) > 1:
        return False
    if len(one) > len(other):
        one, other = other, one
    at = next((place for place, letter in enumerate(one) if letter != other[place]), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    exchanged = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    return exchanged or one[at + 1 :] == other[at + 1 :]


def hash_texts(texts: Sequence[str]) -> Hashes:
    """(n,) a hash of each text; the same on every machine."""
    parts = [_Rolling(texts[at : at + _TOGETHER]).whole() for at in range(0, len(texts), _TOGETHER)]
    return np.concatenate([np.empty(0, np.uint64), *parts])


def hash_deletions(texts: Sequence[str]) -> tuple[Hashes, Owners]:
    """The hashes of each text less one of its characters, and which text each is of."""
    hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for at in range(0, len(texts), _TOGETHER):
        made, of = _Rolling(texts[at : at + _TOGETHER]).deletions()
        hashes.append(made)
        owners.append(of + at)
    return np.concatenate(hashes), np.concatenate(owners)


class _Rolling:
    """Σ mix(c_i) · base^i over the characters of texts laid end to end, modulo 2⁶⁴.

    The sum over any stretch is a difference of two sums, moved to its beginning by a power of the
    inverse: so a text less one character costs two of them.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        self.stops = np.cumsum(sizes)
        self.starts = self.stops - sizes
        self.sums = np.zeros(len(codes) + 1, np.uint64)
        terms = _mix(codes.astype(np.uint64)) * _powers(_BASE, len(codes))
        np.cumsum(terms, out=self.sums[1:])
        self.back = _powers(_INVERSE, len(codes) + 2)

    def whole(self) -> Hashes:
        raw = (self.sums[self.stops] - self.sums[self.starts]) * self.back[self.starts]
        return _mix(raw ^ (self.stops - self.starts).astype(np.uint64))

    def deletions(self) -> tuple[Hashes, Owners]:
        sizes = self.stops - self.starts
        owners = np.repeat(np.arange(len(sizes)), sizes)
        place = np.arange(len(owners))
        first, last = self.starts[owners], self.stops[owners]
        before = (self.sums[place] - self.sums[first]) * self.back[first]
        after = (self.sums[last] - self.sums[place + 1]) * self.back[first + 1]
        return _mix((before + after) ^ (sizes[owners] - 1).astype(np.uint64)), owners


def _powers(base: int, count: int) -> Hashes:
    """base⁰, base¹, …"""
    factors = np.full(max(count, 1), base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors)[:count]


def _mix(values: Hashes) -> Hashes:
    """The finaliser of splitmix64: neighbours come apart."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
