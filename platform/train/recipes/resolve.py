"""From a recipe's name or file and `key=value` overrides to one checked `Recipe`.

Everything that can be wrong is found here, before anything starts, and named with the nearest
valid spelling.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from striate.core.errors import DataError, RecipeError, UnknownName, nearest
from striate.core.extensions import Extended
from striate.core.text import decode_text
from striate.core.validation import first_invalid, show_value
from striate.train.config import DataConfig, Recipe


def resolve(
    name_or_file: str, overrides: Sequence[str] = (), *, shards_here: bool = True
) -> Recipe:
    """A recipe by name, or from the file that a run stored, with fields overridden.

    Args:
        name_or_file: a name in `striate.train.recipes.RECIPES`, or the path of a ``recipe.json``.
        overrides: ``field=value``, dotted for inner fields: ``optimizer.lr=0.1``.
        shards_here: whether shards that it names must be in reach of this machine.

    Raises:
        UnknownName: no recipe, model, corpus or augmentation of that name.
        RecipeError: an unknown field, a wrong value, or a wrong argument of a pipeline.
    """
    from striate.train.recipes import ALL_RECIPES

    if name_or_file in ALL_RECIPES:
        recipe = ALL_RECIPES[name_or_file]()
    elif name_or_file.endswith(".json") or Path(name_or_file).is_file():
        recipe = load(Path(name_or_file))
    else:
        recipe = ALL_RECIPES.find(name_or_file)()
    recipe = override(recipe, overrides)
    _check_names(recipe, shards_here)
    return recipe


def load(path: Path) -> Recipe:
    """Read a stored recipe.

    Raises:
        RecipeError: there is none, or it is damaged.
    """
    try:
        document = json.loads(decode_text(path.read_bytes(), str(path)))
    except OSError:
        raise RecipeError(f"There is no recipe file {path}.") from None
    except DataError as error:
        raise RecipeError(error.message, error.remedy) from None
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is no recipe: {error}.") from None
    return _validated(document, source=str(path))


def override(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """`recipe` with ``field=value`` overrides, validated again.

    Raises:
        RecipeError: an unknown field, a wrong value, or an override without ``=``.
    """
    document = recipe.model_dump(mode="json")
    for override in overrides:
        field, equals, text = override.partition("=")
        if not equals:
            raise RecipeError(
                f"{override!r} is no override.", "Write FIELD=VALUE, for example optimizer.lr=0.1."
            )
        _set(document, recipe, field, value_of(text))
    return _validated(document) if overrides else recipe


def value_of(text: str) -> Any:
    """The value that a text on the command line means: JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"none": None, "None": None, "True": True, "False": False}.get(text, text)


def _set(document: dict[str, Any], config: Any, field: str, value: Any) -> None:
    """Put `value` at the dotted `field`; only fields that `config` has, or keys of a mapping."""
    *parents, last = field.split(".")
    for part in [*parents, last]:
        if isinstance(config, Mapping):
            config = config.get(part)
            continue
        known = type(config).model_fields if isinstance(config, BaseModel) else {}
        if part not in known:
            raise RecipeError(f"A recipe has no field {field!r}.", nearest(field, _fields()))
        config = getattr(config, part)
    for part in parents:
        document = document.setdefault(part, {})
    document[last] = value


def _fields(config: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, field in config.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names.extend(_fields(inner, f"{prefix}{name}."))
        else:
            names.append(f"{prefix}{name}")
    return names


def _validated(document: Any, source: str = "") -> Recipe:
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        invalid = first_invalid(error)
    field = invalid.path
    place = f" in {source}" if source else ""
    if invalid.kind == "extra_forbidden":
        raise RecipeError(f"A recipe has no field {field!r}{place}.", nearest(field, _fields()))
    if invalid.kind == "missing":
        raise RecipeError(f"The recipe's field {field} is missing{place}.")
    what = invalid.reason[0].lower() + invalid.reason[1:]
    if not field:
        raise RecipeError(f"The recipe cannot be meant{place}: {what}.")
    remedy = ""
    if invalid.kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", invalid.expected)
        remedy = nearest(str(invalid.value), allowed)
    raise RecipeError(f"{field} = {show_value(invalid.value)} is wrong{place}: {what}.", remedy)


def _check_names(recipe: Recipe, shards_here: bool) -> None:
    """Refuse names that nothing answers to; cheap, and before anything starts."""
    from striate.data.corpora import ALL_CORPORA
    from striate.data.pipelines.registry import ALL_PIPELINES
    from striate.data.shards.manifest import MANIFEST_FILE
    from striate.data.storage import Source
    from striate.data.transforms.image.augment import AUGMENTATIONS
    from striate.models import ALL_MODELS, check_model
    from striate.train.tasks import ALL_TASKS, build_task

    asked: tuple[tuple[str | None, Extended[Any]], ...] = (
        (recipe.model.name, ALL_MODELS),
        (recipe.data.corpus, ALL_CORPORA),
        (recipe.data.pipeline, ALL_PIPELINES),
        (recipe.data.test_pipeline, ALL_PIPELINES),
        (recipe.task.name, ALL_TASKS),
    )
    for name, known in asked:
        if name is not None:
            known.find(name)
    if recipe.data.augment is not None and recipe.data.augment not in AUGMENTATIONS:
        raise UnknownName.of("augmentation", recipe.data.augment, AUGMENTATIONS)
    check_model(recipe.model.name, recipe.model.arguments)
    build_task(recipe.task, 2)  # which looks at its own arguments
    _build_pipelines(recipe.data)
    shards = recipe.data.shards
    if shards is not None and shards_here and not Source.of(shards).exists(MANIFEST_FILE):
        raise RecipeError(
            f"data.shards = {Source.of(shards).name!r} holds no ingested shards.",
            f"Run `striate data ingest {recipe.data.corpus}` or name another folder.",
        )


def _build_pipelines(data: DataConfig) -> None:
    """Build the pipelines of training and evaluation, which look at their own arguments."""
    from striate.data.pipelines.registry import pipeline_of

    if data.pipeline is not None:
        pipeline_of(data.pipeline, data.pipeline_arguments, training=True)
    if data.test_pipeline is not None:
        pipeline_of(data.test_pipeline, data.test_pipeline_arguments, training=False)
    elif data.pipeline is not None:
        pipeline_of(data.pipeline, data.pipeline_arguments, training=False)
