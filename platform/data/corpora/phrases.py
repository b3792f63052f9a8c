"""Text that is made here: sentences of a small grammar, in the layouts of real corpora."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from striate.core.files import explain_full_disk
from striate.data.corpora.phrase_grammar import make_pair
from striate.data.transforms.random import uniforms

DEFAULT_PHRASES = 8000
_TEST_EVERY = 10
_DRAWS = 20
_SEED = 20140910


def write_phrases(target: Path, size: int = DEFAULT_PHRASES) -> None:
    """Write sentences in English and French to the folder `target`, as the tables of parallel text.

    The sentence of a number is always the same one; every tenth is of the split ``test``.

    Args:
        target: the folder.
        size: sentences in all.

    Raises:
        PlatformError: the disk is full.
    """
    _write(target, "tsv", ["en\tfr", *map("\t".join, phrases(size))], 1)


def write_sentences(target: Path, size: int = DEFAULT_PHRASES) -> None:
    """Write the same sentences in English alone to the folder `target`, as plain lines.

    Args:
        target: the folder.
        size: sentences in all.

    Raises:
        PlatformError: the disk is full.
    """
    _write(target, "txt", [english for english, _ in phrases(size)], 0)


def phrases(size: int) -> Iterator[tuple[str, str]]:
    """The first `size` sentences, in English and in French."""
    numbers = np.arange(size)
    draws = uniforms(_SEED, np.zeros_like(numbers), numbers, _DRAWS)
    for mine in draws.T.tolist():
        left = iter(mine)
        yield make_pair(lambda below, left=left: int(next(left) * below))  # type: ignore[misc]


def _write(target: Path, ending: str, lines: list[str], head: int) -> None:
    body = lines[head:]
    test = body[_TEST_EVERY - 1 :: _TEST_EVERY]
    train = [line for at, line in enumerate(body, 1) if at % _TEST_EVERY]
    target.mkdir(parents=True, exist_ok=True)
    with explain_full_disk(target):
        for split, chosen in (("train", train), ("test", test)):
            text = "".join(f"{line}\n" for line in (*lines[:head], *chosen))
            (target / f"{split}.{ending}").write_text(text, encoding="utf-8")
