"""A network of sentences and the pipeline that feeds it are held against each other."""

from typing import Any

import pytest

from striate.core.errors import RecipeError
from striate.data.pipelines.registry import pipeline_of
from striate.models.lenet1 import lenet1
from striate.models.seq2seq import Seq2SeqLstm
from striate.train.config import DataConfig, ModelConfig, OptimizerConfig, Recipe
from striate.train.launch.check_sequences import check_sequences

pytestmark = pytest.mark.unit

SMALL = {"kind": "words", "size": 400}
SOURCE: dict[str, Any] = {"column": "en", "tokenizer": SMALL}
TARGET: dict[str, Any] = {"column": "fr", "begin": True, "end": True, "tokenizer": SMALL}


def check(words: int, pipeline: str, **arguments: Any) -> None:
    recipe = Recipe(
        name="x",
        model=ModelConfig(name="seq2seq_lstm"),
        data=DataConfig(corpus="phrases", pipeline=pipeline, pipeline_arguments=arguments),
        optimizer=OptimizerConfig(lr=1),
        batch_size=2,
        epochs=1,
    )
    model = Seq2SeqLstm(words, words, dim=4, layers=1)
    check_sequences(recipe, model, pipeline_of(pipeline, arguments, training=True))


def test_sentences_that_fit_are_taken() -> None:
    check(400, "text", sequences={"source": SOURCE, "target": TARGET})
    recipe = Recipe(
        name="x",
        model=ModelConfig(name="lenet1"),
        data=DataConfig(corpus="digits"),
        optimizer=OptimizerConfig(lr=1),
        batch_size=2,
        epochs=1,
    )
    check_sequences(recipe, lenet1(), None)


@pytest.mark.parametrize(
    ("pipeline", "arguments", "said"),
    [
        ("speech-frames", {}, "Set data.pipeline=text"),
        ("text", {"sequences": {"source": SOURCE}}, "takes the sequence target"),
        ("text", {"sequences": {"source": SOURCE, "target": {**TARGET, "end": False}}},
         "target.end=true"),
    ],
)  # fmt: skip
def test_what_the_model_cannot_read_is_refused(
    pipeline: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError) as refused:
        check(400, pipeline, **arguments)
    assert said in f"{refused.value} {refused.value.remedy}"


def test_a_vocabulary_larger_than_the_models_is_refused() -> None:
    with pytest.raises(RecipeError, match="may have 400 words, and the model knows 300") as refused:
        check(300, "text", sequences={"source": SOURCE, "target": TARGET})
    assert "source.tokenizer.size=300" in refused.value.remedy
