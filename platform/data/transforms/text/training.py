"""Tokenisers made from a corpus: the same file for the same texts, on every machine."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Engine

from striate.core.errors import DataError
from striate.data.transforms.text.clean import MOST_BYTES, clean_text
from striate.data.transforms.text.markup import split_markup
from striate.data.transforms.text.tokenizer import SPECIAL, UNKNOWN, Tokenizer

MOST_TAGS = 64
"""Tags of markup that a vocabulary has; the more frequent ones."""

_BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
_LEAST_SIZE = len(SPECIAL) + MOST_TAGS + len(_BYTES)
# Letters and digits with apostrophes, hyphens and points inside; else one character at a time.
_WORD = r"[\p{L}\p{M}\p{N}]+(?:['’.,-][\p{L}\p{M}\p{N}]+)*"
_MARK = r"[^\s]"


class TokenizerSpec(BaseModel):
    """What a tokeniser is to be.

    Attributes:
        kind: ``pieces``: byte pairs (Sennrich et al., ACL 2016) of UTF-8, which every text has;
            ``words``: the most frequent words and marks, all others unknown.
        size: words of its vocabulary at most, the special ones among them.
        lowercase: whether capitals are made small.
        least: times that a word, or a pair of pieces, must come.
        marks: whether ``words`` has marks too, one character each; else they are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pieces", "words"] = "pieces"
    size: int = Field(default=8000, ge=_LEAST_SIZE, le=2**24)
    lowercase: bool = False
    least: int = Field(default=1, ge=1, le=10**6)
    marks: bool = True


def train_tokenizer(texts: Iterable[str], spec: TokenizerSpec) -> Tokenizer:
    """A tokeniser of the words that come in some texts.

    Args:
        texts: gone through twice; those that are longer than is looked at are left out.
        spec: what it is to be.

    Raises:
        DataError: there is no word in them.
    """
    tags: Counter[str] = Counter()
    for text in texts:
        if "<" in text:
            tags.update(part for part, is_tag in _parts(text) if is_tag)
    common = sorted(tags, key=lambda tag: (-tags[tag], tag))[:MOST_TAGS]
    kept = [tag for tag in common if tags[tag] >= spec.least and tag not in SPECIAL]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a later fork would be warned of it
    engine, trainer = _words(spec, kept) if spec.kind == "words" else _pieces(spec, kept)
    if spec.lowercase:
        engine.normalizer = normalizers.Lowercase()
    lead = "" if spec.kind == "words" else " "
    engine.train_from_iterator(_plain(texts, lead), trainer)
    made = Tokenizer(_document(engine))
    given = len(SPECIAL) + len(kept) + (len(_BYTES) if spec.kind == "pieces" else 0)
    if made.size <= given:
        raise DataError("There is no word in the texts that a tokeniser was to be made from.")
    return made


def _words(spec: TokenizerSpec, tags: list[str]) -> tuple[Engine, trainers.Trainer]:
    engine = Engine(models.WordLevel(unk_token=SPECIAL[UNKNOWN]))
    pattern = Regex(f"{_WORD}|{_MARK}" if spec.marks else _WORD)
    engine.pre_tokenizer = pre_tokenizers.Split(pattern, "removed", invert=True)
    return engine, trainers.WordLevelTrainer(
        vocab_size=spec.size,
        min_frequency=spec.least,
        special_tokens=[*SPECIAL, *tags],
        show_progress=False,
    )


def _pieces(spec: TokenizerSpec, tags: list[str]) -> tuple[Engine, trainers.Trainer]:
    engine = Engine(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    return engine, trainers.BpeTrainer(
        vocab_size=spec.size,
        min_frequency=max(2, spec.least),  # a pair that comes once is no unit of the language
        special_tokens=[*SPECIAL, *tags],
        initial_alphabet=_BYTES,
        show_progress=False,
    )


def _parts(text: str, lead: str = "") -> Iterator[tuple[str, bool]]:
    """A text cut at its tags, as `Tokenizer.pieces` cuts it."""
    if len(text) <= MOST_BYTES // 4:  # in UTF-8 it is no longer than is looked at
        yield from split_markup(lead + clean_text(text))


def _plain(texts: Iterable[str], lead: str) -> Iterator[str]:
    for text in texts:
        yield from (part for part, is_tag in _parts(text, lead) if not is_tag)


def _document(engine: Engine) -> str:
    """The library's file; in one order, which its own is, so that equal texts give equal bytes."""
    document: dict[str, Any] = json.loads(engine.to_str())
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
