"""Speed of translation: sentences a second, of one core.

The peer is plain PyTorch: the same network in float32, one sentence at a time, the likeliest word
each time. Ours translates batches of 32 in float64, so that batches change nothing, with beams of
several widths; three times as fast is asked up to a width of 4, which is four partial translations
of each sentence against one. CTranslate2 is no peer here: what it converts are Transformers.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from harness import Row, interleaved

from striate.core.bundle import Bundle
from striate.data.pipelines.texts import FILE
from striate.data.stream.reader import SplitReader
from striate.data.transforms.text.tokenizer import BEGIN, END, Tokenizer
from striate.models import build_from
from striate.models.seq2seq import Seq2SeqLstm
from striate.serve.predictors.translation import Translator

BEAMS = (1, 4, 12)
TIMES_FASTER, WIDEST = 3.0, 4
_ROUNDS = 3
_SENTENCES, _QUICK_SENTENCES = 128, 32


class PlainTranslator:
    """What one would write without Striate's search.

    Args:
        bundle: of the task ``translation``.
    """

    def __init__(self, bundle: Bundle) -> None:
        network = build_from(bundle)
        assert isinstance(network, Seq2SeqLstm)
        self._network = network
        self._source, self._target = (
            Tokenizer(bundle.asset(FILE.format(name))) for name in ("source", "target")
        )

    @torch.inference_mode()
    def translate(self, text: str) -> str:
        """The greedy translation."""
        ids = self._source.encode(text)
        code = self._network.forward_features(torch.tensor([ids]))
        words = [BEGIN]
        while len(words) <= 2 * len(ids) + 10:
            scores, code = self._network.write(torch.tensor([words[-1:]]), code)
            words.append(int(scores[0, 0].argmax()))
            if words[-1] == END:
                break
        return self._target.decode(words)


def speed_rows(what: str, bundle: Bundle, shards: Path, quick: bool) -> list[Row]:
    """Beams of several widths in batches, each against the greedy choice one at a time."""
    reader = SplitReader(str(shards), "test")
    count = min(_QUICK_SENTENCES if quick else _SENTENCES, reader.rows)
    texts = [bytes(one.payload).decode() for one in reader.stored(np.arange(count))]
    translator, plain = Translator.load(bundle), PlainTranslator(bundle)

    def batched(beam: int) -> Callable[[], float]:
        return lambda: _rate(count, lambda: translator.translate(texts, beam))

    def one_at_a_time() -> None:
        for text in texts:
            plain.translate(text)

    measures = [*map(batched, BEAMS), lambda: _rate(count, one_at_a_time)]
    *ours, peer = interleaved(measures, _ROUNDS)
    return [
        Row(
            f"{what}, batches of 32, beam of {beam}: plain PyTorch, greedy, one at a time",
            speed,
            peer,
            "sentences/s",
            TIMES_FASTER if beam <= WIDEST and not quick else None,
        )
        for beam, speed in zip(BEAMS, ours, strict=True)
    ]


def _rate(count: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)
