"""A network of sentences and the pipeline of texts that feeds it, held against each other."""

from torch import nn

from striate.core.errors import RecipeError
from striate.data.pipelines.base import Pipeline
from striate.data.pipelines.texts import SequenceSpec, TextPipeline
from striate.train.config import Recipe

_WRITTEN = "target"


def check_sequences(recipe: Recipe, model: nn.Module, pipeline: Pipeline | None) -> None:
    """Refuse sentences that the model cannot read, before anything starts.

    Args:
        recipe: is named in a message.
        model: has `vocabularies`, name of a sequence → ids, where it is one of sentences.
        pipeline: of training or evaluation.

    Raises:
        RecipeError: the pipeline does not make the model's sequences, a vocabulary may become
            larger than the model's, or what is written has no marks of its beginning and end.
    """
    vocabularies = getattr(model, "vocabularies", None)
    if not isinstance(vocabularies, dict):
        return
    if not isinstance(pipeline, TextPipeline):
        raise RecipeError(
            f"The model {recipe.model.name} reads sentences, which data.pipeline ="
            f" {recipe.data.pipeline} does not make.",
            "Set data.pipeline=text.",
        )
    for name, words in vocabularies.items():
        spec = pipeline.arguments.sequences.get(name)
        if spec is None:
            raise RecipeError(
                f"The model {recipe.model.name} takes the sequence {name}, which the pipeline"
                " does not make.",
                "Name it in data.pipeline_arguments.sequences.",
            )
        _check_sequence(name, spec, words)


def _check_sequence(name: str, spec: SequenceSpec, words: int) -> None:
    place = f"data.pipeline_arguments.sequences.{name}"
    if spec.tokenizer.size > words:
        raise RecipeError(
            f"The vocabulary of the sequence {name} may have {spec.tokenizer.size:,} words, and the"
            f" model knows {words:,}.",
            f"Set {place}.tokenizer.size={words}, or give the model more.",
        )
    if name == _WRITTEN and not (spec.begin and spec.end):
        raise RecipeError(
            f"The sequence {name} is written word by word, and has no marks of where it begins and"
            " ends.",
            f"Set {place}.begin=true and {place}.end=true.",
        )
