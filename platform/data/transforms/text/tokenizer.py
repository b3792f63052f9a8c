"""Tokenisers: text ↔ ids of words or of pieces of words, by Hugging Face's `tokenizers`.

One is trained on a corpus (`striate.data.transforms.text.training`) and kept as a JSON file in that
library's own format, which anything else that uses the library opens too. Nothing is ever fetched.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Self

from tokenizers import Tokenizer as Engine

from striate.core.errors import BundleError
from striate.data.transforms.text.clean import clean_text
from striate.data.transforms.text.markup import is_tag, split_markup

PAD, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
"""The words of the first ids; no text has them, whatever is written in it."""

_STRETCH = 4096  # characters, more than a tag has


class Tokenizer:
    """A vocabulary and how text is cut into its words; safe to use from several threads.

    A tag of markup is one token: one of the vocabulary, or else `UNKNOWN`; nothing is ever cut out
    of it. Pickled, it is its text.

    Args:
        text: the JSON file of `to_text`.

    Raises:
        BundleError: it is nothing of the kind.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            self._engine = Engine.from_str(text)
            words = self._engine.get_vocab()
        except Exception as error:  # the library raises the bare class
            raise BundleError(f"The tokeniser cannot be used: {error}.") from None
        if any(words.get(word) != number for number, word in enumerate(SPECIAL)):
            raise BundleError(f"The tokeniser's first words are not {', '.join(SPECIAL)}.")
        self._words = words

    def __reduce__(self) -> tuple[Callable[[str], Self], tuple[str]]:
        return type(self), (self._text,)

    def to_text(self) -> str:
        """The file that a bundle keeps."""
        return self._text

    @property
    def size(self) -> int:
        """Words of the vocabulary, the special ones among them: every id is below it."""
        return len(self.words)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The vocabulary by id; pieces as the library writes them, with ``Ġ`` for a blank."""
        return tuple(sorted(self._words, key=self._words.__getitem__))

    def id_of(self, word: str) -> int:
        """A word's id; `UNKNOWN` of one that is not in the vocabulary, or that is special."""
        found = self._words.get(word, UNKNOWN)
        return found if found >= len(SPECIAL) else UNKNOWN

    def encode(self, text: str, most: int | None = None) -> list[int]:
        """The ids of a text, without marks of its beginning and end.

        Args:
            text: as people write it; see `clean_text`.
            most: ids after which the rest is left out.

        Raises:
            PayloadTooLarge: the text is longer than is looked at.
        """
        found: list[int] = []
        for part, whole in self._parts(text):
            if most is not None and len(found) >= most:
                break
            if whole:
                found.append(self.id_of(part))
            else:
                found += self._engine.encode(part, add_special_tokens=False).ids
        return found[:most]

    def pieces(self, text: str, most: int | None = None) -> list[tuple[int, str]]:
        """The ids of a text, each with the part of the cleaned text that it stands for.

        What is `UNKNOWN` can so be put into an answer as it was written. A piece that is a part of
        a character stands for all of it.

        Args:
            text: as for `encode`.
            most: as for `encode`.

        Raises:
            PayloadTooLarge: as for `encode`.
        """
        found: list[tuple[int, str]] = []
        for part, whole in self._parts(text):
            if most is not None and len(found) >= most:
                break
            found += [(self.id_of(part), part)] if whole else self._cut(part)
        return found[:most]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids, up to the first `END`; `PAD` and `BEGIN` are left out.

        Words come apart by blanks; pieces give the text as it was.
        """
        shown = [number for number in _until_end(ids) if number not in (PAD, BEGIN)]
        parts: list[str] = []
        for is_whole, run in groupby(shown, self._is_whole):
            if is_whole:
                parts += [self.words[number if number < self.size else UNKNOWN] for number in run]
            else:
                parts.append(self._engine.decode(list(run)))
        return ("" if self.has_pieces else " ").join(parts).strip()

    def _parts(self, text: str) -> Iterator[tuple[str, bool]]:
        """The stretches of a text, cleaned."""
        # A piece knows whether a blank comes before it: the first word is as all others.
        cleaned = clean_text(text)
        lead = " " if self.has_pieces and cleaned else ""
        return _stretches(lead + cleaned)

    def _is_whole(self, number: int) -> bool:
        """Whether a word stands as it is written: the library would take it for bytes."""
        known = UNKNOWN < number < self.size
        return not known or is_tag(self.words[number])

    def _cut(self, part: str) -> Iterator[tuple[int, str]]:
        made = self._engine.encode(part, add_special_tokens=False)
        for number, (start, stop) in zip(made.ids, made.offsets, strict=True):
            yield number, part[start:stop]

    @cached_property
    def has_pieces(self) -> bool:
        """Whether its words are pieces of words, so that none of a text is unknown but tags."""
        return str(json.loads(self._text)["model"]["type"]) == "BPE"


def _stretches(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of `split_markup`, long ones cut before a blank: who asks for few ids waits for
    few."""
    for part, whole in split_markup(text):
        at = 0
        while at < len(part):
            stop = at + _STRETCH
            if stop < len(part) and (blank := part.rfind(" ", at + 1, stop)) > 0:
                stop = blank
            yield part[at:stop], whole
            at = stop


def _until_end(ids: Sequence[int]) -> Sequence[int]:
    return ids[: list(ids).index(END)] if END in ids else ids
