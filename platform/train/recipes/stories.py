"""Questions about stories: memory networks, and an LSTM beside them."""

from typing import Any

from striate.train.config import (
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    ScheduleConfig,
    TaskConfig,
)

_TASK, _SENTENCES, _WORDS = "qa4_object-5", 14, 8
_CLASSES = 58  # of the generated stories: 34 words, and 24 spare places


def memory_k2_mini() -> Recipe:
    """A memory network of two supporting memories, with time, on the world at difficulty 5.

    Command: ``striate train memory-k2-mini``. Expected: 0.99 of the questions about characters and
    objects or more (five seeds: 0.998 or more), in about 15 seconds of one core.
    ``data.train_split=qa2_actor-5_train data.test_split=qa2_actor-5_test`` asks after characters
    alone (five seeds: 0.998 or more). In the paper, as recalled, 0.999 and 1 (Weston, Chopra,
    Bordes, ICLR 2015, table 3), with 100 dimensions and SGD at 0.01 for ten passes. Optimiser,
    batches, dimensions and the share of unseen words are this recipe's.
    """
    return Recipe(
        name="memory-k2-mini",
        registered_name="memory-k2-mini",
        model=ModelConfig(name="memory_network", arguments=_memory_arguments(2)),
        data=_data(hops=2, unseen=0.3),
        task=TaskConfig(name="memories", arguments={"margin": 0.1}),
        optimizer=OptimizerConfig(name="adamw", lr=1e-2, weight_decay=1e-2),
        schedule=ScheduleConfig(name="cosine"),
        batch_size=32,
        epochs=10,
    )


def memory_k1_mini() -> Recipe:
    """The same with one supporting memory: a question that needs two is beyond it.

    Command: ``striate train memory-k1-mini``. Expected: 0.7 or less (measured: 0.62, in the
    paper, as recalled, 0.444). Without time, ``model.arguments.time=false``, 0.50 (0.185).
    """
    recipe = memory_k2_mini()
    changes: dict[str, Any] = {
        "name": "memory-k1-mini",
        "registered_name": "memory-k1-mini",
        "model": ModelConfig(name="memory_network", arguments=_memory_arguments(1)),
        "data": _data(hops=1, unseen=0.3),
    }
    return recipe.model_copy(update=changes)


def memory_lstm_mini() -> Recipe:
    """An LSTM on the same stories, word by word: what memory networks were compared with.

    Command: ``striate train memory-lstm-mini``. Expected: 0.4 or less (measured: 0.29, in the
    paper, as recalled, 0.290).
    """
    sizes = {"classes": _CLASSES, "dim": 64, "sentences": _SENTENCES, "words": _WORDS}
    return Recipe(
        name="memory-lstm-mini",
        registered_name="memory-lstm-mini",
        model=ModelConfig(name="story_lstm", arguments=sizes),
        data=_data(hops=2, unseen=0.0),
        task=TaskConfig(name="answers"),
        optimizer=OptimizerConfig(name="adamw", lr=3e-3),
        schedule=ScheduleConfig(name="cosine"),
        clip_norm=5.0,
        batch_size=32,
        epochs=10,
    )


def _data(hops: int, unseen: float) -> DataConfig:
    return DataConfig(
        corpus="stories",
        train_split=f"{_TASK}_train",
        test_split=f"{_TASK}_test",
        pipeline="story-questions",
        pipeline_arguments={
            "sentences": _SENTENCES,
            "words": _WORDS,
            "hops": hops,
            "unseen": unseen,
        },
    )


def _memory_arguments(hops: int) -> dict[str, Any]:
    return {
        "classes": _CLASSES,
        "dim": 32,
        "hops": hops,
        "sentences": _SENTENCES,
        "words": _WORDS,
    }
