"""What is said in the utterances of a split, as words with their places where these are known."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.core.errors import DataError
from striate.data.shards.folder import ShardFolder
from striate.data.stream.reader import SplitReader

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

Spans = Sequence[tuple[float, float, str]]
"""(start, end, name) of each, in seconds."""


@dataclass(frozen=True)
class Transcript:
    """The words of one utterance.

    Attributes:
        row: of the split.
        words: what is said, in small letters, without punctuation.
        word_spans: where each word is, several that are said as one together; empty if unknown.
        phone_spans: where each phone is; empty if unknown.
    """

    row: int
    words: tuple[str, ...]
    word_spans: Spans = ()
    phone_spans: Spans = ()


def has_transcripts(target: Path | str | ShardFolder) -> bool:
    """Whether shards have a column of text, and where each word and phone is."""
    folder = target if isinstance(target, ShardFolder) else ShardFolder.of(target)
    return {"text", "words", "phones"} <= set(folder.manifest.columns.fields)


def transcripts_of(target: Path | str | ShardFolder, split: str) -> list[Transcript]:
    """Read what is said in each utterance of a split; payloads are not looked at.

    Raises:
        DataError: a shard is missing or damaged, or the rows have no column of text.
        UnknownName: no such split.
    """
    reader = SplitReader(target, split, None)
    if "text" not in reader.manifest.columns.fields:
        raise DataError(f"The shards in {reader.folder.place} do not say what was said.")
    found: list[Transcript] = []
    for index in range(len(reader.entries)):
        shard = reader.shard(index)
        for row in range(reader.shard_rows[index]):
            fields: Mapping[str, Any] = shard.fields(row)
            spans = (_spans(fields, "word"), _spans(fields, "phone"))
            found.append(Transcript(len(found), words_of(fields["text"]), *spans))
    return found


def words_of(text: str) -> tuple[str, ...]:
    """A text's words, in small letters, without punctuation."""
    return tuple(_WORD.findall(text.lower()))


def _spans(fields: Mapping[str, Any], kind: str) -> Spans:
    columns = [fields.get(f"{kind}_starts_s"), fields.get(f"{kind}_ends_s"), fields.get(f"{kind}s")]
    if any(column is None for column in columns):
        return ()
    return list(zip(*columns, strict=True))
