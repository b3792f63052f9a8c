"""Translation: one LSTM reads a sentence, another writes its translation."""

from typing import Any

from striate.train.config import (
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    ScheduleConfig,
    TaskConfig,
)
from striate.train.recipes.images import GPUS


def translate_wmt14() -> Recipe:
    """The networks of Sutskever, Vinyals, Le, NIPS 2014, at the paper's sizes.

    Command: ``striate train translate-wmt14 data.shards=SHARDS``, of pairs of sentences in English
    and French that are cut into words; ``model.arguments.reverse=false`` reads the source forward.
    Expected: in the paper, as recalled, BLEU 30.59 on newstest2014 with one network and a beam of
    12, and a perplexity of 4.7; 25.9 and 5.8 where the source is read forward. Not trained here.

    Recalled as well: the 160,000 and 80,000 most frequent words; 7.5 passes of SGD without momentum
    at 0.7, halved after 5 passes and then after every half; gradients of batches of 128 cut at a
    norm of 5.
    """
    return Recipe(
        name="translate-wmt14",
        registered_name="translate-wmt14",
        model=ModelConfig(name="seq2seq_lstm", arguments={"reverse": True}),
        data=_data("parallel", ("en", 160_000), ("fr", 80_000), most=100, kind="words"),
        task=TaskConfig(name="translation"),
        optimizer=OptimizerConfig(name="sgd", lr=0.7, momentum=0.0),
        schedule=_halving(first=5.0, then=0.5, times=5),
        scaling=GPUS,
        clip_norm=5.0,
        batch_size=128,
        epochs=7.5,
        evaluate_every_epochs=1,
    )


def translate_verses() -> Recipe:
    """Verses of at most 15 words from English to French, books held out.

    Command: ``striate train translate-verses data.shards=SHARDS``. Expected on 5,160 short verses,
    the median of three seeds: a perplexity of 21.9, where the source is read forward 23.3, and
    BLEU 10.9 with a beam of 12 (greedy 10.8), in 2.5 minutes of one core
    (``benchmarks/answers.py``).
    """
    return Recipe(
        name="translate-verses",
        registered_name="translate-verses",
        model=ModelConfig(name="seq2seq_lstm", arguments=_sizes(1500, 256, 1, 0.2)),
        data=_data("parallel", ("en", 1500), ("fr", 1500), most=60),
        task=TaskConfig(name="translation"),
        optimizer=OptimizerConfig(name="adamw", lr=2e-3),
        schedule=_halving(first=8.0, then=0.8, times=5),
        clip_norm=5.0,
        batch_size=16,
        epochs=12,
        evaluate_every_epochs=3,
    )


def translate_phrases_mini() -> Recipe:
    """Smaller ones on generated sentences of English and French.

    Command: ``striate train translate-phrases-mini``; ``model.arguments.reverse=false`` reads the
    source forward. Expected: a perplexity of 1.3 or less on sentences held out (measured: 1.26), in
    about a minute of one core.
    """
    return Recipe(
        name="translate-phrases-mini",
        registered_name="translate-phrases-mini",
        model=ModelConfig(name="seq2seq_lstm", arguments=_sizes(800, 128, 1)),
        data=_data("phrases", ("en", 800), ("fr", 800), most=40),
        task=TaskConfig(name="translation"),
        optimizer=OptimizerConfig(name="adamw", lr=4e-3),
        schedule=ScheduleConfig(name="cosine"),
        clip_norm=5.0,
        batch_size=32,
        epochs=8,
    )


def _sizes(words: int, dim: int, layers: int, dropout: float = 0.0) -> dict[str, Any]:
    sizes = {"source_words": words, "classes": words, "dim": dim, "layers": layers}
    return {**sizes, "reverse": True, "dropout": dropout}


def _halving(first: float, then: float, times: int) -> ScheduleConfig:
    """The whole rate for the `first` passes, then half of it, and half again after each `then`."""
    milestones = tuple(first + then * at for at in range(times))
    return ScheduleConfig(name="step", milestones_epochs=milestones, factor=0.5)


def _data(
    corpus: str, source: tuple[str, int], target: tuple[str, int], most: int, kind: str = "pieces"
) -> DataConfig:
    """From a column of so many words to another; `most` of a sentence are looked at."""

    def sequence(column: str, words: int, marks: bool) -> dict[str, Any]:
        return {
            "column": column,
            "most": most + 2 * marks,
            "begin": marks,
            "end": marks,
            "tokenizer": {"kind": kind, "size": words},
        }

    sequences = {"source": sequence(*source, False), "target": sequence(*target, True)}
    return DataConfig(corpus=corpus, pipeline="text", pipeline_arguments={"sequences": sequences})
