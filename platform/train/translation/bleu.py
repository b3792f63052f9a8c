"""A network of sentences translates a split; BLEU, as sacreBLEU counts it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, UsageError
from striate.data.pipelines.base import Places, Stored
from striate.data.pipelines.registry import pipeline_of
from striate.data.pipelines.texts import FILE, TextPipeline
from striate.data.stream.reader import SplitReader
from striate.data.transforms.text.clean import clean_text
from striate.data.transforms.text.tokenizer import Tokenizer
from striate.models import build_from
from striate.models.seq2seq import Seq2SeqLstm
from striate.models.translation.beam_search import BEAM, LENGTH_PENALTY, SentenceSearch

_SOURCE, _TARGET = "source", "target"
_BATCH = 64


@dataclass(frozen=True)
class TranslatedSentence:
    """One sentence of a split.

    Attributes:
        source: what it says.
        reference: its translation in the corpus.
        text: the network's.
    """

    source: str
    reference: str
    text: str


@dataclass(frozen=True)
class Bleu:
    """How near translations are to references.

    Attributes:
        score: 0 to 100, over all sentences together (Papineni et al., ACL 2002).
        signature: how it was counted, as sacreBLEU writes it (Post, WMT 2018).
    """

    score: float
    signature: str


def translate_split(
    bundle: Bundle,
    shards: str | Path,
    split: str,
    beam: int = BEAM,
    length_penalty: float = LENGTH_PENALTY,
) -> list[TranslatedSentence]:
    """Translate every sentence of a split, in order.

    Args:
        bundle: of the task ``translation``.
        shards: of parallel text.
        split: its name.
        beam, length_penalty: of the search.

    Raises:
        BundleError: it does not translate.
        DataError: a shard is missing or damaged.
        DamagedSample: a text has no words, or is no text.
        UnknownName: there is no such split.
    """
    network, pipeline = build_from(bundle), _pipeline_of(bundle)
    if not isinstance(network, Seq2SeqLstm):
        raise BundleError(f"The bundle is for {bundle.spec.task}, not for translation.")
    search = SentenceSearch(network.double(), beam, length_penalty)
    decode = pipeline.tokenizers[_TARGET].decode
    reader, found = SplitReader(str(shards), split), list[TranslatedSentence]()
    for first in range(0, reader.rows, _BATCH):
        stored = reader.stored(np.arange(first, min(first + _BATCH, reader.rows)))
        zeros = np.zeros(len(stored), np.int64)
        tensors = pipeline.trim(pipeline(stored, Places(0, zeros, zeros)))
        for sample, candidates in zip(stored, search.translate(tensors[_SOURCE]), strict=True):
            source, reference = (_text(pipeline, sample, name) for name in (_SOURCE, _TARGET))
            text = clean_text(decode(candidates[0].words))
            found.append(TranslatedSentence(source, reference, text))
    return found


def bleu_of(sentences: Sequence[TranslatedSentence]) -> Bleu:
    """BLEU of some translations, by sacreBLEU's default: its tokeniser 13a, capitals told apart.

    Raises:
        UsageError: sacreBLEU is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise UsageError("BLEU needs sacreBLEU.", "Install striate[translation].") from None
    metric = BLEU()
    found = metric.corpus_score(
        [one.text for one in sentences], [[one.reference for one in sentences]]
    )
    return Bleu(float(found.score), str(metric.get_signature()))


def _pipeline_of(bundle: Bundle) -> TextPipeline:
    spec = bundle.spec.pipeline
    pipeline = pipeline_of(spec.name, spec.arguments, training=False) if spec else None
    if not isinstance(pipeline, TextPipeline):
        raise BundleError(f"The bundle is for {bundle.spec.task}, not for translation.")
    tokenizers = {
        name: Tokenizer(bundle.asset(FILE.format(name))) for name in pipeline.arguments.sequences
    }
    return replace(pipeline, tokenizers=tokenizers)


def _text(pipeline: TextPipeline, sample: Stored, name: str) -> str:
    value = sample.fields.get(pipeline.arguments.sequences[name].column)
    return clean_text(value if isinstance(value, str) else bytes(sample.payload).decode())
