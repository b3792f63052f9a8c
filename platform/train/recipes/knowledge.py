"""Questions about knowledge bases: embeddings of questions and of candidate answers."""

from typing import Any

from striate.train.config import (
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    ScheduleConfig,
    TaskConfig,
)

_SIZES = {"length": 24, "ends": 2, "kinds": 12, "labels": 3}


def kb_factbook_mini() -> Recipe:
    """Embeddings of paths on a small table of countries, asked about as the Factbook is.

    Command: ``striate train kb-factbook-mini``. Expected: an F1 of 0.65 to 0.77 on questions about
    held-out entities in held-out wordings (measured with three seeds), in about 12 seconds of one
    core. The Factbook itself:
    ``striate data kb factbook factbook.jsonl.gz kb/factbook``, then
    ``striate data ingest kb-questions kb/factbook shards/factbook``, then this with
    ``data.corpus=kb-questions data.shards=shards/factbook``. k and the margin are the paper's, as
    recalled; optimiser, batches and passes are this recipe's.
    """
    return Recipe(
        name="kb-factbook-mini",
        registered_name="kb-factbook-mini",
        model=_model(
            relations=64, entities=1024, candidates=512, words=2048, representation="path"
        ),
        data=_data("countries", relations=64, candidates=512, words=2048, negatives=32, near=0.9),
        task=TaskConfig(name="knowledge", arguments={"margin": 0.1}),
        optimizer=OptimizerConfig(name="adamw", lr=1e-2, weight_decay=1e-2),
        schedule=ScheduleConfig(name="cosine"),
        batch_size=32,
        epochs=10,
    )


def kb_webquestions() -> Recipe:
    """The paper's sizes on WebQuestions, over a base of Freebase that its user has built.

    Command: ``striate train kb-webquestions data.shards=shards/webquestions``, of shards that
    ``striate data ingest kb-questions`` made of a folder with the base and the files of
    WebQuestions. Expected, as recalled of the paper and not measured here: a precision at 1 of
    0.404 and an F1 of 0.392, with 2.2 million entities, and with training questions made of
    Freebase and ClueWeb and paraphrases of WikiAnswers besides, which this recipe does not have.
    """
    return _published("kb-webquestions", words=16_384, epochs=50)


def kb_simplequestions() -> Recipe:
    """The same on SimpleQuestions, each of which takes one fact.

    Command: ``striate train kb-simplequestions data.shards=shards/simplequestions``. Expected: not
    measured here; Bordes et al., arXiv 1506.02075, have 0.63 of the facts right with memory
    networks, as recalled.
    """
    return _published("kb-simplequestions", words=65_536, epochs=10)


def _published(name: str, words: int, epochs: float) -> Recipe:
    sizes = {"relations": 14_000, "candidates": 1024, "words": words}
    return Recipe(
        name=name,
        registered_name=name,
        model=_model(**sizes, entities=2_000_000),
        data=_data("kb-questions", **sizes),
        task=TaskConfig(name="knowledge", arguments={"margin": 0.1}),
        optimizer=OptimizerConfig(name="sgd", lr=1e-2, momentum=0.0),
        schedule=ScheduleConfig(name="constant"),
        batch_size=32,
        epochs=epochs,
    )


def _model(**sizes: Any) -> ModelConfig:
    return ModelConfig(name="kb_embeddings", arguments={"dim": 64, **_SIZES, **sizes})


def _data(corpus: str, **sizes: Any) -> DataConfig:
    return DataConfig(
        corpus=corpus, pipeline="kb-questions", pipeline_arguments={**_SIZES, **sizes}
    )
