"""The worst translations for people: what is said, what it means, and what was expected."""

from collections.abc import Sequence

from torch import Tensor

from striate.data.pipelines.texts import TextPipeline
from striate.data.show.contact_sheet import stack
from striate.data.show.text_page import text_page
from striate.data.transforms.text.tokenizer import Tokenizer
from striate.train.run.mistake import Mistake
from striate.train.tasks.drawings import HeldOut, Picture

_MOST = 8


def encode_ids(ids: Tensor) -> str:
    """(n,) ids as a mistake's evidence."""
    return " ".join(map(str, ids.tolist()))


def draw_translations(
    mistakes: Sequence[Mistake], held_out: HeldOut, source: str, target: str
) -> Picture:
    """A page for each sentence.

    Args:
        mistakes: the worst first.
        held_out: of shards with a pipeline of texts.
        source, target: names of its sequences.

    Raises:
        DataError: a shard is missing or damaged.
    """
    pipeline = held_out.pipeline
    assert isinstance(pipeline, TextPipeline), "the run was evaluated with it"
    columns = [pipeline.arguments.sequences[name].column for name in (source, target)]
    tokenizer = pipeline.tokenizers[target]
    pages = []
    for mistake in mistakes[:_MOST]:
        row = held_out.row(mistake.row)
        said, meant = (bytes(row.shard.text(row.at, column)).decode() for column in columns)
        lines = (said, meant, f"Expected: {_words_of(mistake, tokenizer)}")
        title = f"{mistake.score:.2f} nats a word   {row.shard.key(row.at)}"
        pages.append((title, text_page("\n".join(lines).encode())))
    return stack(f"{held_out.recipe}: the held-out translations that surprise the most", pages)


def _words_of(mistake: Mistake, tokenizer: Tokenizer) -> str:
    """What was expected after each true word, one beside the other."""
    expected = [tokenizer.decode([int(one)]) for one in mistake.evidence.split()]
    return " · ".join(word or "…" for word in expected)
