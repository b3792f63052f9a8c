"""Made-up codes of faces: random ones, and those of people with several each."""

import numpy as np

from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.fingerprint import CODE_BITS, CODE_BYTES

MILLION = 1_000_000
TENANT = 1
"""Whose codes they are: the number of the first tenant of a store."""
CODES_A_PERSON = 5
BIT_FLIPS = 0.06
"""Two codes of a person then differ in 2 · 0.06 · 0.94 · 256 = 29 bits, and 5 more or less."""


def random_rows(first: int, count: int) -> CodeRows:
    """Codes of so many faces, numbered after `first`, any two of which are far apart."""
    rng = np.random.default_rng(first)
    return _rows(first, rng.integers(0, 256, (count, CODE_BYTES), dtype=np.uint8))


def people(count: int, queries: int) -> tuple[CodeRows, np.ndarray, np.ndarray]:
    """Rows of people with five codes each, new codes of some of them, and whose those are."""
    rng = np.random.default_rng(0)
    owners_count = count // CODES_A_PERSON
    middle = rng.integers(0, 256, (owners_count, CODE_BYTES), dtype=np.uint8)
    codes = np.empty((owners_count * CODES_A_PERSON, CODE_BYTES), np.uint8)
    for start in range(0, owners_count, 100_000):
        part = np.repeat(middle[start : start + 100_000], CODES_A_PERSON, axis=0)
        at = start * CODES_A_PERSON
        codes[at : at + len(part)] = part ^ _noise(rng, len(part))
    owners = rng.integers(0, owners_count, queries)
    return _rows(0, codes), middle[owners] ^ _noise(rng, queries), owners


def _rows(first: int, codes: np.ndarray) -> CodeRows:
    count = len(codes)
    numbers = np.arange(first + 1, first + count + 1)
    return CodeRows(numbers, np.full(count, TENANT), np.zeros(count, bool), codes)


def _noise(rng: np.random.Generator, count: int) -> np.ndarray:
    flips = rng.random((count, CODE_BITS), dtype=np.float32) < BIT_FLIPS
    return np.packbits(flips, axis=1)
